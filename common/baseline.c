/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "baseline.h"

static bool all_zero(const void *data, u64 len)
{
	const u8 *bytes = data;

	while (len--)
		if (*bytes++)
			return false;
	return true;
}

static u64 block_count(u64 text_len)
{
	return (text_len + US_BLOCK_TEXT - 1) / US_BLOCK_TEXT;
}

u64 us_baseline_head_len(const struct us_baseline_header *header)
{
	if (!header->text_len || header->text_len > US_BASELINE_MAX_TEXT ||
	    header->blocks != block_count(header->text_len) ||
	    header->runtime_sites > US_BASELINE_MAX_SITES)
		return 0;
	return sizeof(*header) + header->runtime_sites * sizeof(struct us_site) +
	       header->blocks * sizeof(struct us_block_ref);
}

/* Printable ASCII and at least one byte of it, then zeros to the field's end. */
static bool kernel_name_ok(const struct us_baseline_header *header)
{
	u64 len = 0;

	while (len < sizeof(header->kernel) && header->kernel[len] >= 0x20 &&
	       header->kernel[len] <= 0x7e)
		len++;
	return len && len < sizeof(header->kernel) &&
	       all_zero(header->kernel + len, sizeof(header->kernel) - len);
}

static bool header_ok(const struct us_baseline_header *header)
{
	u64 unused = ARRAY_SIZE(header->facts) - US_FACT_COUNT;

	return header->header_size == sizeof(*header) &&
	       us_baseline_head_len(header) &&
	       header->build_id_len >= 8 &&
	       header->build_id_len <= US_BUILD_ID_MAX &&
	       all_zero(header->build_id + header->build_id_len,
			US_BUILD_ID_MAX - header->build_id_len) &&
	       header->fact_count == US_FACT_COUNT &&
	       all_zero(&header->facts[US_FACT_COUNT], unused * 8) &&
	       kernel_name_ok(header);
}

static enum us_error check_header(const void *data, u64 len, u64 file_len)
{
	const struct us_baseline_header *header = data;

	if (len < sizeof(header->magic))
		return US_E_BASELINE_TRUNCATED;
	if (header->magic != US_BASELINE_MAGIC)
		return US_E_BASELINE_MAGIC;
	if (len < offsetof(struct us_baseline_header, header_size))
		return US_E_BASELINE_TRUNCATED;
	if (header->version != US_BASELINE_VERSION)
		return US_E_BASELINE_VERSION;
	if (len < sizeof(*header))
		return US_E_BASELINE_TRUNCATED;
	if (!header_ok(header))
		return US_E_BASELINE_FIELD;
	if (len < us_baseline_head_len(header) || file_len < header->total_size)
		return US_E_BASELINE_TRUNCATED;
	return file_len > header->total_size ? US_E_BASELINE_TRAILING : US_OK;
}

/* A site on its own: known kind, not empty, inside the text. */
static enum us_error check_site(const struct us_site *site, u64 text_len)
{
	if (site->reserved || site->kind >= US_SITE_KINDS)
		return US_E_BASELINE_FIELD;
	if (!site->len || !span_inside(site->offset, site->len, text_len))
		return US_E_BASELINE_SITES;
	return US_OK;
}

static enum us_error check_runtime_sites(const struct us_baseline_head *head)
{
	enum us_error error;
	u64 end = 0;
	u32 i;

	for (i = 0; i < head->header->runtime_sites; i++) {
		const struct us_site *site = &head->sites[i];

		error = check_site(site, head->header->text_len);
		if (error)
			return error;
		if (site->offset < end)
			return US_E_BASELINE_SITES;
		end = (u64)site->offset + site->len;
	}
	return US_OK;
}

static enum us_error check_block_refs(const struct us_baseline_head *head)
{
	u64 at = us_baseline_head_len(head->header);
	u32 i;

	for (i = 0; i < head->header->blocks; i++) {
		const struct us_block_ref *ref = &head->blocks[i];

		if (ref->file_offset != at || ref->reserved ||
		    ref->len > US_BLOCK_MAX || !IS_ALIGNED(ref->len, 8) ||
		    ref->len < sizeof(struct us_block_header))
			return US_E_BASELINE_FIELD;
		at += ref->len;
	}
	return at == head->header->total_size ? US_OK : US_E_BASELINE_FIELD;
}

enum us_error us_baseline_parse_head(const void *data, u64 len, u64 file_len,
				     struct us_baseline_head *head)
{
	struct us_baseline_head found;
	enum us_error error;

	error = check_header(data, len, file_len);
	if (error)
		return error;
	found.header = data;
	found.sites = (const void *)((const u8 *)data + sizeof(*found.header));
	found.blocks = (const void *)(found.sites + found.header->runtime_sites);
	error = check_runtime_sites(&found);
	if (!error)
		error = check_block_refs(&found);
	if (!error)
		*head = found;
	return error;
}

static u64 reloc_size(u8 type)
{
	return type == US_TEXT_ADD64 ? 8 : 4;
}

static enum us_error check_block_header(const struct us_baseline_head *head,
					u32 index,
					const struct us_block_header *header,
					u64 len)
{
	u64 start = (u64)index * US_BLOCK_TEXT;
	u64 left = head->header->text_len - start;
	u64 want;

	if (header->text_offset != start ||
	    header->text_len != (left < US_BLOCK_TEXT ? left : US_BLOCK_TEXT))
		return US_E_BASELINE_FIELD;
	/* 32-bit counts: the sum cannot wrap in 64 bits. */
	want = sizeof(*header) + ALIGN_UP(header->text_len, 8) +
	       header->relocs * (u64)sizeof(struct us_text_reloc) +
	       header->sites * (u64)sizeof(struct us_site);
	return want == len ? US_OK : US_E_BASELINE_FIELD;
}

/* The link-time value must be what the text says, as far as it lies here. */
static bool reloc_value_ok(const struct us_block *block,
			   const struct us_text_reloc *reloc)
{
	u64 i, size = reloc_size(reloc->type);

	if (size < 8 && reloc->value >> 32)
		return false;
	for (i = 0; i < size; i++) {
		u64 at = (u64)reloc->offset + i - block->header->text_offset;

		if (at < block->header->text_len &&
		    block->text[at] != (u8)(reloc->value >> (8 * i)))
			return false;
	}
	return true;
}

static enum us_error check_relocs(const struct us_block *block, u64 text_len)
{
	u64 end = 0;
	u32 i;

	for (i = 0; i < block->header->relocs; i++) {
		const struct us_text_reloc *reloc = &block->relocs[i];
		u64 size = reloc_size(reloc->type);

		if (reloc->type < US_TEXT_ADD64 || reloc->type > US_TEXT_SUB32 ||
		    !all_zero(reloc->reserved, sizeof(reloc->reserved)) ||
		    reloc->offset < end ||
		    !span_inside(reloc->offset, size, text_len) ||
		    !spans_overlap(reloc->offset, size,
				   block->header->text_offset,
				   block->header->text_len) ||
		    !reloc_value_ok(block, reloc))
			return US_E_BASELINE_FIELD;
		end = reloc->offset + size;
	}
	return US_OK;
}

static enum us_error check_block_sites(const struct us_block *block, u64 text_len)
{
	enum us_error error;
	u32 i, last = 0;

	for (i = 0; i < block->header->sites; i++) {
		const struct us_site *site = &block->sites[i];

		error = check_site(site, text_len);
		if (error)
			return error;
		if (site->offset < last ||
		    !spans_overlap(site->offset, site->len,
				   block->header->text_offset,
				   block->header->text_len))
			return US_E_BASELINE_SITES;
		last = site->offset;
	}
	return US_OK;
}

enum us_error us_baseline_parse_block(const struct us_baseline_head *head,
				      u32 index, const void *data, u64 len,
				      struct us_block *block)
{
	struct us_block found;
	enum us_error error;
	u64 text, padded;

	if (index >= head->header->blocks || len < sizeof(*found.header) ||
	    len < head->blocks[index].len)
		return US_E_BASELINE_TRUNCATED;
	found.header = data;
	error = check_block_header(head, index, found.header, len);
	if (error)
		return error;
	text = found.header->text_len;
	padded = ALIGN_UP(text, 8);
	found.text = (const u8 *)data + sizeof(*found.header);
	if (!all_zero(found.text + text, padded - text))
		return US_E_BASELINE_FIELD;
	found.relocs = (const void *)(found.text + padded);
	found.sites = (const void *)(found.relocs + found.header->relocs);
	error = check_relocs(&found, head->header->text_len);
	if (!error)
		error = check_block_sites(&found, head->header->text_len);
	if (!error)
		*block = found;
	return error;
}

static u64 reloc_value(const struct us_text_reloc *reloc, u64 slide)
{
	return reloc->type == US_TEXT_SUB32 ? reloc->value - slide :
					      reloc->value + slide;
}

void us_baseline_expect(const struct us_block *block, u64 slide, u8 *text,
			u8 *masked, u64 *relocs)
{
	u64 start = block->header->text_offset, len = block->header->text_len;
	u64 at, i;
	u32 k;

	memcpy(text, block->text, len);
	memset(masked, 0, len);
	for (k = 0; k < block->header->relocs; k++) {
		const struct us_text_reloc *reloc = &block->relocs[k];
		u64 value = reloc_value(reloc, slide);

		for (i = 0; i < reloc_size(reloc->type); i++) {
			at = reloc->offset + i - start;
			if (at < len)
				text[at] = (u8)(value >> (8 * i));
		}
	}
	*relocs += block->header->relocs;
	for (k = 0; k < block->header->sites; k++) {
		for (i = 0; i < block->sites[k].len; i++) {
			at = block->sites[k].offset + i - start;
			if (at < len)
				masked[at] = 1;
		}
	}
}
