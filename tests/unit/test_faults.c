/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control domain dies in the middle of a change: wherever that is, the guest is
 * unpatched or fully patched, and what the host tells of its last change is true.
 */
#include <setjmp.h>
#include <string.h>

#include "bench.h"

#define F	SIM_FUNCTION

static jmp_buf grave;
static u32 died_of;

static void perish(enum us_fault how)
{
	died_of = how;
	longjmp(grave, 1);
}

/* The text where the hunks go: before, and after. */
static u8 unpatched[0x4000], patched[0x4000];

static void keep(u8 *text)
{
	memcpy(text, sim.memory + sim_image_gpa(F), sizeof(unpatched));
}

static bool text_is(const u8 *text)
{
	return !memcmp(text, sim.memory + sim_image_gpa(F), sizeof(unpatched));
}

static void learn(void)
{
	bench_start_sealed();
	keep(unpatched);
	ASSERT_OK(bench_apply(F, 1));
	keep(patched);
	CU_ASSERT_FALSE(text_is(unpatched));
}

static enum us_error arm(enum us_step step, enum us_fault how)
{
	struct us_request request = bench_request(US_OP_FAULT);

	request.arg = US_FAULT_AT(how, step);
	sim.on_break = perish;
	died_of = 0;
	return bench_ring(&request);
}

/* Dead as @how, with a report that says whether @verb was done. */
static void expect_dead(enum us_fault how, enum us_step step, const char *verb,
			const u8 *before, const u8 *after)
{
	bool done = step >= US_STEP_COMMITTED;

	CU_ASSERT_EQUAL(died_of, how);
	CU_ASSERT(text_is(done ? after : before));
	CU_ASSERT_EQUAL(!strncmp(sim.last_change, verb, strlen(verb)), done);
	CU_ASSERT_EQUAL(sim.stopped, step >= US_STEP_STOPPED &&
				     step <= US_STEP_COMMITTED);
}

static bool of_revert(enum us_step step)
{
	return step != US_STEP_STAGED;
}

static void die_in_apply(enum us_step step, enum us_fault how)
{
	bench_start_sealed();
	ASSERT_OK(arm(step, how));
	if (!setjmp(grave)) {
		bench_apply(F, 1);
		CU_FAIL("it lives");
	}
	expect_dead(how, step, "apply ", unpatched, patched);
}

static void die_in_revert(enum us_step step, enum us_fault how)
{
	bench_start_sealed();
	ASSERT_OK(bench_apply(F, 1));
	ASSERT_OK(arm(step, how));
	if (!setjmp(grave)) {
		bench_revert();
		CU_FAIL("it lives");
	}
	expect_dead(how, step, "revert ", patched, unpatched);
}

static void every_step(void)
{
	u32 step;

	learn();
	for (step = 1; step < US_STEPS; step++) {
		die_in_apply(step, US_FAULT_CRASH);
		die_in_apply(step, US_FAULT_HANG);
		if (of_revert(step)) {
			die_in_revert(step, US_FAULT_CRASH);
			die_in_revert(step, US_FAULT_HANG);
		}
	}
}

/* What the guest can see changes by what the core asks of its host, so all instants of
 * its death are those before, in and after one of these. */
static void every_operation(bool revert)
{
	volatile u32 n = 0, commits;
	volatile bool alive = false;

	do {
		bench_start_sealed();
		if (revert)
			ASSERT_OK(bench_apply(F, 1));
		commits = sim.commits;
		sim.on_break = perish;
		sim.die_at = ++n;
		if (!setjmp(grave)) {
			ASSERT_OK(revert ? bench_revert() : bench_apply(F, 1));
			alive = true;
		}
		sim.die_at = 0;
		if (sim.commits > commits)
			CU_ASSERT(text_is(revert ? unpatched : patched));
		if (sim.commits == commits)
			CU_ASSERT(text_is(revert ? patched : unpatched));
		CU_ASSERT_EQUAL(sim.commits > commits &&
				!strncmp(sim.last_change, revert ? "revert " :
					 "apply ", 6), sim.commits > commits);
	} while (!alive);
	CU_ASSERT(n > 5);
}

static void every_operation_of_apply(void)
{
	learn();
	every_operation(false);
}

static void every_operation_of_revert(void)
{
	learn();
	every_operation(true);
}

/* Armed for a step, it waits for one; and only once. */
static void armed_once(void)
{
	bench_start_sealed();
	ASSERT_OK(arm(US_STEP_COMMIT, US_FAULT_CRASH));
	ASSERT_OK(arm(US_STEP_RECORDED, US_FAULT_CRASH));
	ASSERT_REFUSED(BUNDLE_MAGIC, (memset(&bench_blob, 0, 200),
				      bench_blob.len = 4096,
				      bench_send(US_OP_APPLY, &bench_blob,
						 &bench_key, 0)));
	if (!setjmp(grave)) {
		bench_apply(F, 1);
		CU_FAIL("it lives");
	}
	CU_ASSERT_EQUAL(sim.commits, 1);
	bench_start_sealed();
	ASSERT_OK(bench_apply(F, 1));
}

const struct test faults_tests[] = {
	{ "at every step", every_step },
	{ "at every operation of apply", every_operation_of_apply },
	{ "at every operation of revert", every_operation_of_revert },
	{ "armed once", armed_once },
	{ 0 },
};
