/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stop check: who is inside a function that is about to change. */
#include <string.h>

#include "bench.h"
#include "code_ranges.h"

#define F	SIM_FUNCTION

#define COMM	0x180	/* in a task's struct; as in maker.c */
#define PID	0x150

static const u64 inside = SIM_LINK_BASE + SIM_SLIDE + F + 0x33;

static enum us_error apply_quickly(void)
{
	bundle_spec_default(&bench_spec, F, 1);
	make_bundle(&bench_spec, &bench_blob);
	return bench_send(US_OP_APPLY, &bench_blob, &bench_key, 20);
}

/* In use, and @task is named in the answer with its pid and the function. */
static void expect_in_use(u64 address, enum sim_task task)
{
	const char *comm = (char *)sim.memory + sim_task_member(task, COMM);
	u32 pid;
	char text[US_NAME_MAX];

	memcpy(&pid, sim.memory + sim_task_member(task, PID), sizeof(pid));
	snprintf(text, sizeof(text), "sim_function in task %s", comm);
	ASSERT_REFUSED(FUNCTION_IN_USE, apply_quickly());
	CU_ASSERT_EQUAL(bench_answer.detail[0], address);
	CU_ASSERT_EQUAL(bench_answer.detail[1], pid);
	CU_ASSERT_STRING_EQUAL(bench_answer.text, text);
	CU_ASSERT(sim.backoffs > 0);
}

static void vcpu_inside(void)
{
	bench_start_sealed();
	sim.vcpus[1].rip = inside;
	expect_in_use(inside, SIM_SWAPPER_1);
	/* At its first byte none of it has run; behind its last all has. */
	sim.vcpus[1].rip = sim_image_gva(F);
	ASSERT_OK(apply_quickly());
	bench_start_sealed();
	sim.vcpus[1].rip = sim_image_gva(F + SIM_FUNCTION_SIZE);
	ASSERT_OK(apply_quickly());
	bench_start_sealed();
	sim.vcpus[1].rip = sim_image_gva(F + SIM_FUNCTION_SIZE - 1);
	expect_in_use(sim_image_gva(F + SIM_FUNCTION_SIZE - 1), SIM_SWAPPER_1);
}

static void vcpu_register(void)
{
	bench_start_sealed();
	sim.vcpus[1].gprs[11] = inside;
	expect_in_use(inside, SIM_SWAPPER_1);
	/* A program's registers mean nothing. */
	sim.vcpus[1].gprs[11] = 0;
	sim.vcpus[0].gprs[11] = inside;
	ASSERT_OK(apply_quickly());
}

static void vcpu_not_started(void)
{
	bench_start_sealed();
	sim.vcpus[1].rip = inside;
	sim.vcpus[1].started = 0;
	ASSERT_OK(apply_quickly());
}

/* Return address on the stack of a task that sleeps. */
static void sleeper(enum sim_task task, const char *line)
{
	bench_start_sealed();
	sim_poke64(sim_stack_word(task, 0x180), inside);
	expect_in_use(inside, task);
	CU_ASSERT_PTR_NOT_NULL(strstr(sim.all_logs, line));
}

static void sleeping_tasks(void)
{
	sleeper(SIM_INIT, "in use: sim_function by pid 1 init at ");
	sleeper(SIM_THREAD, "in use: sim_function by pid 43 thread at ");
	sleeper(SIM_SWAPPER_0, "in use: sim_function by pid 0 swapper/0 at ");
}

/* What the guest calls its task is shown as it is, but for what no name should hold. */
static void hostile_name(void)
{
	static const char name[16] = "a\033[2J\n\xff b\"c def";

	bench_start_sealed();
	sim_poke(sim_task_member(SIM_INIT, COMM), name, sizeof(name));
	sim_poke64(sim_stack_word(SIM_INIT, 0x180), inside);
	ASSERT_REFUSED(FUNCTION_IN_USE, apply_quickly());
	CU_ASSERT_STRING_EQUAL(bench_answer.text,
			       "sim_function in task a?[2J?? b\"c def");
	/* It may have none. */
	sim_poke64(sim_task_member(SIM_INIT, COMM), 0);
	ASSERT_REFUSED(FUNCTION_IN_USE, apply_quickly());
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "sim_function");
	CU_ASSERT_EQUAL(bench_answer.detail[1], 1);
}

/* The task is named whole, of the function as much as there is room for. */
static void expect_cut(u32 len, const char *comm, const char *text)
{
	bench_start_sealed();
	memset(sim.memory + sim_task_member(SIM_INIT, COMM), 0, 16);
	sim_poke(sim_task_member(SIM_INIT, COMM), comm, strlen(comm));
	sim_poke64(sim_stack_word(SIM_INIT, 0x180), inside);
	bundle_spec_default(&bench_spec, F, 1);
	memset(bench_spec.strings, 'f', len);
	bench_spec.strings[len] = '\0';
	bench_spec.string_bytes = len + 1;
	make_bundle(&bench_spec, &bench_blob);
	ASSERT_REFUSED(FUNCTION_IN_USE, bench_send(US_OP_APPLY, &bench_blob,
						   &bench_key, 20));
	CU_ASSERT_STRING_EQUAL(bench_answer.text, text);
	CU_ASSERT_PTR_NOT_NULL(strstr(sim.all_logs, comm));
}

static void long_names(void)
{
	expect_cut(63, "fifteen letters",
		   "ffffffffffffffffffffffffffffffffffff... in task fifteen letters");
	expect_cut(40, "fifteen letters",
		   "ffffffffffffffffffffffffffffffffffff... in task fifteen letters");
	expect_cut(39, "fifteen letters",
		   "fffffffffffffffffffffffffffffffffffffff in task fifteen letters");
	expect_cut(53, "a",
		   "fffffffffffffffffffffffffffffffffffffffffffffffffffff in task a");
	expect_cut(54, "a",
		   "ffffffffffffffffffffffffffffffffffffffffffffffffff... in task a");
}

/*
 * A task_struct that lies on two pages whose frames are not neighbours: the task is
 * found there, and what its old place says means nothing.
 */
static void apart(u64 bytes_on_first)
{
	const u64 frames[] = { SIM_USER + 0x180000, SIM_USER + 0x100000 };
	u64 gva = SIM_STACKS + SIZE_1G, at = PAGE_SIZE - bytes_on_first, i;
	u8 copy[2 * PAGE_SIZE] = { 0 };

	bench_start_sealed();
	memcpy(copy + at, sim.memory + sim_task_member(SIM_INIT, 0), 0x400);
	copy[at + PID] = 77;
	for (i = 0; i < ARRAY_SIZE(frames); i++) {
		memcpy(sim.memory + frames[i], copy + i * PAGE_SIZE, PAGE_SIZE);
		sim_map(sim.top_pgt, gva + i * PAGE_SIZE, frames[i],
			PTE_PRESENT | PTE_WRITE | PTE_NX, PAGE_SIZE);
	}
	memset(sim.memory + sim_task_member(SIM_INIT, 0), 0xff, 0x400);
	sim_poke64(sim_task_member(SIM_SWAPPER_0, 0x100), gva + at + 0x100);
	sim_poke64(sim_stack_word(SIM_INIT, 0x180), inside);
	ASSERT_REFUSED(FUNCTION_IN_USE, apply_quickly());
	CU_ASSERT_EQUAL(bench_answer.detail[0], inside);
	CU_ASSERT_EQUAL(bench_answer.detail[1], 77);
	sim_poke64(sim_stack_word(SIM_INIT, 0x180), 0);
	ASSERT_OK(apply_quickly());
}

static void task_on_two_pages(void)
{
	apart(0x130);	/* from the threads' node on */
	apart(0x144);	/* in the middle of a word */
	apart(0x08);	/* all members on the second */
}

/* A tracer's stand-in hides which function the frame belongs to. */
static void traced_return(void)
{
	u64 stand_in = sim_image_gva(SIM_RETURN_TO_HANDLER);

	bench_start_sealed();
	sim_poke64(sim_stack_word(SIM_THREAD, 0x180), stand_in);
	ASSERT_REFUSED(FUNCTION_IN_USE, apply_quickly());
	CU_ASSERT_EQUAL(bench_answer.detail[0], stand_in);
	CU_ASSERT_EQUAL(bench_answer.detail[1], 43);
	sim_poke64(sim_stack_word(SIM_THREAD, 0x180), stand_in + 1);
	ASSERT_OK(apply_quickly());
}

static void below_stack_pointer(void)
{
	bench_start_sealed();
	sim_poke64(sim_stack_word(SIM_INIT, 0x208), inside);
	ASSERT_OK(apply_quickly());
	bench_start_sealed();
	sim_poke64(sim_stack_word(SIM_INIT, 0x200), inside);
	expect_in_use(inside, SIM_INIT);
}

static void bad_saved_pointer(void)
{
	/* It points nowhere: then all of the stack counts. */
	bench_start_sealed();
	sim_poke64(0x80000 + SIM_INIT * PAGE_SIZE + 0x200, 0x1234);
	sim_poke64(sim_stack_word(SIM_INIT, 0x3f00), inside);
	expect_in_use(inside, SIM_INIT);
}

static void no_stack(void)
{
	bench_start_sealed();
	sim_poke64(sim_stack_word(SIM_INIT, 8), inside);
	sim_poke64(0x80000 + SIM_INIT * PAGE_SIZE + 0x18, 0);
	ASSERT_OK(apply_quickly());
}

static void running_in_user_mode(void)
{
	bench_start_sealed();
	sim_poke64(sim_stack_word(SIM_CALLER, 8), inside);
	ASSERT_OK(apply_quickly());
}

static void running_in_kernel_mode(void)
{
	/* From its RSP up, not from what was saved when it last slept. */
	bench_start_sealed();
	sim.vcpus[0].cpl = 0;
	sim.vcpus[0].gs_base = sim.vcpus[0].kernel_gs_base;
	sim.vcpus[0].kernel_gs_base = 0;
	sim.vcpus[0].rsp = sim_stack_gva(SIM_CALLER) + SIM_STACK_SIZE - 0x80;
	sim_poke64(sim_stack_word(SIM_CALLER, 0x88), inside);
	ASSERT_OK(apply_quickly());
	bench_start_sealed();
	sim.vcpus[0].cpl = 0;
	sim.vcpus[0].rsp = sim_stack_gva(SIM_CALLER) + SIM_STACK_SIZE - 0x80;
	sim_poke64(sim_stack_word(SIM_CALLER, 0x80), inside);
	expect_in_use(inside, SIM_CALLER);
}

static void switching_stacks(void)
{
	/* vCPU 1 runs on init's stack already, while swapper/1 is still current. */
	bench_start_sealed();
	sim_poke64(sim_task_member(SIM_INIT, 0x158), 1);
	sim.vcpus[1].rsp = sim_stack_gva(SIM_INIT) + SIM_STACK_SIZE - 0x400;
	sim_poke64(sim_stack_word(SIM_INIT, 0x400), inside);
	expect_in_use(inside, SIM_INIT);
}

static void interrupt_stack(void)
{
	u64 top = sim_irq_stack_gpa() + SIM_STACK_SIZE;

	bench_start_sealed();
	sim.vcpus[1].rsp = sim_irq_stack_end() - 0x100;
	sim_poke64(top - 0x100, inside);
	expect_in_use(inside, SIM_SWAPPER_1);
	bench_start_sealed();
	sim.vcpus[1].rsp = sim_irq_stack_end() - 0x100;
	sim_poke64(top - 0x108, inside);
	ASSERT_OK(apply_quickly());
	/* While it handles an interrupt, all of its task's stack counts. */
	bench_start_sealed();
	sim.vcpus[1].rsp = sim_irq_stack_end() - 0x100;
	sim_poke64(sim_stack_word(SIM_SWAPPER_1, 0x3000), inside);
	expect_in_use(inside, SIM_SWAPPER_1);
}

static void exception_stack(void)
{
	bench_start_sealed();
	sim.vcpus[1].rsp = SIM_DIRECT + 0xe0f00;
	sim_poke64(0xe0f80, inside);
	expect_in_use(inside, SIM_SWAPPER_1);
}

/* An idle task of another CPU is on no list, but was seen running once. */
static void idle_task(void)
{
	u64 current = 0xa1000 + 0x40;

	bench_start_sealed();
	ASSERT_OK(bench_apply(2 * F, 1));
	sim_poke64(current, sim_task_gva(SIM_THREAD));
	sim.vcpus[1].rsp = sim_stack_gva(SIM_THREAD) + SIM_STACK_SIZE - 0x80;
	sim_poke64(sim_stack_word(SIM_SWAPPER_1, 0x180), inside);
	bundle_spec_default(&bench_spec, F, 2);
	make_bundle(&bench_spec, &bench_blob);
	ASSERT_REFUSED(FUNCTION_IN_USE, bench_send(US_OP_APPLY, &bench_blob,
						   &bench_key, 20));
}

static void leave(void)
{
	if (sim.backoffs == 3)
		sim.vcpus[1].rip = sim_image_gva(0x25110);
}

static void leaves_in_time(void)
{
	const struct us_receipt *found = (void *)bench_response;

	bench_start_sealed();
	sim.vcpus[1].rip = inside;
	sim.on_backoff = leave;
	ASSERT_OK(bench_apply(F, 1));
	CU_ASSERT_EQUAL(found->attempts, 4);
}

/* The default deadline is five seconds; the request may set another. */
static void deadline(void)
{
	u64 start;

	bench_start_sealed();
	sim.vcpus[1].rip = inside;
	start = sim.now;
	ASSERT_REFUSED(FUNCTION_IN_USE, bench_apply(F, 1));
	CU_ASSERT(sim.now - start < 5100000000ull);
	CU_ASSERT(sim.now - start > 4800000000ull);
	start = sim.now;
	ASSERT_REFUSED(FUNCTION_IN_USE, apply_quickly());
	CU_ASSERT(sim.now - start < 25000000ull);
}

/* Self-patching that comes in while the core waits is judged then. */
static void patch_itself(void)
{
	u64 site = sim_image_gpa(2 * F);

	CU_ASSERT_EQUAL(sim_guest_write(site, "\xcc", 1), US_OK);
	CU_ASSERT_NOT_EQUAL(sim_guest_write(site + 5, "\x90", 1), US_OK);
	sim.vcpus[1].rip = sim_image_gva(0x25110);
}

static void text_write_meanwhile(void)
{
	bench_start_sealed();
	sim.vcpus[1].rip = inside;
	sim.on_backoff = patch_itself;
	ASSERT_OK(bench_apply(F, 1));
	CU_ASSERT_EQUAL(sim.memory[sim_image_gpa(2 * F)], 0xcc);
}

static enum us_error apply_with_bad_list(u64 gpa, u64 value)
{
	bench_start_sealed();
	sim_poke64(gpa, value);
	return apply_quickly();
}

/* What cannot be read counts as in use, and never ends the search early. */
static void broken_lists(void)
{
	u64 init = 0x80000 + SIM_INIT * PAGE_SIZE;

	CU_ASSERT_EQUAL(apply_with_bad_list(init + 0x100, 0x1000),
			US_E_FUNCTION_IN_USE);
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "task list");
	CU_ASSERT_EQUAL(apply_with_bad_list(init + 0x140, 0x1000),
			US_E_FUNCTION_IN_USE);
	CU_ASSERT_EQUAL(apply_with_bad_list(init + 0x18, 0x1000),
			US_E_FUNCTION_IN_USE);
	/* Lists that never come back to their start. */
	CU_ASSERT_EQUAL(apply_with_bad_list(init + 0x100,
			sim_task_gva(SIM_INIT) + 0x100), US_E_FUNCTION_IN_USE);
	CU_ASSERT_EQUAL(apply_with_bad_list(init + 0x120,
			sim_task_gva(SIM_INIT) + 0x120), US_E_FUNCTION_IN_USE);
}

static void unknown_cpu(void)
{
	bench_start_sealed();
	sim.vcpus[1].gs_base = 0;
	ASSERT_REFUSED(FUNCTION_IN_USE, apply_quickly());
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "vCPU");
}

/* What a task keeps, and a CPU's runqueue; see maker.c. */
#define ON_CPU		0x158
#define NVCSW		0x160
#define START_TIME	0x170
#define SAVED_SP	0x200
#define SWITCHES	(0x100 + 0x08)

/* A task that rests is found before any stop. */
static void resting_task(void)
{
	u32 stops;

	bench_start_sealed();
	sim_poke64(sim_stack_word(SIM_THREAD, 0x180), inside);
	stops = sim.stops;
	expect_in_use(inside, SIM_THREAD);
	CU_ASSERT_EQUAL(sim.stops, stops);
	CU_ASSERT_PTR_NOT_NULL(strstr(sim.all_logs, "in use: sim_function"));
}

/* What happens between the preparation and the stop, at every attempt. */
static struct {
	enum sim_task task;
	u64 member, value, switches;
	u64 step;		/* from one attempt to the next */
} ran;

static void init_enters(void)
{
	sim_poke64(sim_stack_word(ran.task, 0x180), inside);
	if (ran.member)
		sim_poke64(sim_task_member(ran.task, ran.member), ran.value);
	sim_poke64(sim_percpu_member(1, SWITCHES), ran.switches);
	ran.value += ran.step;
	ran.switches += ran.step;
}

static void init_leaves(void)
{
	sim_poke64(sim_stack_word(ran.task, 0x180), 0);
}

static enum us_error apply_while(enum sim_task task, u64 member, u64 value,
				 u64 switches)
{
	bench_start_sealed();
	ran.task = task;
	ran.member = member;
	ran.value = value;
	ran.switches = switches;
	ran.step = member ? 8 : 0;
	sim.on_stop = init_enters;
	sim.on_backoff = init_leaves;
	return apply_quickly();
}

/* Whatever tells that a task ran since it was looked at has it looked at again. One
 * that changed its stack without a trace is a kernel's lie. */
static void ran_since(void)
{
	u64 nvcsw = 10 + SIM_INIT;

	ASSERT_OK(apply_while(SIM_INIT, 0, 0, 5000));
	ASSERT_OK(apply_while(SIM_INIT, 0, 0, 5001));
	ASSERT_REFUSED(FUNCTION_IN_USE,
		       apply_while(SIM_INIT, NVCSW, nvcsw + 1, 5001));
	CU_ASSERT_EQUAL(bench_answer.detail[1], 1);
	ASSERT_REFUSED(FUNCTION_IN_USE,
		       apply_while(SIM_INIT, NVCSW + 8, 1, 5001));
	ASSERT_REFUSED(FUNCTION_IN_USE,
		       apply_while(SIM_INIT, START_TIME, 7, 5001));
	ASSERT_REFUSED(FUNCTION_IN_USE, apply_while(SIM_INIT, ON_CPU, 1, 5001));
	ASSERT_REFUSED(FUNCTION_IN_USE,
		       apply_while(SIM_INIT, SAVED_SP, sim_stack_gva(SIM_INIT) +
				   SIM_STACK_SIZE - 0x208, 5001));
	/* One of the others on the list, and the idle task that is on none. */
	ASSERT_REFUSED(FUNCTION_IN_USE,
		       apply_while(SIM_THREAD, NVCSW, 99, 5001));
	ASSERT_REFUSED(FUNCTION_IN_USE,
		       apply_while(SIM_SWAPPER_0, NVCSW, 99, 5001));
}

/* One that was on a CPU at the time is looked at again, whatever it shows. */
static void was_running(void)
{
	bench_start_sealed();
	sim_poke64(sim_task_member(SIM_INIT, ON_CPU), 1);
	ran.task = SIM_INIT;
	ran.member = 0;
	ran.switches = 5000;
	ran.step = 0;
	sim.on_stop = init_enters;
	sim.on_backoff = init_leaves;
	ASSERT_REFUSED(FUNCTION_IN_USE, apply_quickly());
	CU_ASSERT_EQUAL(bench_answer.detail[1], 1);
}

/* Kernels that do not tell: everything is looked at in the stop. */
static void nothing_to_tell(void)
{
	static const u8 facts[] = {
		US_FACT_TASK_ON_CPU, US_FACT_TASK_NVCSW, US_FACT_TASK_NIVCSW,
		US_FACT_TASK_START_TIME, US_FACT_PERCPU_RUNQUEUES,
		US_FACT_RQ_NR_SWITCHES, US_FACT_RQ_IDLE,
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(facts); i++) {
		bench_start(0);
		make_baseline(&bench_blob);
		baseline_header(&bench_blob)->facts[facts[i]] = US_FACT_ABSENT;
		ASSERT_OK(bench_send(US_OP_SEAL, &bench_blob, &bench_key, 0));
		ran.task = SIM_INIT;
		ran.member = NVCSW;
		ran.value = 77;
		ran.switches = 5001;
		ran.step = 8;
		sim.on_stop = init_enters;
		sim.on_backoff = init_leaves;
		ASSERT_REFUSED(FUNCTION_IN_USE, apply_quickly());
		sim.on_stop = NULL;
		init_leaves();
		ASSERT_OK(apply_quickly());
	}
}

/* An exception can come on top of anything: all stacks of that CPU count. */
static void nested_exception(void)
{
	u64 nmi = SIM_EXCEPTION_GVA + 0x3000, words = sim_exception_stack_gpa();
	u64 irq = sim_irq_stack_gpa() + SIM_STACK_SIZE - 0x2000;
	static const u64 places[] = { 0x10, 0x1ff8, 0x2010, 0x3000, 0x3ff8 };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		bench_start_sealed();
		sim.vcpus[1].rsp = nmi - 0x100;
		sim_poke64(words + places[i], inside);
		expect_in_use(inside, SIM_SWAPPER_1);
	}
	bench_start_sealed();
	sim.vcpus[1].rsp = nmi - 0x100;
	sim_poke64(irq, inside);
	expect_in_use(inside, SIM_SWAPPER_1);
	/* Below RSP on its own page there is nothing. */
	bench_start_sealed();
	sim.vcpus[1].rsp = nmi - 0x100;
	sim_poke64(words + 0x1e00, inside);
	ASSERT_OK(apply_quickly());
	/* In an interrupt, exceptions are over. */
	bench_start_sealed();
	sim.vcpus[1].rsp = sim_irq_stack_end() - 0x100;
	sim_poke64(words + 0x10, inside);
	ASSERT_OK(apply_quickly());
}

/* A program sets its GS base to another CPU's area: neither it nor the kernel on its
 * CPU passes for somebody else. */
static void lying_program(void)
{
	u64 other = 0;

	bench_start_sealed();
	other = sim.vcpus[1].gs_base;
	sim.vcpus[0].gs_base = other;
	sim_poke64(sim_stack_word(SIM_SWAPPER_1, 0x80), inside);
	expect_in_use(inside, SIM_SWAPPER_1);
	bench_start_sealed();
	sim.vcpus[0].cpl = 0;
	sim.vcpus[0].gs_base = sim.vcpus[0].kernel_gs_base;
	sim.vcpus[0].kernel_gs_base = other;
	sim.vcpus[0].rsp = sim_stack_gva(SIM_CALLER) + SIM_STACK_SIZE - 0x80;
	sim_poke64(sim_stack_word(SIM_CALLER, 0x80), inside);
	expect_in_use(inside, SIM_CALLER);
}

/* The lists are slow to read: nothing holds the vCPUs for longer than allowed. */
static void slow_memory(u64 gpa, u64 len)
{
	(void)gpa;
	(void)len;
	if (sim.stopped)
		sim.now += 40000;
}

static enum us_error apply_with_stop(u64 us)
{
	bundle_spec_default(&bench_spec, F, 1);
	make_bundle(&bench_spec, &bench_blob);
	return bench_send(US_OP_APPLY, &bench_blob, &bench_key, us << 32 | 50);
}

static u64 longest;

static void measure(void)
{
	if (sim.now - sim.stopped_since > longest)
		longest = sim.now - sim.stopped_since;
}

static void too_long_a_stop(void)
{
	const struct us_receipt *receipt = (void *)bench_response;

	bench_start_sealed();
	sim.on_read = slow_memory;
	sim.on_release = measure;
	longest = 0;
	ASSERT_REFUSED(STOP_LENGTH, apply_with_stop(500));
	CU_ASSERT_EQUAL(bench_answer.detail[0], 500);
	CU_ASSERT(strlen(bench_answer.text) > 0);
	CU_ASSERT(sim.backoffs > 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(sim.all_logs, "not finished: "));
	/* It may be over by what lies between two looks at the clock. */
	CU_ASSERT(longest > 500000 && longest < 4000000);
	ASSERT_OK(apply_with_stop(500000));
	CU_ASSERT_EQUAL(receipt->attempts, 1);
	CU_ASSERT(receipt->stop_ns > 500000);
	/* The most that can be asked for. */
	ASSERT_REFUSED(BAD_REQUEST, apply_with_stop(1000001));
	CU_ASSERT_EQUAL(bench_answer.detail[0], 1000001);
}

/* A file with more ranges than two, found by halving. */
static void many_ranges(void)
{
	static struct code_range ranges[STACK_CHECK_RANGES];
	u32 i, count = ARRAY_SIZE(ranges);

	for (i = 0; i < count; i++) {
		u64 start = 0x100000 + (u64)(i * 2654435761u % count) * 64;

		ranges[i] = (struct code_range) { start, start + 40, "small" };
	}
	ranges[17] = (struct code_range) { 0x100800, 0x110000, "large" };
	code_ranges_set(ranges, count);
	for (i = 0; i < count * 64; i += 5) {
		const struct code_range *found = code_ranges_find(0x100000 + i);
		u64 word = 0x100000 + i;
		bool any = false;
		u32 k;

		if (found) {
			CU_ASSERT(found->start < word && word < found->end);
			continue;
		}
		for (k = 0; k < count && !any; k++)
			any = ranges[k].start < word && word < ranges[k].end;
		CU_ASSERT_FALSE(any);
	}
	code_ranges_set(ranges, 0);
	CU_ASSERT_PTR_NULL(code_ranges_find(0x100010));
}

const struct test in_use_tests[] = {
	{ "vCPU inside", vcpu_inside },
	{ "vCPU's registers", vcpu_register },
	{ "vCPU not started", vcpu_not_started },
	{ "sleeping tasks", sleeping_tasks },
	{ "a task with a hostile name", hostile_name },
	{ "long names", long_names },
	{ "traced return", traced_return },
	{ "task on two pages", task_on_two_pages },
	{ "below the stack pointer", below_stack_pointer },
	{ "bad saved stack pointer", bad_saved_pointer },
	{ "dead task without a stack", no_stack },
	{ "running in user mode", running_in_user_mode },
	{ "running in kernel mode", running_in_kernel_mode },
	{ "switching stacks", switching_stacks },
	{ "interrupt stack", interrupt_stack },
	{ "exception stack", exception_stack },
	{ "idle task of another CPU", idle_task },
	{ "leaves in time", leaves_in_time },
	{ "deadline", deadline },
	{ "self-patching meanwhile", text_write_meanwhile },
	{ "broken task lists", broken_lists },
	{ "unknown CPU", unknown_cpu },
	{ "a task that rests", resting_task },
	{ "a task that ran since", ran_since },
	{ "a task that was running", was_running },
	{ "kernels that do not tell", nothing_to_tell },
	{ "an exception on top of an interrupt", nested_exception },
	{ "a program that lies about GS", lying_program },
	{ "too long a stop", too_long_a_stop },
	{ "many ranges", many_ranges },
	{ 0 },
};
