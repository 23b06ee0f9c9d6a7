/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "baseline_write.h"
#include "cli.h"

static enum us_error check_bounds(const struct baseline_parts *parts)
{
	if (parts->text_len > US_BASELINE_MAX_TEXT)
		return fail(US_E_TOO_LARGE, "%llu bytes of text",
			    (unsigned long long)parts->text_len);
	if (parts->runtime->count > US_BASELINE_MAX_SITES)
		return fail(US_E_TOO_LARGE, "%zu sites", parts->runtime->count);
	return US_OK;
}

static void fill_header(struct baseline_parts *parts)
{
	struct us_baseline_header *header = &parts->header;
	size_t i;

	header->magic = US_BASELINE_MAGIC;
	header->version = US_BASELINE_VERSION;
	header->header_size = sizeof(*header);
	header->text_len = parts->text_len;
	header->runtime_sites = parts->runtime->count;
	header->blocks = (parts->text_len + US_BLOCK_TEXT - 1) / US_BLOCK_TEXT;
	header->fact_count = US_FACT_COUNT;
	for (i = 0; i < parts->sites->count; i++)
		header->site_counts[parts->sites->list[i].kind]++;
}

/* Relocations are disjoint, so those that touch a block follow each other. */
static enum us_error append_relocs(const struct reloc_list *relocs, u64 start,
				   u64 len, struct buffer *out, u32 *count)
{
	enum us_error error = US_OK;
	size_t i;

	*count = 0;
	for (i = 0; i < relocs->count && !error; i++) {
		if (!spans_overlap(relocs->list[i].offset,
				   relocs->list[i].type == US_TEXT_ADD64 ?
				   8 : 4, start, len))
			continue;
		error = buffer_append(out, &relocs->list[i],
				      sizeof(relocs->list[i]));
		++*count;
	}
	return error;
}

static enum us_error append_sites(const struct site_list *sites, u64 start,
				  u64 len, struct buffer *out, u32 *count)
{
	enum us_error error = US_OK;
	size_t i;

	*count = 0;
	for (i = 0; i < sites->count && !error; i++) {
		if (!spans_overlap(sites->list[i].offset, sites->list[i].len,
				   start, len))
			continue;
		error = buffer_append(out, &sites->list[i],
				      sizeof(sites->list[i]));
		++*count;
	}
	return error;
}

static enum us_error append_block(const struct baseline_parts *parts,
				  u32 index, struct buffer *out)
{
	u64 start = (u64)index * US_BLOCK_TEXT, at = out->len;
	struct us_block_header header = { .text_offset = start };
	enum us_error error;

	header.text_len = parts->text_len - start < US_BLOCK_TEXT ?
			  parts->text_len - start : US_BLOCK_TEXT;
	error = buffer_append(out, NULL, sizeof(header));
	if (!error)
		error = buffer_append(out, parts->text + start,
				      header.text_len);
	if (!error)
		error = buffer_pad8(out);
	if (!error)
		error = append_relocs(parts->relocs, start, header.text_len,
				      out, &header.relocs);
	if (!error)
		error = append_sites(parts->sites, start, header.text_len,
				     out, &header.sites);
	if (error)
		return error;
	memcpy(out->data + at, &header, sizeof(header));
	if (out->len - at > US_BLOCK_MAX)
		return fail(US_E_TOO_LARGE, "block %u takes %llu bytes", index,
			    (unsigned long long)(out->len - at));
	return US_OK;
}

enum us_error baseline_write(struct baseline_parts *parts, struct buffer *out)
{
	struct us_block_ref ref = { 0 };
	enum us_error error;
	u64 table;
	u32 i;

	*out = (struct buffer){ 0 };
	error = check_bounds(parts);
	if (error)
		return error;
	fill_header(parts);
	table = sizeof(parts->header) +
		parts->runtime->count * sizeof(struct us_site);
	error = buffer_append(out, NULL, sizeof(parts->header));
	if (!error)
		error = buffer_append(out, parts->runtime->list,
				      table - sizeof(parts->header));
	if (!error)
		error = buffer_append(out, NULL,
				      parts->header.blocks * sizeof(ref));
	for (i = 0; i < parts->header.blocks && !error; i++) {
		ref.file_offset = out->len;
		error = append_block(parts, i, out);
		if (error)
			break;
		ref.len = out->len - ref.file_offset;
		memcpy(out->data + table + i * sizeof(ref), &ref, sizeof(ref));
	}
	if (error) {
		buffer_free(out);
		return error;
	}
	parts->header.total_size = out->len;
	memcpy(out->data, &parts->header, sizeof(parts->header));
	return US_OK;
}
