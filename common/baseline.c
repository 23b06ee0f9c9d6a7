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

/* Bytes that @count elements take, with padding. */
static u64 padded(u64 count, u64 size)
{
	return ALIGN_UP(count * size, 8);
}

/* Ranges that are described block by block. */
static bool has_blocks(const struct us_range *range)
{
	return range->kind == US_RANGE_TEXT || range->kind == US_RANGE_RODATA;
}

static u64 blocks_of(const struct us_range *range)
{
	if (!has_blocks(range))
		return 0;
	return ((u64)range->len + US_BLOCK_BYTES - 1) / US_BLOCK_BYTES;
}

static u64 block_count(const struct us_baseline_header *header)
{
	u64 count = 0;
	u32 i;

	for (i = 0; i < header->range_count; i++)
		count += blocks_of(&header->ranges[i]);
	return count;
}

u64 us_baseline_head_len(const struct us_baseline_header *header)
{
	if (header->range_count < 1 ||
	    header->range_count > US_BASELINE_MAX_RANGES ||
	    header->blocks != block_count(header) ||
	    header->blocks > US_BASELINE_MAX_BLOCKS ||
	    header->runtime_sites > US_BASELINE_MAX_RUNTIME ||
	    header->entries > US_BASELINE_MAX_ENTRIES)
		return 0;
	return sizeof(*header) +
	       padded(header->runtime_sites, sizeof(struct us_runtime_site)) +
	       padded(header->entries, sizeof(struct us_entry)) +
	       padded(header->blocks, sizeof(struct us_block_ref));
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

/* The text, as the first range and nowhere else. */
static bool text_range_ok(const struct us_baseline_header *header)
{
	const struct us_range *text = &header->ranges[0];

	return text->kind == US_RANGE_TEXT && !text->offset && text->len &&
	       text->len <= US_BASELINE_MAX_TEXT &&
	       text->len == header->text_len && !text->reserved;
}

static bool ranges_ok(const struct us_baseline_header *header)
{
	u64 end = ALIGN_UP(header->ranges[0].len, PAGE_SIZE);
	u32 i;

	if (!text_range_ok(header))
		return false;
	for (i = 1; i < header->range_count; i++) {
		const struct us_range *range = &header->ranges[i];

		if (range->kind < US_RANGE_RODATA || range->kind > US_RANGE_IDT ||
		    range->reserved || !range->len || range->offset < end ||
		    !IS_ALIGNED(range->offset | range->len, PAGE_SIZE) ||
		    !span_inside(range->offset, range->len,
				 US_BASELINE_MAX_IMAGE))
			return false;
		end = (u64)range->offset + range->len;
	}
	return all_zero(&header->ranges[i], (US_BASELINE_MAX_RANGES - i) *
			sizeof(struct us_range));
}

static bool header_ok(const struct us_baseline_header *header)
{
	u64 unused = ARRAY_SIZE(header->facts) - US_FACT_COUNT;
	u64 kinds = ARRAY_SIZE(header->site_counts) - US_SITE_KINDS;

	return header->header_size == sizeof(*header) &&
	       us_baseline_head_len(header) &&
	       ranges_ok(header) &&
	       header->build_id_len >= 8 &&
	       header->build_id_len <= US_BUILD_ID_MAX &&
	       all_zero(header->build_id + header->build_id_len,
			US_BUILD_ID_MAX - header->build_id_len) &&
	       header->fact_count == US_FACT_COUNT &&
	       all_zero(&header->site_counts[US_SITE_KINDS], kinds * 4) &&
	       all_zero(&header->facts[US_FACT_COUNT], unused * 8) &&
	       kernel_name_ok(header);
}

static bool policy_ok(const u8 policy[16])
{
	static const u8 largest[US_POLICY_ROWS] = {
		[US_POLICY_JUMP_LABEL] = US_ALLOW_LOG,
		[US_POLICY_STATIC_CALL] = US_ALLOW_LOG,
		[US_POLICY_FTRACE] = US_ALLOW_LOG,
		[US_POLICY_TRAMPOLINE] = US_ALLOW_LOG,
		[US_POLICY_KPROBE] = US_ALLOW_LOG,
		[US_POLICY_SMP_LOCK] = US_ALLOW_LOG,
		[US_POLICY_MODULE] = US_MODULE_AS_FOUND,
		[US_POLICY_MAPPING] = US_MAPPING_HALT,
		[US_POLICY_EXECUTE] = US_EXECUTE_SEALED,
	};
	u32 i;

	for (i = 0; i < US_POLICY_ROWS; i++)
		if (policy[i] > largest[i])
			return false;
	return all_zero(policy + US_POLICY_ROWS, 16 - US_POLICY_ROWS);
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
	if (!policy_ok(header->policy))
		return US_E_BASELINE_POLICY;
	if (len < us_baseline_head_len(header) || file_len < header->total_size)
		return US_E_BASELINE_TRUNCATED;
	return file_len > header->total_size ? US_E_BASELINE_TRAILING : US_OK;
}

static bool branches_ok(const struct us_runtime_site *site)
{
	bool has_target = site->target != US_NO_TARGET;

	if (has_target && site->target >= US_BASELINE_MAX_IMAGE)
		return false;
	switch (us_runtime_kind(site)) {
	case US_RUN_LOCK:
		return !has_target && !site->class;
	case US_RUN_JUMP:
		return has_target && !site->class;
	default:
		return site->class < US_CLASS_GATE;
	}
}

static bool kind_ok(const struct us_runtime_site *site)
{
	bool conditional = site->jcc >= 0x80 && site->jcc <= 0x8f;
	u8 len = us_runtime_len(site);

	switch (us_runtime_kind(site)) {
	case US_RUN_LOCK:
		return len == 1 && !site->jcc;
	case US_RUN_JUMP:
		return (len == 2 || len == 5) && !site->jcc;
	case US_RUN_FTRACE:
	case US_RUN_CALL:
	case US_RUN_TAIL:
	case US_RUN_TRACER:
	case US_RUN_GRAPH:
		return len == 5 && !site->jcc;
	case US_RUN_JCC:
		return len == 6 && conditional;
	default:
		return false;
	}
}

enum us_error us_baseline_check_runtime(const struct us_runtime_site *sites,
					u32 count, u64 text_len)
{
	u64 end = 0;
	u32 i;

	for (i = 0; i < count; i++) {
		const struct us_runtime_site *site = &sites[i];
		u8 len = us_runtime_len(site);

		if (!kind_ok(site) || !branches_ok(site))
			return US_E_BASELINE_FIELD;
		if (site->offset < end ||
		    !span_inside(site->offset, len, text_len))
			return US_E_BASELINE_SITES;
		end = (u64)site->offset + len;
	}
	return US_OK;
}

static bool entry_before(const struct us_entry *a, const struct us_entry *b)
{
	return a->class < b->class ||
	       (a->class == b->class && a->offset < b->offset);
}

enum us_error us_baseline_check_entries(const struct us_entry *entries, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++) {
		const struct us_entry *entry = &entries[i];

		if (!entry->class || entry->reserved ||
		    entry->offset >= US_BASELINE_MAX_IMAGE)
			return US_E_BASELINE_FIELD;
		if (i && !entry_before(entry - 1, entry))
			return US_E_BASELINE_SITES;
	}
	return US_OK;
}

enum us_error us_baseline_check_blocks(const struct us_block_ref *blocks,
				       u32 count, u64 start, u64 total)
{
	u64 at = start;
	u32 i;

	for (i = 0; i < count; i++) {
		const struct us_block_ref *ref = &blocks[i];

		if (ref->file_offset != at || ref->reserved ||
		    ref->len > US_BLOCK_MAX || !IS_ALIGNED(ref->len, 8) ||
		    ref->len < sizeof(struct us_block_header))
			return US_E_BASELINE_FIELD;
		at += ref->len;
	}
	return at == total ? US_OK : US_E_BASELINE_FIELD;
}

/* Where the parts of the head lie, by its header's counts. */
static struct us_baseline_head lay_out(const void *data)
{
	const struct us_baseline_header *header = data;
	const u8 *at = (const u8 *)data + sizeof(*header);
	struct us_baseline_head head = { .header = header };

	head.runtime = (const void *)at;
	at += padded(header->runtime_sites, sizeof(*head.runtime));
	head.entries = (const void *)at;
	at += padded(header->entries, sizeof(*head.entries));
	head.blocks = (const void *)at;
	return head;
}

/* Only the runtime sites' size is not a multiple of 8. */
static bool head_padding_ok(const struct us_baseline_head *head)
{
	const u8 *end = (const u8 *)(head->runtime + head->header->runtime_sites);

	return all_zero(end, (const u8 *)head->entries - end);
}

enum us_error us_baseline_parse_head(const void *data, u64 len, u64 file_len,
				     struct us_baseline_head *head)
{
	const struct us_baseline_header *header = data;
	struct us_baseline_head found;
	enum us_error error;

	error = check_header(data, len, file_len);
	if (error)
		return error;
	found = lay_out(data);
	if (!head_padding_ok(&found))
		return US_E_BASELINE_FIELD;
	error = us_baseline_check_runtime(found.runtime, header->runtime_sites,
					  header->text_len);
	if (!error)
		error = us_baseline_check_entries(found.entries, header->entries);
	if (!error)
		error = us_baseline_check_blocks(found.blocks, header->blocks,
						 us_baseline_head_len(header),
						 header->total_size);
	if (!error)
		*head = found;
	return error;
}

const struct us_range *us_baseline_block_range(const struct us_baseline_header *h,
					       u32 index, u64 *offset, u64 *len)
{
	u64 inside, blocks;
	u32 i;

	for (i = 0; i < h->range_count; i++) {
		const struct us_range *range = &h->ranges[i];

		blocks = blocks_of(range);
		if (index < blocks) {
			inside = (u64)index * US_BLOCK_BYTES;
			*offset = range->offset + inside;
			*len = range->len - inside < US_BLOCK_BYTES ?
				range->len - inside : US_BLOCK_BYTES;
			return range;
		}
		index -= blocks;
	}
	return NULL;
}

/* These take the type alone, or with the base as in a value. */
static u64 reloc_size(u8 code)
{
	return US_RELOC_CODE_TYPE(code) == US_TEXT_ADD64 ? 8 : 4;
}

static bool reloc_code_ok(u8 code, u32 bases)
{
	return US_RELOC_CODE_TYPE(code) && US_RELOC_CODE_BASE(code) < bases;
}

static enum us_error check_block_header(const struct us_block_header *header,
					const struct us_range *range, u64 offset,
					u64 block_len, u64 len)
{
	u64 probes = range->kind == US_RANGE_TEXT ? (block_len + 7) / 8 : 0;
	u64 want;

	if (header->offset != offset || header->len != block_len ||
	    header->probes_len != probes)
		return US_E_BASELINE_FIELD;
	/* 32-bit counts: the sum cannot wrap in 64 bits. */
	want = sizeof(*header) + padded(block_len, 1) +
	       padded(header->relocs, sizeof(struct us_text_reloc)) +
	       padded(header->sites, sizeof(struct us_site)) +
	       padded(header->values_len, 1) + padded(probes, 1);
	return want == len ? US_OK : US_E_BASELINE_FIELD;
}

/* Where the parts of a block lie. Its header has been checked. */
static enum us_error lay_out_block(const void *data, struct us_block *block)
{
	const struct us_block_header *header = data;
	const u8 *at = (const u8 *)data + sizeof(*header);

	block->header = header;
	block->bytes = at;
	at += padded(header->len, 1);
	block->relocs = (const void *)at;
	at += padded(header->relocs, sizeof(*block->relocs));
	block->sites = (const void *)at;
	at += padded(header->sites, sizeof(*block->sites));
	block->values = at;
	at += padded(header->values_len, 1);
	block->probes = at;
	if (!all_zero(block->bytes + header->len,
		      padded(header->len, 1) - header->len) ||
	    !all_zero(block->values + header->values_len,
		      padded(header->values_len, 1) - header->values_len) ||
	    !all_zero(block->probes + header->probes_len,
		      padded(header->probes_len, 1) - header->probes_len))
		return US_E_BASELINE_FIELD;
	/* Bits past the last byte of text. */
	if (header->probes_len && header->len % 8 &&
	    block->probes[header->probes_len - 1] >> header->len % 8)
		return US_E_BASELINE_FIELD;
	return US_OK;
}

/* The link-time value must be what the bytes say, as far as they lie here. */
static bool reloc_value_ok(const struct us_block *block,
			   const struct us_text_reloc *reloc)
{
	u64 i, size = reloc_size(reloc->type);

	if (size < 8 && reloc->value >> 32)
		return false;
	for (i = 0; i < size; i++) {
		u64 at = (u64)reloc->offset + i - block->header->offset;

		if (at < block->header->len &&
		    block->bytes[at] != (u8)(reloc->value >> (8 * i)))
			return false;
	}
	return true;
}

/* Is [offset, offset + len) part of @range, and has it a byte in @block? */
static bool in_block(const struct us_block *block, const struct us_range *range,
		     u64 offset, u64 len)
{
	return offset >= range->offset &&
	       span_inside(offset - range->offset, len, range->len) &&
	       spans_overlap(offset, len, block->header->offset,
			     block->header->len);
}

static enum us_error check_relocs(const struct us_block *block,
				  const struct us_range *range, u32 bases)
{
	u64 end = 0;
	u32 i;

	for (i = 0; i < block->header->relocs; i++) {
		const struct us_text_reloc *reloc = &block->relocs[i];
		u64 size = reloc_size(reloc->type);

		if (reloc->type > US_TEXT_SUB32 ||
		    !reloc_code_ok(reloc->type, 1) || reloc->base >= bases ||
		    !all_zero(reloc->reserved, sizeof(reloc->reserved)) ||
		    reloc->offset < end ||
		    !in_block(block, range, reloc->offset, size) ||
		    !reloc_value_ok(block, reloc))
			return US_E_BASELINE_FIELD;
		end = reloc->offset + size;
	}
	return US_OK;
}

/* A value's fields: inside the site, sorted, disjoint. */
static bool value_relocs_ok(const u8 *pairs, u32 relocs, u32 len, u32 bases)
{
	u64 end = 0;
	u32 i;

	for (i = 0; i < relocs; i++, pairs += 2) {
		if (!reloc_code_ok(pairs[1], bases) || pairs[0] < end ||
		    !span_inside(pairs[0], reloc_size(pairs[1]), len))
			return false;
		end = pairs[0] + reloc_size(pairs[1]);
	}
	return true;
}

static enum us_error check_values(const struct us_block *block,
				  const struct us_site *site, u32 bases)
{
	u64 at = site->first, room = block->header->values_len, size;
	u32 i;

	if (site->values > US_SITE_MAX_VALUES || (!site->values && site->first))
		return US_E_BASELINE_VALUES;
	for (i = 0; i < site->values; i++, at += size) {
		if (at >= room)
			return US_E_BASELINE_VALUES;
		size = 1 + 2 * (u64)block->values[at] + site->len;
		if (!span_inside(at, size, room) ||
		    !value_relocs_ok(block->values + at + 1, block->values[at],
				     site->len, bases))
			return US_E_BASELINE_VALUES;
	}
	return US_OK;
}

static enum us_error check_block_sites(const struct us_block *block,
				       const struct us_range *range, u32 bases)
{
	enum us_error error;
	u64 end = 0;
	u32 i;

	for (i = 0; i < block->header->sites; i++) {
		const struct us_site *site = &block->sites[i];

		if (site->reserved || site->kind >= US_SITE_KINDS ||
		    site->len > US_SITE_MAX_LEN)
			return US_E_BASELINE_FIELD;
		if (!site->len || site->offset < end ||
		    !in_block(block, range, site->offset, site->len))
			return US_E_BASELINE_SITES;
		error = check_values(block, site, bases);
		if (error)
			return error;
		end = (u64)site->offset + site->len;
	}
	return US_OK;
}

/* No field lies in a site, not even in part. Both lists are sorted. */
static enum us_error check_apart(const struct us_block *block)
{
	u32 i = 0, k = 0;

	while (i < block->header->relocs && k < block->header->sites) {
		const struct us_text_reloc *reloc = &block->relocs[i];
		const struct us_site *site = &block->sites[k];

		if (spans_overlap(reloc->offset, reloc_size(reloc->type),
				  site->offset, site->len))
			return US_E_BASELINE_SITES;
		if (reloc->offset < site->offset)
			i++;
		else
			k++;
	}
	return US_OK;
}

static enum us_error check_block(const struct us_block *block,
				 const struct us_range *range, u32 bases)
{
	enum us_error error;

	error = check_relocs(block, range, bases);
	if (!error)
		error = check_block_sites(block, range, bases);
	return error ? error : check_apart(block);
}

enum us_error us_baseline_parse_piece(const struct us_range *range, u32 bases,
				      u64 offset, u64 piece, const void *data,
				      u64 len, struct us_block *block)
{
	struct us_block found;
	enum us_error error;

	if (len < sizeof(*found.header))
		return US_E_BASELINE_TRUNCATED;
	error = check_block_header(data, range, offset, piece, len);
	if (!error)
		error = lay_out_block(data, &found);
	if (!error)
		error = check_block(&found, range, bases);
	if (!error)
		*block = found;
	return error;
}

enum us_error us_baseline_parse_block(const struct us_baseline_head *head,
				      u32 index, const void *data, u64 len,
				      struct us_block *block)
{
	const struct us_range *range;
	u64 offset, piece;

	range = us_baseline_block_range(head->header, index, &offset, &piece);
	if (!range || len < head->blocks[index].len)
		return US_E_BASELINE_TRUNCATED;
	return us_baseline_parse_piece(range, 1, offset, piece, data, len, block);
}

static u64 relocated(u8 code, u64 value, const u64 *moves)
{
	u32 base = US_RELOC_CODE_BASE(code);

	if (US_RELOC_CODE_TYPE(code) != US_TEXT_SUB32)
		return value + moves[base];
	return value - moves[0] + (base ? moves[base] : 0);
}

void us_block_expect(const struct us_block *block, const u64 *moves, u8 *bytes,
		     u64 *relocs)
{
	u64 start = block->header->offset, len = block->header->len;
	u64 at, i;
	u32 k;

	memcpy(bytes, block->bytes, len);
	for (k = 0; k < block->header->relocs; k++) {
		const struct us_text_reloc *reloc = &block->relocs[k];
		u64 value = relocated(US_RELOC_CODE(reloc->type, reloc->base),
				      reloc->value, moves);

		for (i = 0; i < reloc_size(reloc->type); i++) {
			at = reloc->offset + i - start;
			if (at < len)
				bytes[at] = (u8)(value >> (8 * i));
		}
	}
	*relocs += block->header->relocs;
}

void us_baseline_expect(const struct us_block *block, u64 slide, u8 *bytes,
			u64 *relocs)
{
	us_block_expect(block, &slide, bytes, relocs);
}

/* Is @found the value whose bytes as linked are @linked? */
static bool value_is(const u8 *pairs, u32 relocs, const u8 *linked, u32 len,
		     const u64 *moves, const u8 *found)
{
	u32 done = 0, i;

	for (i = 0; i < relocs; i++, pairs += 2) {
		u32 at = pairs[0], size = reloc_size(pairs[1]);
		u64 value = 0, is = 0;

		memcpy(&value, linked + at, size);
		memcpy(&is, found + at, size);
		value = relocated(pairs[1], value, moves) ^ is;
		if (memcmp(found + done, linked + done, at - done) ||
		    (size < 8 ? (u32)value : value))
			return false;
		done = at + size;
	}
	return !memcmp(found + done, linked + done, len - done);
}

bool us_block_site_ok(const struct us_block *block, const struct us_site *site,
		      const u64 *moves, const u8 *found)
{
	const u8 *value = block->values + site->first;
	u32 i, relocs;

	for (i = 0; i < site->values; i++) {
		relocs = value[0];
		if (value_is(value + 1, relocs, value + 1 + 2 * relocs, site->len,
			     moves, found))
			return true;
		value += 1 + 2 * relocs + site->len;
	}
	return false;
}

bool us_baseline_site_ok(const struct us_block *block,
			 const struct us_site *site, u64 slide, const u8 *found)
{
	return us_block_site_ok(block, site, &slide, found);
}
