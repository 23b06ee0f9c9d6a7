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
	CU_ASSERT_EQUAL(baseline_header(&blob)->blocks, 4);
	for (i = 0; i < 4; i++)
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
	BAD_HEADER(h->text_len--);
	BAD_HEADER(h->text_len = ~0ull);
	BAD_HEADER(h->blocks++);
	BAD_HEADER(h->runtime_sites = US_BASELINE_MAX_RUNTIME + 1);
	BAD_HEADER(h->entries = US_BASELINE_MAX_ENTRIES + 1);
	BAD_HEADER(h->build_id_len = 7);
	BAD_HEADER(h->build_id_len = 33);
	BAD_HEADER(h->build_id[31] = 1);
	BAD_HEADER(h->fact_count++);
	BAD_HEADER(h->site_counts[US_SITE_KINDS] = 1);
	BAD_HEADER(h->facts[US_FACT_COUNT] = 1);
	BAD_HEADER(h->kernel[0] = 0);
	BAD_HEADER(h->kernel[1] = '\t');
	BAD_HEADER(memset(h->kernel, 'x', sizeof(h->kernel)));
}

static void ranges(void)
{
	BAD_HEADER(h->range_count = 0);
	BAD_HEADER(h->range_count = US_BASELINE_MAX_RANGES + 1);
	BAD_HEADER(h->range_count--);
	BAD_HEADER(h->range_count++);
	BAD_HEADER(h->ranges[0].kind = US_RANGE_RODATA);
	BAD_HEADER(h->ranges[0].offset = PAGE_SIZE);
	BAD_HEADER(h->ranges[0].len++);
	BAD_HEADER(h->ranges[0].reserved = 1);
	BAD_HEADER(h->ranges[0].len = h->text_len = US_BASELINE_MAX_TEXT + 1);
	BAD_HEADER(h->ranges[1].kind = US_RANGE_TEXT);
	BAD_HEADER(h->ranges[2].kind = US_RANGE_IDT + 1);
	BAD_HEADER(h->ranges[2].kind = 0);
	BAD_HEADER(h->ranges[1].offset = 0x25000);	/* the text's last page */
	BAD_HEADER(h->ranges[1].offset++);
	BAD_HEADER(h->ranges[1].len = 0);
	BAD_HEADER(h->ranges[2].len++);
	BAD_HEADER(h->ranges[2].offset = SIM_RODATA);
	BAD_HEADER(h->ranges[2].offset = SIM_IDT);
	BAD_HEADER(h->ranges[3].len = US_BASELINE_MAX_IMAGE);
	BAD_HEADER(h->ranges[3].offset = 0xfffff000);
	BAD_HEADER(h->ranges[4].len = 1);
}

static void policy(void)
{
	u32 i;

	for (i = 0; i < 16; i++) {
		start();
		baseline_header(&blob)->policy[i] = 3;
		CU_ASSERT_EQUAL(parse_head(), US_E_BASELINE_POLICY);
		start();
		baseline_header(&blob)->policy[i] = 2;
		CU_ASSERT_EQUAL(parse_head(), i == US_POLICY_MODULE ||
				i == US_POLICY_EXECUTE ||
				i >= US_POLICY_ROWS ? US_E_BASELINE_POLICY :
				US_OK);
	}
}

#define BAD_SITE(error, change)						\
	do {								\
		struct us_runtime_site *s;				\
		start();						\
		s = baseline_runtime(&blob);				\
		change;							\
		CU_ASSERT_EQUAL(parse_head(), US_E_##error);		\
	} while (0)

#define SET_KIND(kind, len)	(s->kind_len = (u8)((kind) << 4 | (len)))

/* The first is one of ftrace's, the next a jump label. */
static void runtime_sites(void)
{
	u32 last = baseline_header(&blob)->runtime_sites - 1;

	BAD_SITE(BASELINE_SITES, s[1].offset = s[0].offset + 4);
	BAD_SITE(BASELINE_SITES, s[1].offset = s[0].offset);
	BAD_SITE(BASELINE_SITES, s[0].offset = s[2].offset);
	BAD_SITE(BASELINE_SITES, s[last].offset = SIM_TEXT_LEN - 4);
	BAD_SITE(BASELINE_SITES, s[last].offset = 0xffffffff);
	BAD_SITE(BASELINE_FIELD, SET_KIND(0, 5));
	BAD_SITE(BASELINE_FIELD, SET_KIND(US_RUN_GRAPH + 1, 5));
	BAD_SITE(BASELINE_FIELD, SET_KIND(US_RUN_FTRACE, 0));
	BAD_SITE(BASELINE_FIELD, SET_KIND(US_RUN_FTRACE, 2));
	BAD_SITE(BASELINE_FIELD, SET_KIND(US_RUN_CALL, 6));
	BAD_SITE(BASELINE_FIELD, SET_KIND(US_RUN_JCC, 6));	/* no condition */
	BAD_SITE(BASELINE_FIELD, SET_KIND(US_RUN_LOCK, 1));	/* a class */
	BAD_SITE(BASELINE_FIELD, SET_KIND(US_RUN_JUMP, 5));	/* no target */
	BAD_SITE(BASELINE_FIELD, s[0].jcc = 0x84);
	BAD_SITE(BASELINE_FIELD, s[0].class = US_CLASS_GATE);
	BAD_SITE(BASELINE_FIELD, s[0].target = US_BASELINE_MAX_IMAGE);
	BAD_SITE(BASELINE_FIELD, s[1].kind_len = US_RUN_JUMP << 4 | 4);
	BAD_SITE(BASELINE_FIELD, s[1].target = US_NO_TARGET);
	BAD_SITE(BASELINE_FIELD, s[1].class = US_CLASS_ANY);
}

static void entries(void)
{
	struct us_entry *e;

	start();
	e = baseline_entries(&blob);
	e[1].offset = e[0].offset;
	CU_ASSERT_EQUAL(parse_head(), US_E_BASELINE_SITES);
	e[1].offset--;
	CU_ASSERT_EQUAL(parse_head(), US_E_BASELINE_SITES);
	start();
	e[0].class = US_CLASS_THUNK;
	CU_ASSERT_EQUAL(parse_head(), US_E_BASELINE_SITES);
	start();
	e[0].class = 0;
	CU_ASSERT_EQUAL(parse_head(), US_E_BASELINE_FIELD);
	start();
	e[0].reserved = 1;
	CU_ASSERT_EQUAL(parse_head(), US_E_BASELINE_FIELD);
	start();
	e[0].offset = US_BASELINE_MAX_IMAGE;
	CU_ASSERT_EQUAL(parse_head(), US_E_BASELINE_FIELD);
}

/* An odd number of sites leaves four bytes before the entries. */
static void padding(void)
{
	u64 len;

	start();
	if (sim_runtime_count % 2 == 0) {
		sim_runtime_count--;
		start();
		sim_runtime_count++;
	}
	CU_ASSERT_EQUAL(parse_head(), US_OK);
	len = sizeof(struct us_baseline_header) +
	      baseline_header(&blob)->runtime_sites *
	      sizeof(struct us_runtime_site);
	CU_ASSERT(len % 8);
	blob.data[len + 3] = 1;
	CU_ASSERT_EQUAL(parse_head(), US_E_BASELINE_FIELD);
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
	return (void *)((u8 *)(block + 1) + ALIGN_UP(block->len, 8));
}

static struct us_site *sites(struct us_block_header *block)
{
	return (void *)(relocs(block) + block->relocs);
}

static u8 *values(struct us_block_header *block)
{
	return (void *)(sites(block) + block->sites);
}

static u8 *probes(struct us_block_header *block)
{
	return values(block) + ALIGN_UP(block->values_len, 8);
}

static void block_fields(void)
{
	BAD_BLOCK(1, BASELINE_FIELD, b->offset = 0);
	BAD_BLOCK(1, BASELINE_FIELD, b->len--);
	BAD_BLOCK(2, BASELINE_FIELD, b->len++);
	BAD_BLOCK(0, BASELINE_FIELD, b->relocs++);
	BAD_BLOCK(0, BASELINE_FIELD, b->relocs = 0xffffffff);
	BAD_BLOCK(0, BASELINE_FIELD, b->sites = 0xffffffff);
	BAD_BLOCK(0, BASELINE_FIELD, b->values_len = 0xffffffff);
	BAD_BLOCK(0, BASELINE_FIELD, b->probes_len--);
	BAD_BLOCK(3, BASELINE_FIELD, b->probes_len = SIM_RODATA_LEN / 8);
	BAD_BLOCK(2, BASELINE_FIELD, ((u8 *)(b + 1))[b->len] = 1);
	BAD_BLOCK(2, BASELINE_FIELD, values(b)[b->values_len] = 1);
	BAD_BLOCK(2, BASELINE_FIELD, probes(b)[b->probes_len] = 1);
	/* A probe past the last byte of text. */
	BAD_BLOCK(2, BASELINE_FIELD, probes(b)[b->probes_len - 1] |= 0x80);
	start();
	CU_ASSERT_EQUAL(parse_block(2), US_OK);
	CU_ASSERT_EQUAL(us_baseline_parse_block(&head, 4, blob.data, 64,
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
	BAD_BLOCK(0, BASELINE_FIELD, relocs(b)[0].reserved[1] = 1);
	BAD_BLOCK(0, BASELINE_FIELD, relocs(b)[0].base = 1);
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
	BAD_BLOCK(0, BASELINE_SITES, sites(b)[1].offset = sites(b)[0].offset + 7);
	BAD_BLOCK(0, BASELINE_SITES, sites(b)[0].len = 0);
	BAD_BLOCK(1, BASELINE_SITES, sites(b)[0].offset = 0);
	BAD_BLOCK(2, BASELINE_SITES,
		  sites(b)[b->sites - 1].offset = SIM_TEXT_LEN);
	BAD_BLOCK(0, BASELINE_FIELD, sites(b)[0].len = US_SITE_MAX_LEN + 1);
	BAD_BLOCK(0, BASELINE_FIELD, sites(b)[0].kind = US_SITE_KINDS);
	BAD_BLOCK(0, BASELINE_FIELD, sites(b)[0].reserved = 1);
	/* A site over a field. */
	BAD_BLOCK(0, BASELINE_SITES, sites(b)[0].offset = SIM_FUNCTION + 0x60 - 7);
}

/* The second site of each function has a value with a field, the third none. */
static void block_values(void)
{
	u8 *second;

	BAD_BLOCK(0, BASELINE_VALUES, sites(b)[0].first = 0xffffffff);
	BAD_BLOCK(0, BASELINE_VALUES, sites(b)[0].first = b->values_len);
	BAD_BLOCK(0, BASELINE_VALUES, sites(b)[0].values = 0xffffffff);
	BAD_BLOCK(0, BASELINE_VALUES,
		  sites(b)[0].values = US_SITE_MAX_VALUES + 1);
	BAD_BLOCK(0, BASELINE_VALUES, values(b)[0] = 0xff);
	BAD_BLOCK(0, BASELINE_VALUES, sites(b)[2].first = 1);
	/* Bytes that are no multiple of a value: the last runs over the end. */
	BAD_BLOCK(2, BASELINE_VALUES, sites(b)[b->sites - 2].first++);
#define BAD_FIELD(change)						\
	BAD_BLOCK(0, BASELINE_VALUES,					\
		  second = values(b) + sites(b)[1].first + 6; change)
	BAD_FIELD(second[0] = 2);		/* fields that overlap */
	BAD_FIELD(second[1] = 2);		/* past the site's end */
	BAD_FIELD(second[1] = 0xff);
	BAD_FIELD(second[2] = 0);
	BAD_FIELD(second[2] = 4);		/* another base */
	BAD_FIELD(second[2] = US_TEXT_ADD64);	/* 8 bytes at 1 of 5 */
}

static void parse(struct us_block *block, u32 index)
{
	CU_ASSERT_EQUAL_FATAL(us_baseline_parse_head(blob.data,
			us_baseline_head_len(baseline_header(&blob)), blob.len,
			&head), US_OK);
	CU_ASSERT_EQUAL_FATAL(us_baseline_parse_block(&head, index,
			baseline_block(&blob, index), head.blocks[index].len,
			block), US_OK);
}

static void check_expected(u32 index, u8 *text)
{
	struct us_block block;
	u64 relocs_seen = 5;

	parse(&block, index);
	us_baseline_expect(&block, SIM_SLIDE, text, &relocs_seen);
	CU_ASSERT_EQUAL(relocs_seen, 5 + block.header->relocs);
}

/* The field at 0xfffe runs over into block 1: each block applies its own half. */
static void expected_text(void)
{
	static u8 first[US_BLOCK_BYTES], second[US_BLOCK_BYTES];
	u32 linked, value;
	u64 wide;

	start();
	check_expected(0, first);
	CU_ASSERT_FALSE(memcmp(first, sim_linked, SIM_FUNCTION + 8));
	memcpy(&linked, sim_linked + SIM_FUNCTION + 8, 4);
	memcpy(&value, first + SIM_FUNCTION + 8, 4);
	CU_ASSERT_EQUAL(value, linked + (u32)SIM_SLIDE);
	memcpy(&linked, sim_linked + SIM_FUNCTION + 0xc0, 4);
	memcpy(&value, first + SIM_FUNCTION + 0xc0, 4);
	CU_ASSERT_EQUAL(value, linked - (u32)SIM_SLIDE);
	memcpy(&wide, sim_linked + SIM_FUNCTION + 0x60, 8);
	wide += SIM_SLIDE;
	CU_ASSERT_FALSE(memcmp(&wide, first + SIM_FUNCTION + 0x60, 8));
	check_expected(1, second);
	memcpy(&linked, sim_linked + 0xfffe, 4);
	memcpy(&value, first + 0xfffe, 2);
	memcpy((u8 *)&value + 2, second, 2);
	CU_ASSERT_EQUAL(value, linked + (u32)SIM_SLIDE);
	check_expected(3, second);
	CU_ASSERT_FALSE(memcmp(second, sim_constants, SIM_RODATA_LEN));
}

/* Every value of every site is accepted, and none with any one bit changed. */
static void site_values(void)
{
	struct us_block block;
	u8 bytes[16];
	u32 i, k, bit;

	start();
	parse(&block, 0);
	for (i = 0; i < 12; i++) {
		CU_ASSERT_EQUAL(block.sites[i].offset, sim_sites[i].offset);
		for (k = 0; k < sim_sites[i].values; k++) {
			sim_value_bytes(&sim_sites[i], k, SIM_SLIDE, bytes);
			CU_ASSERT(us_baseline_site_ok(&block, &block.sites[i],
						      SIM_SLIDE, bytes));
			for (bit = 0; bit < 8u * sim_sites[i].len; bit++) {
				bytes[bit / 8] ^= 1 << bit % 8;
				CU_ASSERT_FALSE(us_baseline_site_ok(&block,
						&block.sites[i], SIM_SLIDE,
						bytes));
				bytes[bit / 8] ^= 1 << bit % 8;
			}
		}
	}
}

const struct test baseline_tests[] = {
	{ "good baseline", good },
	{ "head truncated at every length", truncated },
	{ "trailing bytes", trailing },
	{ "magic and version", magic_and_version },
	{ "header fields", header_fields },
	{ "ranges", ranges },
	{ "policy", policy },
	{ "runtime sites", runtime_sites },
	{ "entries", entries },
	{ "padding in the head", padding },
	{ "block table", block_refs },
	{ "block fields", block_fields },
	{ "block truncated", block_truncated },
	{ "block relocations", block_relocs },
	{ "block sites", block_sites },
	{ "values of sites", block_values },
	{ "expected text", expected_text },
	{ "values accepted", site_values },
	{ 0 },
};
