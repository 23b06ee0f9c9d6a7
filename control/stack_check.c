/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "stack_check.h"
#include "state.h"

#define MAX_TASKS	(64u << 10)	/* steps through the lists, in all */
#define MAX_STACK	(64u << 10)
#define MAX_CPU_IDS	512u
#define MAX_TIME_NS	1000000000ull	/* the guest stands still meanwhile */
#define STEPS_PER_LOOK	64u	/* at the clock */

/* What one vCPU was doing. */
struct cpu {
	bool kernel;		/* at CPL 0: rsp counts */
	u64 rsp;
	u64 task;		/* its current task_struct */
	u64 percpu;
};

/* One check, from start to end. */
struct search {
	const struct kernel *kernel;
	const struct code_range *ranges;
	u32 count;
	u64 low, high;		/* all ranges lie inside (low, high) */
	u64 stand_ins[2];	/* for return addresses */
	u32 stand_in_count;
	struct cpu cpus[US_MAX_VCPUS];
	u32 cpu_count;
	u32 steps;
	u64 end_ns;
	struct code_user *user;
};

static u64 stack_words[MAX_STACK / 8];

/* The task that is looked at: its members of interest, read in one piece because
 * every read has its price while the guest stands still. */
static struct {
	u64 gva;		/* 0: none */
	u8 bytes[KERNEL_MAX_TASK_SPAN];
} task_read;

/*
 * Idle tasks of secondary CPUs are on no list. Each is known from the first stop
 * that found it running, which for an idle machine is the first stop.
 */
static u64 idle_tasks[US_MAX_VCPUS];
static u32 idle_count;

void stack_check_reset(void)
{
	idle_count = 0;
}

static bool read_word(const struct search *search, u64 gva, u64 *word)
{
	return !guest_read(&search->kernel->space, gva, word, sizeof(*word));
}

static u64 fact(const struct search *search, enum us_fact which)
{
	return search->kernel->facts[which];
}

static bool read_task(const struct search *search, u64 task)
{
	const struct kernel *kernel = search->kernel;

	if (task_read.gva == task)
		return true;
	task_read.gva = 0;
	if (guest_read(&kernel->space, task + kernel->task_first,
		       task_read.bytes, kernel->task_span))
		return false;
	task_read.gva = task;
	return true;
}

/* A word @more bytes into a member of the task that was read. */
static u64 task_word(const struct search *search, enum us_fact member, u64 more)
{
	u64 word;

	memcpy(&word, task_read.bytes + (fact(search, member) -
					 search->kernel->task_first) + more,
	       sizeof(word));
	return word;
}

static enum us_error in_use(struct search *search, u64 address, u64 task,
			    const char *name)
{
	struct code_user *user = search->user;
	const struct address_space *space = &search->kernel->space;
	u32 pid = 0;

	user->address = address;
	user->name = name;
	user->found = false;
	memset(user->comm, 0, sizeof(user->comm));
	if (task) {
		guest_read(space, task + fact(search, US_FACT_TASK_PID), &pid,
			   sizeof(pid));
		guest_read(space, task + fact(search, US_FACT_TASK_COMM),
			   user->comm, sizeof(user->comm) - 1);
	}
	user->pid = pid;
	return US_E_FUNCTION_IN_USE;
}

/*
 * The function graph tracer and kretprobes keep a frame's return address to
 * themselves and leave one of their own on the stack. Whose frame it is cannot
 * be told, so it may be that of a function that is about to change.
 */
static bool hides_return(const struct search *search, u64 word)
{
	u32 i;

	for (i = 0; i < search->stand_in_count; i++)
		if (word == search->stand_ins[i])
			return true;
	return false;
}

static enum us_error check_word(struct search *search, u64 word, u64 task)
{
	u32 i;

	if (hides_return(search, word))
		return in_use(search, word, task, "a traced function");
	if (word <= search->low || word >= search->high)
		return US_OK;
	for (i = 0; i < search->count; i++)
		if (word > search->ranges[i].start &&
		    word < search->ranges[i].end) {
			in_use(search, word, task, search->ranges[i].name);
			search->user->found = true;
			return US_E_FUNCTION_IN_USE;
		}
	return US_OK;
}

/* Every word of [from, to), both in the linear address space. */
static enum us_error scan(struct search *search, u64 from, u64 to, u64 task)
{
	enum us_error error = US_OK;
	u64 i, len;

	from = ALIGN_DOWN(from, 8);
	len = to - from;
	if (to < from || len > sizeof(stack_words))
		return in_use(search, from, task, "stack");
	if (guest_read(&search->kernel->space, from, stack_words, len))
		return in_use(search, from, task, "stack");
	for (i = 0; i < len / 8 && !error; i++)
		error = check_word(search, stack_words[i], task);
	return error;
}

/* The per-CPU area of a vCPU: whichever of its two GS bases the kernel knows. */
static bool find_percpu(const struct search *search,
			const struct us_vcpu_state *state, u64 *percpu)
{
	const struct address_space *space = &search->kernel->space;
	static u64 bases[MAX_CPU_IDS];
	u32 ids, i;

	if (guest_read(space, kernel_symbol(search->kernel, US_FACT_NR_CPU_IDS),
		       &ids, sizeof(ids)))
		return false;
	if (ids > MAX_CPU_IDS)
		ids = MAX_CPU_IDS;
	if (guest_read(space, kernel_symbol(search->kernel,
					    US_FACT_PER_CPU_OFFSET),
		       bases, ids * sizeof(*bases)))
		return false;
	for (i = 0; i < ids; i++) {
		if (bases[i] == state->gs_base ||
		    bases[i] == state->kernel_gs_base) {
			*percpu = bases[i];
			return true;
		}
	}
	return false;
}

static void note_idle(const struct search *search, u64 task)
{
	u32 pid = 1, i;

	guest_read(&search->kernel->space, task + fact(search, US_FACT_TASK_PID),
		   &pid, sizeof(pid));
	if (pid || idle_count == US_MAX_VCPUS)
		return;
	for (i = 0; i < idle_count; i++)
		if (idle_tasks[i] == task)
			return;
	idle_tasks[idle_count++] = task;
}

static enum us_error look_at_vcpu(struct search *search,
				  const struct us_vcpu_state *state)
{
	struct cpu *cpu = &search->cpus[search->cpu_count];
	enum us_error error;
	u32 i;

	if (!find_percpu(search, state, &cpu->percpu) ||
	    !read_word(search, cpu->percpu +
		       fact(search, US_FACT_PERCPU_CURRENT_TASK), &cpu->task))
		return in_use(search, state->rip, 0, "vCPU");
	cpu->kernel = state->cpl == 0;
	cpu->rsp = state->rsp;
	search->cpu_count++;
	note_idle(search, cpu->task);
	error = check_word(search, state->rip, cpu->task);
	for (i = 0; i < ARRAY_SIZE(state->gprs) && !error && cpu->kernel; i++)
		error = check_word(search, state->gprs[i], cpu->task);
	return error;
}

static enum us_error look_at_vcpus(struct search *search)
{
	struct us_vcpu_state state;
	enum us_error error = US_OK;
	u32 i;

	for (i = 0; i < host_info()->vcpus && !error; i++) {
		error = host_vcpu(i, &state);
		if (!error && state.started)
			error = look_at_vcpu(search, &state);
	}
	return error;
}

static bool on_stack(u64 rsp, u64 bottom, u64 size)
{
	return rsp >= bottom && rsp - bottom < size;
}

/*
 * A task's stack from its saved stack pointer up. One that runs has no valid
 * saved pointer: its vCPU's RSP counts, and when that is on another stack (interrupt
 * or exception) all of the task's. In user mode a kernel stack holds nothing.
 */
static enum us_error scan_task(struct search *search, u64 task)
{
	u64 bottom, from, size = fact(search, US_FACT_THREAD_SIZE);
	u32 i;

	if (!read_task(search, task))
		return in_use(search, task, 0, "task list");
	bottom = task_word(search, US_FACT_TASK_STACK, 0);
	from = task_word(search, US_FACT_TASK_THREAD_SP, 0);
	if (!bottom)
		return US_OK;	/* dead, its stack is given back */
	if (!on_stack(from, bottom, size))
		from = bottom;
	for (i = 0; i < search->cpu_count; i++) {
		const struct cpu *cpu = &search->cpus[i];

		if (cpu->task == task && !cpu->kernel)
			return US_OK;
		if (cpu->kernel && on_stack(cpu->rsp, bottom, size)) {
			/* While stacks are switched a task may have both. */
			if (cpu->task == task || cpu->rsp < from)
				from = cpu->rsp;
		} else if (cpu->task == task) {
			from = bottom;
		}
	}
	return scan(search, from, bottom + size, task);
}

/* Neither a list without an end nor one too long may keep the guest stopped. */
static enum us_error count_step(struct search *search)
{
	bool late = search->steps % STEPS_PER_LOOK == 0 &&
		    host_time_ns() > search->end_ns;

	if (search->steps++ < MAX_TASKS && !late)
		return US_OK;
	return in_use(search, 0, 0, "task list");
}

/* The threads on the list at @head, one after the other. */
static enum us_error scan_threads(struct search *search, u64 head)
{
	u64 node = fact(search, US_FACT_TASK_THREAD_NODE);
	enum us_error error;
	u64 at;

	if (!read_word(search, head, &at))
		return in_use(search, head, 0, "task list");
	while (at != head) {
		error = count_step(search);
		if (!error)
			error = scan_task(search, at - node);
		if (error)
			return error;
		at = task_word(search, US_FACT_TASK_THREAD_NODE, 0);
	}
	return US_OK;
}

/*
 * All threads of the group that @leader leads; signal->thread_head holds them. A
 * leader that has that head on both sides is alone, as most are.
 */
static enum us_error scan_group(struct search *search, u64 leader, u64 *next)
{
	u64 signal, head;

	if (!read_task(search, leader))
		return in_use(search, leader, 0, "task list");
	*next = task_word(search, US_FACT_TASK_TASKS, 0) -
		fact(search, US_FACT_TASK_TASKS);
	signal = task_word(search, US_FACT_TASK_SIGNAL, 0);
	head = signal + fact(search, US_FACT_SIGNAL_THREAD_HEAD);
	if (!signal || (task_word(search, US_FACT_TASK_THREAD_NODE, 0) == head &&
			task_word(search, US_FACT_TASK_THREAD_NODE, 8) == head))
		return scan_task(search, leader);
	return scan_threads(search, head);
}

static enum us_error scan_tasks(struct search *search)
{
	u64 first = kernel_symbol(search->kernel, US_FACT_INIT_TASK);
	enum us_error error;
	u64 task = first;
	u32 i;

	do {
		error = count_step(search);
		if (!error)
			error = scan_group(search, task, &task);
		if (error)
			return error;
	} while (task != first);
	for (i = 0; i < idle_count && !error; i++)
		error = scan_task(search, idle_tasks[i]);
	return error;
}

/* The CPU's interrupt stack: hardirq_stack_ptr points 8 bytes below its end. */
static enum us_error scan_irq_stack(struct search *search, const struct cpu *cpu,
				    bool *holds_rsp)
{
	u64 pointer = fact(search, US_FACT_PERCPU_HARDIRQ_STACK);
	u64 size = fact(search, US_FACT_IRQ_STACK_SIZE);
	u64 top, from;

	*holds_rsp = false;
	if (pointer == US_FACT_ABSENT || size == US_FACT_ABSENT ||
	    size > sizeof(stack_words))
		return US_OK;
	if (!read_word(search, cpu->percpu + pointer, &top))
		return in_use(search, cpu->percpu, cpu->task, "interrupt stack");
	if (!top)
		return US_OK;
	top = ALIGN_UP(top, PAGE_SIZE);
	from = top - size;
	*holds_rsp = on_stack(cpu->rsp, from, size);
	if (*holds_rsp)
		from = cpu->rsp;
	return scan(search, from, top, cpu->task);
}

/* An exception stack, or one that is not known: from RSP to the end of what is
 * mapped, 8 KiB at most (EXCEPTION_STKSZ, arch/x86/include/asm/page_64_types.h). */
static enum us_error scan_other_stack(struct search *search,
				      const struct cpu *cpu)
{
	u64 from = cpu->rsp, to = ALIGN_DOWN(from, PAGE_SIZE) + PAGE_SIZE;
	struct page_mapping mapping;

	if (!guest_translate(&search->kernel->space, to, &mapping))
		to += PAGE_SIZE;
	return scan(search, from, to, cpu->task);
}

static enum us_error scan_cpu_stacks(struct search *search)
{
	enum us_error error = US_OK;
	u64 bottom;
	bool found;
	u32 i;

	for (i = 0; i < search->cpu_count && !error; i++) {
		const struct cpu *cpu = &search->cpus[i];

		if (!cpu->kernel)
			continue;
		if (!read_word(search, cpu->task +
			       fact(search, US_FACT_TASK_STACK), &bottom))
			return in_use(search, cpu->task, 0, "task");
		/* scan_tasks() has done this one. */
		if (on_stack(cpu->rsp, bottom, fact(search, US_FACT_THREAD_SIZE)))
			continue;
		error = scan_irq_stack(search, cpu, &found);
		if (!error && !found)
			error = scan_other_stack(search, cpu);
	}
	return error;
}

static void add_stand_in(struct search *search, enum us_fact which)
{
	if (fact(search, which) != US_FACT_ABSENT)
		search->stand_ins[search->stand_in_count++] =
			kernel_symbol(search->kernel, which);
}

enum us_error stack_check(const struct kernel *kernel,
			  const struct code_range *ranges, u32 count,
			  struct code_user *user)
{
	static struct search search;
	enum us_error error;
	u32 i;

	memset(&search, 0, sizeof(search));
	search.kernel = kernel;
	search.ranges = ranges;
	search.count = count;
	search.user = user;
	task_read.gva = 0;
	search.low = ~0ull;
	add_stand_in(&search, US_FACT_RETURN_TO_HANDLER);
	add_stand_in(&search, US_FACT_RETHOOK_TRAMPOLINE);
	search.end_ns = host_time_ns() + MAX_TIME_NS;
	for (i = 0; i < count; i++) {
		if (ranges[i].start < search.low)
			search.low = ranges[i].start;
		if (ranges[i].end > search.high)
			search.high = ranges[i].end;
	}
	error = look_at_vcpus(&search);
	if (!error)
		error = scan_tasks(&search);
	if (!error)
		error = scan_cpu_stacks(&search);
	return error;
}
