/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "slat.h"

#include <string.h>

#include "lock.h"
#include "memory.h"
#include "pages.h"
#include "vmm.h"

static u64 *guest_root;
static u64 *hidden_table;	/* 512 times the zero page */
static u8 zero_page[PAGE_SIZE] __attribute__((aligned(4096)));
static struct lock tables_lock;
static bool execution_guarded;

u64 slat_guest_root(void)
{
	return virt_to_phys(guest_root);
}

/* What has a page executed is what sealed and read-only ones differ in: a bit that is
 * set, or one that is clear. */
static u64 data_bits(const struct slat_format *format)
{
	return (format->open & ~(format->sealed & ~format->read_only)) |
		(format->read_only & ~format->sealed);
}

static u64 open_bits(const struct slat_format *format)
{
	return format->open & ~(execution_guarded ? format->kernel_fetch : 0);
}

static u64 leaf_bits(enum slat_access access)
{
	const struct slat_format *format = &hv.ops->slat;

	switch (access) {
	case SLAT_OPEN: return open_bits(format);
	case SLAT_SEALED: return format->sealed;
	case SLAT_DATA: return data_bits(format);
	default: return format->read_only;
	}
}

/* Index shift of a level: 1 is the table of 4 KiB pages. */
static u32 level_shift(u32 level)
{
	return PAGE_SHIFT + 9 * (level - 1);
}

static bool is_leaf(u64 entry, u32 level)
{
	return level == 1 || (entry & hv.ops->slat.large);
}

static struct memory_type type_of(u64 pa, u64 len)
{
	return hv.ops->memory_type ? hv.ops->memory_type(pa, len) :
		(struct memory_type) { 0, true };
}

static u64 make_leaf(u64 pa, u32 level, enum slat_access access)
{
	return pa | leaf_bits(access) | (level > 1 ? hv.ops->slat.large : 0) |
		type_of(pa, PAGE_SIZE).bits;
}

static u64 *table_of(u64 entry)
{
	return own_phys_to_virt(entry & PTE_ADDRESS);
}

static u64 *new_table(u64 *entry)
{
	u64 *table = page_alloc();

	if (table)
		*entry = virt_to_phys(table) | hv.ops->slat.table;
	return table;
}

/* Replace a large leaf at @level by a table that maps the same. */
static u64 *split(u64 *entry, u32 level)
{
	u64 *table = page_alloc();
	u64 old = *entry;
	u64 step = 1ull << level_shift(level - 1);

	if (!table)
		return NULL;
	if (level == 2)
		old &= ~hv.ops->slat.large;
	for (u64 i = 0; i < 512; i++)
		table[i] = old + i * step;
	*entry = virt_to_phys(table) | hv.ops->slat.table;
	return table;
}

/* The entry for @gpa at @level, tables made and large pages split on the way. */
static u64 *entry_at(u64 *root, u64 gpa, u32 level)
{
	u64 *table = root;

	for (u32 at = 4; at > level; at--) {
		u64 *entry = &table[gpa >> level_shift(at) & 511];

		if (!*entry)
			table = new_table(entry);
		else if (is_leaf(*entry, at))
			table = split(entry, at);
		else
			table = table_of(*entry);
		if (!table)
			return NULL;
	}
	return &table[gpa >> level_shift(level) & 511];
}

/* Open what one entry of @level spans at @gpa: by a leaf, or by a table where memory
 * of several types is in it. */
static bool open_span(u64 gpa, u32 level)
{
	u64 len = 1ull << level_shift(level);
	u64 *entry;

	if ((level == 3 && !hv.has_slat_1g) || !type_of(gpa, len).uniform) {
		for (u64 at = gpa; at < gpa + len; at += len / 512)
			if (!open_span(at, level - 1))
				return false;
		return true;
	}
	entry = entry_at(guest_root, gpa, level);
	if (entry)
		*entry = make_leaf(gpa, level, SLAT_OPEN);
	return entry;
}

bool slat_map_page(u64 *root, u64 gpa, u64 pa, enum slat_access access)
{
	u64 *entry = entry_at(root, gpa, 1);

	if (entry)
		*entry = make_leaf(pa, 1, access);
	return entry;
}

/* The level of the largest page that can map the start of such a range. */
static u32 largest_level(u64 gpa, u64 pa, u64 len)
{
	for (u32 level = hv.has_slat_1g ? 3 : 2; level > 1; level--) {
		u64 size = 1ull << level_shift(level);

		if (IS_ALIGNED(gpa | pa, size) && len >= size)
			return level;
	}
	return 1;
}

bool slat_map_range(u64 *root, u64 gpa, u64 pa, u64 len, enum slat_access access)
{
	for (u64 done = 0; done < len;) {
		u32 level = largest_level(gpa + done, pa + done, len - done);
		u64 *entry = entry_at(root, gpa + done, level);

		if (!entry)
			return false;
		*entry = make_leaf(pa + done, level, access);
		done += 1ull << level_shift(level);
	}
	return true;
}

u64 *slat_new_root(void)
{
	return page_alloc();
}

static bool hide_region(void)
{
	u64 at = hv.shadow + hv.boot.shadow_len;

	while (at < hv.end) {
		u64 *entry;

		if (IS_ALIGNED(at, SIZE_2M) && at + SIZE_2M <= hv.end) {
			entry = entry_at(guest_root, at, 2);
			if (!entry)
				return false;
			*entry = virt_to_phys(hidden_table) | hv.ops->slat.table;
			at += SIZE_2M;
			continue;
		}
		if (!slat_map_page(guest_root, at, virt_to_phys(zero_page),
				   SLAT_READ_ONLY))
			return false;
		at += PAGE_SIZE;
	}
	return true;
}

enum us_error slat_init(void)
{
	u64 top = hv.boot.highest_ram;
	enum us_error error;

	execution_guarded = false;
	guest_root = page_alloc();
	hidden_table = page_alloc();
	if (!guest_root || !hidden_table)
		return US_E_NO_MEMORY;
	for (u32 i = 0; i < 512; i++)
		hidden_table[i] = make_leaf(virt_to_phys(zero_page), 1,
					    SLAT_READ_ONLY);
	if (top < 4 * SIZE_1G)
		top = 4 * SIZE_1G;
	for (u64 gpa = 0; gpa < top; gpa += SIZE_1G)
		if (!open_span(gpa, 3))
			return US_E_NO_MEMORY;
	if (!hide_region())
		return US_E_NO_MEMORY;
	error = slat_protect(hv.shadow, hv.boot.shadow_len, SLAT_DATA);
	if (error)
		return error;
	return slat_protect(hv.arena, hv.boot.arena_len, SLAT_SEALED);
}

/* Pages that slat_protect could need at worst: a table of 2 MiB pages and one of 4
 * KiB pages at each end. */
#define WORST_SPLIT 4

static enum us_error protect(u64 gpa, u64 len, enum slat_access access)
{
	u64 at = gpa, end = gpa + len;

	if (pages_free() < WORST_SPLIT + (len >> 30))
		return US_E_NO_MEMORY;
	while (at < end) {
		bool large = IS_ALIGNED(at, SIZE_2M) && end - at >= SIZE_2M;
		u32 level = large ? 2 : 1;
		u64 *entry = entry_at(guest_root, at, level);

		if (!entry)
			return US_E_NO_MEMORY;
		if (large && *entry && !is_leaf(*entry, 2)) {
			/* split before: keep the table, set its pages */
			u64 *table = table_of(*entry);

			for (u64 i = 0; i < 512; i++)
				table[i] = make_leaf(at + i * PAGE_SIZE, 1,
						     access);
		} else {
			*entry = make_leaf(at, level, access);
		}
		at += 1ull << level_shift(level);
	}
	return US_OK;
}

enum us_error slat_protect(u64 gpa, u64 len, enum slat_access access)
{
	enum us_error error;

	lock_take(&tables_lock);
	error = protect(gpa, len, access);
	lock_drop(&tables_lock);
	return error;
}

enum slat_access slat_access_at(u64 gpa)
{
	const struct slat_format *format = &hv.ops->slat;
	u64 *table = guest_root;
	u64 entry, bits;

	if (gpa >> 48)
		return SLAT_READ_ONLY;
	for (u32 level = 4;; level--) {
		entry = __atomic_load_n(&table[gpa >> level_shift(level) & 511],
					__ATOMIC_RELAXED);
		if (!entry || is_leaf(entry, level))
			break;
		table = table_of(entry);
	}
	bits = entry & ~PTE_ADDRESS & ~format->large & ~format->type;
	return bits == open_bits(format) ? SLAT_OPEN :
		bits == format->sealed ? SLAT_SEALED :
		bits == data_bits(format) ? SLAT_DATA : SLAT_READ_ONLY;
}

/* Fewer free pages than this, and tables that are not needed any more are looked
 * for. The search reads every split table once. */
#define FEW_PAGES 64

static bool all_open(const u64 *table, u64 gpa)
{
	for (u64 i = 0; i < 512; i++)
		if (table[i] != make_leaf(gpa + i * PAGE_SIZE, 1, SLAT_OPEN))
			return false;
	return true;
}

/* Make large pages again of what is split and open throughout. Registers of devices
 * stay split: what traps them cannot wait for a page (apic.c). */
static void gather_gib(u64 *table, u64 gpa)
{
	for (u64 i = 0; i < 512; i++, gpa += SIZE_2M) {
		u64 *below;

		if (!table[i] || is_leaf(table[i], 2) ||
		    !guest_range_ok(gpa, SIZE_2M))
			continue;
		below = table_of(table[i]);
		if (!all_open(below, gpa))
			continue;
		table[i] = make_leaf(gpa, 2, SLAT_OPEN);
		page_return(below);
	}
}

void slat_gather(void)
{
	u64 gpa, entry;

	lock_take(&tables_lock);
	for (gpa = 0; gpa < hv.boot.highest_ram && pages_free() < FEW_PAGES;
	     gpa += SIZE_1G) {
		entry = guest_root[gpa >> level_shift(4) & 511];
		if (entry)
			entry = table_of(entry)[gpa >> level_shift(3) & 511];
		if (entry && !is_leaf(entry, 3))
			gather_gib(table_of(entry), gpa);
	}
	lock_drop(&tables_lock);
}

static void guard_table(u64 *table, u32 level)
{
	const struct slat_format *format = &hv.ops->slat;

	for (u32 i = 0; i < 512; i++) {
		if (!table[i])
			continue;
		if (!is_leaf(table[i], level)) {
			if (table_of(table[i]) != hidden_table)
				guard_table(table_of(table[i]), level - 1);
		} else if ((table[i] & ~PTE_ADDRESS & ~format->large &
			    ~format->type) == format->open) {
			table[i] &= ~format->kernel_fetch;
		}
	}
}

void slat_guard_execution(void)
{
	lock_take(&tables_lock);
	guard_table(guest_root, 4);
	execution_guarded = true;
	lock_drop(&tables_lock);
}

bool slat_execution_guarded(void)
{
	return execution_guarded;
}

/* Pages that lazy mapping leaves for slat_protect. */
#define LAZY_RESERVE 32

static bool map_lazily(u64 gpa)
{
	u64 *table = guest_root;

	/* Four levels reach no further; beyond, indices would repeat. */
	if (gpa >> hv.phys_bits || gpa >> 48)
		return false;
	for (u32 level = 4; level > 2; level--) {
		u64 entry = table[gpa >> level_shift(level) & 511];

		if (!entry)
			return pages_free() > LAZY_RESERVE &&
				open_span(ALIGN_DOWN(gpa, SIZE_1G), 3);
		if (is_leaf(entry, level))
			return true;	/* another CPU was faster */
		table = table_of(entry);
	}
	return table[gpa >> level_shift(2) & 511];
}

bool slat_map_lazily(u64 gpa)
{
	bool mapped;

	lock_take(&tables_lock);
	mapped = map_lazily(gpa);
	lock_drop(&tables_lock);
	return mapped;
}
