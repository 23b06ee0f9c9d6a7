/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host_paging.h"

#include "apic.h"
#include "memory.h"
#include "pages.h"

#define LEAF_RX		(PTE_PRESENT | PTE_ACCESSED)
#define LEAF_RO		(PTE_PRESENT | PTE_ACCESSED | PTE_NX)
#define LEAF_RW		(PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY | \
			 PTE_NX)
#define LEAF_UNCACHED	(LEAF_RW | 1ull << 4)	/* PCD */

static u64 *root;

u64 host_paging_root(void)
{
	return virt_to_phys(root);
}

/* The table that @entry points to, made if it is not there. */
static u64 *next_table(u64 *entry)
{
	u64 *table;

	if (*entry & PTE_PRESENT)
		return own_phys_to_virt(*entry & PTE_ADDRESS);
	table = page_alloc();
	if (table)
		*entry = virt_to_phys(table) | PTE_PRESENT | PTE_WRITE |
			PTE_ACCESSED;
	return table;
}

/* Map one page of @size (4 KiB, 2 MiB or 1 GiB) at @va. */
static bool map_page(u64 va, u64 pa, u64 size, u64 flags)
{
	u32 leaf_shift = size == SIZE_1G ? 30 : size == SIZE_2M ? 21 : 12;
	u64 *table = root;

	for (u32 shift = 39; shift > leaf_shift; shift -= 9) {
		table = next_table(&table[va >> shift & 511]);
		if (!table)
			return false;
	}
	table[va >> leaf_shift & 511] =
		pa | flags | (size > PAGE_SIZE ? PTE_LARGE : 0);
	return true;
}

static bool map_range(u64 va, u64 pa, u64 len, u64 flags)
{
	for (u64 at = 0; at < len; at += PAGE_SIZE)
		if (!map_page(va + at, pa + at, PAGE_SIZE, flags))
			return false;
	return true;
}

/* RAM in large pages; the part of a large page outside RAM is never touched,
 * because every access has passed the gate in memory.c. */
static bool map_direct(void)
{
	u64 size = hv.has_1g_pages ? SIZE_1G : SIZE_2M;

	for (u32 i = 0; i < hv.boot.ram_ranges; i++) {
		u64 first = ALIGN_DOWN(hv.boot.ram[i].base, size);
		u64 last = hv.boot.ram[i].base + hv.boot.ram[i].len;

		for (u64 pa = first; pa < last; pa += size)
			if (!map_page(DIRECT_MAP + pa, pa, size, LEAF_RW))
				return false;
	}
	return true;
}

/* A page of registers, at its physical address; none at 0. */
static bool map_device(u64 pa)
{
	return !pa || map_page(pa, pa, PAGE_SIZE, LEAF_UNCACHED);
}

enum us_error host_paging_init(void)
{
	u64 text = (u64)hv_image_start, rodata = (u64)hv_text_end;
	u64 data = (u64)hv_rodata_end;

	root = page_alloc();
	if (!root ||
	    !map_range(hv.base, hv.base, text - hv.base, LEAF_RW) ||
	    !map_range(text, text, rodata - text, LEAF_RX) ||
	    !map_range(rodata, rodata, data - rodata, LEAF_RO) ||
	    !map_range(data, data, hv.end - data, LEAF_RW) ||
	    !map_device(APIC_DEFAULT_BASE) || !map_device(hv.boot.hpet_base) ||
	    !map_device(hv.boot.ioapic_base) ||
	    !map_direct())
		return US_E_NO_MEMORY;
	return US_OK;
}
