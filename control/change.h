/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A change of what is installed, made in one stop: patches are taken out, and one may be
 * put in. Apply, revert and the end of a probation are such changes.
 *
 * There is one change at a time. Whoever makes one that nobody has asked for (from
 * control_tick()) does so only while no request is carried out (control.running) and
 * keeps control.result as it is. Private to control/.
 */
#ifndef UNDERSEAL_CHANGE_H
#define UNDERSEAL_CHANGE_H

#include "bundle.h"
#include "input.h"
#include "patches.h"

/* Most patches that one change takes out. */
#define CHANGE_MAX_OUT	US_MAX_PATCHES

/*
 * Put in the bundle of @input, with all that its links ask for: what it replaces is
 * taken out in the same stop. @arg is that of the request; @start is when that began.
 * The receipt is in control_response then. Every error of apply.
 */
enum us_error change_put_in(const struct input *input, u64 arg, u64 start);

/* Take patch @index (of patches.h) out, which nothing else depends on. The receipt is
 * in control_response then. Every error of revert. */
enum us_error change_take_out(u32 index, u64 arg, u64 start);

/* What change_withdraw() did. */
struct change_withdrawn {
	u32 count;
	struct us_receipt receipts[CHANGE_MAX_OUT];	/* newest first */
};

/*
 * Take patch @index out with all that depend on it, in one stop, if that can be done
 * right now: one attempt, no waiting. FUNCTION_IN_USE, STOP_FAILED, MAPPING_CHANGED,
 * EXPECTED_BYTES, DATA_EXPECTED, HOST_FAILED and what else the guest can be at fault
 * for: nothing has changed then, and a later attempt may succeed.
 */
enum us_error change_withdraw(u32 index, struct change_withdrawn *done);

#endif
