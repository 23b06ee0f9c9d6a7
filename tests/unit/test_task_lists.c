/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that lies about its tasks: in every one of these ways its patch waits, fails by
 * name or is installed; the check ends, within its bounds, and nothing else is harmed.
 */
#include <string.h>

#include "bench.h"

#define F		SIM_FUNCTION
#define TASKS_NEXT	0x100u
#define NODE_NEXT	0x120u
#define NODE_PREVIOUS	0x128u
#define SIGNAL		0x140u
#define STACK		0x18u
#define SAVED_SP	0x200u
#define CURRENT		0x40u
#define IRQ		0x48u
#define EXCEPTIONS	0x50u
#define RUNQUEUE_IDLE	(0x100u + 0x20u)
#define UNMAPPED	0xffffc00012345000ull

static enum us_error attempt(void)
{
	enum us_error error;

	bundle_spec_default(&bench_spec, F, 1);
	make_bundle(&bench_spec, &bench_blob);
	sim.reads = 0;
	error = bench_send(US_OP_APPLY, &bench_blob, &bench_key, 20);
	/* 65,536 steps before the stop and in it, in four attempts at most. */
	CU_ASSERT(sim.reads < 40000000);
	return error;
}

static void expect_survived(const char *what, enum us_error error)
{
	bool survived = error == US_OK || error == US_E_FUNCTION_IN_USE ||
			error == US_E_STOP_LENGTH;

	if (!survived)
		printf("\n%s: %s\n", what, us_error_name(error));
	CU_ASSERT(survived);
	CU_ASSERT_FALSE(sim.stopped);
	CU_ASSERT_FALSE(sim.halted);
	CU_ASSERT_EQUAL(sim.violations, 0);
}

/* One word of the guest's, and whether a patch can be installed nevertheless. */
static const struct lie {
	const char *what;
	enum sim_task task;
	u32 member;
	u64 value;
	bool harmless;
} task_lies[] = {
	{ "next task nowhere", SIM_INIT, TASKS_NEXT, UNMAPPED, false },
	{ "next task at 0", SIM_INIT, TASKS_NEXT, 0, false },
	{ "next task not canonical", SIM_INIT, TASKS_NEXT, 1ull << 62, false },
	{ "next task at the end of all", SIM_INIT, TASKS_NEXT, ~0ull, false },
	{ "next task is itself", SIM_INIT, TASKS_NEXT,
	  SIM_DIRECT + 0x81000 + TASKS_NEXT, false },
	{ "next task in hidden memory", SIM_INIT, TASKS_NEXT,
	  SIM_DIRECT + SIM_HIDDEN + 0x1000, false },
	{ "next task is code", SIM_INIT, TASKS_NEXT,
	  SIM_LINK_BASE + SIM_SLIDE + 0x5000, false },
	{ "list ends early", SIM_SWAPPER_0, TASKS_NEXT,
	  SIM_LINK_BASE + SIM_SLIDE + SIM_INIT_TASK + TASKS_NEXT, true },
	{ "next thread nowhere", SIM_THREAD, NODE_NEXT, UNMAPPED, false },
	{ "next thread is itself", SIM_THREAD, NODE_NEXT,
	  SIM_DIRECT + 0x83000 + NODE_NEXT, false },
	{ "next thread at 0", SIM_THREAD, NODE_NEXT, 0, false },
	{ "previous thread nowhere", SIM_INIT, NODE_PREVIOUS, UNMAPPED, true },
	{ "signal struct nowhere", SIM_INIT, SIGNAL, UNMAPPED, false },
	{ "signal struct at 0", SIM_INIT, SIGNAL, 0, true },
	{ "signal struct at the end of all", SIM_INIT, SIGNAL, ~0ull, false },
	{ "signal struct of another", SIM_INIT, SIGNAL, SIM_DIRECT + 0x92000,
	  true },
	{ "stack nowhere", SIM_INIT, STACK, UNMAPPED, false },
	{ "stack at the end of all", SIM_INIT, STACK, ~0ull - 0xfff, false },
	{ "stack not aligned", SIM_INIT, STACK,
	  SIM_STACKS + 2 * SIM_STACK_SIZE + 3, false },
	{ "stack in hidden memory", SIM_INIT, STACK, SIM_DIRECT + SIM_HIDDEN,
	  false },
	{ "stack of another", SIM_INIT, STACK,
	  SIM_STACKS + 3 * 2 * SIM_STACK_SIZE, true },
	{ "no stack", SIM_INIT, STACK, 0, true },
	{ "saved pointer outside", SIM_INIT, SAVED_SP, UNMAPPED, true },
	{ "saved pointer not aligned", SIM_INIT, SAVED_SP,
	  SIM_STACKS + 2 * SIM_STACK_SIZE + 0x3001, true },
	{ "saved pointer at its end", SIM_INIT, SAVED_SP,
	  SIM_STACKS + 3 * SIM_STACK_SIZE, true },
}, cpu_lies[] = {
	{ "current task nowhere", 1, CURRENT, UNMAPPED, false },
	{ "current task at 0", 1, CURRENT, 0, false },
	{ "current task in hidden memory", 1, CURRENT, SIM_DIRECT + SIM_HIDDEN,
	  false },
	{ "idle task nowhere", 0, RUNQUEUE_IDLE, UNMAPPED, false },
	{ "no idle task", 0, RUNQUEUE_IDLE, 0, true },
	{ "interrupt stack nowhere", 1, IRQ, UNMAPPED, true },
	{ "exception stacks nowhere", 1, EXCEPTIONS, UNMAPPED, true },
};

static void tell(const struct lie *lies, u32 count, bool of_cpus)
{
	enum us_error error;
	u64 at, was;
	u32 i;

	for (i = 0; i < count; i++) {
		bench_start_sealed();
		at = of_cpus ? sim_percpu_member(lies[i].task, lies[i].member) :
			       sim_task_member(lies[i].task, lies[i].member);
		memcpy(&was, sim.memory + at, sizeof(was));
		sim_poke64(at, lies[i].value);
		error = attempt();
		expect_survived(lies[i].what, error);
		if ((error == US_OK) != lies[i].harmless) {
			printf("\n%s: %s\n", lies[i].what, us_error_name(error));
			CU_FAIL("not as expected");
		}
		/* It was its own loss. */
		if (error) {
			sim_poke64(at, was);
			ASSERT_OK(attempt());
		}
	}
}

static void tasks_that_lie(void)
{
	tell(task_lies, ARRAY_SIZE(task_lies), false);
}

static void cpus_that_lie(void)
{
	tell(cpu_lies, ARRAY_SIZE(cpu_lies), true);
}

/* The same lies, told after the tasks were looked at. */
static const struct lie *late_lie;

static void tell_late(void)
{
	sim_poke64(sim_task_member(late_lie->task, late_lie->member),
		   late_lie->value);
	sim_poke64(sim_percpu_member(0, 0x108), 6000 + sim.stops);
}

static void lies_in_the_stop(void)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(task_lies); i++) {
		bench_start_sealed();
		late_lie = &task_lies[i];
		sim.on_stop = tell_late;
		expect_survived(late_lie->what, attempt());
	}
}

/* A list that grows under the walk, and one that changes with each read. */
static u64 seed;

static void change_lists(u64 gpa, u64 len)
{
	u64 at;

	(void)gpa;
	(void)len;
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	if (seed >> 60)
		return;
	at = sim_task_member(seed >> 33 & 3, (seed >> 40 & 1) ? NODE_NEXT :
								TASKS_NEXT);
	sim_poke64(at, sim_task_gva(seed >> 36 & 3) +
		       ((seed >> 41 & 3) ? TASKS_NEXT : NODE_NEXT));
}

static void lists_that_change(void)
{
	u32 i;

	for (i = 0; i < 50; i++) {
		bench_start_sealed();
		seed = i;
		sim.on_read = change_lists;
		expect_survived("lists that change", attempt());
	}
}

/* Sizes that the baseline does not allow never get that far. */
static void bad_sizes(void)
{
	static const struct {
		u8 fact;
		u64 value;
	} bad[] = {
		{ US_FACT_THREAD_SIZE, 0 }, { US_FACT_THREAD_SIZE, 1 << 20 },
		{ US_FACT_TASK_TASKS, 1 << 20 }, { US_FACT_TASK_ON_CPU, 1 << 20 },
		{ US_FACT_TASK_NVCSW, ~0ull - 7 },
		{ US_FACT_SIGNAL_THREAD_HEAD, 1 << 20 },
		{ US_FACT_PERCPU_CURRENT_TASK, ~0ull },
		{ US_FACT_PERCPU_RUNQUEUES, 1ull << 40 },
		{ US_FACT_RQ_IDLE, ~0ull - 7 },
		{ US_FACT_PERCPU_EXCEPTION_STACKS, 1ull << 62 },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		bench_start(0);
		make_baseline(&bench_blob);
		baseline_header(&bench_blob)->facts[bad[i].fact] = bad[i].value;
		ASSERT_REFUSED(BASELINE_FIELD, bench_send(US_OP_SEAL, &bench_blob,
							  &bench_key, 0));
	}
	/* These are only for what lies on a stack. */
	bench_start(0);
	make_baseline(&bench_blob);
	baseline_header(&bench_blob)->facts[US_FACT_EXCEPTION_STACKS_SIZE] =
		1ull << 50;
	ASSERT_OK(bench_send(US_OP_SEAL, &bench_blob, &bench_key, 0));
	sim.vcpus[1].rsp = SIM_EXCEPTION_GVA + 0x1800;
	ASSERT_OK(attempt());
}

const struct test task_lists_tests[] = {
	{ "tasks that lie", tasks_that_lie },
	{ "CPUs that lie", cpus_that_lie },
	{ "lies in the stop", lies_in_the_stop },
	{ "lists that change", lists_that_change },
	{ "bad sizes", bad_sizes },
	{ 0 },
};
