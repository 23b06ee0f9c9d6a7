/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "page_walk.h"

#define ENTRY_BITS	9u
#define INDEX_MASK	((1u << ENTRY_BITS) - 1)

static bool canonical(u64 gva, u32 levels)
{
	u32 bits = PAGE_SHIFT + ENTRY_BITS * levels;
	u64 upper = gva >> (bits - 1);

	return upper == 0 || upper == ~0ull >> (bits - 1);
}

/* Size of what one entry at @level covers; level 1 is the page table. */
static u64 level_span(u32 level)
{
	return 1ull << (PAGE_SHIFT + ENTRY_BITS * (level - 1));
}

/* Bits of a present entry at @level that must be zero. */
static u64 reserved_bits(const struct page_walker *walker, u32 level, u64 entry)
{
	u64 reserved = PTE_ADDRESS & ~((1ull << walker->phys_bits) - 1);

	if (!walker->nxe)
		reserved |= PTE_NX;
	if (level > 3)
		return reserved | PTE_LARGE;
	/* A large page's address is aligned to its size; bit 12 is PAT. */
	if (level > 1 && (entry & PTE_LARGE))
		reserved |= level_span(level) - 1 - (2 * PAGE_SIZE - 1);
	return reserved;
}

enum us_error page_walk(const struct page_walker *walker, u64 gva,
			struct page_mapping *out)
{
	u64 table = walker->cr3 & PTE_ADDRESS;
	u64 granted = PTE_WRITE | PTE_USER, denied = 0;
	u32 level = walker->levels;

	if (level < 4 || level > 5 || walker->phys_bits > 52 ||
	    walker->phys_bits < 32 || !canonical(gva, level))
		return US_E_GUEST_ADDRESS;
	if (table >> walker->phys_bits)
		return US_E_GUEST_ADDRESS;

	for (;; level--) {
		u64 span = level_span(level);
		u64 at = table + 8 * ((gva / span) & INDEX_MASK);
		enum us_error error;
		u64 entry;

		error = walker->read(walker->ctx, at, &entry);
		if (error)
			return error;
		if (!(entry & PTE_PRESENT) ||
		    (entry & reserved_bits(walker, level, entry)))
			return US_E_GUEST_ADDRESS;
		granted &= entry;
		denied |= entry & PTE_NX;
		if (level == 1 || (level < 4 && (entry & PTE_LARGE))) {
			u64 page = entry & PTE_ADDRESS & ~(span - 1);

			out->gpa = page + (gva & (span - 1));
			out->page_size = span;
			out->entry_gpa = at;
			out->flags = granted | denied;
			return US_OK;
		}
		table = entry & PTE_ADDRESS;
	}
}
