/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reader of module baselines. */
#include <string.h>

#include "module_maker.h"
#include "suites.h"

static struct blob blob;

static enum us_error parse(void)
{
	struct us_module_head head;
	struct us_block block;
	enum us_error error;
	u64 len = us_module_head_len(module_header(&blob));

	error = us_module_parse_head(blob.data, len && len < blob.len ? len :
				     blob.len, blob.len, &head);
	if (error)
		return error;
	return us_module_parse_block(&head, 0, blob.data +
				     head.blocks[0].file_offset,
				     head.blocks[0].len, &block);
}

/* Change one thing of a good file: how is it refused? */
#define BAD(error, change)						\
	do {								\
		struct us_module_header *h = module_header(&blob);	\
		struct us_module_base *b;				\
		struct us_runtime_site *r;				\
		struct us_block_ref *f;					\
									\
		make_module(1, &blob);					\
		b = module_bases(&blob);				\
		r = module_runtime(&blob);				\
		f = module_refs(&blob);					\
		(void)h; (void)b; (void)r; (void)f;			\
		change;							\
		CU_ASSERT_EQUAL(parse(), US_E_##error);			\
	} while (0)

static void good(void)
{
	make_module(0, &blob);
	CU_ASSERT_EQUAL(parse(), US_OK);
	make_module(1, &blob);
	CU_ASSERT_EQUAL(parse(), US_OK);
}

static void bad_headers(void)
{
	BAD(BASELINE_MAGIC, h->magic++);
	BAD(BASELINE_VERSION, h->version = 2);
	BAD(BASELINE_FIELD, h->header_size++);
	BAD(BASELINE_FIELD, h->text_len = 0);
	BAD(BASELINE_FIELD, h->text_len = US_MODULE_MAX_TEXT + 1);
	BAD(BASELINE_FIELD, h->bases = 0);
	BAD(BASELINE_FIELD, h->bases = US_RELOC_MAX_BASES + 1);
	BAD(BASELINE_FIELD, h->runtime_sites = US_MODULE_MAX_RUNTIME + 1);
	BAD(BASELINE_FIELD, h->blocks = 2);
	BAD(BASELINE_FIELD, h->build_id_len = 4);
	BAD(BASELINE_FIELD, h->build_id_len = 0);
	BAD(BASELINE_FIELD, h->kernel_build_id_len = 7);
	BAD(BASELINE_FIELD, h->kernel_build_id_len = 33);
	BAD(BASELINE_FIELD, h->kernel_build_id[31] = 1);
	BAD(BASELINE_FIELD, h->site_counts[15] = 1);
	BAD(BASELINE_FIELD, h->name[0] = 0);
	BAD(BASELINE_FIELD, h->name[0] = '\n');
	BAD(BASELINE_FIELD, memset(h->name, 'a', sizeof(h->name)));
	BAD(BASELINE_FIELD, h->name[60] = 'a');
	BAD(BASELINE_FIELD, memset(h->kernel, 'a', sizeof(h->kernel)));
	BAD(BASELINE_TRUNCATED, h->total_size++);
	BAD(BASELINE_TRAILING, h->total_size--);
}

static void bad_bases(void)
{
	BAD(BASELINE_FIELD, b[0].kind = US_BASE_KERNEL);
	BAD(BASELINE_FIELD, b[1].kind = US_BASE_TEXT);
	BAD(BASELINE_FIELD, b[1].kind = 0);
	BAD(BASELINE_FIELD, b[1].kind = US_BASE_CODE + 1);
	BAD(BASELINE_FIELD, b[1].len = 0);
	BAD(BASELINE_FIELD, b[1].len = ~0ull);
	BAD(BASELINE_FIELD, b[1].area = 1);
	BAD(BASELINE_FIELD, b[3].area = US_MODULE_AREAS);
	BAD(BASELINE_FIELD, b[1].module[0] = 'a');
	BAD(BASELINE_FIELD, b[4].module[0] = 0);
	BAD(BASELINE_FIELD, b[0].len = MODULE_TEXT_LEN - 1);
}

static void bad_sites(void)
{
	BAD(BASELINE_FIELD, r[0].kind_len = 0);
	BAD(BASELINE_FIELD, r[0].class = US_CLASS_FREE);
	BAD(BASELINE_FIELD, r[1].target = MODULE_TEXT_LEN);
	BAD(BASELINE_SITES, r[1].offset = MODULE_FTRACE + 4);
	BAD(BASELINE_SITES, r[1].offset = MODULE_TEXT_LEN - 1);
}

static struct us_text_reloc *first_reloc(void)
{
	return (void *)((u8 *)(module_block(&blob) + 1) +
			ALIGN_UP(MODULE_TEXT_LEN, 8));
}

static void bad_blocks(void)
{
	BAD(BASELINE_FIELD, f[0].file_offset += 8);
	BAD(BASELINE_FIELD, f[0].len += 8);
	BAD(BASELINE_FIELD, f[0].reserved = 1);
	BAD(BASELINE_FIELD, module_block(&blob)->len--);
	BAD(BASELINE_FIELD, module_block(&blob)->relocs++);
	BAD(BASELINE_FIELD, first_reloc()->base = 5);
	BAD(BASELINE_FIELD, first_reloc()->type = 4);
	BAD(BASELINE_FIELD, first_reloc()->type = 3 | 1 << 2);
	BAD(BASELINE_FIELD, first_reloc()->reserved[0] = 1);
	BAD(BASELINE_FIELD, first_reloc()->value++);
}

static void truncated(void)
{
	struct us_module_head head;
	u64 len, whole;

	make_module(1, &blob);
	whole = us_module_head_len(module_header(&blob));
	for (len = 0; len < whole; len++)
		CU_ASSERT(us_module_parse_head(blob.data, len, blob.len, &head) ==
			  US_E_BASELINE_TRUNCATED);
}

const struct test module_file_tests[] = {
	{ "good files", good },
	{ "bad headers", bad_headers },
	{ "bad bases", bad_bases },
	{ "bad sites", bad_sites },
	{ "bad blocks", bad_blocks },
	{ "truncated", truncated },
	{ 0 },
};
