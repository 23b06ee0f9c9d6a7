/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is code that is about to change in use? Looks at every vCPU's registers and at
 * every kernel stack of the guest, and takes each word that could be a return
 * address for one. The guest's lists are read as they are: a kernel that lies
 * about its tasks harms itself alone. A list that cannot be followed counts as
 * in use.
 *
 * The tasks that rest are looked at before the stop, while the guest runs; in the stop
 * those alone that have run since (remembered.h).
 */
#ifndef UNDERSEAL_STACK_CHECK_H
#define UNDERSEAL_STACK_CHECK_H

#include "kernel_map.h"

/* In use when a word w is found with start < w < end. A return address into a
 * function is past its first byte; a vCPU at its first byte has run none of it. */
struct code_range {
	u64 start, end;		/* linear addresses */
	const char *name;
};

/* No more of them than this. */
#define STACK_CHECK_RANGES	6144u

struct code_user {
	u64 address;		/* the word that was found */
	u64 pid;		/* of the task, 0 for a vCPU or an idle task */
	const char *name;	/* of the range, or what could not be read */
	char comm[16];		/* of the task as the guest has it; "": none known */
	bool found;		/* in a range; false: the check was not finished */
};

/* Forget the idle tasks seen so far. */
void stack_check_reset(void);

/*
 * The guest runs. Looks for users of the @count ranges, which stay as they are until
 * stack_check() has been called, among the tasks that rest. OK: a stop is worth it.
 * FUNCTION_IN_USE: one of them is inside, and *@user says who; no stop would find it
 * otherwise before that one runs.
 */
enum us_error stack_check_prepare(const struct kernel *kernel,
				  const struct code_range *ranges, u32 count,
				  struct code_user *user);

/*
 * All vCPUs stopped, right after stack_check_prepare(). OK when none of the ranges is
 * in use; else FUNCTION_IN_USE and *@user says by whom; STOP_LENGTH when that could not
 * be told by @end_ns, with the task that was looked at last.
 */
enum us_error stack_check(u64 end_ns, struct code_user *user);

#endif
