/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Probation: confirmed, run out, or ended by a counter or a panic. */
#include <string.h>

#include "module_bench.h"

#define F		SIM_FUNCTION
#define COUNTER		0x208a00u	/* image offset of a watched variable */
#define SECONDS		1000000000ull
#define NO_PANIC	0xffffffffu

static const struct us_patch_info *patches = (const void *)bench_response;

static void tick(void)
{
	struct control_caller who = sim_caller(BENCH_REQUEST);

	control_tick(&who);
	CU_ASSERT_EQUAL(sim.violations, 0);
	CU_ASSERT_FALSE(sim.stopped);
}

static bool logged(const char *text)
{
	return strstr(sim.all_logs, text) != NULL;
}

static u32 listed(void)
{
	struct us_request request = bench_request(US_OP_LIST);

	ASSERT_OK(bench_ring(&request));
	return bench_answer.out_len / sizeof(struct us_patch_info);
}

static void poke32(u64 offset, u32 value)
{
	sim_poke(sim_image_gpa(offset), &value, sizeof(value));
}

static bool redirected(u32 function)
{
	return sim.memory[sim_image_gpa(function + 5)] == 0xe9;
}

/* A bundle for @function with @seconds of probation, and a watch on COUNTER. */
static void spec(u32 function, u64 generation, u32 seconds, u64 allowed)
{
	static const char name[] = "counter";

	bundle_spec_default(&bench_spec, function, generation);
	bench_spec.probation_s = seconds;
	bench_spec.watches = 1;
	bench_spec.watch[0] = (struct us_bundle_watch) {
		.offset = COUNTER, .allowed = allowed, .len = 4,
		.name = bench_spec.string_bytes,
	};
	memcpy(bench_spec.strings + bench_spec.string_bytes, name, sizeof(name));
	bench_spec.string_bytes += sizeof(name);
}

static enum us_error apply(u32 function, u64 generation, u32 seconds)
{
	spec(function, generation, seconds, 2);
	return bench_apply_spec();
}

/* Confirm patch @index of the list. */
static enum us_error confirm(u32 index)
{
	struct us_request request = bench_request(US_OP_HEALTH);

	CU_ASSERT_FATAL(listed() > index);
	sim_user_write(BENCH_INPUT, patches[index].receipt.bundle_id,
		       US_DIGEST_SIZE);
	request.in[0] = (struct us_span) { BENCH_INPUT, US_DIGEST_SIZE };
	return bench_ring(&request);
}

static void confirmed(void)
{
	bench_start_sealed();
	ASSERT_OK(apply(F, 1, 10));
	CU_ASSERT_EQUAL(listed(), 1);
	CU_ASSERT_EQUAL(patches->state, US_PATCH_PROBATION);
	CU_ASSERT(patches->probation_left_ms > 9000);
	CU_ASSERT(patches->probation_left_ms <= 10000);
	sim.now += 9 * SECONDS;
	tick();
	ASSERT_OK(confirm(0));
	CU_ASSERT_EQUAL(patches->receipt.generation, 1);
	CU_ASSERT_EQUAL(patches->state, US_PATCH_ACTIVE);
	CU_ASSERT_EQUAL(patches->probation_left_ms, 0);
	CU_ASSERT(logged("health confirmed: default generation 1"));
	sim.now += 9 * SECONDS;
	poke32(COUNTER, 100);
	tick();
	CU_ASSERT_EQUAL(listed(), 1);
	CU_ASSERT_EQUAL(patches->state, US_PATCH_ACTIVE);
	/* Again, or without probation at all: nothing is wrong with that. */
	ASSERT_OK(confirm(0));
	ASSERT_OK(bench_apply(0x2000, 2));
	ASSERT_OK(confirm(1));
	CU_ASSERT_EQUAL(sim.alerts, 0);
}

static void not_confirmed(void)
{
	bench_start_sealed();
	sim_snapshot();
	ASSERT_OK(apply(F, 1, 10));
	sim.now += 9 * SECONDS;
	tick();
	CU_ASSERT(redirected(F));
	sim.now += 1 * SECONDS;
	tick();
	CU_ASSERT_FALSE(redirected(F));
	CU_ASSERT_EQUAL(sim.memory[SIM_ARENA], 0xcc);
	CU_ASSERT_EQUAL(listed(), 0);
	CU_ASSERT_EQUAL(sim.alerts, 2);
	CU_ASSERT(logged("no word of health in 10 s: taking back default "
			 "generation 1"));
	CU_ASSERT(logged("taken back: default generation 1"));
	/* It cannot come back. */
	ASSERT_REFUSED(OLD_GENERATION, apply(F, 1, 10));
	tick();
	CU_ASSERT_EQUAL(sim.alerts, 2);
}

/* Too late, be it before or after somebody has noticed. */
static void late(void)
{
	u32 ticks;

	for (ticks = 0; ticks < 2; ticks++) {
		bench_start_sealed();
		ASSERT_OK(apply(F, 1, 10));
		sim.vcpus[1].rip = MODULE_BENCH_ARENA;
		sim.now += 10 * SECONDS;
		if (ticks)
			tick();
		ASSERT_REFUSED(PROBATION_OVER, confirm(0));
		CU_ASSERT_STRING_EQUAL(bench_answer.text, "default");
		CU_ASSERT_EQUAL(listed(), 1);
		CU_ASSERT_EQUAL(patches->state, US_PATCH_PROBATION);
		CU_ASSERT_EQUAL(patches->probation_left_ms, 0);
		sim.vcpus[1].rip = 0;
		tick();
		CU_ASSERT_EQUAL(listed(), 0);
	}
}

static void wrong_requests(void)
{
	struct us_request request;
	u8 id[US_DIGEST_SIZE] = { 1 };

	bench_start_sealed();
	ASSERT_OK(apply(F, 1, 10));
	request = bench_request(US_OP_HEALTH);
	sim_user_write(BENCH_INPUT, id, sizeof(id));
	request.in[0] = (struct us_span) { BENCH_INPUT, sizeof(id) };
	ASSERT_REFUSED(PATCH_NOT_FOUND, bench_ring(&request));
	request.in[0].len--;
	ASSERT_REFUSED(BAD_REQUEST, bench_ring(&request));
	request.in[0].len++;
	request.in[1].len = 1;
	ASSERT_REFUSED(BAD_REQUEST, bench_ring(&request));
	request.in[1].len = 0;
	request.in[0].gva = 0x1000;
	ASSERT_REFUSED(GUEST_ADDRESS, bench_ring(&request));
	request.in[0].gva = BENCH_INPUT;
	request.arg = 1;
	ASSERT_REFUSED(BAD_REQUEST, bench_ring(&request));
}

/* More than is allowed, counted from the moment of apply. */
static void watched(void)
{
	bench_start_sealed();
	poke32(COUNTER, 0xfffffffe);
	ASSERT_OK(apply(F, 1, 10));
	poke32(COUNTER, 0);
	tick();
	CU_ASSERT(redirected(F));
	poke32(COUNTER, 0xfffffff0);	/* less is no trouble */
	tick();
	CU_ASSERT(redirected(F));
	poke32(COUNTER, 1);
	tick();
	CU_ASSERT_FALSE(redirected(F));
	CU_ASSERT(logged("counter rose by 3: taking back default generation 1"));
}

/* Every moment before the commit is early enough. */
static void raise_in_stop(void)
{
	poke32(COUNTER, 50);
}

static void watched_late(void)
{
	bench_start_sealed();
	sim.on_stop = raise_in_stop;
	ASSERT_OK(apply(F, 1, 10));
	sim.on_stop = NULL;
	tick();
	CU_ASSERT(redirected(F));
	poke32(COUNTER, 53);
	tick();
	CU_ASSERT_FALSE(redirected(F));
}

static void watched_wide(void)
{
	const u64 value = (1ull << 40) + 3;

	bench_start_sealed();
	spec(F, 1, 10, 1ull << 40);
	bench_spec.watch[0].len = 8;
	sim_poke64(sim_image_gpa(COUNTER), 2);
	ASSERT_OK(bench_apply_spec());
	sim_poke64(sim_image_gpa(COUNTER), value - 1);
	tick();
	CU_ASSERT(redirected(F));
	sim_poke64(sim_image_gpa(COUNTER), value);
	tick();
	CU_ASSERT_FALSE(redirected(F));
}

static void watch_outside(void)
{
	bench_start_sealed();
	spec(F, 1, 10, 0);
	bench_spec.watch[0].offset = SIM_IMAGE_END;
	ASSERT_REFUSED(TARGET_OUTSIDE, bench_apply_spec());
	CU_ASSERT_EQUAL(bench_answer.detail[0], sim_image_gva(SIM_IMAGE_END));
	CU_ASSERT_EQUAL(bench_answer.detail[1], 4);
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "counter");
	bench_spec.watch[0].offset = SIZE_1G - 4;
	ASSERT_REFUSED(TARGET_OUTSIDE, bench_apply_spec());
}

static void panicked(void)
{
	bench_start_sealed();
	ASSERT_OK(bench_apply(0x2000, 1));
	ASSERT_OK(apply(F, 2, 10));
	poke32(SIM_PANIC_CPU, 1);
	tick();
	CU_ASSERT(logged("the kernel panicked on CPU 1, patches installed: 2"));
	CU_ASSERT(logged("the kernel panicked with default generation 1"));
	CU_ASSERT(logged("the kernel panicked with default generation 2"));
	CU_ASSERT(logged("the kernel panicked: taking back default generation 2"));
	CU_ASSERT_FALSE(redirected(F));
	CU_ASSERT(redirected(0x2000));
	CU_ASSERT_EQUAL(sim.alerts, 5);
	tick();
	CU_ASSERT_EQUAL(sim.alerts, 5);
}

/* A kernel that resets at once gets no tick. */
static void panicked_and_resets(void)
{
	bench_start(0);
	control_reset();
	CU_ASSERT_EQUAL(sim.alerts, 0);
	bench_start_sealed();
	ASSERT_OK(bench_apply(0x2000, 1));
	ASSERT_OK(apply(F, 2, 10));
	control_reset();
	CU_ASSERT_EQUAL(sim.alerts, 0);
	poke32(SIM_PANIC_CPU, 1);
	control_reset();
	CU_ASSERT(logged("the kernel panicked on CPU 1, patches installed: 2"));
	CU_ASSERT(logged("the kernel panicked with default generation 1"));
	CU_ASSERT(logged("the kernel panicked with default generation 2"));
	CU_ASSERT_EQUAL(sim.alerts, 3);
	/* Once, and nothing else is done. */
	control_reset();
	CU_ASSERT_EQUAL(sim.alerts, 3);
	CU_ASSERT(redirected(F));
	CU_ASSERT_EQUAL(sim.stopped, false);
}

/* Without any patch it is told, too; and a baseline need not name the mark. */
static void panicked_unpatched(void)
{
	bench_start_sealed();
	poke32(SIM_PANIC_CPU, 0);
	tick();
	CU_ASSERT(logged("the kernel panicked on CPU 0, patches installed: 0"));
	bench_start(0);
	make_baseline(&bench_blob);
	baseline_header(&bench_blob)->facts[US_FACT_PANIC_CPU] = US_FACT_ABSENT;
	ASSERT_OK(bench_send(US_OP_SEAL, &bench_blob, &bench_key, 0));
	poke32(SIM_PANIC_CPU, 0);
	tick();
	CU_ASSERT_EQUAL(sim.alerts, 0);
}

/* Somebody is in the code: tried again at each tick, and told once. */
static void blocked(void)
{
	u32 i, stops;

	bench_start_sealed();
	ASSERT_OK(apply(F, 1, 10));
	sim.now += 11 * SECONDS;
	sim.vcpus[1].rip = MODULE_BENCH_ARENA + 3;
	for (i = 0; i < 5; i++) {
		stops = sim.stops;
		tick();
		CU_ASSERT(redirected(F));
		CU_ASSERT(sim.stops > stops);
	}
	CU_ASSERT_EQUAL(sim.alerts, 1);
	CU_ASSERT(logged("FUNCTION_IN_USE"));
	CU_ASSERT_EQUAL(sim.backoffs, 0);
	sim.vcpus[1].rip = 0;
	tick();
	CU_ASSERT_FALSE(redirected(F));
	CU_ASSERT_EQUAL(sim.alerts, 2);
}

/* While a request is carried out nothing leaves the list. */
static void tick_in_backoff(void)
{
	tick();
	CU_ASSERT(redirected(F));
	sim.vcpus[1].rip = 0;
}

static void during_request(void)
{
	bench_start_sealed();
	ASSERT_OK(apply(F, 1, 10));
	sim.now += 10 * SECONDS;
	sim.vcpus[1].rip = sim_image_gva(0x2001);
	sim.on_backoff = tick_in_backoff;
	ASSERT_OK(bench_apply(0x2000, 2));
	sim.on_backoff = NULL;
	CU_ASSERT(sim.backoffs > 0);
	CU_ASSERT_EQUAL(sim.alerts, 1);
	tick();
	CU_ASSERT_FALSE(redirected(F));
	CU_ASSERT(redirected(0x2000));
}

/* An answer that nobody has fetched yet stays as it is. */
static void unclaimed(void)
{
	struct us_request request = bench_request(US_OP_STATUS);
	struct control_caller who = sim_caller(BENCH_REQUEST);
	const struct us_status *status = (const void *)bench_response;

	bench_start_sealed();
	ASSERT_OK(apply(F, 1, 10));
	sim.now += 10 * SECONDS;
	sim_user_write(BENCH_REQUEST, &request, sizeof(request));
	ASSERT_OK(control_request(&who));
	tick();
	CU_ASSERT_FALSE(redirected(F));
	ASSERT_OK(control_claim(&who));
	sim_user_read(BENCH_OUT, bench_response, sizeof(*status));
	CU_ASSERT_EQUAL(status->abi_version, US_ABI_VERSION);
	CU_ASSERT_EQUAL(status->patches, 1);
	CU_ASSERT_EQUAL(status->text_len, SIM_TEXT_LEN);
}

/* Reverted by its authorisation, or gone with its module: nothing is left to judge. */
static void gone(void)
{
	bench_start_sealed();
	ASSERT_OK(apply(F, 1, 10));
	ASSERT_OK(bench_revert());
	sim.now += 11 * SECONDS;
	tick();
	CU_ASSERT_EQUAL(sim.alerts, 0);
	module_bench_start();
	module_spec(&bench_spec, 0, 1);
	bench_spec.probation_s = 10;
	ASSERT_OK(bench_apply_spec());
	module_unload(1);
	module_unload(0);
	sim.now += 11 * SECONDS;
	tick();
	CU_ASSERT_EQUAL(sim.alerts, 0);
	/* It comes back with all of its time. */
	module_load(0);
	ASSERT_OK(module_bench_seal(0));
	ASSERT_OK(bench_send(US_OP_APPLY, &bench_blob, &bench_key, 0));
}

const struct test health_tests[] = {
	{ "confirmed", confirmed },
	{ "not confirmed", not_confirmed },
	{ "late", late },
	{ "wrong requests", wrong_requests },
	{ "watched", watched },
	{ "watched late", watched_late },
	{ "watched wide", watched_wide },
	{ "watch outside", watch_outside },
	{ "panicked", panicked },
	{ "panicked and resets", panicked_and_resets },
	{ "panicked unpatched", panicked_unpatched },
	{ "blocked", blocked },
	{ "during a request", during_request },
	{ "unclaimed", unclaimed },
	{ "gone", gone },
	{ 0 },
};
