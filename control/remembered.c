/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "remembered.h"

#define SLOTS		8192u		/* a power of two */
#define ROOM		(SLOTS / 4 * 3)

struct slot {
	u64 task;		/* 0: free */
	u64 switches, start, sp;
};

static struct slot slots[SLOTS];
static u32 used;

static bool has(const struct kernel *kernel, enum us_fact fact)
{
	return kernel->facts[fact] != US_FACT_ABSENT;
}

bool task_state(const struct kernel *kernel, const struct task *task,
		struct task_state *state)
{
	u64 voluntary, involuntary, on_cpu;

	memset(state, 0, sizeof(*state));
	if (!has(kernel, US_FACT_TASK_ON_CPU) || !has(kernel, US_FACT_TASK_NVCSW) ||
	    !has(kernel, US_FACT_TASK_NIVCSW) ||
	    !has(kernel, US_FACT_TASK_START_TIME))
		return task_word(kernel, task, US_FACT_TASK_THREAD_SP, 0,
				 &state->sp);
	if (!task_word(kernel, task, US_FACT_TASK_NVCSW, 0, &voluntary) ||
	    !task_word(kernel, task, US_FACT_TASK_NIVCSW, 0, &involuntary) ||
	    !task_word(kernel, task, US_FACT_TASK_ON_CPU, 0, &on_cpu) ||
	    !task_word(kernel, task, US_FACT_TASK_START_TIME, 0, &state->start) ||
	    !task_word(kernel, task, US_FACT_TASK_THREAD_SP, 0, &state->sp))
		return false;
	state->switches = voluntary + involuntary;
	state->rests = !(u32)on_cpu;
	return true;
}

void remembered_forget(void)
{
	if (used)
		memset(slots, 0, sizeof(slots));
	used = 0;
}

/* Where @task is, or would be. There is always a free slot. */
static struct slot *find(u64 task)
{
	u32 i = (u32)((task >> 6) * 0x9e3779b97f4a7c15ull >> 40) % SLOTS;

	while (slots[i].task && slots[i].task != task)
		i = (i + 1) % SLOTS;
	return &slots[i];
}

bool remembered_add(const struct task *task, const struct task_state *state)
{
	struct slot *slot = find(task->gva);

	if (!task->gva || (!slot->task && used == ROOM))
		return false;
	used += !slot->task;
	*slot = (struct slot) { task->gva, state->switches, state->start,
				state->sp };
	return true;
}

bool remembered_is(const struct task *task, const struct task_state *state)
{
	const struct slot *slot = find(task->gva);

	return state->rests && task->gva && slot->task == task->gva &&
	       slot->switches == state->switches &&
	       slot->start == state->start && slot->sp == state->sp;
}
