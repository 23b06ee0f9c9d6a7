/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's tasks: its list of them, read as it is, and their members. The list may
 * lie, and changes while the guest runs; every walk is bounded in steps and time.
 */
#ifndef UNDERSEAL_TASKS_H
#define UNDERSEAL_TASKS_H

#include "kernel_map.h"

#define TASKS_MAX	(64u << 10)	/* steps through the lists, in all */

#define TASK_PAGES	(KERNEL_MAX_TASK_SPAN / PAGE_SIZE + 1)

struct task {
	u64 gva;
	u64 gpa[TASK_PAGES];	/* of the pages that hold its members of interest */
};

/* False when its memory cannot be read. */
bool task_find(const struct kernel *kernel, u64 gva, struct task *task);

/* The word @more bytes into a member; false when it cannot be read. */
bool task_word(const struct kernel *kernel, const struct task *task,
	       enum us_fact member, u64 more, u64 *word);

struct task_walk {
	const struct kernel *kernel;
	u64 end_ns;		/* when it has to be over */
	enum us_error (*visit)(void *ctx, const struct task *task);
	void *ctx;
	u32 steps;
	u64 at;			/* what could not be read, or was looked at last */
};

/*
 * Visit every thread of every task that the list has, init_task first. GUEST_ADDRESS
 * when the list cannot be followed to its end, STOP_LENGTH when the time is over; else
 * the first error of @visit. A task may be visited twice, when the list says so.
 */
enum us_error task_walk(struct task_walk *walk);

/* One that is on no list. */
enum us_error task_visit(struct task_walk *walk, u64 gva);

#endif
