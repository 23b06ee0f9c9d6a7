/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "maker.h"
#include "sim.h"
#include "suites.h"

static struct blob blob;
static struct us_baseline_head head;

static enum us_error parse_head_len(u64 len, u64 file_len)
{
	enum us_error error;
	void *copy = malloc(len ? len : 1);

	memcpy(copy, blob.data, len);
	error = us_baseline_parse_head(copy, len, file_len, &head);
	free(copy);
	return error;
}

/* As a reader does it: the header says how long the head is. */
static enum us_error parse_head(void)
{
	u64 len = us_baseline_head_len(baseline_header(&blob));

	return parse_head_len(len ? len : sizeof(struct us_baseline_header),
			      blob.len);
}

static void start(void)
{
	make_baseline(&blob);
}

static enum us_error parse_block(u32 index)
{
	struct us_block block;

	CU_ASSERT_EQUAL_FATAL(us_baseline_parse_head(blob.data,
			us_baseline_head_len(baseline_header(&blob)), blob.len,
			&head), US_OK);
	return us_baseline_parse_block(&head, index, baseline_block(&blob, index),
				       head.blocks[index].len, &block);
}

static void good(void)
{
	u32 i;

	start();
	CU_ASSERT_EQUAL(parse_head(), US_OK);
	CU_ASSERT_EQUAL(baseline_header(&blob)->blocks, 3);
	for (i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(parse_block(i), US_OK);
}

static void truncated(void)
{
	u64 len, whole;

	start();
	whole = us_baseline_head_len(baseline_header(&blob));
	for (len = 0; len < whole; len++)
		CU_ASSERT_EQUAL(parse_head_len(len, blob.len),
				US_E_BASELINE_TRUNCATED);
	CU_ASSERT_EQUAL(parse_head_len(whole, blob.len - 1),
			US_E_BASELINE_TRUNCATED);
	CU_ASSERT_EQUAL(parse_head_len(whole, whole), US_E_BASELINE_TRUNCATED);
}

static void trailing(void)
{
	start();
	blob.len++;
	CU_ASSERT_EQUAL(parse_head(), US_E_BASELINE_TRAILING);
}

static void magic_and_version(void)
{
	start();
	baseline_header(&blob)->magic ^= 1ull << 63;
	CU_ASSERT_EQUAL(parse_head(), US_E_BASELINE_MAGIC);
	start();
	baseline_header(&blob)->version++;
	CU_ASSERT_EQUAL(parse_head(), US_E_BASELINE_VERSION);
}

#define BAD_HEADER(change)						\
	do {								\
		struct us_baseline_header *h;				\
		start();						\
		h = baseline_header(&blob);				\
		change;							\
		CU_ASSERT_EQUAL(parse_head(), US_E_BASELINE_FIELD);	\
	} while (0)

static void header_fields(void)
{
	BAD_HEADER(h->header_size--);
	BAD_HEADER(h->text_len = 0);
	BAD_HEADER(h->text_len = US_BASELINE_MAX_TEXT + 1);
	BAD_HEADER(h->text_len = ~0ull);
	BAD_HEADER(h->blocks++);
	BAD_HEADER(h->runtime_sites = US_BASELINE_MAX_SITES + 1);
	BAD_HEADER(h->build_id_len = 7);
	BAD_HEADER(h->build_id_len = 33);
	BAD_HEADER(h->build_id[31] = 1);
	BAD_HEADER(h->fact_count++);
	BAD_HEADER(h->facts[US_FACT_COUNT] = 1);
	BAD_HEADER(h->kernel[0] = 0);
	BAD_HEADER(h->kernel[1] = '\t');
	BAD_HEADER(memset(h->kernel, 'x', sizeof(h->kernel)));
}

#define BAD_SITE(error, change)						\
	do {								\
		struct us_site *s;					\
		start();						\
		s = baseline_sites(&blob);				\
		change;							\
		CU_ASSERT_EQUAL(parse_head(), US_E_##error);		\
	} while (0)

static void runtime_sites(void)
{
	u32 last = baseline_header(&blob)->runtime_sites - 1;

	BAD_SITE(BASELINE_SITES, s[1].offset = s[0].offset + 4);
	BAD_SITE(BASELINE_SITES, s[1].offset = s[0].offset);
	BAD_SITE(BASELINE_SITES, s[0].offset = s[2].offset);
	BAD_SITE(BASELINE_SITES, s[0].len = 0);
	BAD_SITE(BASELINE_SITES, s[last].offset = SIM_TEXT_LEN - 4);
	BAD_SITE(BASELINE_SITES, s[last].offset = 0xffffffff);
	BAD_SITE(BASELINE_FIELD, s[0].kind = US_SITE_KINDS);
	BAD_SITE(BASELINE_FIELD, s[0].reserved = 1);
}

#define BAD_REF(change)							\
	do {								\
		struct us_block_ref *r;					\
		start();						\
		r = baseline_refs(&blob);				\
		change;							\
		CU_ASSERT_EQUAL(parse_head(), US_E_BASELINE_FIELD);	\
	} while (0)

static void block_refs(void)
{
	BAD_REF(r[0].file_offset += 8);
	BAD_REF(r[1].file_offset = 0);
	BAD_REF(r[0].len = 8);
	BAD_REF(r[0].len = US_BLOCK_MAX + 8);
	BAD_REF(r[0].len -= 4);
	BAD_REF(r[2].len += 8);
	BAD_REF(r[2].len -= 8);
	BAD_REF(r[0].reserved = 1);
}

#define BAD_BLOCK(index, error, change)					\
	do {								\
		struct us_block_header *b;				\
		start();						\
		b = baseline_block(&blob, index);			\
		change;							\
		CU_ASSERT_EQUAL(parse_block(index), US_E_##error);	\
	} while (0)

static struct us_text_reloc *relocs(struct us_block_header *block)
{
	return (void *)((u8 *)(block + 1) + ALIGN_UP(block->text_len, 8));
}

static struct us_site *sites(struct us_block_header *block)
{
	return (void *)(relocs(block) + block->relocs);
}

static void block_fields(void)
{
	BAD_BLOCK(1, BASELINE_FIELD, b->text_offset = 0);
	BAD_BLOCK(1, BASELINE_FIELD, b->text_len--);
	BAD_BLOCK(2, BASELINE_FIELD, b->text_len++);
	BAD_BLOCK(0, BASELINE_FIELD, b->relocs++);
	BAD_BLOCK(0, BASELINE_FIELD, b->relocs = 0xffffffff);
	BAD_BLOCK(0, BASELINE_FIELD, b->sites = 0xffffffff);
	BAD_BLOCK(2, BASELINE_FIELD, ((u8 *)(b + 1))[b->text_len] = 1);
	start();
	CU_ASSERT_EQUAL(parse_block(2), US_OK);
	CU_ASSERT_EQUAL(us_baseline_parse_block(&head, 3, blob.data, 64,
			&(struct us_block) { 0 }), US_E_BASELINE_TRUNCATED);
}

static void block_truncated(void)
{
	struct us_block block;
	u32 len;

	start();
	CU_ASSERT_EQUAL_FATAL(us_baseline_parse_head(blob.data,
			us_baseline_head_len(baseline_header(&blob)), blob.len,
			&head), US_OK);
	for (len = 0; len < head.blocks[2].len; len += 7)
		CU_ASSERT_EQUAL(us_baseline_parse_block(&head, 2,
				baseline_block(&blob, 2), len, &block),
				US_E_BASELINE_TRUNCATED);
}

static void block_relocs(void)
{
	BAD_BLOCK(0, BASELINE_FIELD, relocs(b)[0].type = 0);
	BAD_BLOCK(0, BASELINE_FIELD, relocs(b)[0].type = 4);
	BAD_BLOCK(0, BASELINE_FIELD, relocs(b)[0].reserved[2] = 1);
	BAD_BLOCK(0, BASELINE_FIELD, relocs(b)[0].value ^= 1);
	BAD_BLOCK(0, BASELINE_FIELD, relocs(b)[0].value |= 1ull << 32);
	BAD_BLOCK(0, BASELINE_FIELD, relocs(b)[1].offset = relocs(b)[0].offset);
	BAD_BLOCK(0, BASELINE_FIELD, relocs(b)[0].offset = 0x20000);
	BAD_BLOCK(2, BASELINE_FIELD,
		  relocs(b)[b->relocs - 1].offset = SIM_TEXT_LEN - 3);
}

static void block_sites(void)
{
	BAD_BLOCK(0, BASELINE_SITES, sites(b)[0].offset = sites(b)[2].offset);
	BAD_BLOCK(0, BASELINE_SITES, sites(b)[0].len = 0);
	BAD_BLOCK(1, BASELINE_SITES, sites(b)[0].offset = 0);
	BAD_BLOCK(2, BASELINE_SITES,
		  sites(b)[b->sites - 1].offset = SIM_TEXT_LEN);
	BAD_BLOCK(0, BASELINE_FIELD, sites(b)[0].kind = US_SITE_KINDS);
	BAD_BLOCK(0, BASELINE_FIELD, sites(b)[0].reserved = 1);
}

static void check_expected(u32 index, u8 *text, u8 *masked)
{
	struct us_block block;
	u64 relocs_seen = 5;

	CU_ASSERT_EQUAL_FATAL(us_baseline_parse_block(&head, index,
			baseline_block(&blob, index), head.blocks[index].len,
			&block), US_OK);
	us_baseline_expect(&block, SIM_SLIDE, text, masked, &relocs_seen);
	CU_ASSERT_EQUAL(relocs_seen, 5 + block.header->relocs);
}

/* The field at 0xfffe runs over into block 1: each block applies its own half. */
static void expected_text(void)
{
	static u8 first[US_BLOCK_TEXT], second[US_BLOCK_TEXT];
	static u8 masked[US_BLOCK_TEXT];
	u32 linked, value;
	u64 wide;

	start();
	CU_ASSERT_EQUAL(us_baseline_parse_head(blob.data, us_baseline_head_len(
			baseline_header(&blob)), blob.len, &head), US_OK);
	check_expected(0, first, masked);
	CU_ASSERT_FALSE(memcmp(first, sim_linked, SIM_FUNCTION + 8));
	CU_ASSERT_EQUAL(masked[SIM_FUNCTION - 1], 0);
	CU_ASSERT_EQUAL(masked[SIM_FUNCTION], 1);
	CU_ASSERT_EQUAL(masked[SIM_FUNCTION + 4], 1);
	CU_ASSERT_EQUAL(masked[SIM_FUNCTION + 5], 0);
	memcpy(&linked, sim_linked + SIM_FUNCTION + 8, 4);
	memcpy(&value, first + SIM_FUNCTION + 8, 4);
	CU_ASSERT_EQUAL(value, linked + (u32)SIM_SLIDE);
	memcpy(&linked, sim_linked + SIM_FUNCTION + 0xc0, 4);
	memcpy(&value, first + SIM_FUNCTION + 0xc0, 4);
	CU_ASSERT_EQUAL(value, linked - (u32)SIM_SLIDE);
	memcpy(&wide, sim_linked + SIM_FUNCTION + 0x60, 8);
	wide += SIM_SLIDE;
	CU_ASSERT_FALSE(memcmp(&wide, first + SIM_FUNCTION + 0x60, 8));
	check_expected(1, second, masked);
	memcpy(&linked, sim_linked + 0xfffe, 4);
	memcpy(&value, first + 0xfffe, 2);
	memcpy((u8 *)&value + 2, second, 2);
	CU_ASSERT_EQUAL(value, linked + (u32)SIM_SLIDE);
	CU_ASSERT_EQUAL(masked[0xffff], 1);	/* of the site at 0x1fffa */
	check_expected(2, second, masked);
	CU_ASSERT_EQUAL(masked[2], 1);
}

const struct test baseline_tests[] = {
	{ "good baseline", good },
	{ "head truncated at every length", truncated },
	{ "trailing bytes", trailing },
	{ "magic and version", magic_and_version },
	{ "header fields", header_fields },
	{ "runtime sites", runtime_sites },
	{ "block table", block_refs },
	{ "block fields", block_fields },
	{ "block truncated", block_truncated },
	{ "block relocations", block_relocs },
	{ "block sites", block_sites },
	{ "expected text", expected_text },
	{ 0 },
};
