/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory for patches, in two parts of 2 MiB. The arena proper holds code: the guest can
 * execute it and not write it, and every byte of it that belongs to no installed patch
 * is 0xCC (int3). Shadow memory holds what new code keeps: the guest can write it and not
 * execute it; a patch finds its part zeroed.
 *
 * Each part is mapped into the kernel's own address range through a free entry of
 * level2_kernel_pgt, which all address spaces share, and stays mapped there from the
 * first patch on that needs it.
 */
#ifndef UNDERSEAL_ARENA_H
#define UNDERSEAL_ARENA_H

#include "kernel_map.h"

#define ARENA_ALIGN	64u	/* of each patch's share: a cache line */

enum arena_part { ARENA_CODE, ARENA_SHADOW, ARENA_PARTS };

/* Fill the arena with 0xCC, clear shadow memory, and forget where they were mapped.
 * GUEST_ADDRESS. */
enum us_error arena_init(void);

/* Where a part lies in the guest's physical memory. */
u64 arena_gpa(enum arena_part part);

/* Does [gpa, gpa + len) touch the arena or shadow memory? */
bool arena_overlaps(u64 gpa, u64 len);

/*
 * Choose the place for @len bytes; 0 for none. ARENA_FULL or SHADOW_FULL with @len
 * and the room left as detail.
 */
enum us_error arena_find_room(enum arena_part part, u64 len, u64 *offset);

/* Copy code into the arena. GUEST_ADDRESS. */
enum us_error arena_write(u64 offset, const void *src, u64 len);

/* Make it as if nothing had ever been there: 0xCC, or zero. GUEST_ADDRESS. */
enum us_error arena_wipe(enum arena_part part, u64 offset, u64 len);

/*
 * Choose the linear addresses that the parts have, or will have, in @kernel; of shadow
 * memory only if it is wanted. Reads the kernel's page table; writes nothing.
 * ARENA_MAPPING when no entry is free or the guest has put something else into a part's;
 * MAPPING_CHANGED.
 */
enum us_error arena_choose_addresses(const struct kernel *kernel, bool shadow);

/* The linear address that was chosen for @part last: of all that is in it. */
u64 arena_address(enum arena_part part);

/*
 * With all vCPUs held: the writes, *@count (0 .. 1) of them, that map @part at the
 * address last chosen. ARENA_MAPPING when that would not make it seen there, or the
 * table is none that may be written; MODULE_ROOM when its mapping cannot be audited.
 */
enum us_error arena_plan_mapping(const struct kernel *kernel, enum arena_part part,
				 struct us_commit_write *write, u32 *count);

/* That has been done: from now on its mapping is audited as the image's is. */
void arena_mapped(enum arena_part part);

#endif
