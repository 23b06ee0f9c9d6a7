/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A change of what is installed, made in one stop and by one commit: patches are taken
 * out, and one may be put in. Apply, revert and the end of a probation are such changes.
 * This is for those who want a patch out though nobody has asked for it.
 */
#ifndef UNDERSEAL_CHANGE_H
#define UNDERSEAL_CHANGE_H

#include "abi.h"
#include "errors.h"

/* What change_withdraw() did. */
struct change_withdrawn {
	u32 count;
	struct us_receipt receipts[US_MAX_PATCHES];	/* newest first */
};

/*
 * Take patch @index (of patches.h) out with all that depend on it, in one stop, if that
 * can be done right now: one attempt, no waiting. BUSY while a request is carried out;
 * FUNCTION_IN_USE, STOP_FAILED, MAPPING_CHANGED, EXPECTED_BYTES, DATA_EXPECTED,
 * HOST_FAILED and what else may be the guest's fault: nothing has changed then, and a
 * later attempt may succeed. The error's details are in control.result, which whoever was
 * asked by nobody keeps as it was. After success the list of patches has moved.
 */
enum us_error change_withdraw(u32 index, struct change_withdrawn *done);

#endif
