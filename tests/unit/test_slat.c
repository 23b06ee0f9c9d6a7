/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's view of memory: what is split, what it costs, and that tables which are
 * not needed any more come back. */
#include <stdlib.h>
#include <string.h>

#include "fake_vmm.h"
#include "memory.h"
#include "pages.h"
#include "slat.h"
#include "suites.h"

#define REGION		(8 * SIZE_2M)
#define RAM		(8 * SIZE_1G)
#define DEVICES		0xfe000000ull	/* up to 4 GiB */

static struct vmm_ops ops;
static void *region;

bool guest_range_ok(u64 gpa, u64 len)
{
	return span_inside(gpa, len, RAM) &&
	       !spans_overlap(gpa, len, DEVICES, 4 * SIZE_1G - DEVICES);
}

/* A guest with 8 GiB of RAM and, beside what slat_init() takes, @pages free pages.
 * The region that is hidden from it lies where this program has it. */
static void start(u64 pages, bool large)
{
	fake_start(1);
	ops = *hv.ops;
	ops.slat = (struct slat_format) {
		.table = 0x7, .open = 0x67, .sealed = 0x65,
		.read_only = 0x61 | 1ull << 63, .large = 0x80,
	};
	hv.ops = &ops;
	hv.has_1g_pages = large;
	hv.phys_bits = 48;
	hv.boot.highest_ram = RAM;
	hv.boot.arena_len = SIZE_2M;
	if (!region)
		region = aligned_alloc(SIZE_2M, REGION);
	hv.boot.shadow_len = SIZE_2M;
	hv.base = hv.arena = hv.boot.region_base = (u64)region;
	hv.shadow = hv.arena + SIZE_2M;
	hv.end = hv.base + REGION;
	hv.boot.region_len = REGION;
	hv.boot.free_base = hv.base + 2 * SIZE_2M;
	pages_init();
	CU_ASSERT_EQUAL_FATAL(slat_init(), US_OK);
	while (pages_free() > pages)
		page_alloc();
}

static void stop(void)
{
	free(region);
	region = NULL;
}

static void permissions(void)
{
	u64 at = 5 * SIZE_1G + 7 * PAGE_SIZE;

	start(16, true);
	CU_ASSERT_EQUAL(slat_access_at(at), SLAT_OPEN);
	CU_ASSERT_EQUAL(slat_protect(at, PAGE_SIZE, SLAT_SEALED), US_OK);
	CU_ASSERT_EQUAL(slat_access_at(at), SLAT_SEALED);
	CU_ASSERT_EQUAL(slat_access_at(at - 1), SLAT_OPEN);
	CU_ASSERT_EQUAL(slat_access_at(at + PAGE_SIZE), SLAT_OPEN);
	/* One table each for a GiB and for 2 MiB of it. */
	CU_ASSERT_EQUAL(pages_free(), 14);
	CU_ASSERT_EQUAL(slat_protect(at, PAGE_SIZE, SLAT_READ_ONLY), US_OK);
	CU_ASSERT_EQUAL(slat_access_at(at), SLAT_READ_ONLY);
	CU_ASSERT_EQUAL(pages_free(), 14);
	/* Beyond all RAM, and the hidden region. */
	CU_ASSERT_EQUAL(slat_access_at(RAM), SLAT_READ_ONLY);
	CU_ASSERT_EQUAL(slat_access_at(1ull << 48), SLAT_READ_ONLY);
	CU_ASSERT_EQUAL(slat_access_at(hv.base), SLAT_SEALED);
	CU_ASSERT_EQUAL(slat_access_at(hv.base + SIZE_2M), SLAT_DATA);
	CU_ASSERT_EQUAL(slat_access_at(hv.base + 2 * SIZE_2M - 1), SLAT_DATA);
	CU_ASSERT_EQUAL(slat_access_at(hv.base + 2 * SIZE_2M), SLAT_READ_ONLY);
	CU_ASSERT_EQUAL(slat_access_at(hv.end - 1), SLAT_READ_ONLY);
	stop();
}

/* From the middle of one 2 MiB page over two whole ones into a fourth. */
static void large_pages_stay(void)
{
	u64 at = SIZE_1G + SIZE_1G / 2 - PAGE_SIZE, end = at + 2 * SIZE_2M +
		 3 * PAGE_SIZE;

	start(16, false);
	CU_ASSERT_EQUAL(slat_protect(at, end - at, SLAT_SEALED), US_OK);
	CU_ASSERT_EQUAL(pages_free(), 14);
	CU_ASSERT_EQUAL(slat_access_at(at - 1), SLAT_OPEN);
	CU_ASSERT_EQUAL(slat_access_at(at), SLAT_SEALED);
	CU_ASSERT_EQUAL(slat_access_at(end - 1), SLAT_SEALED);
	CU_ASSERT_EQUAL(slat_access_at(end), SLAT_OPEN);
	stop();
}

static void out_of_pages(void)
{
	start(3, true);
	CU_ASSERT_EQUAL(slat_protect(SIZE_1G, PAGE_SIZE, SLAT_SEALED),
			US_E_NO_MEMORY);
	CU_ASSERT_EQUAL(slat_access_at(SIZE_1G), SLAT_OPEN);
	CU_ASSERT_EQUAL(pages_free(), 3);
	stop();
}

/* Modules come and go for years, each time in other frames. */
static void tables_come_back(void)
{
	u64 i, at, least = ~0ull;

	start(80, true);
	for (i = 0; i < 10000; i++) {
		at = (i * 37 % (RAM / SIZE_2M)) * SIZE_2M + i % 512 * PAGE_SIZE;
		slat_gather();
		CU_ASSERT_EQUAL_FATAL(slat_protect(at, PAGE_SIZE, SLAT_SEALED),
				      US_OK);
		CU_ASSERT_EQUAL(slat_access_at(at), SLAT_SEALED);
		CU_ASSERT_EQUAL(slat_protect(at, PAGE_SIZE, SLAT_OPEN), US_OK);
		CU_ASSERT_EQUAL(slat_access_at(at), SLAT_OPEN);
		if (pages_free() < least)
			least = pages_free();
	}
	/* It is not done as long as there are pages enough. */
	CU_ASSERT(least < 64 && least > 32);
	stop();
}

static void what_is_sealed_stays_split(void)
{
	u64 i, free_before;

	start(60, true);
	for (i = 0; i < 20; i++)
		slat_protect(i * SIZE_2M, 2 * PAGE_SIZE, SLAT_SEALED);
	for (i = 0; i < 20; i++)
		slat_protect(i * SIZE_2M, PAGE_SIZE, SLAT_OPEN);
	free_before = pages_free();
	slat_gather();
	CU_ASSERT_EQUAL(pages_free(), free_before);
	for (i = 0; i < 20; i++)
		CU_ASSERT_EQUAL(slat_access_at(i * SIZE_2M + PAGE_SIZE),
				SLAT_SEALED);
	slat_protect(PAGE_SIZE, PAGE_SIZE, SLAT_OPEN);
	slat_gather();
	CU_ASSERT_EQUAL(pages_free(), free_before + 1);
	CU_ASSERT_EQUAL(slat_access_at(PAGE_SIZE), SLAT_OPEN);
	CU_ASSERT_EQUAL(slat_access_at(SIZE_2M + PAGE_SIZE), SLAT_SEALED);
	/* The page that came back is as good as a new one. */
	CU_ASSERT_EQUAL(slat_protect(0, PAGE_SIZE, SLAT_SEALED), US_OK);
	CU_ASSERT_EQUAL(slat_access_at(PAGE_SIZE), SLAT_OPEN);
	CU_ASSERT_EQUAL(slat_access_at(SIZE_2M - 1), SLAT_OPEN);
	stop();
}

/* Registers of devices are no RAM; trapping them again needs no page. */
static void devices_stay_split(void)
{
	u64 free_before;

	start(40, true);
	CU_ASSERT_EQUAL(slat_protect(0xfee00000, PAGE_SIZE, SLAT_READ_ONLY),
			US_OK);
	CU_ASSERT_EQUAL(slat_protect(0xfee00000, PAGE_SIZE, SLAT_OPEN), US_OK);
	free_before = pages_free();
	slat_gather();
	CU_ASSERT_EQUAL(pages_free(), free_before);
	stop();
}

static void lazily(void)
{
	start(40, true);
	CU_ASSERT_TRUE(slat_map_lazily(RAM + 12345));
	CU_ASSERT_EQUAL(slat_access_at(RAM + SIZE_1G - 1), SLAT_OPEN);
	CU_ASSERT_EQUAL(slat_access_at(RAM + SIZE_1G), SLAT_READ_ONLY);
	CU_ASSERT_FALSE(slat_map_lazily(1ull << 48));
	hv.phys_bits = 40;
	CU_ASSERT_FALSE(slat_map_lazily(1ull << 40));
	while (pages_free() > 32)
		page_alloc();
	/* A new table would touch what is kept for seals. */
	CU_ASSERT_FALSE(slat_map_lazily(513ull * SIZE_1G));
	stop();
}

const struct test slat_tests[] = {
	{ "permissions, splitting as little as possible", permissions },
	{ "whole large pages stay large", large_pages_stay },
	{ "without pages nothing changes", out_of_pages },
	{ "tables come back", tables_come_back },
	{ "what is sealed stays split", what_is_sealed_stays_split },
	{ "registers of devices stay split", devices_stay_split },
	{ "space above RAM is mapped when touched", lazily },
	{ 0 },
};
