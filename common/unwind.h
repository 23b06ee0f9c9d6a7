/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unwind data of a bundle's code. The kernel's ORC unwinder has tables for its own text
 * and for modules. What is to be found for an address in the arena lies in front of
 * the payload that it belongs to, so that nothing needs to be registered:
 *
 *	struct us_unwind_header
 *	u32 start[count]	ascending, the first 0: where a range begins,
 *				counted from the header; of equal ones the last
 *				counts
 *	u8 orc[count][6]	the kernel's struct orc_entry for the range
 *
 * The header is the payload's first byte. It is looked for from an address downwards
 * in steps of US_UNWIND_ALIGN, not further than the arena's start: control puts every
 * payload at a multiple of that, and maps the arena at a multiple of its size, so
 * code in the arena knows both ends of it by its own address. See unwind_hook.S.
 */
#ifndef UNDERSEAL_UNWIND_H
#define UNDERSEAL_UNWIND_H

/* The arena's size and what it is aligned to, as a power of 2. */
#define US_ARENA_SHIFT		21
#define US_UNWIND_ALIGN		64
#define US_UNWIND_MAGIC		0x444e57554c534e55	/* "UNSLUWND" */
#define US_UNWIND_ORC		6
#define US_UNWIND_HEADER	24

#ifndef __ASSEMBLY__
#include "types.h"

struct us_unwind_header {
	u64 magic;		/* US_UNWIND_MAGIC */
	u32 len;		/* bytes from the header on that this speaks of */
	u32 count;		/* ranges, >= 1 */
	u64 check;		/* the complement of the word before: a header that
				 * is not written out yet, or wiped in part, has
				 * none */
};
static_assert(sizeof(struct us_unwind_header) == US_UNWIND_HEADER,
	      "unwind header");
#endif

#endif
