/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Walk of a guest's long-mode page tables (AMD APM volume 2, section 5.3; Intel
 * SDM volume 3, section 4.5). Reads only: accessed and dirty bits stay as they
 * are. Freestanding; used by the hypervisor and by the control domain. The
 * guest can change its tables at any time, so a result says what one reading of
 * each entry meant and nothing more.
 */
#ifndef UNDERSEAL_PAGE_WALK_H
#define UNDERSEAL_PAGE_WALK_H

#include "errors.h"
#include "types.h"

#define PTE_PRESENT	(1ull << 0)
#define PTE_WRITE	(1ull << 1)
#define PTE_USER	(1ull << 2)
#define PTE_ACCESSED	(1ull << 5)
#define PTE_DIRTY	(1ull << 6)
#define PTE_LARGE	(1ull << 7)	/* in a PDPTE or PDE: maps a page */
#define PTE_GLOBAL	(1ull << 8)
#define PTE_NX		(1ull << 63)
#define PTE_ADDRESS	0x000ffffffffff000ull

#define CR4_LA57	(1ull << 12)
#define EFER_NXE	(1ull << 11)

struct page_walker {
	/* Reads the 8-byte entry at @gpa (8-byte aligned) into *@entry. Any error
	 * that it returns ends the walk and is page_walk's result. */
	enum us_error (*read)(void *ctx, u64 gpa, u64 *entry);
	void *ctx;
	u64 cr3;	/* as in the register: PCID and flag bits are ignored */
	u32 levels;	/* 4, or 5 when CR4.LA57 is set */
	u32 phys_bits;	/* address bits at and above this are reserved, <= 52 */
	bool nxe;	/* EFER.NXE; without it bit 63 is reserved */
};

struct page_mapping {
	u64 gpa;	/* where the byte at gva lies */
	u64 page_size;	/* PAGE_SIZE, SIZE_2M or SIZE_1G */
	u64 entry_gpa;	/* of the entry that maps the page */
	/* PTE_WRITE and PTE_USER when every level grants them, PTE_NX when any
	 * level sets it; all other bits are 0. */
	u64 flags;
};

/*
 * Translate @gva. US_E_GUEST_ADDRESS when it is not canonical, when an entry on
 * the way is not present or has a reserved bit set, or when the walker's own
 * fields are out of range; the reader's error when a read fails. *@out is
 * written on success only. Takes no lock, allocates nothing; any context.
 */
enum us_error page_walk(const struct page_walker *walker, u64 gva,
			struct page_mapping *out);

#endif
