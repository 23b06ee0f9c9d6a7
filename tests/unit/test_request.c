/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The call itself: the request struct, the gate for guest addresses, the claim. */
#include <string.h>

#include "bench.h"

static enum us_error ring_raw(const struct us_request *request)
{
	struct control_caller who = sim_caller(BENCH_REQUEST);

	sim_user_write(BENCH_REQUEST, request, sizeof(*request));
	return control_request(&who);
}

static void status(void)
{
	struct us_request request;
	struct us_status *found = (void *)bench_response;

	bench_start(0);
	request = bench_request(US_OP_STATUS);
	ASSERT_OK(bench_ring(&request));
	CU_ASSERT_EQUAL(bench_answer.out_len, sizeof(*found));
	CU_ASSERT_EQUAL(found->abi_version, US_ABI_VERSION);
	CU_ASSERT_EQUAL(found->vcpus, SIM_VCPUS);
	CU_ASSERT_EQUAL(found->seal_state, US_UNSEALED);
	CU_ASSERT_EQUAL(found->text_gva, 0);
	CU_ASSERT_EQUAL(found->arena_gpa, SIM_ARENA);
	bench_start_sealed();
	request = bench_request(US_OP_STATUS);
	ASSERT_OK(bench_ring(&request));
	CU_ASSERT_EQUAL(found->seal_state, US_SEALED);
	CU_ASSERT_EQUAL(found->text_gva, sim_image_gva(0));
	CU_ASSERT_EQUAL(found->text_len, SIM_TEXT_LEN);
	CU_ASSERT_STRING_EQUAL(found->kernel, "6.1.0-sim");
	CU_ASSERT_FALSE(memcmp(found->build_id, sim_build_id, SIM_BUILD_ID_LEN));
}

static void list(void)
{
	struct us_patch_info *found = (void *)bench_response;
	struct us_request request;

	bench_start_sealed();
	request = bench_request(US_OP_LIST);
	ASSERT_OK(bench_ring(&request));
	CU_ASSERT_EQUAL(bench_answer.out_len, 0);
	ASSERT_OK(bench_apply(SIM_FUNCTION, 4));
	ASSERT_OK(bench_apply(2 * SIM_FUNCTION, 9));
	ASSERT_OK(bench_ring(&request));
	CU_ASSERT_EQUAL(bench_answer.out_len, 2 * sizeof(*found));
	CU_ASSERT_EQUAL(found[0].receipt.generation, 4);
	CU_ASSERT_EQUAL(found[1].receipt.generation, 9);
	CU_ASSERT_FALSE(memcmp(found[0].key_id, bench_key.id, 8));
	request.out.len = 2 * sizeof(*found) - 1;
	ASSERT_REFUSED(OUT_TOO_SMALL, bench_ring(&request));
	CU_ASSERT_EQUAL(bench_answer.detail[1], 2 * sizeof(*found));
}

static void log_and_counters(void)
{
	struct us_log_entry *entries = (void *)bench_response;
	struct us_counters *counters = (void *)bench_response;
	struct us_request request;

	bench_start_sealed();
	request = bench_request(US_OP_LOG);
	request.arg = 1;
	ASSERT_OK(bench_ring(&request));
	CU_ASSERT_EQUAL(bench_answer.out_len, sim.logs * sizeof(*entries));
	CU_ASSERT_EQUAL(entries[0].sequence, 1);
	request = bench_request(US_OP_COUNTERS);
	ASSERT_OK(bench_ring(&request));
	CU_ASSERT_EQUAL(bench_answer.out_len, sizeof(*counters));
	CU_ASSERT_EQUAL(counters->stops, sim.stops);
}

static void bad_magic(void)
{
	struct us_request request = bench_request(US_OP_STATUS), after;
	struct control_caller who = sim_caller(BENCH_REQUEST);

	bench_start(0);
	request.magic++;
	ASSERT_REFUSED(BAD_REQUEST, ring_raw(&request));
	/* What is not a request is not written to. */
	ASSERT_REFUSED(BAD_REQUEST, control_claim(&who));
	sim_user_read(BENCH_REQUEST, &after, sizeof(after));
	CU_ASSERT_FALSE(memcmp(&request, &after, sizeof(after)));
}

static void bad_version(void)
{
	struct us_request request = bench_request(US_OP_STATUS);

	bench_start(0);
	request.version++;
	ASSERT_REFUSED(ABI_VERSION, ring_raw(&request));
	request.version = 0;
	ASSERT_REFUSED(ABI_VERSION, ring_raw(&request));
}

static void bad_fields(void)
{
	struct us_request request;

	bench_start(0);
	request = bench_request(0);
	ASSERT_REFUSED(BAD_REQUEST, bench_ring(&request));
	request = bench_request(64);
	ASSERT_REFUSED(BAD_REQUEST, bench_ring(&request));
	request = bench_request(0xffff);
	ASSERT_REFUSED(BAD_REQUEST, bench_ring(&request));
	request = bench_request(US_OP_STATUS);
	request.arg = 1;
	ASSERT_REFUSED(BAD_REQUEST, bench_ring(&request));
	request = bench_request(US_OP_STATUS);
	request.in[1].len = 1;
	ASSERT_REFUSED(BAD_REQUEST, bench_ring(&request));
	request = bench_request(US_OP_SEAL);
	request.arg = 1;
	ASSERT_REFUSED(BAD_REQUEST, bench_ring(&request));
	request = bench_request(US_OP_APPLY);
	request.arg = 60001;
	ASSERT_REFUSED(BAD_REQUEST, bench_ring(&request));
	request = bench_request(US_OP_REVERT);
	request.arg = ~0ull;
	ASSERT_REFUSED(BAD_REQUEST, bench_ring(&request));
}

/* What cannot be armed. */
static void fault_refused(void)
{
	static const u64 args[] = {
		0, 4, US_FAULT_AT(US_FAULT_CRASH, US_STEPS),
		US_FAULT_AT(US_FAULT_HANG_STOPPED, US_STEP_COMMIT),
		US_FAULT_AT(US_FAULT_CRASH, US_STEP_COMMIT) | 1 << 16, ~0ull,
	};
	struct us_request request;
	u32 i;

	bench_start(0);
	for (i = 0; i < ARRAY_SIZE(args); i++) {
		request = bench_request(US_OP_FAULT);
		request.arg = args[i];
		ASSERT_REFUSED(BAD_REQUEST, bench_ring(&request));
	}
}

static void out_too_small(void)
{
	struct us_request request;

	bench_start(0);
	request = bench_request(US_OP_STATUS);
	request.out.len = sizeof(struct us_status) - 1;
	ASSERT_REFUSED(OUT_TOO_SMALL, bench_ring(&request));
	CU_ASSERT_EQUAL(bench_answer.detail[1], sizeof(struct us_status));
	request = bench_request(US_OP_APPLY);
	request.out.len = 0;
	ASSERT_REFUSED(OUT_TOO_SMALL, bench_ring(&request));
}

static void unmapped_request(void)
{
	struct control_caller who;

	bench_start(0);
	who = sim_caller(SIM_USER_GVA + SIZE_2M);
	ASSERT_REFUSED(GUEST_ADDRESS, control_request(&who));
	/* The last bytes are on a page that is not there. */
	who = sim_caller(SIM_USER_GVA + SIZE_2M - 8);
	ASSERT_REFUSED(GUEST_ADDRESS, control_request(&who));
	who = sim_caller(~0ull - 4);
	ASSERT_REFUSED(GUEST_ADDRESS, control_request(&who));
	ASSERT_REFUSED(GUEST_ADDRESS, control_claim(&who));
	ASSERT_REFUSED(BAD_REQUEST, control_claim(&who));
}

static void not_long_mode(void)
{
	struct us_request request = bench_request(US_OP_STATUS);
	struct control_caller who;

	bench_start(0);
	sim_user_write(BENCH_REQUEST, &request, sizeof(request));
	who = sim_caller(BENCH_REQUEST);
	who.cr0 = 1;
	ASSERT_REFUSED(GUEST_ADDRESS, control_request(&who));
	who = sim_caller(BENCH_REQUEST);
	who.efer = 0;
	ASSERT_REFUSED(GUEST_ADDRESS, control_request(&who));
	who = sim_caller(BENCH_REQUEST);
	who.cr4 = 0;
	ASSERT_REFUSED(GUEST_ADDRESS, control_request(&who));
}

static enum us_error ring_with_out(u64 gva)
{
	struct us_request request = bench_request(US_OP_STATUS);

	request.out.gva = gva;
	request.out.len = sizeof(struct us_status);
	return bench_ring(&request);
}

/* A program's answer goes to the program's own pages and nowhere else. */
static void out_is_kernels(void)
{
	struct us_request request = bench_request(US_OP_STATUS);
	struct control_caller who;

	bench_start(0);
	ASSERT_REFUSED(GUEST_ADDRESS, ring_with_out(sim_task_gva(SIM_INIT)));
	ASSERT_REFUSED(GUEST_ADDRESS, ring_with_out(~0ull - 100));
	ASSERT_REFUSED(GUEST_ADDRESS, ring_with_out(0));
	/* Nor does it read a request from the kernel's pages. */
	sim_poke(0xff000, &request, sizeof(request));
	who = sim_caller(SIM_DIRECT + 0xff000);
	ASSERT_REFUSED(GUEST_ADDRESS, control_request(&who));
	who.cpl = 0;
	ASSERT_OK(control_request(&who));
}

/* The confused writer: a caller at CPL 0 whose page tables point its buffer at what
 * only the core may write. */
static void out_is_sealed(void)
{
	struct us_request request = bench_request(US_OP_STATUS);
	const u64 alias = 0x40000000, rw = PTE_PRESENT | PTE_WRITE | PTE_USER;
	u32 i;
	const u64 targets[] = { SIM_TEXT, SIM_TEXT + 0x24000, SIM_ARENA,
				SIM_ARENA + SIZE_2M - PAGE_SIZE, SIM_HIDDEN };

	bench_start_sealed();
	for (i = 0; i < ARRAY_SIZE(targets); i++) {
		sim_map(sim.caller_pgt, alias, targets[i], rw, PAGE_SIZE);
		request.out.gva = alias + 8;
		request.out.len = sizeof(struct us_status);
		ASSERT_REFUSED(GUEST_ADDRESS, bench_ring(&request));
	}
	/* The page behind the sealed ones is the guest's. */
	sim_map(sim.caller_pgt, alias, SIM_TEXT + 0x26000, rw, PAGE_SIZE);
	ASSERT_OK(bench_ring(&request));
}

/* Within one large page of the caller's, sealed frames begin half way. */
static void out_reaches_sealed(void)
{
	struct us_request request = bench_request(US_OP_STATUS);
	const u64 alias = 0x40000000;

	bench_start(SIM_SCATTERED);
	ASSERT_OK(bench_seal());
	sim_map(sim.caller_pgt, alias, SIM_LOW,
		PTE_PRESENT | PTE_WRITE | PTE_USER, SIZE_2M);
	request.out.len = sizeof(struct us_status);
	request.out.gva = alias + sim_image_gpa(0x10000) - request.out.len + 1;
	ASSERT_REFUSED(GUEST_ADDRESS, bench_ring(&request));
	request.out.gva--;
	ASSERT_OK(bench_ring(&request));
}

static void arena_not_writable(void)
{
	bench_start(0);
	sim.fail_write = 3;
	CU_ASSERT_EQUAL(control_init(), US_E_HOST_FAILED);
	CU_ASSERT_EQUAL(control_init(), US_OK);
}

static void map_alias(u64 gpa)
{
	sim_map(sim.caller_pgt, BENCH_OUT & PAGE_MASK, gpa,
		PTE_PRESENT | PTE_WRITE | PTE_USER, PAGE_SIZE);
}

/* As above, but the table is changed between the request and its claim. */
static void out_moves_to_sealed(void)
{
	struct us_request request = bench_request(US_OP_STATUS);
	struct control_caller who;
	u32 i;
	const u64 targets[] = { SIM_TEXT, SIM_ARENA, SIM_HIDDEN };

	bench_start_sealed();
	who = sim_caller(BENCH_REQUEST);
	for (i = 0; i < ARRAY_SIZE(targets); i++) {
		map_alias(sim_user_gpa(BENCH_OUT) & PAGE_MASK);
		ASSERT_OK(ring_raw(&request));
		map_alias(targets[i]);
		sim_snapshot();
		ASSERT_REFUSED(GUEST_ADDRESS, control_claim(&who));
		CU_ASSERT(sim_unchanged());
	}
}

static void request_is_sealed(void)
{
	struct us_request request = bench_request(US_OP_STATUS);
	const u64 alias = 0x40000000;
	struct control_caller who;

	bench_start_sealed();
	/* A request that lies in the arena could be read, but not answered. */
	sim_poke(SIM_ARENA, &request, sizeof(request));
	sim_map(sim.caller_pgt, alias, SIM_ARENA,
		PTE_PRESENT | PTE_WRITE | PTE_USER, PAGE_SIZE);
	who = sim_caller(alias);
	sim_snapshot();
	ASSERT_REFUSED(GUEST_ADDRESS, control_request(&who));
	ASSERT_REFUSED(GUEST_ADDRESS, control_claim(&who));
	CU_ASSERT(sim_unchanged());
}

static void read_only_out(void)
{
	struct us_request request = bench_request(US_OP_STATUS);

	bench_start(0);
	sim_map(sim.caller_pgt, BENCH_OUT & PAGE_MASK,
		sim_user_gpa(BENCH_OUT) & PAGE_MASK, PTE_PRESENT | PTE_USER,
		PAGE_SIZE);
	ASSERT_REFUSED(GUEST_ADDRESS, bench_ring(&request));
}

static enum us_error send_span(u32 index, u64 gva, u64 len)
{
	struct us_request request = bench_request(US_OP_APPLY);

	request.in[0].len = 64;
	request.in[1].len = 64;
	request.in[index] = (struct us_span) { gva, len };
	return bench_ring(&request);
}

static void bad_input_spans(void)
{
	bench_start_sealed();
	ASSERT_REFUSED(GUEST_ADDRESS, send_span(0, 0, 8));
	ASSERT_REFUSED(GUEST_ADDRESS, send_span(0, ~0ull - 3, 8));
	ASSERT_REFUSED(GUEST_ADDRESS, send_span(0, sim_image_gva(0), 8));
	ASSERT_REFUSED(GUEST_ADDRESS, send_span(1, 0, 8));
	ASSERT_REFUSED(TOO_LARGE, send_span(0, BENCH_INPUT, US_MAX_BUNDLE + 1));
	ASSERT_REFUSED(TOO_LARGE, send_span(0, BENCH_INPUT, ~0ull));
	ASSERT_REFUSED(TOO_LARGE, send_span(1, BENCH_INPUT, US_MAX_SIGNATURE + 1));
}

const struct test request_tests[] = {
	{ "status", status },
	{ "list", list },
	{ "log and counters", log_and_counters },
	{ "magic", bad_magic },
	{ "version", bad_version },
	{ "fields", bad_fields },
	{ "faults only in test images", fault_refused },
	{ "answer does not fit", out_too_small },
	{ "request not mapped", unmapped_request },
	{ "caller not in long mode", not_long_mode },
	{ "answer into kernel pages", out_is_kernels },
	{ "answer into sealed or hidden memory", out_is_sealed },
	{ "answer reaches sealed memory half way", out_reaches_sealed },
	{ "answer moved there later", out_moves_to_sealed },
	{ "arena cannot be written at start", arena_not_writable },
	{ "request in sealed memory", request_is_sealed },
	{ "answer into a read-only page", read_only_out },
	{ "bad input spans", bad_input_spans },
	{ 0 },
};
