/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tasks whose stacks were looked at while the guest was running, so that the stop has to
 * look again at those alone that have run since.
 *
 * A task that is not on a CPU leaves its stack as it is. Of one that rested when it was
 * looked at, and does not run now, it is known that it has not run meanwhile when it
 * has been switched away from as often as before: __schedule() (kernel/sched/core.c) counts
 * nvcsw or nivcsw up each time, before the stack is left; on_cpu is set before a task
 * takes to its stack and cleared after it has left it. So the counters are read first, then
 * on_cpu, then the stack; a task that goes to sleep in between has either on_cpu set
 * or a count that is higher later. start_time tells a task from a later one in the same
 * memory.
 */
#ifndef UNDERSEAL_REMEMBERED_H
#define UNDERSEAL_REMEMBERED_H

#include "tasks.h"

struct task_state {
	bool rests;		/* on no CPU; false also when that cannot be told */
	u64 switches;		/* how often it was switched away from */
	u64 start;		/* start_time */
	u64 sp;			/* saved stack pointer */
};

/* In the order that it takes. False when its memory cannot be read. */
bool task_state(const struct kernel *kernel, const struct task *task,
		struct task_state *state);

void remembered_forget(void);

/* The stack of @task, which rested in @state, holds nothing of interest. False when
 * there is no room for another one. */
bool remembered_add(const struct task *task, const struct task_state *state);

/* Is that known of @task in @state? */
bool remembered_is(const struct task *task, const struct task_state *state);

#endif
