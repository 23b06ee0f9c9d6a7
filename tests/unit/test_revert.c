/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "bench.h"

#define F	SIM_FUNCTION

static u8 text[SIM_TEXT_LEN];

static void remember_text(void)
{
	memcpy(text, sim.memory + SIM_TEXT, sizeof(text));
}

static bool text_as_before(void)
{
	return !memcmp(text, sim.memory + SIM_TEXT, sizeof(text));
}

static bool arena_empty(void)
{
	u64 i;

	for (i = 0; i < SIZE_2M; i++)
		if (sim.memory[SIM_ARENA + i] != 0xcc)
			return false;
	return true;
}

static void good(void)
{
	const struct us_receipt *found = (void *)bench_response;
	struct us_request request;

	bench_start_sealed();
	remember_text();
	ASSERT_OK(bench_apply(F, 5));
	CU_ASSERT_FALSE(text_as_before());
	CU_ASSERT_FALSE(arena_empty());
	ASSERT_OK(bench_revert());
	CU_ASSERT_EQUAL(found->generation, 5);
	CU_ASSERT_EQUAL(found->attempts, 1);
	CU_ASSERT_STRING_EQUAL(found->name, "default");
	CU_ASSERT(text_as_before());
	CU_ASSERT(arena_empty());
	request = bench_request(US_OP_LIST);
	ASSERT_OK(bench_ring(&request));
	CU_ASSERT_EQUAL(bench_answer.out_len, 0);
}

/* Neither the authorisation nor the bundle can be used again. */
static void replay(void)
{
	bench_start_sealed();
	ASSERT_OK(bench_apply(F, 5));
	ASSERT_OK(bench_revert());
	ASSERT_REFUSED(PATCH_NOT_FOUND, bench_revert());
	ASSERT_REFUSED(OLD_GENERATION, bench_apply(F, 5));
	ASSERT_OK(bench_apply(F, 6));
	bench_spec.generation = 5;
	make_bundle(&bench_spec, &bench_blob);
	ASSERT_REFUSED(PATCH_NOT_FOUND, bench_revert());
}

static void any_order(void)
{
	static struct blob first, second;

	bench_start_sealed();
	remember_text();
	ASSERT_OK(bench_apply(F, 1));
	first = bench_blob;
	ASSERT_OK(bench_apply(2 * F, 2));
	second = bench_blob;
	ASSERT_OK(bench_apply(3 * F, 3));
	make_revert(&first, &bench_revert_blob);
	ASSERT_OK(bench_send(US_OP_REVERT, &bench_revert_blob, &bench_key, 0));
	/* The room is used again, below the others. */
	ASSERT_OK(bench_apply(F, 4));
	CU_ASSERT_EQUAL(((struct us_receipt *)bench_response)->arena_offset, 0);
	ASSERT_OK(bench_revert());
	make_revert(&second, &bench_revert_blob);
	ASSERT_OK(bench_send(US_OP_REVERT, &bench_revert_blob, &bench_key, 0));
	bundle_spec_default(&bench_spec, 3 * F, 3);
	make_bundle(&bench_spec, &bench_blob);
	ASSERT_OK(bench_revert());
	CU_ASSERT(text_as_before());
	CU_ASSERT(arena_empty());
}

/* Two patches with hunks in one function: only the newer may go. */
static void not_last(void)
{
	static struct blob older;

	bench_start_sealed();
	remember_text();
	ASSERT_OK(bench_apply(F, 1));
	older = bench_blob;
	bundle_spec_default(&bench_spec, F, 2);
	bench_spec.name = "newer";
	bench_spec.hunk[0].text_offset = F + 0x20;
	memcpy(bench_spec.hunk[0].expected, sim_linked + F + 0x20, 5);
	ASSERT_OK(bench_apply_spec());
	make_revert(&older, &bench_revert_blob);
	ASSERT_REFUSED(PATCH_NOT_LAST, bench_send(US_OP_REVERT,
		       &bench_revert_blob, &bench_key, 0));
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "newer");
	ASSERT_OK(bench_revert());
	make_revert(&older, &bench_revert_blob);
	ASSERT_OK(bench_send(US_OP_REVERT, &bench_revert_blob, &bench_key, 0));
	CU_ASSERT(text_as_before());
}

static void not_sealed(void)
{
	bench_start(0);
	bundle_spec_default(&bench_spec, F, 1);
	make_bundle(&bench_spec, &bench_blob);
	ASSERT_REFUSED(NOT_SEALED, bench_revert());
}

#define BAD_REVERT(error, change)					\
	do {								\
		make_revert(&bench_blob, &bench_revert_blob);		\
		change;							\
		ASSERT_REFUSED(error, bench_send(US_OP_REVERT,		\
			       &bench_revert_blob, &bench_key, 0));	\
	} while (0)

static void bad_files(void)
{
	struct us_revert *r = (void *)bench_revert_blob.data;

	bench_start_sealed();
	ASSERT_OK(bench_apply(F, 1));
	BAD_REVERT(REVERT_FORMAT, r->magic++);
	BAD_REVERT(REVERT_FORMAT, r->version++);
	BAD_REVERT(REVERT_FORMAT, bench_revert_blob.len--);
	BAD_REVERT(REVERT_FORMAT, bench_revert_blob.len++);
	BAD_REVERT(REVERT_FORMAT, bench_revert_blob.len = 0);
	BAD_REVERT(WRONG_BUILD_ID, r->build_id[3]++);
	BAD_REVERT(PATCH_NOT_FOUND, r->bundle_id[31]++);
	BAD_REVERT(PATCH_NOT_FOUND, r->generation++);
	/* A signed bundle is no authority to take it back. */
	ASSERT_REFUSED(REVERT_FORMAT, bench_send(US_OP_REVERT, &bench_blob,
						 &bench_key, 0));
	ASSERT_OK(bench_revert());
}

static void signatures(void)
{
	bench_start_sealed();
	ASSERT_OK(bench_apply(F, 1));
	make_revert(&bench_blob, &bench_revert_blob);
	ASSERT_REFUSED(SIG_KEY_UNKNOWN, bench_send(US_OP_REVERT,
		       &bench_revert_blob, &bench_stranger, 0));
	ASSERT_REFUSED(SIG_MISSING, bench_send_signed(US_OP_REVERT,
		       &bench_revert_blob, "", 0, 0));
}

static u64 arena_gva(void)
{
	return ALIGN_UP(sim_image_gva(SIM_IMAGE_END), SIZE_2M);
}

static enum us_error revert_quickly(void)
{
	make_revert(&bench_blob, &bench_revert_blob);
	return bench_send(US_OP_REVERT, &bench_revert_blob, &bench_key, 20);
}

/* In the new body from its very first byte, and in the old one. */
static void in_use(void)
{
	const u64 words[] = { arena_gva(), arena_gva() + 60,
			      sim_image_gva(F + 0x33) };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		bench_start_sealed();
		ASSERT_OK(bench_apply(F, 1));
		sim.vcpus[1].rip = words[i];
		ASSERT_REFUSED(FUNCTION_IN_USE, revert_quickly());
		CU_ASSERT_EQUAL(bench_answer.detail[0], words[i]);
		sim.vcpus[1].rip = arena_gva() + 61;
		sim_poke64(sim_stack_word(SIM_INIT, 0x80), words[i]);
		ASSERT_REFUSED(FUNCTION_IN_USE, revert_quickly());
		CU_ASSERT_EQUAL(bench_answer.detail[1], 1);
		sim_poke64(sim_stack_word(SIM_INIT, 0x80), 0);
		ASSERT_OK(revert_quickly());
	}
}

/* The hunk is not what was installed any more (sealed text cannot change; should
 * it have, its old bytes are no answer). */
static void changed_text(void)
{
	bench_start_sealed();
	ASSERT_OK(bench_apply(F, 1));
	sim_poke(sim_image_gpa(F + 6), "\x01", 1);
	ASSERT_REFUSED(EXPECTED_BYTES, bench_revert());
	CU_ASSERT_EQUAL(bench_answer.detail[0], sim_image_gva(F + 6));
}

/* The commit; and once that is done, what only clears the arena. */
static void write_fails(void)
{
	bench_start_sealed();
	remember_text();
	ASSERT_OK(bench_apply(F, 1));
	sim.fail_commit = 1;
	ASSERT_REFUSED(HOST_FAILED, bench_revert());
	sim.fail_write = 1;
	ASSERT_OK(bench_revert());
	CU_ASSERT_PTR_NOT_NULL(strstr(sim.all_logs, "could not be cleared"));
	CU_ASSERT(text_as_before());
}

static void never_stop(void)
{
	sim.fail_stop = 1;
}

static void stop_fails(void)
{
	bench_start_sealed();
	ASSERT_OK(bench_apply(F, 1));
	sim.on_stop = never_stop;
	ASSERT_REFUSED(STOP_FAILED, bench_revert());
	sim.on_stop = NULL;
	sim.fail_stop = 1;
	ASSERT_OK(bench_revert());
}

const struct test revert_tests[] = {
	{ "good", good },
	{ "replay", replay },
	{ "any order", any_order },
	{ "newer patch over it", not_last },
	{ "not sealed", not_sealed },
	{ "bad authorisations", bad_files },
	{ "signatures", signatures },
	{ "in use", in_use },
	{ "text has changed", changed_text },
	{ "every write fails once", write_fails },
	{ "stop fails", stop_fails },
	{ 0 },
};
