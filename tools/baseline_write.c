/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "baseline_read.h"
#include "baseline_write.h"
#include "cli.h"

static enum us_error check_bounds(const struct baseline_parts *parts)
{
	if (parts->runtime->count > US_BASELINE_MAX_RUNTIME)
		return fail(US_E_TOO_LARGE, "%zu sites that change at run time",
			    parts->runtime->count);
	if (parts->entries->count > US_BASELINE_MAX_ENTRIES)
		return fail(US_E_TOO_LARGE, "%zu entries",
			    parts->entries->count);
	return US_OK;
}

static void fill_header(struct baseline_parts *parts)
{
	struct us_baseline_header *header = &parts->header;
	const struct us_range *range;
	size_t i;

	header->magic = US_BASELINE_MAGIC;
	header->version = US_BASELINE_VERSION;
	header->header_size = sizeof(*header);
	header->runtime_sites = parts->runtime->count;
	header->entries = parts->entries->count;
	header->fact_count = US_FACT_COUNT;
	header->blocks = 0;
	for (i = 0; i < header->range_count; i++) {
		range = &header->ranges[i];
		if (range->kind == US_RANGE_TEXT ||
		    range->kind == US_RANGE_RODATA)
			header->blocks += (range->len + US_BLOCK_BYTES - 1) /
					  US_BLOCK_BYTES;
	}
	count_sites(parts->values, parts->runtime, header->site_counts);
}

void count_sites(const struct value_list *values, const struct runtime_list *runtime,
		 u32 counts[16])
{
	size_t i;

	for (i = 0; i < values->count; i++)
		counts[values->list[i].kind]++;
	for (i = 0; i < runtime->count; i++)
		counts[runtime_site_kind(us_runtime_kind(&runtime->list[i]))]++;
}

/* First of @parts' relocations that ends behind @start. */
static size_t first_reloc(const struct baseline_parts *parts, u64 start)
{
	const struct us_text_reloc *list = parts->relocs->list;
	size_t low = 0, high = parts->relocs->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (list[middle].offset + (u64)field_size(list[middle].type) <=
		    start)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Likewise of its sites. */
static size_t first_value(const struct baseline_parts *parts, u64 start)
{
	const struct value_site *list = parts->values->list;
	size_t low = 0, high = parts->values->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if ((u64)list[middle].offset + list[middle].len <= start)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Fields in a site are the values' matter. */
static bool in_site(const struct baseline_parts *parts,
		    const struct us_text_reloc *reloc)
{
	size_t i = first_value(parts, reloc->offset);

	return i < parts->values->count && parts->values->list[i].offset <
	       reloc->offset + (u64)field_size(reloc->type);
}

static enum us_error append_relocs(const struct baseline_parts *parts, u64 start,
				   u64 len, struct buffer *out, u32 *count)
{
	const struct us_text_reloc *reloc;
	enum us_error error = US_OK;
	size_t i;

	for (i = first_reloc(parts, start); i < parts->relocs->count && !error;
	     i++) {
		reloc = &parts->relocs->list[i];
		if (reloc->offset >= start + len)
			break;
		if (in_site(parts, reloc))
			continue;
		error = buffer_append(out, reloc, sizeof(*reloc));
		++*count;
	}
	return error;
}

static enum us_error append_sites(const struct baseline_parts *parts, u64 start,
				  u64 len, struct buffer *out,
				  struct us_block_header *header)
{
	const struct value_site *value;
	enum us_error error = US_OK;
	struct us_site site;
	size_t i;

	for (i = first_value(parts, start); i < parts->values->count && !error;
	     i++) {
		value = &parts->values->list[i];
		if (value->offset >= start + len)
			break;
		site = (struct us_site){
			.offset = value->offset, .len = value->len,
			.kind = value->kind, .values = value->count,
			.first = value->count ? header->values_len : 0,
		};
		error = buffer_append(out, &site, sizeof(site));
		header->sites++;
		header->values_len += value->size;
	}
	return error;
}

static enum us_error append_values(const struct baseline_parts *parts, u64 start,
				   u64 len, struct buffer *out)
{
	const struct value_site *value;
	enum us_error error = US_OK;
	size_t i;

	for (i = first_value(parts, start); i < parts->values->count && !error;
	     i++) {
		value = &parts->values->list[i];
		if (value->offset >= start + len)
			break;
		if (value->size)
			error = buffer_append(out, parts->values->pool.data +
					      value->first, value->size);
	}
	return error ? error : buffer_pad8(out);
}

/* Blocks begin at a multiple of their size, so at a multiple of 8. */
static enum us_error append_probes(const struct baseline_parts *parts,
				   const struct us_block_header *header,
				   struct buffer *out)
{
	enum us_error error = buffer_append(out, parts->probes +
					    header->offset / 8,
					    header->probes_len);

	return error ? error : buffer_pad8(out);
}

static enum us_error append_block(const struct baseline_parts *parts,
				  const struct us_range *range, u64 start,
				  struct buffer *out)
{
	struct us_block_header header = { .offset = start };
	u64 at = out->len, left = range->offset + (u64)range->len - start;
	enum us_error error;

	header.len = left < US_BLOCK_BYTES ? left : US_BLOCK_BYTES;
	if (range->kind == US_RANGE_TEXT)
		header.probes_len = (header.len + 7) / 8;
	error = buffer_append(out, NULL, sizeof(header));
	if (!error)
		error = buffer_append(out, parts->memory->linked + start,
				      header.len);
	if (!error)
		error = buffer_pad8(out);
	if (!error)
		error = append_relocs(parts, start, header.len, out,
				      &header.relocs);
	if (!error)
		error = append_sites(parts, start, header.len, out, &header);
	if (!error)
		error = append_values(parts, start, header.len, out);
	if (!error && header.probes_len)
		error = append_probes(parts, &header, out);
	if (error)
		return error;
	memcpy(out->data + at, &header, sizeof(header));
	if (out->len - at > US_BLOCK_MAX)
		return fail(US_E_TOO_LARGE, "the block at +%#llx takes %llu bytes",
			    (unsigned long long)start,
			    (unsigned long long)(out->len - at));
	return US_OK;
}

enum us_error baseline_write_range(const struct baseline_parts *parts,
				   const struct us_range *range, u64 *table,
				   struct buffer *out)
{
	struct us_block_ref ref = { 0 };
	enum us_error error = US_OK;
	u64 at;

	if (range->kind != US_RANGE_TEXT && range->kind != US_RANGE_RODATA)
		return US_OK;
	if (!span_inside(range->offset, range->len, parts->memory->len))
		return fail(US_E_ELF_FORMAT, "the image has no bytes at +%#x",
			    range->offset);
	for (at = 0; at < range->len && !error; at += US_BLOCK_BYTES) {
		ref.file_offset = out->len;
		error = append_block(parts, range, range->offset + at, out);
		if (error)
			break;
		ref.len = out->len - ref.file_offset;
		memcpy(out->data + *table, &ref, sizeof(ref));
		*table += sizeof(ref);
	}
	return error;
}

static enum us_error append_head(struct baseline_parts *parts, u64 *table,
				 struct buffer *out)
{
	enum us_error error;

	error = buffer_append(out, NULL, sizeof(parts->header));
	if (!error)
		error = buffer_append(out, parts->runtime->list,
				      parts->runtime->count *
				      sizeof(*parts->runtime->list));
	if (!error)
		error = buffer_pad8(out);
	if (!error)
		error = buffer_append(out, parts->entries->list,
				      parts->entries->count *
				      sizeof(*parts->entries->list));
	*table = out->len;
	if (!error)
		error = buffer_append(out, NULL, parts->header.blocks *
				      (u64)sizeof(struct us_block_ref));
	return error;
}

enum us_error baseline_write(struct baseline_parts *parts, struct buffer *out)
{
	enum us_error error;
	u64 table = 0;
	u32 i;

	*out = (struct buffer){ 0 };
	error = check_bounds(parts);
	if (error)
		return error;
	fill_header(parts);
	error = append_head(parts, &table, out);
	for (i = 0; i < parts->header.range_count && !error; i++)
		error = baseline_write_range(parts, &parts->header.ranges[i],
					     &table, out);
	if (error) {
		buffer_free(out);
		return error;
	}
	parts->header.total_size = out->len;
	memcpy(out->data, &parts->header, sizeof(parts->header));
	return US_OK;
}
