/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The patch arena: 2 MiB of guest-physical memory that the guest can execute but
 * not write. Every byte of it that belongs to no installed patch is 0xCC (int3).
 * It is mapped into the kernel's own address range through a free entry of
 * level2_kernel_pgt, which all address spaces share, and stays mapped there from
 * the first installed patch on.
 */
#ifndef UNDERSEAL_ARENA_H
#define UNDERSEAL_ARENA_H

#include "kernel_map.h"

#define ARENA_ALIGN	64u	/* of each patch's bodies: a cache line */

/* Fill the arena with 0xCC and forget where it was mapped. GUEST_ADDRESS. */
enum us_error arena_init(void);

/*
 * Choose the place for @len bytes. ARENA_FULL with @len and the room left as
 * detail.
 */
enum us_error arena_find_room(u64 len, u64 *offset);

/*
 * The linear address that the arena has, or will have, in @kernel. Reads the
 * kernel's page table; writes nothing. ARENA_MAPPING when no entry is free or the
 * guest has put something else in the arena's; MAPPING_CHANGED.
 */
enum us_error arena_choose_address(const struct kernel *kernel, u64 *gva);

/* The linear address that it was chosen for last: of all code in it. */
u64 arena_address(void);

/*
 * Map the arena at the address last chosen, unless it is. Only while all vCPUs
 * are stopped. ARENA_MAPPING when a walk does not end in the arena then; the
 * page table is as before in that case. arena_unmap() takes back what the last
 * arena_map() did, nothing if it had nothing to do.
 */
enum us_error arena_map(const struct kernel *kernel);
void arena_unmap(void);

/* Copy into the arena, or make it 0xCC again. GUEST_ADDRESS. */
enum us_error arena_write(u64 offset, const void *src, u64 len);
enum us_error arena_wipe(u64 offset, u64 len);

#endif
