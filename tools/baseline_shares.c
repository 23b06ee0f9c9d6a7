/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "baseline_shares.h"
#include "fail.h"

const char *mask_reason(u32 kind)
{
	switch (kind) {
	case US_SITE_CONSTANT:
		return "an address or size that the kernel chose as it booted";
	default:
		return "no value is listed for them";
	}
}

static void count_sites(const struct us_block *block, u8 *marks,
			struct baseline_shares *shares)
{
	const struct us_site *site;
	u32 i, k;

	for (i = 0; i < block->header->sites; i++) {
		site = &block->sites[i];
		/* One that runs over is counted where it begins. */
		if (site->offset < block->header->offset)
			continue;
		shares->values += site->values;
		if (site->values)
			shares->enumerated += site->len;
		else
			shares->masked[site->kind] += site->len;
		for (k = 0; k < site->len; k++)
			marks[site->offset + k] = 1;
	}
}

static void count_probes(const struct us_block *block,
			 struct baseline_shares *shares)
{
	u32 i;

	for (i = 0; i < block->header->probes_len; i++)
		shares->probes += __builtin_popcount(block->probes[i]);
}

/* Bytes of runtime sites that no boot-time site has counted. */
static void count_runtime(const struct us_baseline_head *head, u8 *marks,
			  struct baseline_shares *shares)
{
	const struct us_runtime_site *site;
	u32 i, k;

	for (i = 0; i < head->header->runtime_sites; i++) {
		site = &head->runtime[i];
		for (k = 0; k < us_runtime_len(site); k++) {
			shares->enumerated += !marks[site->offset + k];
			marks[site->offset + k] = 1;
		}
	}
}

static void count_ranges(const struct us_baseline_header *header,
			 struct baseline_shares *shares)
{
	u32 i;

	for (i = 0; i < header->range_count; i++) {
		if (header->ranges[i].kind == US_RANGE_RODATA)
			shares->rodata += header->ranges[i].len;
		if (header->ranges[i].kind == US_RANGE_AFTER_INIT)
			shares->as_found += header->ranges[i].len;
	}
}

enum us_error shares_count(const void *data, struct baseline_shares *shares)
{
	const struct us_baseline_header *header = data;
	u8 *marks = calloc(1, header->text_len);
	struct us_baseline_head head;
	struct us_block block;
	u64 at;
	u32 i;

	*shares = (struct baseline_shares){ 0 };
	if (!marks)
		return fail(US_E_NO_MEMORY, "shares");
	shares->head = us_baseline_head_len(header);
	us_baseline_parse_head(data, shares->head, header->total_size, &head);
	for (i = 0; i < header->blocks; i++) {
		us_baseline_parse_block(&head, i, (const u8 *)data +
					head.blocks[i].file_offset,
					head.blocks[i].len, &block);
		/* Only the text has sites and probes. */
		if (!block.header->probes_len)
			break;
		count_sites(&block, marks, shares);
		count_probes(&block, shares);
	}
	count_runtime(&head, marks, shares);
	for (at = 0; at < header->text_len; at++)
		shares->exact += !marks[at];
	count_ranges(header, shares);
	free(marks);
	return US_OK;
}
