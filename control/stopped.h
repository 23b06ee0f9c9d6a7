/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Doing something while all vCPUs are held, again and again until a deadline. All that is
 * slow comes before the stop; one that would take too long is given up and tried again.
 */
#ifndef UNDERSEAL_STOPPED_H
#define UNDERSEAL_STOPPED_H

#include "stack_check.h"

#define DEADLINE_DEFAULT_MS	5000u
#define DEADLINE_MAX_MS		60000u
#define STOP_DEFAULT_US		10000u
#define STOP_MAX_US		1000000u

struct stopped_work {
	const struct kernel *kernel;
	const struct code_range *ranges;	/* must not be in use */
	u32 range_count;
	/* Says whether the change can be made at all; changes nothing. */
	enum us_error (*check)(void *ctx);
	/* Makes the change; on an error it has left everything as it was. */
	enum us_error (*commit)(void *ctx);
	void *ctx;
	/* Filled in: */
	u32 attempts;
	u64 stop_ns;		/* length of the last stop */
};

/*
 * @arg is that of a request: milliseconds until the deadline below, the longest stop in
 * microseconds in the upper half; 0 stands for the default in each. BAD_REQUEST when one
 * is out of range.
 */
enum us_error stopped_check_deadline(u64 arg);

/*
 * Look for users of the ranges among the tasks that rest; stop, check, look at those
 * that run or have run, commit, release. While a range is in use, a vCPU does not arrive
 * or the stop would be too long, the guest goes on for a while and it is tried again, until
 * the deadline: FUNCTION_IN_USE with who used what; STOP_FAILED; STOP_LENGTH. At once:
 * MAPPING_CHANGED, and the errors of the two functions.
 */
enum us_error stopped_run(struct stopped_work *work, u64 arg);

#endif
