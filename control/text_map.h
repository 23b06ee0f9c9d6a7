/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of a sealed text, the kernel's or a module's: where it lies, the
 * places that the kernel may patch by itself, the fields that changed when it was
 * loaded, and where kprobes may be set. Offsets count from the text's start.
 */
#ifndef UNDERSEAL_TEXT_MAP_H
#define UNDERSEAL_TEXT_MAP_H

#include "baseline.h"
#include "bundle.h"
#include "kernel_map.h"

struct text_map {
	u64 gva;		/* of offset 0, as it runs */
	u64 len;		/* bytes of text; what is sealed are whole pages */
	const u64 *moves;	/* what each base of its fields moved by; the
				 * kernel's has one, the slide */
	const struct kernel *kernel;	/* whose policy and image count */
	const struct frames *frames;	/* where it lies; runs of US_RANGE_TEXT */
	/* As in a baseline: sorted, disjoint, checked. Targets are offsets in this
	 * text, entries are offsets in the kernel's image. */
	const struct us_runtime_site *sites;
	const struct us_entry *entries;
	u32 site_count;
	u32 entry_count;
	/* Filled by text_map_add_block(). A field is its offset in the lower
	 * @offset_bits, US_RELOC_CODE() above. NULL: not kept. */
	u32 *fields;
	u32 field_count, field_room;
	u32 offset_bits;
	u8 *probes;		/* a bit for each byte of text, or NULL */
	u64 probe_room;		/* bytes */
};

/* The kernel has one base and the longer text. */
#define TEXT_MAP_KERNEL_BITS	26u
#define TEXT_MAP_MODULE_BITS	24u

/* Room for a baseline's head, in bytes; a larger one is TOO_LARGE. */
#define TEXT_MAP_HEAD	(1536u << 10)

/* Where seal reads the head to; the sites in it stay in use while sealed. */
extern u8 text_map_head[TEXT_MAP_HEAD];

/* The kernel's text. */
extern struct text_map kernel_text;

/* Forget it: no sites, no fields, room for both. */
void text_map_reset(void);

/* Note the fields and probe bits of the next block; blocks come in order.
 * TOO_LARGE. */
enum us_error text_map_add_block(struct text_map *map,
				 const struct us_block *block);

/* The sealed text that holds all of [gpa, gpa + len), and where in it; NULL when
 * none does. */
const struct text_map *text_map_find(u64 gpa, u64 len, u64 *offset);

/* The runtime site that holds all of [offset, offset + len), or NULL. */
const struct us_runtime_site *text_map_site(const struct text_map *map,
					    u64 offset, u64 len);

/* Does any runtime site share a byte with it? */
bool text_map_touches_site(const struct text_map *map, u64 offset, u64 len);

/* The first runtime site that ends after @offset; map->site_count when none does. */
u32 text_map_first_site(const struct text_map *map, u64 offset);

/* May a kprobe be set at @offset? */
bool text_map_may_probe(const struct text_map *map, u64 offset);

/* Is @offset of the kernel's image among the entries of @class? */
bool text_map_is_entry(const struct text_map *map, u16 class, u64 offset);

/* The entries of @class: [*first, *end) of map->entries. */
void text_map_class(const struct text_map *map, u16 class, u32 *first, u32 *end);

/* Copy text from memory, or to it; see frames.h. GUEST_ADDRESS. */
enum us_error text_map_read(const struct text_map *map, u64 offset, void *dst,
			    u64 len);
enum us_error text_map_write(const struct text_map *map, u64 offset,
			     const void *src, u64 len);

/* Up to US_HUNK_MAX bytes of text with all of the fields that touch them. */
#define TEXT_MAX_FIELD	8u

struct text_window {
	u64 offset;		/* of the bytes that are meant */
	u32 len;
	u64 start, end;		/* of what is here */
	u8 bytes[US_HUNK_MAX + 2 * TEXT_MAX_FIELD];
};

/* Read [offset, offset + len), at most US_HUNK_MAX bytes inside the text, as memory has
 * it. GUEST_ADDRESS. */
enum us_error text_map_look(const struct text_map *map, u64 offset, u64 len,
			    struct text_window *window);

/* What @window means as it would be at its link address: with every field that moved
 * turned back. */
void text_map_linked(const struct text_map *map, const struct text_window *window,
		     u8 dst[US_HUNK_MAX]);

#endif
