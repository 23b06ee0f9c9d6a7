/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "bundle.h"
#include "text_map.h"

/* A field in one word: image offset below, enum us_text_reloc_type above. */
#define OFFSET_BITS	26u
#define OFFSET_MASK	((1u << OFFSET_BITS) - 1)
#define MAX_FIELDS	(128u << 10)
#define MAX_FIELD_SIZE	8u

static_assert(US_BASELINE_MAX_TEXT <= 1u << OFFSET_BITS, "field offsets");

u8 text_map_head[TEXT_MAP_HEAD] __attribute__((aligned(8)));

static const struct us_site *sites;
static u32 site_count;
static u32 fields[MAX_FIELDS];	/* sorted by offset, disjoint */
static u32 field_count;

void text_map_reset(void)
{
	sites = NULL;
	site_count = 0;
	field_count = 0;
}

enum us_error text_map_add_relocs(const struct us_block *block)
{
	u32 i;

	for (i = 0; i < block->header->relocs; i++) {
		const struct us_text_reloc *reloc = &block->relocs[i];

		/* One that runs over is listed by both of its blocks. */
		if (field_count && (fields[field_count - 1] & OFFSET_MASK) >=
				   reloc->offset)
			continue;
		if (field_count == MAX_FIELDS)
			return US_E_TOO_LARGE;
		fields[field_count++] = reloc->offset |
					(u32)reloc->type << OFFSET_BITS;
	}
	return US_OK;
}

void text_map_set_sites(const struct us_site *list, u32 count)
{
	sites = list;
	site_count = count;
}

/* The first site that ends after @offset, or site_count. */
static u32 first_site_after(u64 offset)
{
	u32 low = 0, high = site_count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if ((u64)sites[middle].offset + sites[middle].len > offset)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

bool text_map_inside_site(u64 offset, u64 len)
{
	u32 i = first_site_after(offset);

	return i < site_count && offset >= sites[i].offset &&
	       span_inside(offset - sites[i].offset, len, sites[i].len);
}

bool text_map_touches_site(u64 offset, u64 len)
{
	u32 i = first_site_after(offset);

	return i < site_count &&
	       spans_overlap(offset, len, sites[i].offset, sites[i].len);
}

/* The first field at or after @offset. */
static u32 first_field_at(u64 offset)
{
	u32 low = 0, high = field_count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if ((fields[middle] & OFFSET_MASK) >= offset)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* Undo KASLR in the field of @type at @at. */
static void unrelocate(u8 *at, u32 type, u64 slide)
{
	u64 value = 0, size = type == US_TEXT_ADD64 ? 8 : 4;

	memcpy(&value, at, size);
	value = type == US_TEXT_SUB32 ? value + slide : value - slide;
	memcpy(at, &value, size);
}

enum us_error text_map_read_linked(const struct kernel *kernel, u64 offset,
				   u8 *dst, u64 len)
{
	u8 window[US_HUNK_MAX + 2 * MAX_FIELD_SIZE];
	u64 start, end, at;
	enum us_error error;
	u32 i, type;

	/* Every field that touches the bytes lies inside the window whole. */
	start = offset < MAX_FIELD_SIZE ? 0 : offset - MAX_FIELD_SIZE;
	end = offset + len + MAX_FIELD_SIZE;
	if (end > kernel->text_len)
		end = kernel->text_len;
	if (len > US_HUNK_MAX || offset + len > end)
		return US_E_GUEST_ADDRESS;
	error = kernel_text_read(kernel, start, window, end - start);
	if (error)
		return error;
	for (i = first_field_at(start); i < field_count; i++) {
		at = fields[i] & OFFSET_MASK;
		type = fields[i] >> OFFSET_BITS;
		if (at >= offset + len)
			break;
		if (at + (type == US_TEXT_ADD64 ? 8 : 4) > offset)
			unrelocate(window + (at - start), type, kernel->slide);
	}
	memcpy(dst, window + (offset - start), len);
	return US_OK;
}
