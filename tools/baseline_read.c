/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "baseline_read.h"
#include "cli.h"
#include "report.h"

enum us_error baseline_open(struct baseline *baseline, const char *path)
{
	enum us_error error;

	*baseline = (struct baseline){ .path = path };
	error = file_read(path, US_MAX_BASELINE, &baseline->file);
	if (!error)
		error = check_baseline(path, baseline->file.data,
				       baseline->file.len);
	if (error)
		return error;
	error = us_baseline_parse_head(baseline->file.data,
				       us_baseline_head_len((const void *)
						baseline->file.data),
				       baseline->file.len, &baseline->head);
	return error ? fail(error, "%s", path) : US_OK;
}

void baseline_close(struct baseline *baseline)
{
	buffer_free(&baseline->file);
	*baseline = (struct baseline){ 0 };
}

static bool block_at(const struct baseline *baseline, u32 index,
		     struct us_block *block)
{
	const struct us_block_ref *ref = &baseline->head.blocks[index];

	return us_baseline_parse_block(&baseline->head, index,
				       baseline->file.data + ref->file_offset,
				       ref->len, block) == US_OK;
}

bool baseline_text(const struct baseline *baseline, u64 offset, u64 len,
		   u8 *out)
{
	struct us_block block;
	u64 start, chunk;

	if (!span_inside(offset, len, baseline->head.header->text_len))
		return false;
	for (; len; offset += chunk, out += chunk, len -= chunk) {
		if (!block_at(baseline, offset / US_BLOCK_TEXT, &block))
			return false;
		start = offset % US_BLOCK_TEXT;
		chunk = block.header->text_len - start;
		if (chunk > len)
			chunk = len;
		memcpy(out, block.text + start, chunk);
	}
	return true;
}

static const struct us_site *site_in_block(const struct us_block *block,
					   u64 offset, u64 len)
{
	u32 i;

	for (i = 0; i < block->header->sites; i++)
		if (spans_overlap(block->sites[i].offset, block->sites[i].len,
				  offset, len))
			return &block->sites[i];
	return NULL;
}

const struct us_site *baseline_site(const struct baseline *baseline,
				    u64 offset, u64 len)
{
	const struct us_site *site;
	struct us_block block;
	u64 index;

	if (!len || !span_inside(offset, len, baseline->head.header->text_len))
		return NULL;
	for (index = offset / US_BLOCK_TEXT;
	     index <= (offset + len - 1) / US_BLOCK_TEXT; index++) {
		if (!block_at(baseline, index, &block))
			return NULL;
		site = site_in_block(&block, offset, len);
		if (site)
			return site;
	}
	return NULL;
}
