/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory types by MTRRs, as EPT entries need them. */
#include <string.h>

#include "suites.h"
#include "vmx/mtrr.h"

#define MIB		(1ull << 20)
#define MASK(len)	(~((len) - 1) & 0xfffffffffull)

static struct mtrrs mtrrs;

static void add(u64 base, u64 len, u8 type)
{
	mtrrs.variable[mtrrs.count].base = base | type;
	mtrrs.variable[mtrrs.count++].mask = MASK(len) | MTRR_VALID;
}

static void expect(u64 pa, u64 len, u8 type, bool uniform)
{
	bool found;

	CU_ASSERT_EQUAL(mtrr_type(&mtrrs, pa, len, &found), type);
	CU_ASSERT_EQUAL(found, uniform);
}

/* A machine with 3 GiB of memory below 4 GiB, and 1 MiB of it uncached. */
static void start(u8 type)
{
	memset(&mtrrs, 0, sizeof(mtrrs));
	mtrrs.default_type = MTRR_ON | MTRR_FIXED_ON | type;
	for (u32 i = 0; i < MTRR_FIXED; i++)
		mtrrs.fixed[i] = i == 2 ? 0 : 0x0606060606060606;
}

static void test_variable(void)
{
	start(MTRR_UC);
	add(0, 2 * SIZE_1G, MTRR_WB);
	add(2 * SIZE_1G, SIZE_1G, MTRR_WB);
	add(3 * SIZE_1G - MIB, MIB, MTRR_UC);
	add(3 * SIZE_1G, 16 * MIB, MTRR_WC);
	expect(SIZE_1G, SIZE_1G, MTRR_WB, true);
	expect(2 * SIZE_1G, SIZE_1G, MTRR_WB, false);
	expect(2 * SIZE_1G, SIZE_2M, MTRR_WB, true);
	expect(3 * SIZE_1G - SIZE_2M, SIZE_2M, MTRR_WB, false);
	expect(3 * SIZE_1G - SIZE_2M, PAGE_SIZE, MTRR_WB, true);
	expect(3 * SIZE_1G - MIB, PAGE_SIZE, MTRR_UC, true);
	expect(3 * SIZE_1G, SIZE_2M, MTRR_WC, true);
	expect(3 * SIZE_1G, SIZE_1G, MTRR_WC, false);
	expect(3 * SIZE_1G + 16 * MIB, SIZE_2M, MTRR_UC, true);
	expect(4 * SIZE_1G, SIZE_1G, MTRR_UC, true);
}

/* Default write-back with a hole, as firmware likes it, and ranges that do not count. */
static void test_hole(void)
{
	start(MTRR_WB);
	add(3 * SIZE_1G, SIZE_1G, MTRR_UC);
	add(8 * SIZE_1G, SIZE_1G, MTRR_UC);
	mtrrs.variable[1].mask &= ~(u64)MTRR_VALID;
	add(3 * SIZE_1G, SIZE_2M, MTRR_WT);
	expect(2 * SIZE_1G, SIZE_1G, MTRR_WB, true);
	expect(3 * SIZE_1G, SIZE_2M, MTRR_UC, true);	/* over WT */
	expect(8 * SIZE_1G, SIZE_1G, MTRR_WB, true);
	mtrrs.variable[0].mask = 0;
	expect(3 * SIZE_1G, SIZE_2M, MTRR_WT, true);
	add(3 * SIZE_1G, SIZE_1G, MTRR_WB);
	expect(3 * SIZE_1G, SIZE_2M, MTRR_WT, true);	/* over WB */
}

static void test_fixed(void)
{
	start(MTRR_WB);
	add(0, SIZE_2M, MTRR_UC);
	mtrrs.fixed[1] = 0x0504000000000000;	/* 16 KiB each from 0x80000 on */
	mtrrs.fixed[10] = 0x0106060606060606;	/* 4 KiB each from 0xf8000 on */
	expect(0, PAGE_SIZE, MTRR_WB, true);
	expect(0, SIZE_2M, MTRR_WB, false);
	expect(0x98000, PAGE_SIZE, MTRR_WT, true);
	expect(0x9f000, PAGE_SIZE, MTRR_WP, true);
	expect(0xa0000, PAGE_SIZE, MTRR_UC, true);
	expect(0xbf000, PAGE_SIZE, MTRR_UC, true);
	expect(0xfe000, PAGE_SIZE, MTRR_WB, true);
	expect(0xff000, PAGE_SIZE, MTRR_WC, true);
	expect(0x100000, PAGE_SIZE, MTRR_UC, true);
	mtrrs.default_type &= ~(u64)MTRR_FIXED_ON;
	expect(0, SIZE_2M, MTRR_UC, true);
}

static void test_off(void)
{
	start(MTRR_WB);
	mtrrs.default_type = MTRR_WB;
	expect(0, SIZE_1G, MTRR_UC, true);
}

const struct test mtrr_tests[] = {
	{ "variable ranges", test_variable },
	{ "a hole", test_hole },
	{ "fixed ranges", test_fixed },
	{ "switched off", test_off },
	{ 0 }
};
