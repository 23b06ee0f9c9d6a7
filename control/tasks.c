/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "state.h"
#include "tasks.h"

static u64 first_page(const struct kernel *kernel, u64 gva)
{
	return ALIGN_DOWN(gva + kernel->task_first, PAGE_SIZE);
}

/* Most task_structs lie in one large page, others in pages of their own. */
bool task_find(const struct kernel *kernel, u64 gva, struct task *task)
{
	u64 at = first_page(kernel, gva), next = at, i;
	u64 end = gva + kernel->task_first + kernel->task_span;
	struct page_mapping page;

	if (!span_valid(gva, kernel->task_first + kernel->task_span))
		return false;
	task->gva = gva;
	for (i = 0; at < end; i++, at += PAGE_SIZE, page.gpa += PAGE_SIZE) {
		if (at == next) {
			if (guest_translate(&kernel->space, at, &page))
				return false;
			next = ALIGN_DOWN(at, page.page_size) + page.page_size;
		}
		task->gpa[i] = page.gpa;
	}
	return true;
}

bool task_word(const struct kernel *kernel, const struct task *task,
	       enum us_fact member, u64 more, u64 *word)
{
	u64 at = task->gva + kernel->facts[member] + more;
	u64 in_page = at & (PAGE_SIZE - 1);

	if (in_page > PAGE_SIZE - sizeof(*word))
		return !guest_read(&kernel->space, at, word, sizeof(*word));
	return !host_read(task->gpa[(at - first_page(kernel, task->gva)) / PAGE_SIZE] +
			  in_page, word, sizeof(*word));
}

/* Neither a list without an end nor one too long may keep the guest stopped. */
static enum us_error visit_found(struct task_walk *walk, const struct task *task)
{
	walk->at = task->gva;
	if (host_time_ns() > walk->end_ns)
		return US_E_STOP_LENGTH;
	if (walk->steps++ >= TASKS_MAX)
		return US_E_GUEST_ADDRESS;
	return walk->visit(walk->ctx, task);
}

static enum us_error visit(struct task_walk *walk, u64 gva, struct task *task)
{
	walk->at = gva;
	return task_find(walk->kernel, gva, task) ? visit_found(walk, task) :
		US_E_GUEST_ADDRESS;
}

enum us_error task_visit(struct task_walk *walk, u64 gva)
{
	struct task task;

	return visit(walk, gva, &task);
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
		error = visit(walk, at - node, &task);
		if (error)
			return error;
		if (!task_word(kernel, &task, US_FACT_TASK_THREAD_NODE, 0, &at))
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
		return visit_found(walk, leader);
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
