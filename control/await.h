/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Modules that may not run unpatched. A bundle for a module that is not loaded can be
 * handed over to be awaited: it is verified, and what is kept of it is that it exists.
 * The kernel asks at its gate (a hook that `underseal gate` makes) before the first
 * code of a module runs, and as long as a bundle that is awaited for it can be
 * installed and is not, the answer is no. Meanwhile somebody seals the module and
 * hands the bundle over as for any other.
 *
 * A bundle is awaited until the machine restarts, each time that its module is loaded,
 * and no longer once it cannot be installed any more: it was reverted, or a newer one
 * was installed without it. To revert one that is awaited and not installed cancels it:
 * a module that may run unpatched takes the same signature as a patch that goes.
 * Private to control/.
 */
#ifndef UNDERSEAL_AWAIT_H
#define UNDERSEAL_AWAIT_H

#include "state.h"

#define AWAIT_MAX	64u

void await_reset(void);

/* Bundles that modules wait for and that are not installed, @infos filled in as
 * US_OP_LIST shows them: how many. */
u32 await_list(struct us_patch_info infos[AWAIT_MAX]);

/*
 * Await the bundle no more, and let it be neither awaited nor installed again: then
 * *@receipt has what is known of it. False: it is not awaited. The caller has verified
 * an authorisation to revert it, and that it is not installed.
 */
bool await_cancel(const u8 id[US_DIGEST_SIZE], u64 generation,
		  struct us_receipt *receipt);

/* Was the bundle cancelled? */
bool await_cancelled(const u8 id[US_DIGEST_SIZE]);

/* US_OP_AWAIT: errors of the signature, of the bundle's format, NOT_SEALED,
 * WRONG_BUILD_ID, TAKEN_BACK, OLD_GENERATION, TOO_MANY_PATCHES; BAD_REQUEST when the
 * bundle is for the kernel itself. */
enum us_error await_request(const struct control_call *call);

/* US_OP_MODULE_GATE: MODULE_WAITS with the generation of a bundle that is missing and
 * the module's name; BAD_REQUEST from programs. */
enum us_error gate_request(const struct control_call *call);

#endif
