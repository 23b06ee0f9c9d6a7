/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "module_baseline.h"

static bool all_zero(const void *data, u64 len)
{
	const u8 *bytes = data;

	while (len--)
		if (*bytes++)
			return false;
	return true;
}

static u64 padded(u64 count, u64 size)
{
	return ALIGN_UP(count * size, 8);
}

static u64 block_count(u64 text_len)
{
	return (text_len + US_BLOCK_BYTES - 1) / US_BLOCK_BYTES;
}

u64 us_module_head_len(const struct us_module_header *header)
{
	if (!header->text_len || header->text_len > US_MODULE_MAX_TEXT ||
	    header->blocks != block_count(header->text_len) ||
	    !header->bases || header->bases > US_RELOC_MAX_BASES ||
	    header->runtime_sites > US_MODULE_MAX_RUNTIME)
		return 0;
	return sizeof(*header) +
	       padded(header->bases, sizeof(struct us_module_base)) +
	       padded(header->runtime_sites, sizeof(struct us_runtime_site)) +
	       padded(header->blocks, sizeof(struct us_block_ref));
}

/* Printable ASCII without spaces and at least one byte of it, then zeros to the
 * field's end. */
static bool name_ok(const char name[US_NAME_MAX])
{
	u64 len = 0;

	while (len < US_NAME_MAX && name[len] > 0x20 && name[len] <= 0x7e)
		len++;
	return len && len < US_NAME_MAX && all_zero(name + len, US_NAME_MAX - len);
}

static bool build_id_ok(const u8 *id, u32 len)
{
	return len >= 8 && len <= US_BUILD_ID_MAX &&
	       all_zero(id + len, US_BUILD_ID_MAX - len);
}

static bool header_ok(const struct us_module_header *header)
{
	u64 kinds = ARRAY_SIZE(header->site_counts) - US_SITE_KINDS;

	return header->header_size == sizeof(*header) &&
	       us_module_head_len(header) && name_ok(header->name) &&
	       name_ok(header->kernel) &&
	       (header->build_id_len ?
		build_id_ok(header->build_id, header->build_id_len) :
		all_zero(header->build_id, US_BUILD_ID_MAX)) &&
	       build_id_ok(header->kernel_build_id, header->kernel_build_id_len) &&
	       all_zero(&header->site_counts[US_SITE_KINDS], kinds * 4);
}

static enum us_error check_header(const void *data, u64 len, u64 file_len)
{
	const struct us_module_header *header = data;

	if (len < sizeof(header->magic))
		return US_E_BASELINE_TRUNCATED;
	if (header->magic != US_MODULE_MAGIC)
		return US_E_BASELINE_MAGIC;
	if (len < offsetof(struct us_module_header, header_size))
		return US_E_BASELINE_TRUNCATED;
	if (header->version != US_MODULE_VERSION)
		return US_E_BASELINE_VERSION;
	if (len < sizeof(*header))
		return US_E_BASELINE_TRUNCATED;
	if (!header_ok(header))
		return US_E_BASELINE_FIELD;
	if (len < us_module_head_len(header) || file_len < header->total_size)
		return US_E_BASELINE_TRUNCATED;
	return file_len > header->total_size ? US_E_BASELINE_TRAILING : US_OK;
}

/* What a base of its kind must say and must not say. */
static bool base_ok(const struct us_module_base *base, bool first)
{
	bool has_area = false, has_module = false;

	switch (base->kind) {
	case US_BASE_CODE:
	case US_BASE_MODULE:
		has_module = true;
		has_area = true;
		break;
	case US_BASE_AREA:
	case US_BASE_FREED:
		has_area = true;
		break;
	case US_BASE_TEXT:
	case US_BASE_PERCPU:
	case US_BASE_KERNEL:
		break;
	default:
		return false;
	}
	return (base->kind == US_BASE_TEXT) == first && base->len &&
	       span_valid(base->link, base->len) &&
	       base->area < (has_area ? US_MODULE_AREAS : 1) &&
	       (has_module ? name_ok(base->module) :
		all_zero(base->module, sizeof(base->module)));
}

static enum us_error check_bases(const struct us_module_head *head)
{
	u32 i;

	for (i = 0; i < head->header->bases; i++)
		if (!base_ok(&head->bases[i], i == 0))
			return US_E_BASELINE_FIELD;
	return head->bases[0].len >= head->header->text_len ?
	       US_OK : US_E_BASELINE_FIELD;
}

/* Targets lie in the text; what a class holds is known for the kernel's fixed ones. */
static enum us_error check_branches(const struct us_module_head *head)
{
	const struct us_module_header *header = head->header;
	u32 i;

	for (i = 0; i < header->runtime_sites; i++) {
		const struct us_runtime_site *site = &head->runtime[i];

		if (site->class >= US_CLASS_FREE ||
		    (site->target != US_NO_TARGET &&
		     site->target >= header->text_len))
			return US_E_BASELINE_FIELD;
	}
	return US_OK;
}

/* Where the parts of the head lie, by its header's counts. */
static struct us_module_head lay_out(const void *data)
{
	const struct us_module_header *header = data;
	const u8 *at = (const u8 *)data + sizeof(*header);
	struct us_module_head head = { .header = header };

	head.bases = (const void *)at;
	at += padded(header->bases, sizeof(*head.bases));
	head.runtime = (const void *)at;
	at += padded(header->runtime_sites, sizeof(*head.runtime));
	head.blocks = (const void *)at;
	return head;
}

/* Only the runtime sites' size is not a multiple of 8. */
static bool padding_ok(const struct us_module_head *head)
{
	const u8 *end = (const u8 *)(head->runtime + head->header->runtime_sites);

	return all_zero(end, (const u8 *)head->blocks - end);
}

static enum us_error check_parts(const struct us_module_head *head)
{
	const struct us_module_header *header = head->header;
	enum us_error error;

	if (!padding_ok(head))
		return US_E_BASELINE_FIELD;
	error = check_bases(head);
	if (!error)
		error = us_baseline_check_runtime(head->runtime,
						  header->runtime_sites,
						  header->text_len);
	if (!error)
		error = check_branches(head);
	return error ? error :
	       us_baseline_check_blocks(head->blocks, header->blocks,
					us_module_head_len(header),
					header->total_size);
}

enum us_error us_module_parse_head(const void *data, u64 len, u64 file_len,
				   struct us_module_head *head)
{
	struct us_module_head found;
	enum us_error error;

	error = check_header(data, len, file_len);
	if (error)
		return error;
	found = lay_out(data);
	error = check_parts(&found);
	if (!error)
		*head = found;
	return error;
}

enum us_error us_module_parse_block(const struct us_module_head *head, u32 index,
				    const void *data, u64 len,
				    struct us_block *block)
{
	const struct us_module_header *header = head->header;
	struct us_range text = { .len = header->text_len, .kind = US_RANGE_TEXT };
	u64 offset = (u64)index * US_BLOCK_BYTES, left;

	if (index >= header->blocks || len < head->blocks[index].len)
		return US_E_BASELINE_TRUNCATED;
	left = header->text_len - offset;
	return us_baseline_parse_piece(&text, header->bases, offset,
				       left < US_BLOCK_BYTES ? left : US_BLOCK_BYTES,
				       data, head->blocks[index].len, block);
}
