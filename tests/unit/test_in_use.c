/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stop check: who is inside a function that is about to change. */
#include <string.h>

#include "bench.h"

#define F	SIM_FUNCTION

static const u64 inside = SIM_LINK_BASE + SIM_SLIDE + F + 0x33;

static enum us_error apply_quickly(void)
{
	bundle_spec_default(&bench_spec, F, 1);
	make_bundle(&bench_spec, &bench_blob);
	return bench_send(US_OP_APPLY, &bench_blob, &bench_key, 20);
}

static void expect_in_use(u64 address, u64 pid)
{
	ASSERT_REFUSED(FUNCTION_IN_USE, apply_quickly());
	CU_ASSERT_EQUAL(bench_answer.detail[0], address);
	CU_ASSERT_EQUAL(bench_answer.detail[1], pid);
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "sim_function");
	CU_ASSERT(sim.backoffs > 0);
}

static void vcpu_inside(void)
{
	bench_start_sealed();
	sim.vcpus[1].rip = inside;
	expect_in_use(inside, 0);
	/* At its first byte none of it has run; behind its last all has. */
	sim.vcpus[1].rip = sim_image_gva(F);
	ASSERT_OK(apply_quickly());
	bench_start_sealed();
	sim.vcpus[1].rip = sim_image_gva(F + SIM_FUNCTION_SIZE);
	ASSERT_OK(apply_quickly());
	bench_start_sealed();
	sim.vcpus[1].rip = sim_image_gva(F + SIM_FUNCTION_SIZE - 1);
	expect_in_use(sim_image_gva(F + SIM_FUNCTION_SIZE - 1), 0);
}

static void vcpu_register(void)
{
	bench_start_sealed();
	sim.vcpus[1].gprs[11] = inside;
	expect_in_use(inside, 0);
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
static void sleeper(enum sim_task task, u64 pid, const char *comm)
{
	char line[32] = "by pid ";

	bench_start_sealed();
	sim_poke64(sim_stack_word(task, 0x180), inside);
	expect_in_use(inside, pid);
	strcat(line, pid == 1 ? "1 " : pid == 43 ? "43 " : "0 ");
	strcat(line, comm);
	CU_ASSERT_PTR_NOT_NULL(strstr(sim.all_logs, line));
}

static void sleeping_tasks(void)
{
	sleeper(SIM_INIT, 1, "init");
	sleeper(SIM_THREAD, 43, "thread");
	sleeper(SIM_SWAPPER_0, 0, "swapper/0");
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
	expect_in_use(inside, 1);
}

static void bad_saved_pointer(void)
{
	/* It points nowhere: then all of the stack counts. */
	bench_start_sealed();
	sim_poke64(0x80000 + SIM_INIT * PAGE_SIZE + 0x200, 0x1234);
	sim_poke64(sim_stack_word(SIM_INIT, 0x3f00), inside);
	expect_in_use(inside, 1);
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
	expect_in_use(inside, 42);
}

static void switching_stacks(void)
{
	/* vCPU 1 runs on init's stack already, while swapper/1 is still current. */
	bench_start_sealed();
	sim.vcpus[1].rsp = sim_stack_gva(SIM_INIT) + SIM_STACK_SIZE - 0x400;
	sim_poke64(sim_stack_word(SIM_INIT, 0x400), inside);
	expect_in_use(inside, 1);
}

static void interrupt_stack(void)
{
	u64 top = sim_irq_stack_gpa() + SIM_STACK_SIZE;

	bench_start_sealed();
	sim.vcpus[1].rsp = sim_irq_stack_end() - 0x100;
	sim_poke64(top - 0x100, inside);
	expect_in_use(inside, 0);
	bench_start_sealed();
	sim.vcpus[1].rsp = sim_irq_stack_end() - 0x100;
	sim_poke64(top - 0x108, inside);
	ASSERT_OK(apply_quickly());
	/* While it handles an interrupt, all of its task's stack counts. */
	bench_start_sealed();
	sim.vcpus[1].rsp = sim_irq_stack_end() - 0x100;
	sim_poke64(sim_stack_word(SIM_SWAPPER_1, 0x3000), inside);
	expect_in_use(inside, 0);
}

static void exception_stack(void)
{
	bench_start_sealed();
	sim.vcpus[1].rsp = SIM_DIRECT + 0xe0f00;
	sim_poke64(0xe0f80, inside);
	expect_in_use(inside, 0);
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

const struct test in_use_tests[] = {
	{ "vCPU inside", vcpu_inside },
	{ "vCPU's registers", vcpu_register },
	{ "vCPU not started", vcpu_not_started },
	{ "sleeping tasks", sleeping_tasks },
	{ "traced return", traced_return },
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
	{ 0 },
};
