/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What bundles do to data: variables that change with the code, and shadow memory. */
#include <string.h>

#include "module_bench.h"
#include "patches.h"

#define F	SIM_FUNCTION
#define VAR	0x250000ull		/* image offsets of variables */
#define CROSS	(0x252000ull - 3)	/* on two pages */

static struct blob kept[3];
static const struct us_receipt *receipt = (const void *)bench_response;

static u64 word(u64 gpa, u32 size)
{
	u64 value = 0;

	memcpy(&value, sim.memory + gpa, size);
	return value;
}

static u64 var(u64 offset, u32 size)
{
	return word(sim_image_gpa(offset), size);
}

static u64 shadow_gva(void)
{
	return MODULE_BENCH_ARENA + SIZE_2M;
}

static void start(void)
{
	bench_start_sealed();
	sim_poke64(sim_image_gpa(VAR), 0x1122334455667788);
	sim_poke(sim_image_gpa(CROSS), "abcdef", 6);
}

static void make(u32 function, u64 generation, const char *name)
{
	bundle_spec_default(&bench_spec, function, generation);
	bench_spec.name = name;
	strcpy(bench_spec.strings + bench_spec.string_bytes, "sim_variable");
	bench_spec.string_bytes += sizeof("sim_variable");
}

static struct us_bundle_write *add_write(enum us_write_when when, u8 space,
					 u64 offset, u32 len, u64 expected,
					 u64 replacement)
{
	struct us_bundle_write *write = &bench_spec.write[bench_spec.writes++];

	*write = (struct us_bundle_write) {
		.when = when, .space = space, .offset = offset, .len = len,
		.name = sizeof("sim_function"),
	};
	memcpy(write->expected, &expected, len < 8 ? len : 8);
	memcpy(write->replacement, &replacement, len < 8 ? len : 8);
	return write;
}

static enum us_error apply(u32 index)
{
	enum us_error error = bench_apply_spec();

	kept[index] = bench_blob;
	return error;
}

static enum us_error revert(u32 index)
{
	make_revert(&kept[index], &bench_revert_blob);
	return bench_send(US_OP_REVERT, &bench_revert_blob, &bench_key, 0);
}

static void good(void)
{
	start();
	make(F, 1, "a");
	add_write(US_WRITE_PRE_APPLY, US_SPACE_IMAGE, VAR, 4, 0x55667788, 7);
	add_write(US_WRITE_POST_APPLY, US_SPACE_IMAGE, VAR + 4, 4, 0x11223344, 9)
		->flags = US_WRITE_KEEP;
	add_write(US_WRITE_POST_APPLY, US_SPACE_IMAGE, CROSS, 6, 0x666564636261,
		  0x464544434241);
	ASSERT_OK(apply(0));
	CU_ASSERT_EQUAL(receipt->writes, 3);
	CU_ASSERT_EQUAL(var(VAR, 8), 7 | 9ull << 32);
	CU_ASSERT_FALSE(memcmp(sim.memory + sim_image_gpa(CROSS), "ABCDEF", 6));
	ASSERT_OK(revert(0));
	CU_ASSERT_EQUAL(receipt->writes, 2);
	CU_ASSERT_EQUAL(var(VAR, 8), 0x55667788 | 9ull << 32);
	CU_ASSERT_FALSE(memcmp(sim.memory + sim_image_gpa(CROSS), "abcdef", 6));
}

static void change_var(void)
{
	sim_poke(sim_image_gpa(VAR + 1), "\x01", 1);
}

static void expected(void)
{
	start();
	make(F, 1, "a");
	add_write(US_WRITE_PRE_APPLY, US_SPACE_IMAGE, VAR, 4, 0x55667789, 7);
	ASSERT_REFUSED(DATA_EXPECTED, bench_apply_spec());
	CU_ASSERT_EQUAL(bench_answer.detail[0], sim_image_gva(VAR));
	CU_ASSERT_EQUAL(bench_answer.detail[1], 0x8988);
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "sim_variable");
	/* It changes between the first look and the stop. */
	bench_spec.write[0].expected[0] = 0x88;
	sim.on_stop = change_var;
	ASSERT_REFUSED(DATA_EXPECTED, bench_apply_spec());
	CU_ASSERT_EQUAL(bench_answer.detail[0], sim_image_gva(VAR + 1));
	start();
	ASSERT_OK(apply(0));
	change_var();
	ASSERT_REFUSED(DATA_EXPECTED, revert(0));
	CU_ASSERT_EQUAL(bench_answer.detail[0], sim_image_gva(VAR + 1));
	CU_ASSERT_EQUAL(bench_answer.detail[1], 1);
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "sim_variable");
	sim_poke(sim_image_gpa(VAR + 1), "", 1);
	sim.on_stop = change_var;
	ASSERT_REFUSED(DATA_EXPECTED, revert(0));
	sim.on_stop = NULL;
	sim_poke(sim_image_gpa(VAR + 1), "", 1);
	ASSERT_OK(revert(0));
}

/* Neither what is sealed nor what is not there, whatever its bytes are. */
static enum us_error write_at(u64 offset, u32 len)
{
	make(F, 1, "a");
	add_write(US_WRITE_PRE_APPLY, US_SPACE_IMAGE, offset, len, 0, 1);
	if (offset < SIM_IMAGE_END)
		memcpy(bench_spec.write[0].expected,
		       sim.memory + sim_image_gpa(offset), len);
	return bench_apply_spec();
}

static void places(void)
{
	const u64 sealed[] = {
		F + 0x60, 3 * F, SIM_TEXT_LEN, SIM_RODATA, SIM_RODATA - 1,
		SIM_AFTER_INIT + 8, SIM_IDT + 0x100,
	};
	u64 page, pages = word(sim_image_gpa(SIM_LEVEL2_PGT) +
			       8 * (sim_image_gva(VAR) >> 21 & 511), 8) &
			  PTE_ADDRESS;
	u32 i;

	start();
	for (i = 0; i < ARRAY_SIZE(sealed); i++) {
		ASSERT_REFUSED(GUEST_ADDRESS, write_at(sealed[i], 2));
		CU_ASSERT_EQUAL(bench_answer.detail[0], sim_image_gva(sealed[i]));
		CU_ASSERT_STRING_EQUAL(bench_answer.text, "sim_variable");
	}
	ASSERT_REFUSED(GUEST_ADDRESS, write_at(SIM_IMAGE_END - 1, 2));
	ASSERT_REFUSED(GUEST_ADDRESS, write_at(SIM_IMAGE_END, 1));
	ASSERT_OK(write_at(SIM_IMAGE_END - 2, 2));
	/* Page tables that lead there do not help. */
	const u64 wrong[] = { SIM_TEXT, SIM_ARENA, SIM_HIDDEN, SIM_END, 0 };
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		start();
		page = pages + 8 * (VAR / PAGE_SIZE % 512);
		sim_poke64(page, wrong[i] ? wrong[i] | PTE_PRESENT | PTE_WRITE :
					    0);
		ASSERT_REFUSED(GUEST_ADDRESS, write_at(VAR, 8));
	}
}

static u64 moved_page;

static void move_page(void)
{
	sim_poke64(moved_page, SIM_TEXT | PTE_PRESENT | PTE_WRITE);
}

/* Between the first look and the stop the variable's page becomes a sealed one. */
static void moved(void)
{
	start();
	moved_page = (word(sim_image_gpa(SIM_LEVEL2_PGT) +
			   8 * (sim_image_gva(VAR) >> 21 & 511), 8) &
		      PTE_ADDRESS) + 8 * (VAR / PAGE_SIZE % 512);
	sim_poke(sim_image_gpa(VAR), sim.memory + SIM_TEXT, 8);
	sim.on_stop = move_page;
	ASSERT_REFUSED(GUEST_ADDRESS, write_at(VAR, 8));
	sim.on_stop = NULL;
}

/* Addresses in what is expected and in what comes: of the kernel, of new code. */
static void relocated(void)
{
	start();
	sim_poke64(sim_image_gpa(VAR), sim_image_gva(0x3000));
	make(F, 1, "a");
	add_write(US_WRITE_POST_APPLY, US_SPACE_IMAGE, VAR, 8, 0, 0);
	bench_spec.reloc[4] = (struct us_bundle_reloc) { 0, US_SPACE_WRITE,
		US_RELOC_ABS64, US_SPACE_PAYLOAD, 0, 16 };
	bench_spec.reloc[5] = (struct us_bundle_reloc) { 16, US_SPACE_WRITE,
		US_RELOC_ABS64, US_SPACE_IMAGE, 0, 0x3000 };
	bench_spec.relocs = 6;
	ASSERT_OK(apply(0));
	CU_ASSERT_EQUAL(var(VAR, 8), MODULE_BENCH_ARENA + 16);
	ASSERT_OK(revert(0));
	CU_ASSERT_EQUAL(var(VAR, 8), sim_image_gva(0x3000));
	bench_spec.generation = 2;
	bench_spec.reloc[5].target = 0x3001;
	ASSERT_REFUSED(DATA_EXPECTED, bench_apply_spec());
	/* A distance counts from the variable. */
	make(F, 2, "a");
	add_write(US_WRITE_POST_APPLY, US_SPACE_IMAGE, VAR + 64, 4, 0, 0);
	bench_spec.reloc[4] = (struct us_bundle_reloc) { 0, US_SPACE_WRITE,
		US_RELOC_PC32, US_SPACE_IMAGE, 0, 0x3000 };
	bench_spec.relocs = 5;
	ASSERT_OK(bench_apply_spec());
	CU_ASSERT_EQUAL(var(VAR + 64, 4), (u32)(0x3000 - VAR - 64));
}

static void overlaps(void)
{
	start();
	make(F, 1, "a");
	add_write(US_WRITE_PRE_APPLY, US_SPACE_IMAGE, VAR, 4, 0x55667788, 7);
	add_write(US_WRITE_POST_APPLY, US_SPACE_IMAGE, VAR + 3, 2, 0x4455, 7);
	ASSERT_REFUSED(HUNKS_OVERLAP, bench_apply_spec());
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "sim_variable");
	bench_spec.writes = 1;
	ASSERT_OK(apply(0));
	make(2 * F, 2, "b");
	add_write(US_WRITE_PRE_APPLY, US_SPACE_IMAGE, VAR, 4, 7, 8);
	ASSERT_REFUSED(HUNKS_OVERLAP, bench_apply_spec());
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "a");
	/* What is needed may be covered as a whole, and is put back in its order. */
	bench_spec.link[0].kind = US_LINK_NEEDS;
	strcpy(bench_spec.link[0].name, "a");
	bench_spec.links = 1;
	bench_spec.write[0].len = 3;
	bench_spec.write[0].expected[3] = bench_spec.write[0].replacement[3] = 0;
	ASSERT_REFUSED(HUNKS_OVERLAP, bench_apply_spec());
	bench_spec.write[0].len = 4;
	ASSERT_OK(apply(1));
	CU_ASSERT_EQUAL(var(VAR, 4), 8);
	ASSERT_REFUSED(PATCH_NEEDED, revert(0));
	ASSERT_OK(revert(1));
	CU_ASSERT_EQUAL(var(VAR, 4), 7);
	ASSERT_OK(revert(0));
	CU_ASSERT_EQUAL(var(VAR, 4), 0x55667788);
}

/* A successor finds what was there before the patch in whose place it comes. */
static void replaced(void)
{
	start();
	make(F, 1, "a");
	add_write(US_WRITE_PRE_APPLY, US_SPACE_IMAGE, VAR, 4, 0x55667788, 7);
	add_write(US_WRITE_PRE_APPLY, US_SPACE_IMAGE, VAR + 16, 4, 0, 5);
	ASSERT_OK(apply(0));
	make(F, 2, "b");
	bench_spec.flags = US_BUNDLE_CUMULATIVE;
	add_write(US_WRITE_PRE_APPLY, US_SPACE_IMAGE, VAR, 4, 7, 9);
	ASSERT_REFUSED(DATA_EXPECTED, bench_apply_spec());
	make(F, 2, "b");
	bench_spec.flags = US_BUNDLE_CUMULATIVE;
	add_write(US_WRITE_PRE_APPLY, US_SPACE_IMAGE, VAR + 2, 4, 0x33445566, 9);
	ASSERT_OK(apply(1));
	CU_ASSERT_EQUAL(var(VAR, 8), 0x1122000000097788);
	CU_ASSERT_EQUAL(var(VAR + 16, 4), 0);
	ASSERT_OK(revert(1));
	CU_ASSERT_EQUAL(var(VAR, 8), 0x1122334455667788);
	/* What the one that goes has left there is not there. */
	make(F, 3, "c");
	add_write(US_WRITE_PRE_APPLY, US_SPACE_IMAGE, VAR, 4, 0x55667788, 7);
	ASSERT_OK(bench_apply_spec());
	change_var();
	make(2 * F, 4, "d");
	bench_spec.flags = US_BUNDLE_CUMULATIVE;
	ASSERT_REFUSED(DATA_EXPECTED, bench_apply_spec());
}

/* Of a module's own data, and of its code, which is sealed. */
static void of_module(void)
{
	u64 gpa;

	module_bench_load(US_MODULE_OPEN, true);
	ASSERT_OK(module_bench_seal(0));
	ASSERT_OK(module_bench_seal(1));
	sim_map(sim.top_pgt, module_area_gva(1, MODULE_OWN_AREA), 0xfe000,
		PTE_PRESENT | PTE_WRITE | PTE_NX, PAGE_SIZE);
	gpa = 0xfe000 + 0x20;
	module_spec(&bench_spec, 1, 1);
	bench_spec.string_bytes = sizeof("sim_function");
	strcpy(bench_spec.strings + bench_spec.string_bytes, "sim_variable");
	bench_spec.string_bytes += sizeof("sim_variable");
	bench_spec.base[0] = (struct us_bundle_base) { US_BASE_AREA,
						       MODULE_OWN_AREA, "" };
	bench_spec.base[1] = (struct us_bundle_base) { US_BASE_TEXT, 0, "" };
	bench_spec.base[2] = (struct us_bundle_base) { US_BASE_PERCPU, 0, "" };
	bench_spec.bases = 3;
	add_write(US_WRITE_PRE_APPLY, US_SPACE_BASE,
		  0x20 - (module_area_gva(1, MODULE_OWN_AREA) & 0xfff), 4, 0, 77);
	ASSERT_OK(apply(0));
	CU_ASSERT_EQUAL(word(gpa, 4), 77);
	ASSERT_OK(revert(0));
	CU_ASSERT_EQUAL(word(gpa, 4), 0);
	bench_spec.generation = 2;
	bench_spec.write[0].base = 1;
	ASSERT_REFUSED(GUEST_ADDRESS, bench_apply_spec());
	bench_spec.write[0].base = 2;
	ASSERT_REFUSED(GUEST_ADDRESS, bench_apply_spec());
	module_use_areas(false);
}

static u64 shadow_entry(void)
{
	return var(SIM_LEVEL2_PGT + 8 * ((shadow_gva() >> 21) & 511), 8);
}

static bool shadow_clear(u64 from)
{
	for (; from < SIZE_2M; from++)
		if (sim.memory[SIM_SHADOW + from])
			return false;
	return true;
}

static void make_shadow(u32 function, u64 generation, u32 bytes)
{
	make(function, generation, "shadow");
	bench_spec.shadow_bytes = bytes;
	bench_spec.reloc[0].target_space = US_SPACE_SHADOW;
	bench_spec.reloc[0].target = 24;
}

static void shadow(void)
{
	start();
	ASSERT_OK(bench_apply(2 * F, 1));
	CU_ASSERT_EQUAL(shadow_entry(), 0);
	/* Whatever the guest has left there. */
	sim_poke64(SIM_SHADOW + 8, 0x5555555555555555);
	make_shadow(F, 2, 100);
	add_write(US_WRITE_PRE_APPLY, US_SPACE_SHADOW, 92, 8, 0, 0x99);
	ASSERT_OK(apply(0));
	CU_ASSERT_EQUAL(receipt->shadow_offset, 0);
	CU_ASSERT_EQUAL(receipt->shadow_bytes, 100);
	CU_ASSERT_EQUAL(receipt->arena_offset, 64);
	CU_ASSERT_EQUAL(shadow_entry(), SIM_SHADOW | 0x1e3 | PTE_NX);
	CU_ASSERT_EQUAL(word(SIM_ARENA + 64 + 8, 8), shadow_gva() + 24);
	CU_ASSERT_EQUAL(word(SIM_SHADOW + 8, 8), 0);
	CU_ASSERT_EQUAL(word(SIM_SHADOW + 92, 8), 0x99);
	make_shadow(3 * F, 3, 4096);
	ASSERT_OK(apply(1));
	CU_ASSERT_EQUAL(receipt->shadow_offset, 128);
	CU_ASSERT_EQUAL(word(SIM_ARENA + 128 + 8, 8), shadow_gva() + 128 + 24);
	/* The patch's own to change, and gone with it. */
	sim_poke64(SIM_SHADOW, 0x1234);
	sim_poke64(SIM_SHADOW + 128, 0x1234);
	ASSERT_OK(revert(0));
	CU_ASSERT_EQUAL(word(SIM_SHADOW, 8), 0);
	CU_ASSERT_EQUAL(word(SIM_SHADOW + 92, 8), 0);
	CU_ASSERT_EQUAL(word(SIM_SHADOW + 128, 8), 0x1234);
	ASSERT_OK(revert(1));
	CU_ASSERT(shadow_clear(0));
	CU_ASSERT_EQUAL(shadow_entry(), SIM_SHADOW | 0x1e3 | PTE_NX);
}

static void shadow_full(void)
{
	u32 i;

	start();
	for (i = 0; i < SIZE_2M / US_BUNDLE_MAX_SHADOW; i++) {
		make_shadow((i + 1) * F, i + 1, US_BUNDLE_MAX_SHADOW);
		ASSERT_OK(bench_apply_spec());
	}
	make_shadow((i + 1) * F, i + 1, 24 + 8);
	ASSERT_REFUSED(SHADOW_FULL, bench_apply_spec());
	CU_ASSERT_EQUAL(bench_answer.detail[0], 32);
	CU_ASSERT_EQUAL(bench_answer.detail[1], 0);
	ASSERT_OK(bench_apply((i + 1) * F, i + 1));
}

static void scribble(void)
{
	sim.memory[SIM_SHADOW + 3] = 1;
}

/* The guest has put something else there, or writes to it before it is a patch's. */
static void shadow_hostile(void)
{
	start();
	ASSERT_OK(bench_apply(2 * F, 1));
	make_shadow(F, 2, 100);
	add_write(US_WRITE_PRE_APPLY, US_SPACE_SHADOW, 0, 8, 0, 0x99);
	sim.on_stop = scribble;
	CU_ASSERT_EQUAL(bench_apply_spec(), US_E_DATA_EXPECTED);
	sim.on_stop = NULL;
	CU_ASSERT(shadow_clear(0));
	ASSERT_OK(apply(0));
	/* Its mapping is audited from then on: writable, and not executable. */
	sim_poke64(sim_image_gpa(SIM_LEVEL2_PGT) +
		   8 * ((shadow_gva() >> 21) & 511), SIM_SHADOW | 0x1e3);
	ASSERT_REFUSED(MAPPING_CHANGED, bench_apply(3 * F, 3));
	sim_poke64(sim_image_gpa(SIM_LEVEL2_PGT) +
		   8 * ((shadow_gva() >> 21) & 511),
		   SIM_SHADOW | 0x1e3 | PTE_NX);
	ASSERT_OK(bench_apply(3 * F, 3));
}

/* Staging of code and of shadow memory, and the commit, of a bundle with all parts. */
static void write_fails(void)
{
	u32 n;

	for (n = 1; n <= 3; n++) {
		start();
		make_shadow(F, 1, 100);
		add_write(US_WRITE_PRE_APPLY, US_SPACE_IMAGE, CROSS, 6,
			  0x666564636261, 1);
		add_write(US_WRITE_POST_APPLY, US_SPACE_SHADOW, 0, 8, 0, 0x99);
		sim.fail_write = n < 3 ? n : 0;
		sim.fail_commit = n == 3;
		ASSERT_REFUSED(HOST_FAILED, bench_apply_spec());
		CU_ASSERT(shadow_clear(0));
		ASSERT_OK(apply(0));
		sim.fail_commit = 1;
		ASSERT_REFUSED(HOST_FAILED, revert(0));
		ASSERT_OK(revert(0));
		CU_ASSERT(shadow_clear(0));
	}
}

const struct test data_tests[] = {
	{ "good", good },
	{ "expected values", expected },
	{ "places", places },
	{ "moved before the stop", moved },
	{ "relocated", relocated },
	{ "overlaps and stacks", overlaps },
	{ "replaced", replaced },
	{ "of a module", of_module },
	{ "shadow memory", shadow },
	{ "shadow memory full", shadow_full },
	{ "hostile guest", shadow_hostile },
	{ "every write fails once", write_fails },
	{ 0 },
};
