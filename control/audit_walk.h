/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One look at a run of pages through one set of page tables. Private to the
 * audit. */
#ifndef UNDERSEAL_AUDIT_WALK_H
#define UNDERSEAL_AUDIT_WALK_H

#include "frames.h"
#include "guest_memory.h"

#define AUDIT_FLAGS	(PTE_WRITE | PTE_USER | PTE_NX)
#define AUDIT_LEVELS	5u

/* Pages that are looked at, all with the same rights. */
struct audit_span {
	u64 gva;
	u64 len;		/* 0: not in use */
	u64 gpa;		/* of the first page, when they lie in one piece */
	const struct frames *frames; /* else where they are, by offset from gva */
	u64 flags;		/* AUDIT_FLAGS */
	bool (*gone)(u64 gva);	/* audit_add(); NULL: never given up */
};

/* The entries through which init_top_pgt led to 2 MiB when last found good. */
struct audit_slot {
	u64 gva;
	u64 path[AUDIT_LEVELS + 1];	/* by level, 2 the lowest; below it the
					 * span says what has to be there */
};

/* What is wrong, and with which entry: the topmost that differs from the
 * path. */
struct audit_difference {
	u64 gva;		/* first page that differs */
	u64 at;			/* of the entry, guest-physical */
	u64 found, wanted;
	u32 level;
};

/* Frame of the page at @gva, inside @span; all ones when it has none. */
u64 audit_span_frame(const struct audit_span *span, u64 gva);

/* Do two entries mean the same? Accessed and dirty bits do not count. */
bool audit_entry_alike(u64 a, u64 b);

/* The entry of a page table (level 1) that maps the page at @gva as noted. */
u64 audit_span_entry(const struct audit_span *span, u64 gva);

/*
 * Does @space map [gva, end), inside one slot and @span, as noted? @own: it is
 * the kernel's own space, where every page must be there; @slot's path is
 * brought up to date when all are. Other spaces need not map a page, may give
 * fewer rights, and are taken for good when they lead into the same tables.
 * False fills in @difference.
 */
bool audit_walk(const struct address_space *space, bool own,
		const struct audit_span *span, struct audit_slot *slot, u64 gva,
		u64 end, struct audit_difference *difference);

#endif
