/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "page_walk.h"
#include "suites.h"

/* Page @n of a small physical memory is one table. */
static u64 memory[8][512];
static struct page_walker walker;
static struct page_mapping found;

static enum us_error read_entry(void *ctx, u64 gpa, u64 *entry)
{
	CU_ASSERT(IS_ALIGNED(gpa, 8));
	CU_ASSERT_PTR_EQUAL(ctx, &walker);
	if (gpa >= sizeof(memory))
		return US_E_HOST_FAILED;
	*entry = memory[gpa / PAGE_SIZE][gpa % PAGE_SIZE / 8];
	return US_OK;
}

#define FULL (PTE_PRESENT | PTE_WRITE | PTE_USER)

/* Indices 1, 2, 3, 4, 5 from the top; top table in page 1 or, with five levels, 5. */
#define GVA4	(2ull << 39 | 3ull << 30 | 4ull << 21 | 5ull << 12 | 0x123)
#define GVA5	(1ull << 48 | GVA4)

static void start(u32 levels)
{
	memset(memory, 0, sizeof(memory));
	memory[5][1] = 0x1000 | FULL;
	memory[1][2] = 0x2000 | FULL;
	memory[2][3] = 0x3000 | FULL;
	memory[3][4] = 0x4000 | FULL;
	memory[4][5] = 0xabcde000 | FULL;
	walker = (struct page_walker) {
		.read = read_entry, .ctx = &walker, .levels = levels,
		.cr3 = (levels == 5 ? 0x5000 : 0x1000) | 0xfff,
		.phys_bits = 40, .nxe = true,
	};
	memset(&found, 0xee, sizeof(found));
}

static void small_page(void)
{
	start(4);
	CU_ASSERT_EQUAL(page_walk(&walker, GVA4, &found), US_OK);
	CU_ASSERT_EQUAL(found.gpa, 0xabcde123);
	CU_ASSERT_EQUAL(found.page_size, PAGE_SIZE);
	CU_ASSERT_EQUAL(found.entry_gpa, 0x4000 + 5 * 8);
	CU_ASSERT_EQUAL(found.flags, PTE_WRITE | PTE_USER);
}

static void five_levels(void)
{
	start(5);
	CU_ASSERT_EQUAL(page_walk(&walker, GVA5, &found), US_OK);
	CU_ASSERT_EQUAL(found.gpa, 0xabcde123);
	memory[5][1] |= PTE_LARGE;
	CU_ASSERT_EQUAL(page_walk(&walker, GVA5, &found), US_E_GUEST_ADDRESS);
}

static void large_pages(void)
{
	start(4);
	memory[3][4] = 0x7fe00000 | FULL | PTE_LARGE;
	CU_ASSERT_EQUAL(page_walk(&walker, GVA4, &found), US_OK);
	CU_ASSERT_EQUAL(found.gpa, 0x7fe00000 + (GVA4 & (SIZE_2M - 1)));
	CU_ASSERT_EQUAL(found.page_size, SIZE_2M);
	memory[3][4] |= 1 << 12;	/* PAT */
	CU_ASSERT_EQUAL(page_walk(&walker, GVA4, &found), US_OK);
	CU_ASSERT_EQUAL(found.gpa, 0x7fe00000 + (GVA4 & (SIZE_2M - 1)));
	memory[2][3] = 0x40000000 | FULL | PTE_LARGE;
	CU_ASSERT_EQUAL(page_walk(&walker, GVA4, &found), US_OK);
	CU_ASSERT_EQUAL(found.gpa, 0x40000000 + (GVA4 & (SIZE_1G - 1)));
	CU_ASSERT_EQUAL(found.page_size, SIZE_1G);
	CU_ASSERT_EQUAL(found.entry_gpa, 0x2000 + 3 * 8);
}

static void permissions(void)
{
	u32 level;

	for (level = 1; level <= 4; level++) {
		u64 *entry = &memory[level][level + 1];

		start(4);
		*entry &= ~PTE_WRITE;
		CU_ASSERT_EQUAL(page_walk(&walker, GVA4, &found), US_OK);
		CU_ASSERT_EQUAL(found.flags, PTE_USER);
		start(4);
		*entry &= ~PTE_USER;
		CU_ASSERT_EQUAL(page_walk(&walker, GVA4, &found), US_OK);
		CU_ASSERT_EQUAL(found.flags, PTE_WRITE);
		start(4);
		*entry |= PTE_NX;
		CU_ASSERT_EQUAL(page_walk(&walker, GVA4, &found), US_OK);
		CU_ASSERT_EQUAL(found.flags, PTE_WRITE | PTE_USER | PTE_NX);
	}
}

static void not_present(void)
{
	u32 level;

	for (level = 1; level <= 4; level++) {
		start(4);
		memory[level][level + 1] &= ~PTE_PRESENT;
		CU_ASSERT_EQUAL(page_walk(&walker, GVA4, &found),
				US_E_GUEST_ADDRESS);
		CU_ASSERT_EQUAL(found.gpa, 0xeeeeeeeeeeeeeeee);
	}
}

static void reserved(void)
{
	u32 level;

	for (level = 1; level <= 4; level++) {
		start(4);
		memory[level][level + 1] |= 1ull << 40;
		CU_ASSERT_EQUAL(page_walk(&walker, GVA4, &found),
				US_E_GUEST_ADDRESS);
		start(4);
		memory[level][level + 1] |= PTE_NX;
		walker.nxe = false;
		CU_ASSERT_EQUAL(page_walk(&walker, GVA4, &found),
				US_E_GUEST_ADDRESS);
	}
	start(4);
	memory[1][2] |= PTE_LARGE;
	CU_ASSERT_EQUAL(page_walk(&walker, GVA4, &found), US_E_GUEST_ADDRESS);
	start(4);
	memory[3][4] = 0x7fe00000 | FULL | PTE_LARGE | 1 << 13;
	CU_ASSERT_EQUAL(page_walk(&walker, GVA4, &found), US_E_GUEST_ADDRESS);
	start(4);
	memory[2][3] = 0x40000000 | FULL | PTE_LARGE | 1 << 29;
	CU_ASSERT_EQUAL(page_walk(&walker, GVA4, &found), US_E_GUEST_ADDRESS);
}

static void not_canonical(void)
{
	start(4);
	CU_ASSERT_EQUAL(page_walk(&walker, GVA4 | 1ull << 48, &found),
			US_E_GUEST_ADDRESS);
	CU_ASSERT_EQUAL(page_walk(&walker, 1ull << 47, &found),
			US_E_GUEST_ADDRESS);
	CU_ASSERT_EQUAL(page_walk(&walker, ~0ull << 48 | GVA4, &found),
			US_E_GUEST_ADDRESS);
	start(5);
	CU_ASSERT_EQUAL(page_walk(&walker, 1ull << 57 | GVA5, &found),
			US_E_GUEST_ADDRESS);
}

static void bad_walker(void)
{
	start(4);
	walker.levels = 3;
	CU_ASSERT_EQUAL(page_walk(&walker, GVA4, &found), US_E_GUEST_ADDRESS);
	start(4);
	walker.phys_bits = 53;
	CU_ASSERT_EQUAL(page_walk(&walker, GVA4, &found), US_E_GUEST_ADDRESS);
	start(4);
	walker.cr3 |= 1ull << 41;
	CU_ASSERT_EQUAL(page_walk(&walker, GVA4, &found), US_E_GUEST_ADDRESS);
	start(4);
	memory[2][3] = 0x100000 | FULL;	/* beyond what can be read */
	CU_ASSERT_EQUAL(page_walk(&walker, GVA4, &found), US_E_HOST_FAILED);
}

const struct test page_walk_tests[] = {
	{ "small page", small_page },
	{ "five levels", five_levels },
	{ "large pages", large_pages },
	{ "permissions of all levels count", permissions },
	{ "not present", not_present },
	{ "reserved bits", reserved },
	{ "not canonical", not_canonical },
	{ "walker out of range", bad_walker },
	{ 0 },
};
