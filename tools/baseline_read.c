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

bool baseline_block(const struct baseline *baseline, u32 index,
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
	/* The text is the first range: its blocks are the first ones. */
	for (; len; offset += chunk, out += chunk, len -= chunk) {
		if (!baseline_block(baseline, offset / US_BLOCK_BYTES, &block))
			return false;
		start = offset % US_BLOCK_BYTES;
		chunk = block.header->len - start;
		if (chunk > len)
			chunk = len;
		memcpy(out, block.bytes + start, chunk);
	}
	return true;
}

static bool boot_site(const struct baseline *baseline, u64 offset, u64 len,
		      struct baseline_site *site)
{
	const struct us_site *list;
	struct us_block block;
	u64 index;
	u32 i;

	for (index = offset / US_BLOCK_BYTES;
	     index <= (offset + len - 1) / US_BLOCK_BYTES; index++) {
		if (!baseline_block(baseline, index, &block))
			return false;
		list = block.sites;
		for (i = 0; i < block.header->sites; i++) {
			if (!spans_overlap(list[i].offset, list[i].len, offset,
					   len))
				continue;
			*site = (struct baseline_site){
				list[i].offset, list[i].kind,
			};
			return true;
		}
	}
	return false;
}

static bool runtime_site(const struct baseline *baseline, u64 offset, u64 len,
			 struct baseline_site *site)
{
	const struct us_runtime_site *list = baseline->head.runtime;
	u32 i;

	for (i = 0; i < baseline->head.header->runtime_sites; i++) {
		if (!spans_overlap(list[i].offset, us_runtime_len(&list[i]),
				   offset, len))
			continue;
		*site = (struct baseline_site){
			list[i].offset,
			runtime_site_kind(us_runtime_kind(&list[i])),
		};
		return true;
	}
	return false;
}

bool baseline_site(const struct baseline *baseline, u64 offset, u64 len,
		   struct baseline_site *site)
{
	if (!len || !span_inside(offset, len, baseline->head.header->text_len))
		return false;
	return runtime_site(baseline, offset, len, site) ||
	       boot_site(baseline, offset, len, site);
}

u8 runtime_site_kind(u8 kind)
{
	switch (kind) {
	case US_RUN_LOCK:
		return US_SITE_SMP_LOCK;
	case US_RUN_JUMP:
		return US_SITE_JUMP_LABEL;
	case US_RUN_FTRACE:
		return US_SITE_FTRACE;
	case US_RUN_CALL:
	case US_RUN_TAIL:
	case US_RUN_JCC:
		return US_SITE_STATIC_CALL;
	}
	return US_SITE_OTHER;
}
