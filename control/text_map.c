/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "bundle.h"
#include "module_baseline.h"
#include "modules.h"
#include "state.h"
#include "text_map.h"

/* Debian's largest kernels with a third to spare. */
#define MAX_FIELDS	(128u << 10)
#define MAX_TEXT	(20u << 20)

static_assert(US_BASELINE_MAX_TEXT <= 1u << TEXT_MAP_KERNEL_BITS &&
	      US_RELOC_CODE(US_TEXT_SUB32, 0) < 1u << (32 - TEXT_MAP_KERNEL_BITS),
	      "fields of the kernel");
static_assert(US_MODULE_MAX_TEXT <= 1u << TEXT_MAP_MODULE_BITS &&
	      US_RELOC_MAX_BASES <= 1u << (32 - TEXT_MAP_MODULE_BITS - 2),
	      "fields of modules");

u8 text_map_head[TEXT_MAP_HEAD] __attribute__((aligned(8)));
struct text_map kernel_text;

static u32 kernel_fields[MAX_FIELDS];
static u8 kernel_probes[MAX_TEXT / 8];

void text_map_reset(void)
{
	kernel_text = (struct text_map) {
		.fields = kernel_fields,
		.field_room = MAX_FIELDS,
		.offset_bits = TEXT_MAP_KERNEL_BITS,
		.probes = kernel_probes,
		.probe_room = sizeof(kernel_probes),
	};
}

static u32 field_offset(const struct text_map *map, u32 index)
{
	return map->fields[index] & ((1u << map->offset_bits) - 1);
}

static u8 field_code(const struct text_map *map, u32 index)
{
	return (u8)(map->fields[index] >> map->offset_bits);
}

static u32 field_len(u8 code)
{
	return US_RELOC_CODE_TYPE(code) == US_TEXT_ADD64 ? 8 : 4;
}

static enum us_error add_fields(struct text_map *map,
				const struct us_block *block)
{
	u32 i, code;

	for (i = 0; i < block->header->relocs; i++) {
		const struct us_text_reloc *reloc = &block->relocs[i];

		/* One that runs over is listed by both of its blocks. */
		if (map->field_count &&
		    field_offset(map, map->field_count - 1) >= reloc->offset)
			continue;
		if (map->field_count == map->field_room)
			return US_E_TOO_LARGE;
		code = US_RELOC_CODE(reloc->type, reloc->base);
		map->fields[map->field_count++] = reloc->offset |
						  code << map->offset_bits;
	}
	return US_OK;
}

enum us_error text_map_add_block(struct text_map *map,
				 const struct us_block *block)
{
	/* Blocks but the last are multiples of 8 bytes long. */
	u64 at = block->header->offset / 8;

	if (map->probes) {
		if (!span_inside(at, block->header->probes_len, map->probe_room))
			return US_E_TOO_LARGE;
		memcpy(map->probes + at, block->probes,
		       block->header->probes_len);
	}
	return map->fields ? add_fields(map, block) : US_OK;
}

const struct text_map *text_map_find(u64 gpa, u64 len, u64 *offset)
{
	if (control.sealed && frames_offset(kernel_text.frames, gpa, len,
					    US_RANGE_TEXT, offset))
		return &kernel_text;
	return modules_find(gpa, len, offset);
}

u32 text_map_first_site(const struct text_map *map, u64 offset)
{
	u32 low = 0, high = map->site_count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if ((u64)map->sites[middle].offset +
		    us_runtime_len(&map->sites[middle]) > offset)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

const struct us_runtime_site *text_map_site(const struct text_map *map,
					    u64 offset, u64 len)
{
	u32 i = text_map_first_site(map, offset);
	const struct us_runtime_site *site = &map->sites[i];

	if (i == map->site_count || offset < site->offset ||
	    !span_inside(offset - site->offset, len, us_runtime_len(site)))
		return NULL;
	return site;
}

bool text_map_touches_site(const struct text_map *map, u64 offset, u64 len)
{
	u32 i = text_map_first_site(map, offset);

	return i < map->site_count &&
	       spans_overlap(offset, len, map->sites[i].offset,
			     us_runtime_len(&map->sites[i]));
}

bool text_map_may_probe(const struct text_map *map, u64 offset)
{
	return map->probes && offset < map->len &&
	       offset / 8 < map->probe_room &&
	       map->probes[offset / 8] >> offset % 8 & 1;
}

/* The first entry not before (@class, @offset). */
static u32 first_entry(const struct text_map *map, u32 class, u64 offset)
{
	u32 low = 0, high = map->entry_count, middle;

	while (low < high) {
		const struct us_entry *entry;

		middle = low + (high - low) / 2;
		entry = &map->entries[middle];
		if (entry->class < class ||
		    (entry->class == class && entry->offset < offset))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool text_map_is_entry(const struct text_map *map, u16 class, u64 offset)
{
	u32 i = first_entry(map, class, offset);

	return i < map->entry_count && map->entries[i].class == class &&
	       map->entries[i].offset == offset;
}

void text_map_class(const struct text_map *map, u16 class, u32 *first, u32 *end)
{
	*first = first_entry(map, class, 0);
	*end = first_entry(map, class + 1u, 0);
}

enum us_error text_map_read(const struct text_map *map, u64 offset, void *dst,
			    u64 len)
{
	return frames_read(map->frames, offset, dst, len);
}

enum us_error text_map_write(const struct text_map *map, u64 offset,
			     const void *src, u64 len)
{
	return frames_write(map->frames, offset, src, len);
}

/* The first field at or after @offset. */
static u32 first_field_at(const struct text_map *map, u64 offset)
{
	u32 low = 0, high = map->field_count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (field_offset(map, middle) >= offset)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* What loading has added to a field. */
static u64 added(u8 code, const u64 *moves)
{
	u32 base = US_RELOC_CODE_BASE(code);

	if (US_RELOC_CODE_TYPE(code) != US_TEXT_SUB32)
		return moves[base];
	return (base ? moves[base] : 0) - moves[0];
}

static void unrelocate(u8 *at, u8 code, const u64 *moves)
{
	u64 value = 0;

	memcpy(&value, at, field_len(code));
	value -= added(code, moves);
	memcpy(at, &value, field_len(code));
}

enum us_error text_map_look(const struct text_map *map, u64 offset, u64 len,
			    struct text_window *window)
{
	if (len > US_HUNK_MAX || !span_inside(offset, len, map->len))
		return US_E_GUEST_ADDRESS;
	window->offset = offset;
	window->len = (u32)len;
	window->start = offset < TEXT_MAX_FIELD ? 0 : offset - TEXT_MAX_FIELD;
	window->end = offset + len + TEXT_MAX_FIELD;
	if (window->end > map->len)
		window->end = map->len;
	return text_map_read(map, window->start, window->bytes,
			     window->end - window->start);
}

void text_map_linked(const struct text_map *map, const struct text_window *window,
		     u8 dst[US_HUNK_MAX])
{
	u64 end = window->offset + window->len, at;
	u8 bytes[sizeof(window->bytes)];
	u32 i;
	u8 code;

	memcpy(bytes, window->bytes, sizeof(bytes));
	for (i = first_field_at(map, window->start); i < map->field_count; i++) {
		at = field_offset(map, i);
		code = field_code(map, i);
		if (at >= end)
			break;
		/* What touches the bytes that are meant is here whole. */
		if (at + field_len(code) > window->offset)
			unrelocate(bytes + (at - window->start), code, map->moves);
	}
	memcpy(dst, bytes + (window->offset - window->start), window->len);
}
