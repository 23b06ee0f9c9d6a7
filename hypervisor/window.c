/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "window.h"

#include "memory.h"
#include "slat.h"

/* Where guest-physical 0 lies in the domain's physical space: above all that is its
 * own, and a multiple of the largest page. */
#define WINDOW_GPA	SIZE_1G
#define LEAF		(PTE_PRESENT | PTE_ACCESSED | PTE_DIRTY | PTE_LARGE | PTE_NX)
#define PER_ROOT_ENTRY	512u	/* GiB */

static bool fits(void)
{
	u64 top = hv.boot.highest_ram;

	return top <= US_CONTROL_WINDOW && span_inside(WINDOW_GPA, top,
						       1ull << hv.phys_bits);
}

/* One GiB, RAM or not: the SLAT knows. */
static bool map_gib(u64 *entry, u64 gpa, new_table_fn *new_table)
{
	u64 *table;

	if (hv.has_1g_pages) {
		*entry = gpa | LEAF;
		return true;
	}
	table = new_table(entry);
	for (u64 i = 0; table && i < 512; i++)
		table[i] = (gpa + i * SIZE_2M) | LEAF;
	return table;
}

static bool map_own(u64 *root, new_table_fn *new_table)
{
	u64 gibs = ALIGN_UP(hv.boot.highest_ram, SIZE_1G) / SIZE_1G;
	u64 first = US_CONTROL_WINDOW / SIZE_1G / PER_ROOT_ENTRY;
	u64 *table = NULL;

	for (u64 i = 0; i < gibs; i++) {
		if (i % PER_ROOT_ENTRY == 0)
			table = new_table(&root[first + i / PER_ROOT_ENTRY]);
		if (!table || !map_gib(&table[i % PER_ROOT_ENTRY],
				       WINDOW_GPA + i * SIZE_1G, new_table))
			return false;
	}
	return true;
}

/* Range @index of what the gate admits: RAM, and behind it what patches have. */
static struct us_ram_range range_at(u32 index)
{
	return index < hv.boot.ram_ranges ? hv.boot.ram[index] :
		(struct us_ram_range) { hv.arena, hv.boot.arena_len +
			hv.boot.shadow_len };
}

enum us_error window_map(u64 *slat_root, u64 *own_root, new_table_fn *new_table)
{
	if (!fits() || !map_own(own_root, new_table))
		return US_E_NO_MEMORY;
	for (u32 i = 0; i <= hv.boot.ram_ranges; i++) {
		struct us_ram_range range = range_at(i);

		/* The loader leaves the region out; a mistake must not show it. */
		if (!guest_range_ok(range.base, range.len))
			return US_E_BAD_IMAGE;
		if (!slat_map_range(slat_root, WINDOW_GPA + range.base,
				    range.base, range.len, SLAT_READ_ONLY))
			return US_E_NO_MEMORY;
	}
	return US_OK;
}

void window_describe(struct us_mailbox *mailbox)
{
	mailbox->ram_ranges = hv.boot.ram_ranges + 1;
	for (u32 i = 0; i < mailbox->ram_ranges; i++)
		mailbox->ram[i] = range_at(i);
}
