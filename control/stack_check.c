/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "code_ranges.h"
#include "remembered.h"
#include "stack_check.h"
#include "state.h"

#define MAX_STACK	(64u << 10)
#define MAX_CPU_IDS	512u
#define PREPARE_NS	1000000000ull	/* the guest runs meanwhile */
#define MAX_AGAIN	64u
#define MAX_PARTS	32u	/* pages of exception stacks */

/* What one vCPU was doing. One in the kernel whose two GS bases are those of two CPUs
 * is taken for both: which of them is its own depends on the instruction. */
struct cpu {
	bool kernel;		/* at CPL 0: rsp counts */
	u64 rsp;
	u64 task;		/* its current task_struct */
	u64 percpu;
};

/* One check, from the preparation to its end. */
static struct search {
	const struct kernel *kernel;
	u64 stand_ins[2];	/* for return addresses */
	u32 stand_in_count;
	struct cpu cpus[2 * US_MAX_VCPUS];
	u32 cpu_count;
	struct task_walk walk;
	bool stopped;
	struct code_user *user;
	/* Where each CPU's own area lies, and how often it had switched tasks when the
	 * preparation began. */
	u64 percpu[MAX_CPU_IDS], switches[MAX_CPU_IDS];
	u32 cpu_ids;
	/* Tasks that have to be looked at again in any case. */
	u64 again[MAX_AGAIN];
	u32 again_count;
	bool prepared;		/* all tasks were looked at, or are in again[] */
} search;

static u64 stack_words[MAX_STACK / 8];

/*
 * Idle tasks of secondary CPUs are on no list. Each CPU's runqueue knows its own; on a
 * kernel whose baseline does not say where, each is known from the first stop
 * that found it running, which for an idle machine is the first stop.
 */
static u64 idle_tasks[US_MAX_VCPUS];
static u32 idle_count;

void stack_check_reset(void)
{
	idle_count = 0;
}

static u64 fact(enum us_fact which)
{
	return search.kernel->facts[which];
}

static bool has(enum us_fact which)
{
	return fact(which) != US_FACT_ABSENT;
}

static bool read_word(u64 gva, u64 *word)
{
	return !guest_read(&search.kernel->space, gva, word, sizeof(*word));
}

static enum us_error blame(enum us_error error, u64 address, u64 task,
			   const char *name)
{
	struct code_user *user = search.user;
	const struct address_space *space = &search.kernel->space;
	u32 pid = 0;

	user->address = address;
	user->name = name;
	user->found = false;
	memset(user->comm, 0, sizeof(user->comm));
	if (task) {
		guest_read(space, task + fact(US_FACT_TASK_PID), &pid,
			   sizeof(pid));
		guest_read(space, task + fact(US_FACT_TASK_COMM),
			   user->comm, sizeof(user->comm) - 1);
	}
	user->pid = pid;
	return error;
}

static enum us_error in_use(u64 address, u64 task, const char *name)
{
	return blame(US_E_FUNCTION_IN_USE, address, task, name);
}

/*
 * The function graph tracer and kretprobes keep a frame's return address to
 * themselves and leave one of their own on the stack. Whose frame it is cannot
 * be told, so it may be that of a function that is about to change.
 */
static bool hides_return(u64 word)
{
	u32 i;

	for (i = 0; i < search.stand_in_count; i++)
		if (word == search.stand_ins[i])
			return true;
	return false;
}

static enum us_error check_word(u64 word, u64 task)
{
	const struct code_range *range;

	/* Most words are no address in the kernel's code. */
	if (word < KERNEL_WINDOW)
		return US_OK;
	if (hides_return(word))
		return in_use(word, task, "a traced function");
	range = code_ranges_find(word);
	if (!range)
		return US_OK;
	in_use(word, task, range->name);
	search.user->found = true;
	return US_E_FUNCTION_IN_USE;
}

/* Every word of [from, to), both in the linear address space. */
static enum us_error scan(u64 from, u64 to, u64 task)
{
	enum us_error error = US_OK;
	u64 i, len;

	if (search.stopped && host_time_ns() > search.walk.end_ns)
		return blame(US_E_STOP_LENGTH, from, task, "stack");
	from = ALIGN_DOWN(from, 8);
	len = to - from;
	if (to < from || len > sizeof(stack_words))
		return in_use(from, task, "stack");
	if (guest_read(&search.kernel->space, from, stack_words, len))
		return in_use(from, task, "stack");
	for (i = 0; i < len / 8 && !error; i++)
		error = check_word(stack_words[i], task);
	return error;
}

/* vCPUs. */

static void read_percpu(void)
{
	const struct address_space *space = &search.kernel->space;
	u32 ids = host_info()->vcpus;

	search.cpu_ids = 0;
	if (has(US_FACT_NR_CPU_IDS) &&
	    guest_read(space, kernel_symbol(search.kernel, US_FACT_NR_CPU_IDS),
		       &ids, sizeof(ids)))
		return;
	if (ids > MAX_CPU_IDS)
		ids = MAX_CPU_IDS;
	if (!guest_read(space, kernel_symbol(search.kernel,
					     US_FACT_PER_CPU_OFFSET),
			search.percpu, ids * sizeof(*search.percpu)))
		search.cpu_ids = ids;
}

static bool is_percpu(u64 base)
{
	u32 i;

	for (i = 0; i < search.cpu_ids; i++)
		if (search.percpu[i] == base)
			return true;
	return false;
}

static void note_idle(u64 task)
{
	u32 pid = 1, i;

	guest_read(&search.kernel->space, task + fact(US_FACT_TASK_PID), &pid,
		   sizeof(pid));
	if (pid || idle_count == US_MAX_VCPUS)
		return;
	for (i = 0; i < idle_count; i++)
		if (idle_tasks[i] == task)
			return;
	idle_tasks[idle_count++] = task;
}

static enum us_error add_cpu(const struct us_vcpu_state *state, u64 percpu)
{
	struct cpu *cpu = &search.cpus[search.cpu_count];
	enum us_error error;
	u32 i;

	if (!read_word(percpu + fact(US_FACT_PERCPU_CURRENT_TASK), &cpu->task))
		return in_use(state->rip, 0, "vCPU");
	cpu->percpu = percpu;
	cpu->kernel = state->cpl == 0;
	cpu->rsp = state->rsp;
	search.cpu_count++;
	if (!has(US_FACT_PERCPU_RUNQUEUES))
		note_idle(cpu->task);
	error = check_word(state->rip, cpu->task);
	for (i = 0; i < ARRAY_SIZE(state->gprs) && !error && cpu->kernel; i++)
		error = check_word(state->gprs[i], cpu->task);
	return error;
}

/*
 * In a program GS is the program's, and the kernel's is kept aside. In the kernel it is
 * the other way round, but not yet at its first instructions; a program may set
 * its own to whatever it likes.
 */
static enum us_error look_at_vcpu(const struct us_vcpu_state *state)
{
	bool kept = is_percpu(state->kernel_gs_base);
	bool active = state->cpl == 0 && is_percpu(state->gs_base);
	enum us_error error = US_OK;

	if (!kept && !active)
		return in_use(state->rip, 0, "vCPU");
	if (active)
		error = add_cpu(state, state->gs_base);
	if (!error && kept && !(active && state->gs_base ==
					  state->kernel_gs_base))
		error = add_cpu(state, state->kernel_gs_base);
	return error;
}

static enum us_error look_at_vcpus(void)
{
	struct us_vcpu_state state;
	enum us_error error = US_OK;
	u32 i;

	for (i = 0; i < host_info()->vcpus && !error; i++) {
		error = host_vcpu(i, &state);
		if (!error && state.started)
			error = look_at_vcpu(&state);
	}
	return error;
}

/* Tasks. */

static bool on_stack(u64 rsp, u64 bottom, u64 size)
{
	return rsp >= bottom && rsp - bottom < size;
}

/*
 * A task's stack from its saved stack pointer up. One that runs has no valid
 * saved pointer: its vCPU's RSP counts, and when that is on another stack (interrupt
 * or exception) all of the task's. In user mode a kernel stack holds nothing.
 */
static enum us_error scan_task(const struct task *task, u64 from)
{
	u64 bottom, size = fact(US_FACT_THREAD_SIZE);
	u32 i;

	if (!task_word(search.kernel, task, US_FACT_TASK_STACK, 0, &bottom))
		return US_E_GUEST_ADDRESS;
	if (!bottom)
		return US_OK;	/* dead, its stack is given back */
	if (!on_stack(from, bottom, size))
		from = bottom;
	for (i = 0; i < search.cpu_count; i++) {
		const struct cpu *cpu = &search.cpus[i];

		if (cpu->task == task->gva && !cpu->kernel)
			return US_OK;
		if (cpu->kernel && on_stack(cpu->rsp, bottom, size)) {
			/* While stacks are switched a task may have both. */
			if (cpu->task == task->gva || cpu->rsp < from)
				from = cpu->rsp;
		} else if (cpu->task == task->gva) {
			from = bottom;
		}
	}
	return scan(from, bottom + size, task->gva);
}

static bool is_current(const struct task *task)
{
	u32 i;

	for (i = 0; i < search.cpu_count; i++)
		if (search.cpus[i].task == task->gva)
			return true;
	return false;
}

static enum us_error visit_stopped(void *ctx, const struct task *task)
{
	struct task_state state;

	(void)ctx;
	if (!task_state(search.kernel, task, &state))
		return US_E_GUEST_ADDRESS;
	if (remembered_is(task, &state) && !is_current(task))
		return US_OK;
	return scan_task(task, state.sp);
}

static void look_again(u64 task)
{
	if (search.again_count < MAX_AGAIN)
		search.again[search.again_count++] = task;
	else
		search.prepared = false;
}

/* What cannot be read now may be gone, or is left to the stop. */
static enum us_error visit_running(void *ctx, const struct task *task)
{
	struct task_state state;
	enum us_error error;

	(void)ctx;
	if (!task_state(search.kernel, task, &state) || !state.rests) {
		look_again(task->gva);
		return US_OK;
	}
	error = scan_task(task, state.sp);
	if (error && search.user->found)
		return error;
	if (error || !remembered_add(task, &state))
		look_again(task->gva);
	return US_OK;
}

/* A list that cannot be followed counts as in use; so does a task of it. */
static enum us_error walked(enum us_error error)
{
	if (error == US_E_GUEST_ADDRESS)
		return in_use(search.walk.at, 0, "task list");
	if (error == US_E_STOP_LENGTH && search.user->name == NULL)
		return blame(error, search.walk.at, search.walk.at, "task list");
	return error;
}

/* The idle task of the CPU whose own area is at @percpu. */
static enum us_error visit_idle(u64 percpu)
{
	u64 task;

	if (!read_word(percpu + fact(US_FACT_PERCPU_RUNQUEUES) +
		       fact(US_FACT_RQ_IDLE), &task))
		return US_E_GUEST_ADDRESS;
	return task ? task_visit(&search.walk, task) : US_OK;
}

static enum us_error visit_idles(void)
{
	enum us_error error = US_OK;
	u32 i;

	if (has(US_FACT_PERCPU_RUNQUEUES) && has(US_FACT_RQ_IDLE))
		for (i = 0; i < search.cpu_ids && !error; i++)
			error = visit_idle(search.percpu[i]);
	else
		for (i = 0; i < idle_count && !error; i++)
			error = task_visit(&search.walk, idle_tasks[i]);
	return error;
}

static enum us_error visit_all(void)
{
	enum us_error error = task_walk(&search.walk);

	return error ? error : visit_idles();
}

/* How often the CPU with the area at @percpu has switched tasks. */
static bool read_switches(u64 percpu, u64 *switches)
{
	return has(US_FACT_PERCPU_RUNQUEUES) && has(US_FACT_RQ_NR_SWITCHES) &&
	       read_word(percpu + fact(US_FACT_PERCPU_RUNQUEUES) +
			 fact(US_FACT_RQ_NR_SWITCHES), switches);
}

/*
 * Has no CPU switched tasks since the preparation began? Then those that were on a CPU
 * or in between at that time, and those that are on one now, are all that have run.
 * Nor can the walk have missed one: for that a task's memory would have had to be used
 * again under it, which takes a grace period of RCU, and so the thread that ends it.
 */
static bool nobody_switched(void)
{
	u64 switches;
	u32 i, k;

	for (i = 0; i < search.cpu_count; i++) {
		for (k = 0; k < search.cpu_ids; k++)
			if (search.percpu[k] == search.cpus[i].percpu)
				break;
		if (k == search.cpu_ids ||
		    !read_switches(search.percpu[k], &switches) ||
		    switches != search.switches[k])
			return false;
	}
	return true;
}

static enum us_error visit_those_that_ran(void)
{
	enum us_error error = US_OK;
	u32 i;

	for (i = 0; i < search.again_count && !error; i++)
		error = task_visit(&search.walk, search.again[i]);
	for (i = 0; i < search.cpu_count && !error; i++)
		error = task_visit(&search.walk, search.cpus[i].task);
	return error;
}

/* Stacks of CPUs. */

static enum us_error scan_part(u64 from, u64 to, const struct cpu *cpu)
{
	/* One that holds RSP has nothing of interest below it. */
	if (cpu->rsp >= from && cpu->rsp < to)
		from = cpu->rsp;
	return scan(from, to, cpu->task);
}

/* The CPU's interrupt stack, also of soft interrupts: hardirq_stack_ptr points 8 bytes
 * below its end. */
static enum us_error scan_irq_stack(const struct cpu *cpu, bool *holds_rsp)
{
	u64 pointer = fact(US_FACT_PERCPU_HARDIRQ_STACK);
	u64 size = fact(US_FACT_IRQ_STACK_SIZE);
	u64 top;

	*holds_rsp = false;
	if (pointer == US_FACT_ABSENT || size == US_FACT_ABSENT ||
	    size > sizeof(stack_words))
		return US_OK;
	if (!read_word(cpu->percpu + pointer, &top))
		return in_use(cpu->percpu, cpu->task, "interrupt stack");
	if (!top)
		return US_OK;
	top = ALIGN_UP(top, PAGE_SIZE);
	*holds_rsp = on_stack(cpu->rsp, top - size, size);
	return scan_part(top - size, top, cpu);
}

/* The stack that RSP is on, whichever it is: to the end of what is mapped, 8 KiB at
 * most (EXCEPTION_STKSZ, arch/x86/include/asm/page_64_types.h). */
static enum us_error scan_own_stack(const struct cpu *cpu)
{
	u64 from = cpu->rsp, to = ALIGN_DOWN(from, PAGE_SIZE) + PAGE_SIZE;
	struct page_mapping mapping;

	if (!guest_translate(&search.kernel->space, to, &mapping))
		to += PAGE_SIZE;
	return scan(from, to, cpu->task);
}

/* All exception stacks of the CPU (DF, NMI, DB, MCE, VC), with pages between them that
 * are not mapped. */
static enum us_error scan_exception_stacks(const struct cpu *cpu)
{
	u64 pointer = fact(US_FACT_PERCPU_EXCEPTION_STACKS);
	u64 size = fact(US_FACT_EXCEPTION_STACKS_SIZE), base, at;
	enum us_error error = US_OK;
	struct page_mapping mapping;

	if (pointer == US_FACT_ABSENT || size == US_FACT_ABSENT ||
	    size > MAX_PARTS * PAGE_SIZE)
		return US_OK;
	if (!read_word(cpu->percpu + pointer, &base))
		return in_use(cpu->percpu, cpu->task, "exception stacks");
	base = ALIGN_DOWN(base, PAGE_SIZE);
	for (at = base; base && at - base < size && !error; at += PAGE_SIZE)
		if (!guest_translate(&search.kernel->space, at, &mapping))
			error = scan_part(at, at + PAGE_SIZE, cpu);
	return error;
}

/*
 * What is under way on a CPU beside its task. On the task's stack: nothing. An interrupt
 * comes on top of the task alone; an exception, on top of anything, an interrupt and
 * other exceptions included, so that then all stacks of the CPU count.
 */
static enum us_error scan_cpu(const struct cpu *cpu)
{
	enum us_error error;
	bool interrupt;
	u64 bottom;

	if (!cpu->kernel)
		return US_OK;
	if (!read_word(cpu->task + fact(US_FACT_TASK_STACK), &bottom))
		return in_use(cpu->task, 0, "task");
	/* Looked at with the task. */
	if (on_stack(cpu->rsp, bottom, fact(US_FACT_THREAD_SIZE)))
		return US_OK;
	error = scan_irq_stack(cpu, &interrupt);
	if (error || interrupt)
		return error;
	error = scan_own_stack(cpu);
	return error ? error : scan_exception_stacks(cpu);
}

static enum us_error scan_cpus(void)
{
	enum us_error error = US_OK;
	u32 i;

	for (i = 0; i < search.cpu_count && !error; i++)
		error = scan_cpu(&search.cpus[i]);
	return error;
}

/* The check. */

static void add_stand_in(enum us_fact which)
{
	if (has(which))
		search.stand_ins[search.stand_in_count++] =
			kernel_symbol(search.kernel, which);
}

static void begin(const struct kernel *kernel, struct code_user *user)
{
	search.kernel = kernel;
	search.user = user;
	search.stopped = false;
	search.cpu_count = 0;
	search.again_count = 0;
	search.stand_in_count = 0;
	search.prepared = true;
	add_stand_in(US_FACT_RETURN_TO_HANDLER);
	add_stand_in(US_FACT_RETHOOK_TRAMPOLINE);
	search.walk = (struct task_walk) {
		.kernel = kernel,
		.end_ns = host_time_ns() + PREPARE_NS,
		.visit = visit_running,
	};
}

enum us_error stack_check_prepare(const struct kernel *kernel,
				  const struct code_range *ranges, u32 count,
				  struct code_user *user)
{
	enum us_error error;
	u32 i;

	if (count > STACK_CHECK_RANGES)
		return control_fail(US_E_TOO_MANY_PATCHES, count,
				    STACK_CHECK_RANGES, NULL);
	begin(kernel, user);
	memset(user, 0, sizeof(*user));
	code_ranges_set(ranges, count);
	remembered_forget();
	read_percpu();
	for (i = 0; i < search.cpu_ids; i++)
		if (!read_switches(search.percpu[i], &search.switches[i]))
			search.prepared = false;
	error = visit_all();
	if (error == US_E_FUNCTION_IN_USE && user->found)
		return error;
	if (error)
		search.prepared = false;
	return US_OK;
}

enum us_error stack_check(u64 end_ns, struct code_user *user)
{
	enum us_error error;

	memset(user, 0, sizeof(*user));
	search.user = user;
	search.stopped = true;
	search.walk.steps = 0;
	search.walk.end_ns = end_ns;
	search.walk.visit = visit_stopped;
	error = look_at_vcpus();
	if (error)
		return error;
	if (search.prepared && nobody_switched())
		error = visit_those_that_ran();
	else
		error = visit_all();
	error = walked(error);
	return error ? error : scan_cpus();
}
