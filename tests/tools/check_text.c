/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check_text BASELINE SLIDE DUMP...: compare dumps of a running kernel's memory, one
 * for each range of its baseline, with what the baseline says, as the control
 * domain does at seal. Prints figures; exits 1 when a byte is not as it may be.
 *
 * check_text --runtime BASELINE BEFORE AFTER: every byte that changed between the
 * two dumps of the text must lie in a runtime site.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "baseline.h"
#include "baseline_read.h"
#include "cli.h"
#include "file.h"
#include "report.h"

#define SHOWN	20	/* differences that are printed */

static struct {
	u64 exact, enumerated, masked, wrong, relocs;	/* text */
	u64 rodata, rodata_wrong, as_found;
	u64 gates, gates_wrong;
	u64 masked_by[US_SITE_KINDS], wrong_by[US_SITE_KINDS];
	u64 outside;		/* branches that lead out of the image */
} figures;

static u64 slide;
static struct baseline baseline;

static void show(const char *what, u32 offset, const u8 *found, u32 len)
{
	u32 i;

	if (figures.wrong + figures.rodata_wrong + figures.gates_wrong > SHOWN)
		return;
	printf("wrong: %s +%#x:", what, offset);
	for (i = 0; i < len && i < 64; i++)
		printf(" %02x", found[i]);
	printf("\n");
}

/* Is image offset @offset an entry of @class? */
static bool is_entry(u64 offset, u16 class)
{
	const struct us_baseline_header *header = baseline.head.header;
	const struct us_entry *list = baseline.head.entries;
	u32 low = 0, high = header->entries, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (list[middle].class < class ||
		    (list[middle].class == class &&
		     list[middle].offset < offset))
			low = middle + 1;
		else
			high = middle;
	}
	return low < header->entries && list[low].class == class &&
	       list[low].offset == offset;
}

/* May @site's branch with its distance at @code + @at lead where it does? */
static bool leads_well(const struct us_runtime_site *site, const u8 *code,
		       u32 at, bool thunk)
{
	s32 distance;
	u64 target;

	memcpy(&distance, code + at, 4);
	target = site->offset + (u64)at + 4 + (s64)distance;
	if (target >= baseline.head.header->facts[US_FACT_IMAGE_END]) {
		figures.outside++;
		return baseline.head.header->policy[US_POLICY_TRAMPOLINE];
	}
	return target == site->target || is_entry(target, site->class) ||
	       (thunk && is_entry(target, US_CLASS_THUNK));
}

static const u8 nop2[] = { 0x66, 0x90 };
static const u8 nop5[] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };
static const u8 xor5[] = { 0x2e, 0x2e, 0x2e, 0x31, 0xc0 };
static const u8 ret5[] = { 0xc3, 0xcc, 0xcc, 0xcc, 0xcc };

static bool is_jump(const struct us_runtime_site *site, const u8 *code)
{
	s32 distance = (signed char)code[1];

	if (us_runtime_len(site) == 5)
		memcpy(&distance, code + 1, 4);
	return *code == (us_runtime_len(site) == 5 ? 0xe9 : 0xeb) &&
	       site->offset + us_runtime_len(site) + (s64)distance ==
	       site->target;
}

static bool runtime_ok(const struct us_runtime_site *site, const u8 *code)
{
	switch (us_runtime_kind(site)) {
	case US_RUN_LOCK:
		return *code == 0xf0 || *code == 0x3e;
	case US_RUN_JUMP:
		return !memcmp(code, us_runtime_len(site) == 5 ? nop5 : nop2,
			       us_runtime_len(site)) || is_jump(site, code);
	case US_RUN_FTRACE:
	case US_RUN_TRACER:
		return !memcmp(code, nop5, 5) ||
		       (*code == 0xe8 && leads_well(site, code, 1, false));
	case US_RUN_GRAPH:
		return !memcmp(code, nop5, 5) ||
		       (*code == 0xe9 && leads_well(site, code, 1, false));
	case US_RUN_CALL:
		return !memcmp(code, nop5, 5) || !memcmp(code, xor5, 5) ||
		       (*code == 0xe8 && leads_well(site, code, 1, false));
	case US_RUN_TAIL:
		return !memcmp(code, ret5, 5) ||
		       (*code == 0xe9 && leads_well(site, code, 1, true));
	case US_RUN_JCC:
		return *code == 0x0f && code[1] == site->jcc &&
		       leads_well(site, code, 2, true);
	}
	return false;
}

/* Marks of bytes that a site answers for. */
#define BOOT	1
#define RUN	2

static void check_boot_site(const struct us_block *block,
			    const struct us_site *site, const u8 *found)
{
	u32 here = site->offset >= block->header->offset ? site->len : 0;

	/* One that runs over is compared where it begins. */
	if (!here)
		return;
	if (!site->values) {
		figures.masked += site->len;
		figures.masked_by[site->kind] += site->len;
	} else if (us_baseline_site_ok(block, site, slide, found)) {
		figures.enumerated += site->len;
	} else {
		figures.wrong += site->len;
		figures.wrong_by[site->kind]++;
		show(site_kind_name(site->kind), site->offset, found,
		     site->len);
	}
}

static void check_runtime_sites(const u8 *text, u8 *marks)
{
	const struct us_runtime_site *site = baseline.head.runtime;
	u32 i, k;
	u8 kind;

	for (i = 0; i < baseline.head.header->runtime_sites; i++, site++) {
		for (k = 0; k < us_runtime_len(site); k++)
			if (!marks[site->offset + k]) {
				marks[site->offset + k] = RUN;
				figures.enumerated++;
			}
		kind = runtime_site_kind(us_runtime_kind(site));
		/* Within a boot-time site its values decide. */
		if (marks[site->offset] == BOOT ||
		    runtime_ok(site, text + site->offset))
			continue;
		figures.enumerated -= us_runtime_len(site);
		figures.wrong += us_runtime_len(site);
		figures.wrong_by[kind]++;
		show(site_kind_name(kind), site->offset, text + site->offset,
		     us_runtime_len(site));
	}
}

/* Compare what no site answers for. */
static void check_exact(const struct us_block *block, const u8 *dump,
			const u8 *marks, u64 *exact, u64 *wrong)
{
	static u8 bytes[US_BLOCK_BYTES];
	u32 i;

	us_baseline_expect(block, slide, bytes, &figures.relocs);
	for (i = 0; i < block->header->len; i++) {
		if (marks[block->header->offset + i])
			continue;
		if (bytes[i] == dump[i]) {
			++*exact;
			continue;
		}
		++*wrong;
		show("byte", block->header->offset + i, dump + i, 1);
	}
}

static int check_text_range(const struct us_range *range, u32 first,
			    const u8 *text)
{
	u8 *marks = calloc(1, range->len);
	u32 blocks = (range->len + US_BLOCK_BYTES - 1) / US_BLOCK_BYTES;
	struct us_block block;
	u32 i, k, b;

	for (i = 0; i < blocks; i++) {
		if (!baseline_block(&baseline, first + i, &block))
			return 2;
		for (k = 0; k < block.header->sites; k++) {
			for (b = 0; b < block.sites[k].len; b++)
				marks[block.sites[k].offset + b] = BOOT;
			check_boot_site(&block, &block.sites[k],
					text + block.sites[k].offset);
		}
	}
	check_runtime_sites(text, marks);
	for (i = 0; i < blocks; i++) {
		baseline_block(&baseline, first + i, &block);
		check_exact(&block, text + (u64)i * US_BLOCK_BYTES, marks,
			    &figures.exact, &figures.wrong);
	}
	free(marks);
	return 0;
}

static int check_rodata_range(const struct us_range *range, u32 first,
			      const u8 *dump)
{
	u32 blocks = (range->len + US_BLOCK_BYTES - 1) / US_BLOCK_BYTES, i, k;
	u64 end = range->offset + (u64)range->len;
	u8 *marks = calloc(1, end);
	struct us_block block;

	for (i = 0; i < blocks; i++) {
		if (!baseline_block(&baseline, first + i, &block))
			return 2;
		for (k = 0; k < block.header->sites; k++) {
			memset(marks + block.sites[k].offset, BOOT,
			       block.sites[k].len);
			check_boot_site(&block, &block.sites[k],
					dump + (block.sites[k].offset -
						range->offset));
		}
		check_exact(&block, dump + (u64)i * US_BLOCK_BYTES, marks,
			    &figures.rodata, &figures.rodata_wrong);
	}
	free(marks);
	return 0;
}

/* Gates of 16 bytes: the handler's address in three pieces. */
static void check_gates(const struct us_range *range, const u8 *dump)
{
	u64 address, base = baseline.head.header->facts[US_FACT_LINK_BASE] +
			    slide;
	const u8 *gate;
	u32 vector;

	for (vector = 0; vector < 256; vector++) {
		gate = dump + vector * 16u;
		address = gate[0] | (u64)gate[1] << 8 | (u64)gate[6] << 16 |
			  (u64)gate[7] << 24;
		memcpy((u8 *)&address + 4, gate + 8, 4);
		if (is_entry(address - base, US_CLASS_GATE + vector)) {
			figures.gates++;
			continue;
		}
		figures.gates_wrong++;
		show("gate", range->offset + vector * 16u, gate, 16);
	}
}

static int print_figures(void)
{
	u64 wrong = figures.wrong + figures.rodata_wrong + figures.gates_wrong;
	u32 i;

	printf("text exact %llu enumerated %llu masked %llu wrong %llu; "
	       "rodata exact %llu as-found %llu wrong %llu; gates %llu wrong "
	       "%llu; relocations %llu; branches out of the image %llu\n",
	       (unsigned long long)figures.exact,
	       (unsigned long long)figures.enumerated,
	       (unsigned long long)figures.masked,
	       (unsigned long long)figures.wrong,
	       (unsigned long long)figures.rodata,
	       (unsigned long long)figures.as_found,
	       (unsigned long long)figures.rodata_wrong,
	       (unsigned long long)figures.gates,
	       (unsigned long long)figures.gates_wrong,
	       (unsigned long long)figures.relocs,
	       (unsigned long long)figures.outside);
	for (i = 0; i < US_SITE_KINDS; i++)
		if (figures.masked_by[i] || figures.wrong_by[i])
			printf("%s: %llu bytes masked, %llu sites wrong\n",
			       site_kind_name(i),
			       (unsigned long long)figures.masked_by[i],
			       (unsigned long long)figures.wrong_by[i]);
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

static int compare(char **dumps)
{
	const struct us_baseline_header *header = baseline.head.header;
	u32 i, first = 0;
	int result = 0;

	for (i = 0; i < header->range_count && !result; i++) {
		const struct us_range *range = &header->ranges[i];
		u32 blocks = (range->len + US_BLOCK_BYTES - 1) / US_BLOCK_BYTES;
		struct buffer dump = load(dumps[i]);

		if (dump.len != range->len)
			return 2;
		switch (range->kind) {
		case US_RANGE_TEXT:
			result = check_text_range(range, first, dump.data);
			first += blocks;
			break;
		case US_RANGE_RODATA:
			result = check_rodata_range(range, first, dump.data);
			first += blocks;
			break;
		case US_RANGE_AFTER_INIT:
			figures.as_found += range->len;
			break;
		case US_RANGE_IDT:
			check_gates(range, dump.data);
			break;
		}
		buffer_free(&dump);
	}
	return result ? result : print_figures();
}

static int compare_runtime(const u8 *before, const u8 *after)
{
	const struct us_runtime_site *site = baseline.head.runtime;
	const struct us_runtime_site *end =
		site + baseline.head.header->runtime_sites;
	u64 at, changed = 0, wrong = 0;

	for (at = 0; at < baseline.head.header->text_len; at++) {
		if (before[at] == after[at])
			continue;
		changed++;
		while (site < end && site->offset + us_runtime_len(site) <= at)
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

static int runtime(char **dumps)
{
	struct buffer before = load(dumps[0]), after = load(dumps[1]);
	int result = 2;

	if (before.len == baseline.head.header->text_len &&
	    after.len == before.len)
		result = compare_runtime(before.data, after.data);
	buffer_free(&before);
	buffer_free(&after);
	return result;
}

int main(int argc, char **argv)
{
	bool changes = argc == 5 && !strcmp(argv[1], "--runtime");
	int result = 2;

	if (argc < 4)
		return 2;
	if (baseline_open(&baseline, argv[changes ? 2 : 1])) {
		fail_print();
		return 2;
	}
	if (changes) {
		result = runtime(argv + 3);
	} else if (argc - 3 == (int)baseline.head.header->range_count) {
		slide = strtoull(argv[2], NULL, 0);
		result = compare(argv + 3);
	}
	baseline_close(&baseline);
	return result;
}
