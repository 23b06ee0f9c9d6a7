/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is kept of the baseline after seal: the sites that the kernel may patch
 * by itself, and the fields of text that KASLR changed.
 */
#ifndef UNDERSEAL_TEXT_MAP_H
#define UNDERSEAL_TEXT_MAP_H

#include "baseline.h"
#include "kernel_map.h"

/* Room for a baseline's head, in bytes; a larger one is TOO_LARGE. */
#define TEXT_MAP_HEAD	(768u << 10)

/* Where seal reads the head to; the sites in it stay in use while sealed. */
extern u8 text_map_head[TEXT_MAP_HEAD];

/* Forget all sites and fields. */
void text_map_reset(void);

/* Note the fields of the next block; blocks come in order. TOO_LARGE. */
enum us_error text_map_add_relocs(const struct us_block *block);

/* The runtime sites of the head in text_map_head. */
void text_map_set_sites(const struct us_site *sites, u32 count);

/* Does all of [offset, offset + len) lie in one runtime site? */
bool text_map_inside_site(u64 offset, u64 len);

/* Does any of it? */
bool text_map_touches_site(u64 offset, u64 len);

/*
 * Read text from memory as it would be at its link address: @len bytes (<= 16)
 * inside the text at image offset @offset, with every field that KASLR changed
 * turned back. GUEST_ADDRESS.
 */
enum us_error text_map_read_linked(const struct kernel *kernel, u64 offset,
				   u8 *dst, u64 len);

#endif
