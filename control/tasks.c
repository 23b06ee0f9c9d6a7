/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "state.h"
#include "tasks.h"

#define IN_PIECES	(~0ull)

bool task_find(const struct kernel *kernel, u64 gva, struct task *task)
{
	struct page_mapping page;
	u64 first = gva + kernel->task_first;

	if (!span_valid(gva, kernel->task_first + kernel->task_span) ||
	    guest_translate(&kernel->space, first, &page))
		return false;
	task->gva = gva;
	task->gpa = page.page_size - (first & (page.page_size - 1)) >=
		    kernel->task_span ? page.gpa : IN_PIECES;
	return true;
}

bool task_word(const struct kernel *kernel, const struct task *task,
	       enum us_fact member, u64 more, u64 *word)
{
	u64 offset = kernel->facts[member] + more;

	if (task->gpa == IN_PIECES)
		return !guest_read(&kernel->space, task->gva + offset, word,
				   sizeof(*word));
	return !host_read(task->gpa + (offset - kernel->task_first), word,
			  sizeof(*word));
}

/* Neither a list without an end nor one too long may keep the guest stopped. */
enum us_error task_visit(struct task_walk *walk, u64 gva)
{
	struct task task;

	walk->at = gva;
	if (host_time_ns() > walk->end_ns)
		return US_E_STOP_LENGTH;
	if (walk->steps++ >= TASKS_MAX ||
	    !task_find(walk->kernel, gva, &task))
		return US_E_GUEST_ADDRESS;
	return walk->visit(walk->ctx, &task);
}

/* The task whose member @list is at the node that the list at @at leads to. */
static bool next_task(const struct kernel *kernel, const struct task *task,
		      enum us_fact list, u64 *next)
{
	u64 node;

	if (!task_word(kernel, task, list, 0, &node))
		return false;
	*next = node - kernel->facts[list];
	return true;
}

/* The threads on the list at @head, one after the other. */
static enum us_error walk_threads(struct task_walk *walk, u64 head)
{
	const struct kernel *kernel = walk->kernel;
	u64 node = kernel->facts[US_FACT_TASK_THREAD_NODE];
	enum us_error error;
	struct task task;
	u64 at;

	if (guest_read(&kernel->space, head, &at, sizeof(at)))
		return US_E_GUEST_ADDRESS;
	while (at != head) {
		error = task_visit(walk, at - node);
		if (error)
			return error;
		if (!task_find(kernel, at - node, &task) ||
		    !task_word(kernel, &task, US_FACT_TASK_THREAD_NODE, 0, &at))
			return US_E_GUEST_ADDRESS;
	}
	return US_OK;
}

/*
 * All threads of the group that @leader leads; signal->thread_head holds them. A
 * leader that has that head on both sides is alone, as most are.
 */
static enum us_error walk_group(struct task_walk *walk, const struct task *leader)
{
	const struct kernel *kernel = walk->kernel;
	u64 signal, next, previous, head;

	if (!task_word(kernel, leader, US_FACT_TASK_SIGNAL, 0, &signal) ||
	    !task_word(kernel, leader, US_FACT_TASK_THREAD_NODE, 0, &next) ||
	    !task_word(kernel, leader, US_FACT_TASK_THREAD_NODE, 8, &previous))
		return US_E_GUEST_ADDRESS;
	head = signal + kernel->facts[US_FACT_SIGNAL_THREAD_HEAD];
	if (!signal || (next == head && previous == head))
		return task_visit(walk, leader->gva);
	return walk_threads(walk, head);
}

enum us_error task_walk(struct task_walk *walk)
{
	const struct kernel *kernel = walk->kernel;
	u64 first = kernel_symbol(kernel, US_FACT_INIT_TASK), gva = first;
	enum us_error error;
	struct task task;

	do {
		walk->at = gva;
		/* Groups without a thread count, too. */
		if (walk->steps++ >= TASKS_MAX ||
		    !task_find(kernel, gva, &task))
			return US_E_GUEST_ADDRESS;
		error = walk_group(walk, &task);
		if (error)
			return error;
		if (!next_task(kernel, &task, US_FACT_TASK_TASKS, &gva))
			return US_E_GUEST_ADDRESS;
	} while (gva != first);
	return US_OK;
}
