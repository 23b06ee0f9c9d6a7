/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Modules that wait for a bundle before they run. */
#include <string.h>

#include "await.h"
#include "module_bench.h"

static const struct us_patch_info *info = (const void *)bench_response;
static struct blob other;

static bool logged(const char *text)
{
	return strstr(sim.all_logs, text) != NULL;
}

/* May the module called @name run? As the kernel asks. */
static enum us_error gate(const char *name)
{
	struct us_request request = bench_request(US_OP_MODULE_GATE);
	enum us_error error;

	sim_user_write(BENCH_INPUT, name, strlen(name));
	request.in[0] = (struct us_span) { BENCH_INPUT, strlen(name) };
	request.out = (struct us_span) { 0 };
	bench_cpl = 0;
	error = bench_ring(&request);
	bench_cpl = 3;
	return error;
}

static enum us_error await(const struct blob *bundle)
{
	return bench_send(US_OP_AWAIT, bundle, &bench_key, 0);
}

static enum us_error apply(const struct blob *bundle)
{
	return bench_send(US_OP_APPLY, bundle, &bench_key, 0);
}

static void make(u32 index, u64 generation, struct blob *bundle)
{
	module_spec(&bench_spec, index, generation);
	make_bundle(&bench_spec, bundle);
}

/* The kernel's part of loading: all is in place, and nothing of it has run. */
static void load_coming(u32 index)
{
	const u32 state = 1;

	module_load(index);
	sim_poke(module_struct(index), &state, sizeof(state));
}

/* The list has so many that are installed, and then so many that are awaited. */
static void expect_list(u32 installed, u32 awaited)
{
	u32 i, count = module_bench_patches();
	struct us_request request;

	CU_ASSERT_EQUAL(count, installed + awaited);
	for (i = 0; i < count; i++)
		CU_ASSERT_EQUAL(info[i].state, i < installed ? US_PATCH_ACTIVE :
						       US_PATCH_AWAITED);
	request = bench_request(US_OP_STATUS);
	ASSERT_OK(bench_ring(&request));
	CU_ASSERT_EQUAL(((struct us_status *)bench_response)->patches, installed);
}

/* And somebody has noticed, as the loader of the next one does. */
static void unload(u32 index)
{
	module_unload(index);
	expect_list(0, 1);
}

static void start(void)
{
	bench_start_sealed();
	make(0, 3, &bench_blob);
}

static void waits(void)
{
	const char *name = module_name(0);

	start();
	ASSERT_OK(gate(name));
	ASSERT_OK(await(&bench_blob));
	CU_ASSERT_EQUAL(info->state, US_PATCH_AWAITED);
	CU_ASSERT_EQUAL(info->receipt.generation, 3);
	CU_ASSERT_STRING_EQUAL(info->receipt.module, name);
	expect_list(0, 1);
	load_coming(0);
	ASSERT_REFUSED(MODULE_WAITS, gate(name));
	CU_ASSERT_EQUAL(bench_answer.detail[0], 3);
	CU_ASSERT_STRING_EQUAL(bench_answer.text, name);
	ASSERT_OK(gate("somebody_else"));
	ASSERT_OK(gate(module_name(1)));
	ASSERT_OK(module_bench_seal(0));
	ASSERT_REFUSED(MODULE_WAITS, gate(name));
	make(0, 3, &bench_blob);
	ASSERT_OK(apply(&bench_blob));
	ASSERT_OK(gate(name));
	CU_ASSERT(logged("module has what it waited for: first"));
	ASSERT_OK(gate(name));
	/* Awaited again: it is there. */
	ASSERT_OK(await(&bench_blob));
	CU_ASSERT_EQUAL(info->state, US_PATCH_ACTIVE);
	CU_ASSERT_EQUAL(info->receipt.bytes_written, 5);
}

/* With all that is known of it. */
static void listed(void)
{
	struct us_request request;

	bench_start_sealed();
	expect_list(0, 0);
	make(0, 3, &bench_blob);
	ASSERT_OK(await(&bench_blob));
	make(0, 4, &other);
	ASSERT_OK(await(&other));
	ASSERT_OK(await(&other));
	ASSERT_OK(bench_apply(SIM_FUNCTION, 9));
	expect_list(1, 2);
	request = bench_request(US_OP_LIST);
	ASSERT_OK(bench_ring(&request));
	CU_ASSERT_EQUAL(info[0].receipt.generation, 9);
	CU_ASSERT_EQUAL(info[1].receipt.generation, 3);
	CU_ASSERT_EQUAL(info[2].receipt.generation, 4);
	CU_ASSERT_STRING_EQUAL(info[2].receipt.name, "default");
	CU_ASSERT_STRING_EQUAL(info[2].receipt.module, module_name(0));
	CU_ASSERT_EQUAL(info[2].receipt.attempts, 0);
	CU_ASSERT_FALSE(memcmp(info[2].key_id, bench_key.id, 8));
	request.out.len = 3 * sizeof(*info) - 1;
	ASSERT_REFUSED(OUT_TOO_SMALL, bench_ring(&request));
	/* Overtaken by a newer one: no module waits for it. */
	load_coming(0);
	ASSERT_OK(module_bench_seal(0));
	ASSERT_OK(apply(&other));
	expect_list(2, 0);
}

/* A kernel that asks a thousand times fills no log. */
static void told_once(void)
{
	u32 before;

	start();
	ASSERT_OK(await(&bench_blob));
	ASSERT_REFUSED(MODULE_WAITS, gate(module_name(0)));
	CU_ASSERT(logged("module-gate refused: MODULE_WAITS 3 0 first"));
	before = sim.logs;
	ASSERT_REFUSED(MODULE_WAITS, gate(module_name(0)));
	CU_ASSERT_EQUAL(sim.logs, before);
	/* What is refused otherwise is told. */
	ASSERT_REFUSED(BAD_REQUEST, gate(""));
	CU_ASSERT(sim.logs > before);
}

/* Each time that the module is loaded. */
static void again(void)
{
	u32 i;

	start();
	ASSERT_OK(await(&bench_blob));
	for (i = 0; i < 3; i++) {
		load_coming(0);
		ASSERT_REFUSED(MODULE_WAITS, gate(module_name(0)));
		ASSERT_OK(module_bench_seal(0));
		ASSERT_OK(apply(&bench_blob));
		ASSERT_OK(gate(module_name(0)));
		unload(0);
	}
}

/* Its load failed, sealed or patched: what was there before says nothing. */
static void load_fails(void)
{
	start();
	ASSERT_OK(await(&bench_blob));
	load_coming(0);
	ASSERT_OK(module_bench_seal(0));
	ASSERT_REFUSED(MODULE_WAITS, gate(module_name(0)));
	unload(0);
	ASSERT_REFUSED(MODULE_WAITS, gate(module_name(0)));
	load_coming(0);
	ASSERT_REFUSED(MODULE_WAITS, gate(module_name(0)));
	ASSERT_OK(module_bench_seal(0));
	ASSERT_OK(apply(&bench_blob));
	unload(0);
	ASSERT_REFUSED(MODULE_WAITS, gate(module_name(0)));
}

static void two(void)
{
	struct us_bundle_hunk *hunk = &bench_spec.hunk[0];
	u32 i;

	start();
	make(0, 4, &other);
	hunk->text_offset += 0x10;
	for (i = 0; i < hunk->len; i++)
		hunk->expected[i] = 0x40 + (hunk->text_offset + i) % 7;
	make_bundle(&bench_spec, &other);
	ASSERT_OK(await(&other));
	make(0, 3, &bench_blob);
	ASSERT_OK(await(&bench_blob));
	load_coming(0);
	ASSERT_OK(module_bench_seal(0));
	ASSERT_OK(apply(&bench_blob));
	ASSERT_REFUSED(MODULE_WAITS, gate(module_name(0)));
	CU_ASSERT_EQUAL(bench_answer.detail[0], 4);
	ASSERT_OK(apply(&other));
	ASSERT_OK(gate(module_name(0)));
}

/* Taken back, or overtaken: it can never be installed, and nobody waits for it. */
static void useless(void)
{
	start();
	ASSERT_OK(await(&bench_blob));
	load_coming(0);
	ASSERT_OK(module_bench_seal(0));
	ASSERT_OK(apply(&bench_blob));
	ASSERT_OK(bench_revert());
	ASSERT_OK(gate(module_name(0)));
	ASSERT_REFUSED(OLD_GENERATION, await(&bench_blob));
	start();
	ASSERT_OK(await(&bench_blob));
	load_coming(0);
	ASSERT_OK(module_bench_seal(0));
	ASSERT_OK(module_bench_apply(0, 4));
	ASSERT_OK(gate(module_name(0)));
}

static enum us_error revert(const struct blob *bundle)
{
	make_revert(bundle, &bench_revert_blob);
	return bench_send(US_OP_REVERT, &bench_revert_blob, &bench_key, 0);
}

/* Reverting what is awaited ends that, for good, and for no other bundle. */
static void cancelled(void)
{
	const struct us_receipt *receipt = &info->receipt;

	start();
	ASSERT_OK(await(&bench_blob));
	make(0, 4, &other);
	ASSERT_OK(await(&other));
	load_coming(0);
	ASSERT_REFUSED(MODULE_WAITS, gate(module_name(0)));
	ASSERT_OK(revert(&other));
	CU_ASSERT_EQUAL(receipt->only_awaited, 1);
	CU_ASSERT_EQUAL(receipt->generation, 4);
	CU_ASSERT_STRING_EQUAL(receipt->module, module_name(0));
	CU_ASSERT_EQUAL(receipt->functions, 0);
	CU_ASSERT_EQUAL(receipt->attempts, 0);
	CU_ASSERT_EQUAL(receipt->bytes_written, 0);
	CU_ASSERT(logged("not awaited any more, not installed: default in module "
			 "first generation 4"));
	CU_ASSERT_EQUAL(sim.commits, 0);
	expect_list(0, 1);
	ASSERT_REFUSED(MODULE_WAITS, gate(module_name(0)));
	CU_ASSERT_EQUAL(bench_answer.detail[0], 3);
	ASSERT_REFUSED(TAKEN_BACK, await(&other));
	CU_ASSERT_EQUAL(bench_answer.detail[0], 4);
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "default");
	ASSERT_REFUSED(PATCH_NOT_FOUND, revert(&other));
	/* The older one stays what it was: it can still be installed. */
	ASSERT_OK(module_bench_seal(0));
	ASSERT_REFUSED(TAKEN_BACK, apply(&other));
	ASSERT_OK(apply(&bench_blob));
	ASSERT_OK(gate(module_name(0)));
	expect_list(1, 0);
}

/* The last one cancelled lets the module run, also one that waits at this moment. */
static void cancelled_lets_go(void)
{
	start();
	ASSERT_OK(await(&bench_blob));
	load_coming(0);
	ASSERT_REFUSED(MODULE_WAITS, gate(module_name(0)));
	ASSERT_OK(revert(&bench_blob));
	ASSERT_OK(gate(module_name(0)));
	expect_list(0, 0);
}

/* It takes an authorisation for this very bundle, by a trusted key. */
static void cancelled_by_whom(void)
{
	struct us_revert *file = (void *)bench_revert_blob.data;

	start();
	ASSERT_OK(await(&bench_blob));
	make_revert(&bench_blob, &bench_revert_blob);
	ASSERT_REFUSED(SIG_KEY_UNKNOWN, bench_send(US_OP_REVERT,
			&bench_revert_blob, &bench_stranger, 0));
	file->generation++;
	ASSERT_REFUSED(PATCH_NOT_FOUND, bench_send(US_OP_REVERT,
			&bench_revert_blob, &bench_key, 0));
	file->generation--;
	file->build_id[0] ^= 1;
	ASSERT_REFUSED(WRONG_BUILD_ID, bench_send(US_OP_REVERT,
			&bench_revert_blob, &bench_key, 0));
	make(0, 4, &other);
	ASSERT_REFUSED(PATCH_NOT_FOUND, revert(&other));
	expect_list(0, 1);
	ASSERT_REFUSED(MODULE_WAITS, gate(module_name(0)));
}

/* One that was installed and went with its module is awaited as before, and can be
 * cancelled: it does not return. */
static void cancelled_while_gone(void)
{
	start();
	ASSERT_OK(await(&bench_blob));
	load_coming(0);
	ASSERT_OK(module_bench_seal(0));
	ASSERT_OK(apply(&bench_blob));
	module_unload(0);
	/* Nobody has noticed until now. */
	ASSERT_OK(revert(&bench_blob));
	CU_ASSERT_EQUAL(info->receipt.only_awaited, 1);
	expect_list(0, 0);
	load_coming(0);
	ASSERT_OK(gate(module_name(0)));
	ASSERT_OK(module_bench_seal(0));
	ASSERT_REFUSED(TAKEN_BACK, apply(&bench_blob));
}

/* Installed and awaited: one authorisation ends both. */
static void cancelled_with_patch(void)
{
	start();
	ASSERT_OK(await(&bench_blob));
	load_coming(0);
	ASSERT_OK(module_bench_seal(0));
	ASSERT_OK(apply(&bench_blob));
	expect_list(1, 0);
	ASSERT_OK(revert(&bench_blob));
	CU_ASSERT_EQUAL(info->receipt.only_awaited, 0);
	CU_ASSERT_EQUAL(info->receipt.functions, 1);
	expect_list(0, 0);
	ASSERT_OK(gate(module_name(0)));
	module_unload(0);
	load_coming(0);
	ASSERT_OK(gate(module_name(0)));
}

static void refused(void)
{
	bench_start(0);
	make(0, 3, &bench_blob);
	ASSERT_REFUSED(NOT_SEALED, await(&bench_blob));
	start();
	ASSERT_REFUSED(SIG_KEY_UNKNOWN, bench_send(US_OP_AWAIT, &bench_blob,
						   &bench_stranger, 0));
	bench_blob.len -= 8;
	ASSERT_REFUSED(BUNDLE_TRUNCATED, await(&bench_blob));
	make(0, 3, &bench_blob);
	bundle_header(&bench_blob)->build_id[0] ^= 1;
	ASSERT_REFUSED(WRONG_BUILD_ID, await(&bench_blob));
	bundle_spec_default(&bench_spec, SIM_FUNCTION, 3);
	make_bundle(&bench_spec, &bench_blob);
	ASSERT_REFUSED(BAD_REQUEST, await(&bench_blob));
	ASSERT_OK(gate(module_name(0)));
}

static void programs(void)
{
	struct us_request request;

	start();
	ASSERT_OK(await(&bench_blob));
	request = bench_request(US_OP_MODULE_GATE);
	sim_user_write(BENCH_INPUT, "first", 5);
	request.in[0] = (struct us_span) { BENCH_INPUT, 5 };
	ASSERT_REFUSED(BAD_REQUEST, bench_ring(&request));
	bench_cpl = 0;
	ASSERT_REFUSED(MODULE_WAITS, bench_ring(&request));
	request.in[0].len = US_NAME_MAX;
	ASSERT_REFUSED(BAD_REQUEST, bench_ring(&request));
	request.in[0].len = 5;
	request.in[1].len = 1;
	ASSERT_REFUSED(BAD_REQUEST, bench_ring(&request));
	request.in[1].len = 0;
	request.in[0].gva = 0x1000;
	ASSERT_REFUSED(GUEST_ADDRESS, bench_ring(&request));
}

static void too_many(void)
{
	u32 i;

	start();
	for (i = 1; i <= AWAIT_MAX; i++) {
		make(0, i, &bench_blob);
		ASSERT_OK(await(&bench_blob));
	}
	ASSERT_OK(await(&bench_blob));
	expect_list(0, AWAIT_MAX);
	/* One that is cancelled is remembered. */
	ASSERT_OK(revert(&bench_blob));
	expect_list(0, AWAIT_MAX - 1);
	make(1, 1, &bench_blob);
	ASSERT_REFUSED(TOO_MANY_PATCHES, await(&bench_blob));
	make(0, AWAIT_MAX, &bench_blob);
	ASSERT_REFUSED(TAKEN_BACK, await(&bench_blob));
	/* Those that nobody waits for any more make room. */
	load_coming(0);
	ASSERT_OK(module_bench_seal(0));
	ASSERT_OK(module_bench_apply(0, 100));
	make(1, 1, &bench_blob);
	ASSERT_OK(await(&bench_blob));
	ASSERT_REFUSED(MODULE_WAITS, gate(module_name(1)));
}

const struct test await_tests[] = {
	{ "waits", waits },
	{ "listed", listed },
	{ "told once", told_once },
	{ "again", again },
	{ "load fails", load_fails },
	{ "two", two },
	{ "useless", useless },
	{ "cancelled", cancelled },
	{ "cancelled, and nothing else", cancelled_lets_go },
	{ "cancelled by whom", cancelled_by_whom },
	{ "cancelled while the module is gone", cancelled_while_gone },
	{ "cancelled with the patch", cancelled_with_patch },
	{ "refused", refused },
	{ "programs", programs },
	{ "too many", too_many },
	{ 0 },
};
