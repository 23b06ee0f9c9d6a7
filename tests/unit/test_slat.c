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
#include "window.h"

#define REGION		(8 * SIZE_2M)
#define RAM		(8 * SIZE_1G)
#define DEVICES		0xfe000000ull	/* up to 4 GiB */

static struct vmm_ops ops;
static void *region;

bool guest_range_ok(u64 gpa, u64 len)
{
	return (span_inside(gpa, len, RAM) &&
		!spans_overlap(gpa, len, DEVICES, 4 * SIZE_1G - DEVICES)) ||
	       (gpa >= hv.arena && span_inside(gpa - hv.arena, len,
					       hv.boot.arena_len +
					       hv.boot.shadow_len));
}

/* A guest with 8 GiB of RAM and, beside what slat_init() takes, @pages free pages.
 * The region that is hidden from it lies where this program has it. */
static struct memory_type (*want_types)(u64 pa, u64 len);

static void start(u64 pages, bool large)
{
	fake_start(1);
	ops = *hv.ops;
	ops.slat = (struct slat_format) {
		.table = 0x7, .open = 0x67, .sealed = 0x65,
		.read_only = 0x61 | 1ull << 63, .large = 0x80,
		.type = 0x18,
	};
	ops.memory_type = want_types;
	hv.ops = &ops;
	hv.has_slat_1g = large;
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

static u64 *own_table(u64 *entry)
{
	u64 *table = page_alloc();

	if (table && entry)
		*entry = (u64)table | PTE_PRESENT | PTE_WRITE;
	return table;
}

/* Where four levels of tables lead, and with which leaf; false: nowhere. SLAT and
 * page tables have the address and the large bit at the same places here. */
static bool lookup(const u64 *table, u64 at, u64 *to, u64 *leaf)
{
	u64 entry = 0, size = 0;
	u32 level;

	for (level = 4; level; level--) {
		size = 1ull << (PAGE_SHIFT + 9 * (level - 1));
		entry = table[at / size & 511];
		if (!entry || level == 1 || (entry & PTE_LARGE))
			break;
		table = (const u64 *)(entry & PTE_ADDRESS);
	}
	*leaf = entry;
	*to = (entry & PTE_ADDRESS & ~(size - 1)) + (at & (size - 1));
	return entry;
}

static u64 *window_slat, *window_own;

/* What the control domain reaches at guest-physical @gpa of its window. */
static bool through_window(u64 gpa, u64 *pa)
{
	u64 own, leaf;

	if (!lookup(window_own, US_CONTROL_WINDOW + gpa, &own, &leaf))
		return false;
	CU_ASSERT_FALSE(leaf & PTE_WRITE);
	CU_ASSERT_TRUE((leaf & PTE_NX) != 0);
	if (!lookup(window_slat, own, pa, &leaf))
		return false;
	CU_ASSERT_EQUAL(leaf & ~(PTE_ADDRESS | PTE_LARGE),
			hv.ops->slat.read_only);
	return true;
}

static enum us_error open_window(bool large)
{
	static const struct us_ram_range ram[] = {
		{ 0x1000, 0x9f000 }, { 0x100000, DEVICES - 0x100000 - 0x5000 },
		{ 4 * SIZE_1G, 4 * SIZE_1G - SIZE_2M },
	};

	start(96, large);
	memcpy(hv.boot.ram, ram, sizeof(ram));
	hv.boot.ram_ranges = 3;
	window_slat = slat_new_root();
	window_own = own_table(NULL);
	return window_map(window_slat, window_own, own_table);
}

/* The guest's memory and the arena, and nothing else. */
static void window(void)
{
	static const u64 there[] = {
		0x1000, 0x9ffff, 0x100000, 0x1fffff, SIZE_1G + 5, 3 * SIZE_1G,
		DEVICES - 0x5001, 4 * SIZE_1G, 7 * SIZE_1G, RAM - SIZE_2M - 1,
	};
	static const u64 not_there[] = {
		0, 0xfff, 0xa0000, 0xfffff, DEVICES - 0x5000, DEVICES,
		0xfee00000, 4 * SIZE_1G - 1, RAM - SIZE_2M, RAM,
	};
	struct us_mailbox mailbox = { 0 };
	u32 i, large;
	u64 pa;

	for (large = 0; large < 2; large++) {
		CU_ASSERT_EQUAL_FATAL(open_window(large), US_OK);
		for (i = 0; i < ARRAY_SIZE(there); i++) {
			CU_ASSERT_TRUE(through_window(there[i], &pa));
			CU_ASSERT_EQUAL(pa, there[i]);
		}
		for (i = 0; i < ARRAY_SIZE(not_there); i++)
			CU_ASSERT_FALSE(through_window(not_there[i], &pa));
		/* The SLAT shows arena and shadow memory and not what is behind; the
		 * region of a machine lies below 4 GiB, so the window reaches it. */
		CU_ASSERT_TRUE(lookup(window_slat, SIZE_1G + hv.arena, &pa,
				      &(u64){ 0 }));
		CU_ASSERT_EQUAL(pa, hv.arena);
		CU_ASSERT_FALSE(lookup(window_slat, SIZE_1G + hv.arena +
				       2 * SIZE_2M, &pa, &(u64){ 0 }));
		/* Nor is there anything of its own at its other addresses. */
		CU_ASSERT_FALSE(lookup(window_slat, 0x200000, &pa, &(u64){ 0 }));
		stop();
	}
	window_describe(&mailbox);
	CU_ASSERT_EQUAL(mailbox.ram_ranges, 4);
	CU_ASSERT_EQUAL(mailbox.ram[2].base, 4 * SIZE_1G);
	CU_ASSERT_EQUAL(mailbox.ram[3].base, hv.arena);
	CU_ASSERT_EQUAL(mailbox.ram[3].len, 2 * SIZE_2M);
}

/* A list that has what the guest must not see, and RAM that is out of reach. */
static void no_window(void)
{
	open_window(true);
	hv.boot.ram[0] = (struct us_ram_range) { DEVICES, SIZE_2M };
	CU_ASSERT_EQUAL(window_map(slat_new_root(), own_table(NULL), own_table),
			US_E_BAD_IMAGE);
	hv.boot.ram_ranges = 0;
	hv.phys_bits = 33;
	CU_ASSERT_EQUAL(window_map(slat_new_root(), own_table(NULL), own_table),
			US_E_NO_MEMORY);
	stop();
}

/* Devices from 3 GiB + 4 MiB + 4 KiB on to 4 GiB have a type of their own. */
#define ODD_DEVICES	(3 * SIZE_1G + 2 * SIZE_2M + PAGE_SIZE)
#define TYPE_DEVICE	0x08u
#define TYPE_MEMORY	0x10u

static struct memory_type device_type(u64 pa, u64 len)
{
	bool device = pa >= ODD_DEVICES && pa < 4 * SIZE_1G;

	return (struct memory_type) {
		device ? TYPE_DEVICE : TYPE_MEMORY,
		device || !spans_overlap(pa, len, ODD_DEVICES,
					 4 * SIZE_1G - ODD_DEVICES),
	};
}

static u64 leaf_at(u64 gpa, u64 *len)
{
	u64 *table = (u64 *)slat_guest_root();

	for (u32 shift = 39;; shift -= 9) {
		u64 entry = table[gpa >> shift & 511];

		*len = 1ull << shift;
		if (shift == 12 || (shift < 39 && (entry & 0x80)))
			return entry;
		table = (u64 *)(entry & PTE_ADDRESS);
	}
}

static void expect_leaf(u64 gpa, u64 type, u64 len)
{
	u64 found_len, entry = leaf_at(gpa, &found_len);

	CU_ASSERT_EQUAL(entry & 0x18, type);
	CU_ASSERT_EQUAL(found_len, len);
	CU_ASSERT_EQUAL(slat_access_at(gpa), SLAT_OPEN);
}

/* Pages are as large as one type goes, and keep it when they are split. */
static void memory_types(void)
{
	want_types = device_type;
	start(16, true);
	want_types = NULL;
	expect_leaf(SIZE_1G, TYPE_MEMORY, SIZE_1G);
	expect_leaf(3 * SIZE_1G, TYPE_MEMORY, SIZE_2M);
	expect_leaf(ODD_DEVICES - PAGE_SIZE, TYPE_MEMORY, PAGE_SIZE);
	expect_leaf(ODD_DEVICES, TYPE_DEVICE, PAGE_SIZE);
	expect_leaf(4 * SIZE_1G - 1, TYPE_DEVICE, SIZE_2M);
	CU_ASSERT_EQUAL(slat_protect(0xfee00000, PAGE_SIZE, SLAT_READ_ONLY),
			US_OK);
	CU_ASSERT_EQUAL(slat_access_at(0xfee00000), SLAT_READ_ONLY);
	expect_leaf(0xfee01000, TYPE_DEVICE, PAGE_SIZE);
	stop();
}

/* The kernel executes what is sealed, programs what is open, whatever page sizes. */
static void execution(void)
{
	u64 at = 5 * SIZE_1G + 7 * PAGE_SIZE, len;

	start(64, true);
	ops.slat.open = 0x407;
	ops.slat.sealed = 0x405;
	ops.slat.read_only = 1;
	ops.slat.kernel_fetch = 4;
	CU_ASSERT_EQUAL_FATAL(slat_init(), US_OK);
	CU_ASSERT_EQUAL(slat_protect(at, PAGE_SIZE, SLAT_SEALED), US_OK);
	CU_ASSERT_EQUAL(slat_protect(at + PAGE_SIZE, PAGE_SIZE, SLAT_READ_ONLY),
			US_OK);
	CU_ASSERT_FALSE(slat_execution_guarded());
	slat_guard_execution();
	CU_ASSERT_TRUE(slat_execution_guarded());
	CU_ASSERT_EQUAL(leaf_at(at, &len) & 0x407, 0x405);
	CU_ASSERT_EQUAL(leaf_at(at + PAGE_SIZE, &len) & 0x407, 1);
	CU_ASSERT_EQUAL(leaf_at(at - PAGE_SIZE, &len) & 0x407, 0x403);
	CU_ASSERT_EQUAL(leaf_at(at + SIZE_2M, &len) & 0x407, 0x403);
	CU_ASSERT_EQUAL(leaf_at(6 * SIZE_1G, &len) & 0x407, 0x403);
	CU_ASSERT_EQUAL(slat_access_at(6 * SIZE_1G), SLAT_OPEN);
	CU_ASSERT_EQUAL(slat_access_at(hv.base), SLAT_SEALED);
	CU_ASSERT_EQUAL(slat_access_at(hv.shadow), SLAT_DATA);
	/* What is opened, or mapped, later is no different. */
	CU_ASSERT_EQUAL(slat_protect(at, PAGE_SIZE, SLAT_OPEN), US_OK);
	CU_ASSERT_EQUAL(leaf_at(at, &len) & 0x407, 0x403);
	CU_ASSERT_TRUE_FATAL(slat_map_lazily(RAM + SIZE_1G));
	CU_ASSERT_EQUAL(leaf_at(RAM + SIZE_1G, &len) & 0x407, 0x403);
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
	{ "the control domain's window", window },
	{ "no window", no_window },
	{ "memory types", memory_types },
	{ "execution by the kernel and by programs", execution },
	{ 0 },
};
