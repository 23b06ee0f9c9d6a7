/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Doing something while all vCPUs are held, again and again until a deadline. */
#ifndef UNDERSEAL_STOPPED_H
#define UNDERSEAL_STOPPED_H

#include "stack_check.h"

#define DEADLINE_DEFAULT_MS	5000u
#define DEADLINE_MAX_MS		60000u

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

/* BAD_REQUEST when @deadline_ms is out of range; 0 stands for the default. */
enum us_error stopped_check_deadline(u64 deadline_ms);

/*
 * Stop, check, look for users of the ranges, commit, release. While a range is
 * in use the guest goes on for a while and it is tried again. FUNCTION_IN_USE
 * at the deadline, with who used what; STOP_FAILED; MAPPING_CHANGED; else the errors
 * of the two functions.
 */
enum us_error stopped_run(struct stopped_work *work, u64 deadline_ms);

#endif
