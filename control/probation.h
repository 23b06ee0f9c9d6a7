/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The health of patches. A bundle may ask for probation: a time within which somebody
 * in the guest has to say that the server is well (US_OP_HEALTH). When nobody does,
 * when a counter that the bundle watches rises by more than it allows, or when the
 * kernel panics, the patch is taken back without being asked for, and all that was
 * built upon it. Confirming is the guest's word and proves nothing: it ends a
 * safeguard that the guest could as well have done without. Private to control/.
 */
#ifndef UNDERSEAL_PROBATION_H
#define UNDERSEAL_PROBATION_H

#include "bundle.h"
#include "state.h"

void probation_reset(void);

/*
 * Before @bundle's code can run: note what the counters hold that it watches. The last
 * time counts. TARGET_OUTSIDE with address, length and name of one that is not in the
 * kernel's image; GUEST_ADDRESS with the same when it cannot be read.
 */
enum us_error probation_look(const struct us_bundle *bundle);

/* @bundle, which was looked at last, is installed; @id is its id. */
void probation_begin(const struct us_bundle *bundle,
		     const u8 id[US_DIGEST_SIZE]);

/* Set state and time of @info, which is an installed patch's. */
void probation_describe(struct us_patch_info *info);

/* US_OP_HEALTH. PATCH_NOT_FOUND; PROBATION_OVER once it is being taken back. */
enum us_error health_request(const struct control_call *call);

/* Of control_tick(): look at counters, time and the mark of a panic; take back what
 * has failed, unless a request is being carried out. Tried at each tick until done. */
void probation_tick(void);

/* Of control_reset(): a panic that no tick has seen is told of. */
void probation_reset_comes(void);

#endif
