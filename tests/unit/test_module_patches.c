/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bundles for modules of the simulated machine: installed, refused, taken back. */
#include <stdio.h>
#include <string.h>

#include "generations.h"
#include "module_bench.h"

#define P	MODULE_PATCHED

static const struct us_receipt *receipt = (const void *)bench_response;
static const struct us_patch_info *patches = (const void *)bench_response;
static struct blob file;

static void good(void)
{
	static u8 kernel[SIM_TEXT_LEN], before[MODULE_TEXT_LEN],
		  after[MODULE_TEXT_LEN];
	u64 jump = module_gpa(0, P + 5);

	module_bench_start();
	memcpy(kernel, sim.memory + SIM_TEXT, sizeof(kernel));
	module_bench_text(0, before);
	ASSERT_OK(module_bench_apply(0, 3));
	CU_ASSERT_STRING_EQUAL(receipt->module, module_name(0));
	CU_ASSERT_STRING_EQUAL(receipt->name, "default");
	CU_ASSERT_EQUAL(receipt->bytes_written, 5);
	CU_ASSERT_EQUAL(sim.memory[jump], 0xe9);
	CU_ASSERT_EQUAL(module_gva(0) + P + 10 +
			(u64)(s64)(s32)module_bench_word(jump + 1, 4), MODULE_BENCH_ARENA);
	CU_ASSERT_EQUAL(module_bench_word(SIM_ARENA + 8, 8), sim_image_gva(0x2345));
	CU_ASSERT_FALSE(memcmp(kernel, sim.memory + SIM_TEXT, sizeof(kernel)));
	CU_ASSERT_EQUAL(module_bench_patches(), 1);
	CU_ASSERT_STRING_EQUAL(patches->receipt.module, module_name(0));
	ASSERT_OK(bench_revert());
	module_bench_text(0, after);
	CU_ASSERT_FALSE(memcmp(before, after, sizeof(before)));
	CU_ASSERT_EQUAL(module_bench_patches(), 0);
	CU_ASSERT_EQUAL(sim.memory[SIM_ARENA + 8], 0xcc);
	/* A patch of the kernel says so. */
	ASSERT_OK(bench_apply(SIM_FUNCTION, 4));
	CU_ASSERT_STRING_EQUAL(receipt->module, "");
}

/* Fields of every kind at any place of a hunk: what the file has are bytes as linked,
 * and what comes back are those of the run. */
static void fields_that_moved(void)
{
	static u8 linked[MODULE_TEXT_LEN], before[MODULE_TEXT_LEN],
		  after[MODULE_TEXT_LEN];
	u32 at, generation = 1;

	module_bench_start();
	make_module(1, &file);
	memcpy(linked, module_block(&file) + 1, sizeof(linked));
	module_bench_text(1, before);
	for (at = 0; at < 0xa0; at++) {
		module_spec(&bench_spec, 1, generation++);
		bench_spec.function[0].text_offset = at;
		bench_spec.hunk[0].text_offset = at;
		memcpy(bench_spec.hunk[0].expected, linked + at, 5);
		ASSERT_OK(bench_apply_spec());
		ASSERT_OK(bench_revert());
		module_bench_text(1, after);
		CU_ASSERT_FALSE(memcmp(before, after, sizeof(before)));
	}
	/* As loaded they are not what a bundle expects. */
	CU_ASSERT(memcmp(before + 0x90, linked + 0x90, 5));
	module_bench_start();
	module_spec(&bench_spec, 1, 1);
	bench_spec.hunk[0].text_offset = bench_spec.function[0].text_offset = 0x90;
	memcpy(bench_spec.hunk[0].expected, before + 0x90, 5);
	ASSERT_REFUSED(EXPECTED_BYTES, bench_apply_spec());
}

static const struct us_bundle_base all_bases[] = {
	{ US_BASE_TEXT, 0, "" },
	{ US_BASE_AREA, MODULE_OWN_AREA, "" },
	{ US_BASE_PERCPU, 0, "" },
	{ US_BASE_MODULE, MODULE_OTHER_AREA, "first" },
	{ US_BASE_CODE, 0, "first" },
};

/* A relocation of each type to @target of @base, the bundle's only one. */
static void relocate_to(const struct us_bundle_base *base, s64 target)
{
	static const u8 types[] = { US_RELOC_ABS64, US_RELOC_ABS32S,
				    US_RELOC_PC32 };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		bench_spec.reloc[i].type = types[i];
		bench_spec.reloc[i].target_space = US_SPACE_BASE;
		bench_spec.reloc[i].base = 0;
		bench_spec.reloc[i].target = target;
	}
	bench_spec.base[0] = *base;
	bench_spec.bases = 1;
}

static void bases(void)
{
	const u64 where[] = {
		module_gva(1), module_area_gva(1, MODULE_OWN_AREA),
		MODULE_PERCPU_AT, module_area_gva(0, MODULE_OTHER_AREA),
		module_gva(0),
	};
	u64 value;
	u32 i;

	module_bench_load(US_MODULE_OPEN, true);
	ASSERT_OK(module_bench_seal(0));
	ASSERT_OK(module_bench_seal(1));
	for (i = 0; i < ARRAY_SIZE(where); i++) {
		module_spec(&bench_spec, 1, i + 1);
		relocate_to(&all_bases[i], 0x123);
		ASSERT_OK(bench_apply_spec());
		value = where[i] + 0x123;
		CU_ASSERT_EQUAL(module_bench_word(SIM_ARENA + 8, 8), value);
		CU_ASSERT_EQUAL(module_bench_word(SIM_ARENA + 20, 4), (u32)value);
		CU_ASSERT_EQUAL(MODULE_BENCH_ARENA + 24 +
				(u64)(s64)(s32)module_bench_word(SIM_ARENA + 24, 4), value);
		CU_ASSERT_EQUAL(sim.memory[SIM_ARENA + 28], 0x40 + 28);
		ASSERT_OK(bench_revert());
	}
	module_spec(&bench_spec, 1, 100);
	relocate_to(&all_bases[0], -(1ll << 31));
	ASSERT_REFUSED(RELOCATION, bench_apply_spec());
	CU_ASSERT_EQUAL(bench_answer.detail[0], 1);
	/* Several at once, each by its index. */
	module_spec(&bench_spec, 1, 100);
	relocate_to(&all_bases[4], 0);
	bench_spec.base[1] = all_bases[1];
	bench_spec.bases = 2;
	bench_spec.reloc[0].base = 1;
	ASSERT_OK(bench_apply_spec());
	CU_ASSERT_EQUAL(module_bench_word(SIM_ARENA + 8, 8), where[1]);
	CU_ASSERT_EQUAL(module_bench_word(SIM_ARENA + 20, 4), (u32)where[4]);
	module_use_areas(false);
}

static enum us_error with_base(u32 kind, u32 area, const char *module)
{
	struct us_bundle_base base = { kind, area, "" };

	strcpy(base.module, module);
	module_spec(&bench_spec, 1, 1);
	relocate_to(&base, 0);
	return bench_apply_spec();
}

static void unknown_bases(void)
{
	module_bench_start();
	ASSERT_REFUSED(MODULE_BASE, with_base(US_BASE_AREA, 1, ""));
	CU_ASSERT_EQUAL(bench_answer.detail[0], 0);
	CU_ASSERT_EQUAL(bench_answer.detail[1], US_BASE_AREA);
	CU_ASSERT_STRING_EQUAL(bench_answer.text, module_name(1));
	ASSERT_REFUSED(MODULE_BASE, with_base(US_BASE_CODE, 1, "first"));
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "first");
	ASSERT_REFUSED(MODULE_BASE, with_base(US_BASE_CODE, 0, "firs"));
	ASSERT_REFUSED(MODULE_BASE, with_base(US_BASE_MODULE, 0, "first"));
	/* What the kernel's own text or memory that is gone would be. */
	ASSERT_REFUSED(BUNDLE_FIELD, with_base(US_BASE_KERNEL, 0, ""));
	ASSERT_REFUSED(BUNDLE_FIELD, with_base(US_BASE_FREED, 4, ""));
	ASSERT_OK(with_base(US_BASE_CODE, 0, "first"));
	/* The first module refers to no other. */
	module_spec(&bench_spec, 0, 2);
	relocate_to(&all_bases[4], 0);
	ASSERT_REFUSED(MODULE_BASE, bench_apply_spec());
}

static void not_sealed(void)
{
	struct us_request request = bench_request(US_OP_SEAL_MODULE);

	module_bench_load(US_MODULE_AS_FOUND, false);
	ASSERT_REFUSED(MODULE_NOT_SEALED, module_bench_apply(0, 1));
	CU_ASSERT_STRING_EQUAL(bench_answer.text, module_name(0));
	sim_user_write(BENCH_INPUT, "first", 5);
	request.in[0].len = 5;
	request.in[1].gva = 0;
	ASSERT_OK(bench_ring(&request));
	ASSERT_REFUSED(MODULE_NOT_SEALED, module_bench_apply(0, 1));
	bench_start(0);
	ASSERT_REFUSED(NOT_SEALED, module_bench_apply(0, 1));
}

static void build_id(void)
{
	module_bench_start();
	module_spec(&bench_spec, 0, 1);
	bench_spec.module_build_id[3] ^= 1;
	ASSERT_REFUSED(MODULE_BUILD_ID, bench_apply_spec());
	CU_ASSERT_STRING_EQUAL(bench_answer.text, module_name(0));
	module_spec(&bench_spec, 0, 1);
	bench_spec.module_build_id_len--;
	bench_spec.module_build_id[SIM_BUILD_ID_LEN - 1] = 0;
	ASSERT_REFUSED(MODULE_BUILD_ID, bench_apply_spec());
	memset(bench_spec.module_build_id, 0, US_BUILD_ID_MAX);
	bench_spec.module_build_id_len = 0;
	ASSERT_REFUSED(MODULE_BUILD_ID, bench_apply_spec());
	/* The other module's. */
	module_spec(&bench_spec, 0, 1);
	memset(bench_spec.module_build_id, 0x81, SIM_BUILD_ID_LEN);
	ASSERT_REFUSED(MODULE_BUILD_ID, bench_apply_spec());
}

static enum us_error apply_at(u32 function, u32 hunk)
{
	static u8 text[MODULE_TEXT_LEN + 16];

	module_bench_text(0, text);
	module_spec(&bench_spec, 0, 1);
	bench_spec.function[0].text_offset = function;
	bench_spec.function[0].old_size = 0x20;
	bench_spec.hunk[0].text_offset = hunk;
	memcpy(bench_spec.hunk[0].expected, text + hunk, 5);
	return bench_apply_spec();
}

static void places(void)
{
	module_bench_start();
	/* The text's end, not that of its last page. */
	ASSERT_REFUSED(TARGET_OUTSIDE, apply_at(MODULE_TEXT_LEN - 0x1f,
						MODULE_TEXT_LEN - 0x10));
	CU_ASSERT_EQUAL(bench_answer.detail[0],
			module_gva(0) + MODULE_TEXT_LEN - 0x1f);
	ASSERT_REFUSED(SITE_OVERLAP, apply_at(MODULE_FTRACE, MODULE_FTRACE + 4));
	ASSERT_REFUSED(SITE_OVERLAP, apply_at(MODULE_JUMP - 8, MODULE_JUMP - 4));
	CU_ASSERT_EQUAL(bench_answer.detail[0], module_gva(0) + MODULE_JUMP - 4);
	ASSERT_OK(apply_at(MODULE_FTRACE, MODULE_FTRACE + 5));
	module_spec(&bench_spec, 0, 2);
	bench_spec.hunk[0].expected[1] ^= 4;
	ASSERT_REFUSED(EXPECTED_BYTES, bench_apply_spec());
	CU_ASSERT_EQUAL(bench_answer.detail[0], module_gva(0) + P + 6);
	ASSERT_OK(module_bench_apply(0, 2));
	ASSERT_REFUSED(HUNKS_OVERLAP, module_bench_apply(0, 3));
	/* The same offsets in the other module and in the kernel are free. */
	ASSERT_OK(module_bench_apply(1, 3));
	bundle_spec_default(&bench_spec, P, 4);
	ASSERT_OK(bench_apply_spec());
}

/* They ascend in each text by itself. */
static void generations(void)
{
	struct us_request request = bench_request(US_OP_STATUS);

	module_bench_start();
	ASSERT_OK(bench_apply(SIM_FUNCTION, 9));
	ASSERT_OK(module_bench_apply(0, 4));
	ASSERT_OK(bench_revert());
	ASSERT_REFUSED(OLD_GENERATION, module_bench_apply(0, 4));
	CU_ASSERT_EQUAL(bench_answer.detail[1], 4);
	ASSERT_REFUSED(OLD_GENERATION, module_bench_apply(0, 3));
	ASSERT_OK(module_bench_apply(1, 3));
	ASSERT_OK(module_bench_apply(0, 20));
	ASSERT_REFUSED(OLD_GENERATION, bench_apply(2 * SIM_FUNCTION, 9));
	CU_ASSERT_EQUAL(bench_answer.detail[1], 9);
	ASSERT_OK(bench_apply(2 * SIM_FUNCTION, 10));
	ASSERT_OK(bench_ring(&request));
	CU_ASSERT_EQUAL(((const struct us_status *)bench_response)->generation, 10);
}

/* What is newer over a patch is so in its own text alone. */
static void not_last(void)
{
	static struct blob older;
	static u8 text[MODULE_TEXT_LEN];

	module_bench_start();
	ASSERT_OK(module_bench_apply(0, 1));
	older = bench_blob;
	ASSERT_OK(module_bench_apply(1, 2));
	module_bench_text(0, text);
	module_spec(&bench_spec, 0, 3);
	bench_spec.name = "newer";
	bench_spec.hunk[0].text_offset = P + 0x20;
	memcpy(bench_spec.hunk[0].expected, text + P + 0x20, 5);
	ASSERT_OK(bench_apply_spec());
	make_revert(&older, &bench_revert_blob);
	ASSERT_REFUSED(PATCH_NOT_LAST, bench_send(US_OP_REVERT,
		       &bench_revert_blob, &bench_key, 0));
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "newer");
	ASSERT_OK(bench_revert());
	make_revert(&older, &bench_revert_blob);
	ASSERT_OK(bench_send(US_OP_REVERT, &bench_revert_blob, &bench_key, 0));
	CU_ASSERT_EQUAL(module_bench_patches(), 1);
}

/* As many modules as can be kept track of, and one more. */
static void generations_full(void)
{
	char name[US_NAME_MAX];
	u32 i;

	module_bench_start();
	for (i = 0; i < GENERATIONS_MAX; i++) {
		snprintf(name, sizeof(name), "module_%u", i);
		CU_ASSERT(generations_have_room(name));
		generations_note(name, i + 1);
	}
	CU_ASSERT_EQUAL(generations_of("module_63"), 64);
	CU_ASSERT(generations_have_room("module_63"));
	ASSERT_REFUSED(TOO_MANY_PATCHES, module_bench_apply(0, 1));
	ASSERT_OK(bench_apply(SIM_FUNCTION, 1));
}

static enum us_error apply_quickly(void)
{
	module_spec(&bench_spec, 0, 1);
	make_bundle(&bench_spec, &bench_blob);
	return bench_send(US_OP_APPLY, &bench_blob, &bench_key, 20);
}

static void in_use(void)
{
	module_bench_start();
	sim.vcpus[1].rip = module_gva(0) + P + 1;
	ASSERT_REFUSED(FUNCTION_IN_USE, apply_quickly());
	CU_ASSERT_EQUAL(bench_answer.detail[0], module_gva(0) + P + 1);
	/* The other module's is another function. */
	sim.vcpus[1].rip = module_gva(1) + P + 1;
	ASSERT_OK(apply_quickly());
	sim.vcpus[1].rip = MODULE_BENCH_ARENA;
	make_revert(&bench_blob, &bench_revert_blob);
	ASSERT_REFUSED(FUNCTION_IN_USE, bench_send(US_OP_REVERT,
		       &bench_revert_blob, &bench_key, 20));
}

/* Kprobes keep off hunks, and hunks off kprobes. */
static void probes(void)
{
	static const u8 int3 = 0xcc;

	module_bench_start();
	CU_ASSERT(module_bench_write(0, P + 8, &int3, 1));
	ASSERT_REFUSED(EXPECTED_BYTES, module_bench_apply(0, 1));
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "kprobe");
	CU_ASSERT(module_bench_write(0, P + 8, &bench_spec.hunk[0].expected[3], 1));
	ASSERT_OK(module_bench_apply(0, 1));
	CU_ASSERT_FALSE(module_bench_write(0, P + 8, &int3, 1));
	CU_ASSERT(module_bench_write(0, P + 10, &int3, 1));
	CU_ASSERT(module_bench_write(1, P + 8, &int3, 1));
	/* What a site may do there is as before. */
	CU_ASSERT(module_bench_write(0, MODULE_FTRACE, &int3, 1));
}

static void write_fails(void)
{
	module_bench_start();
	sim.fail_write = 1;
	ASSERT_REFUSED(HOST_FAILED, module_bench_apply(0, 1));
	sim.fail_commit = 1;
	ASSERT_REFUSED(HOST_FAILED, module_bench_apply(0, 1));
	ASSERT_OK(module_bench_apply(0, 1));
	sim.fail_commit = 1;
	ASSERT_REFUSED(HOST_FAILED, bench_revert());
	ASSERT_OK(bench_revert());
}

const struct test module_patches_tests[] = {
	{ "good", good },
	{ "fields that moved", fields_that_moved },
	{ "bases", bases },
	{ "unknown bases", unknown_bases },
	{ "not sealed", not_sealed },
	{ "build id", build_id },
	{ "places", places },
	{ "generations", generations },
	{ "too many modules", generations_full },
	{ "newer patch over it", not_last },
	{ "in use", in_use },
	{ "probes", probes },
	{ "every write fails once", write_fails },
	{ 0 },
};
