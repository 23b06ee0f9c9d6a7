/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check_text BASELINE DUMP SLIDE: compare a dump of a running kernel's text with
 * what its baseline says, as the control domain does at seal. Prints figures;
 * exits 1 when a byte outside every site differs.
 *
 * check_text --runtime BASELINE BEFORE AFTER: every byte that changed between the
 * two dumps must lie in a runtime site.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "baseline.h"
#include "cli.h"
#include "file.h"
#include "report.h"

#define SHOWN	20	/* differences that are printed */

static struct {
	u64 exact, masked, masked_changed, wrong, relocs;
	u64 changed[US_SITE_KINDS];
} figures;

static void compare_block(const struct us_block *block, const u8 *memory,
			  u64 slide)
{
	static u8 text[US_BLOCK_TEXT], masked[US_BLOCK_TEXT];
	u32 i;

	us_baseline_expect(block, slide, text, masked, &figures.relocs);
	for (i = 0; i < block->header->text_len; i++) {
		if (masked[i]) {
			figures.masked++;
			figures.masked_changed += text[i] != memory[i];
			continue;
		}
		figures.exact++;
		if (text[i] == memory[i])
			continue;
		if (figures.wrong++ < SHOWN)
			printf("wrong: +%#x: %02x, expected %02x\n",
			       block->header->text_offset + i, memory[i],
			       text[i]);
	}
}

static void count_kinds(const struct us_block *block, const u8 *text,
			const u8 *dump)
{
	const struct us_site *site;
	u32 i;

	for (i = 0; i < block->header->sites; i++) {
		site = &block->sites[i];
		if (site->offset < block->header->text_offset ||
		    site->offset + site->len > block->header->text_offset +
		    block->header->text_len)
			continue;
		figures.changed[site->kind] += !!memcmp(
			text + site->offset - block->header->text_offset,
			dump + site->offset, site->len);
	}
}

static int compare(const struct us_baseline_head *head, const u8 *file,
		   const u8 *dump, u64 slide)
{
	struct us_block block;
	u32 i;

	for (i = 0; i < head->header->blocks; i++) {
		if (us_baseline_parse_block(head, i, file +
					    head->blocks[i].file_offset,
					    head->blocks[i].len, &block))
			return 2;
		compare_block(&block, dump + (u64)i * US_BLOCK_TEXT, slide);
		count_kinds(&block, block.text, dump);
	}
	printf("exact %llu masked %llu changed-in-sites %llu relocations %llu "
	       "wrong %llu\n", (unsigned long long)figures.exact,
	       (unsigned long long)figures.masked,
	       (unsigned long long)figures.masked_changed,
	       (unsigned long long)figures.relocs,
	       (unsigned long long)figures.wrong);
	for (i = 0; i < US_SITE_KINDS; i++)
		printf("sites that differ: %-12s %llu of %u\n",
		       site_kind_name(i),
		       (unsigned long long)figures.changed[i],
		       head->header->site_counts[i]);
	return figures.wrong ? 1 : 0;
}

static int compare_runtime(const struct us_baseline_head *head,
			   const u8 *before, const u8 *after)
{
	const struct us_site *site = head->sites;
	const struct us_site *end = site + head->header->runtime_sites;
	u64 at, changed = 0, wrong = 0;

	for (at = 0; at < head->header->text_len; at++) {
		if (before[at] == after[at])
			continue;
		changed++;
		while (site < end && site->offset + site->len <= at)
			site++;
		if (site < end && site->offset <= at)
			continue;
		if (wrong++ < SHOWN)
			printf("outside runtime sites: +%#llx: %02x -> %02x\n",
			       (unsigned long long)at, before[at], after[at]);
	}
	printf("changed %llu wrong %llu\n", (unsigned long long)changed,
	       (unsigned long long)wrong);
	return wrong ? 1 : 0;
}

static struct buffer load(const char *path)
{
	struct buffer buffer;

	if (file_read(path, US_MAX_BASELINE, &buffer)) {
		fail_print();
		exit(2);
	}
	return buffer;
}

int main(int argc, char **argv)
{
	bool runtime = argc == 5 && !strcmp(argv[1], "--runtime");
	struct buffer file, first, second;
	struct us_baseline_head head;
	int result;

	if (!runtime && argc != 4)
		return 2;
	file = load(argv[runtime ? 2 : 1]);
	first = load(argv[runtime ? 3 : 2]);
	if (us_baseline_parse_head(file.data, us_baseline_head_len(
				   (const void *)file.data), file.len, &head) ||
	    first.len < head.header->text_len)
		return 2;
	if (!runtime) {
		result = compare(&head, file.data, first.data,
				 strtoull(argv[3], NULL, 0));
	} else {
		second = load(argv[4]);
		if (second.len < head.header->text_len)
			return 2;
		result = compare_runtime(&head, first.data, second.data);
		buffer_free(&second);
	}
	buffer_free(&first);
	buffer_free(&file);
	return result;
}
