/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "maker.h"
#include "module_baseline.h"
#include "sim.h"
#include "suites.h"

static struct bundle_spec spec;
static struct blob blob;

static void start(void)
{
	sim_make_text();
	bundle_spec_default(&spec, SIM_FUNCTION, 1);
	make_bundle(&spec, &blob);
}

/* Parse a copy of exactly that length, so that reading past it is found out. */
static enum us_error parse_len(u64 len)
{
	struct us_bundle bundle;
	enum us_error error;
	void *copy = malloc(len ? len : 1);

	memcpy(copy, blob.data, len);
	error = us_bundle_parse(copy, len, &bundle);
	free(copy);
	return error;
}

static enum us_error parse(void)
{
	return parse_len(blob.len);
}

static enum us_error parse_spec(void)
{
	make_bundle(&spec, &blob);
	return parse();
}

static void good(void)
{
	struct us_bundle bundle;

	start();
	CU_ASSERT_EQUAL_FATAL(us_bundle_parse(blob.data, blob.len, &bundle),
			      US_OK);
	CU_ASSERT_PTR_EQUAL(bundle.hunks, bundle_hunks(&blob));
	CU_ASSERT_PTR_EQUAL(bundle.payload, bundle_payload(&blob));
	CU_ASSERT_STRING_EQUAL(bundle.strings, "sim_function");
	CU_ASSERT_EQUAL(bundle.payload[60], 0x40 + 60);
}

static void truncated(void)
{
	u64 len;

	start();
	for (len = 0; len < blob.len; len++)
		CU_ASSERT_EQUAL(parse_len(len), US_E_BUNDLE_TRUNCATED);
}

static void trailing(void)
{
	start();
	memset(blob.data + blob.len, 0, 64);
	CU_ASSERT_EQUAL(parse_len(blob.len + 1), US_E_BUNDLE_TRAILING);
	CU_ASSERT_EQUAL(parse_len(blob.len + 8), US_E_BUNDLE_TRAILING);
}

static void magic_and_version(void)
{
	start();
	bundle_header(&blob)->magic ^= 1;
	CU_ASSERT_EQUAL(parse(), US_E_BUNDLE_MAGIC);
	start();
	bundle_header(&blob)->version = 1;
	CU_ASSERT_EQUAL(parse(), US_E_BUNDLE_VERSION);
	bundle_header(&blob)->version = 0;
	CU_ASSERT_EQUAL(parse(), US_E_BUNDLE_VERSION);
}

#define BAD_HEADER(change)					\
	do {							\
		struct us_bundle_header *h;			\
		start();					\
		h = bundle_header(&blob);			\
		change;						\
		CU_ASSERT_EQUAL(parse(), US_E_BUNDLE_FIELD);	\
	} while (0)

static void header_fields(void)
{
	BAD_HEADER(h->header_size++);
	BAD_HEADER(h->total_size += 8);
	BAD_HEADER(h->total_size -= 8);
	BAD_HEADER(h->total_size = ~0ull);
	BAD_HEADER(h->generation = 0);
	BAD_HEADER(h->build_id_len = 7);
	BAD_HEADER(h->build_id_len = 33);
	BAD_HEADER(h->build_id[SIM_BUILD_ID_LEN] = 1);
	BAD_HEADER(h->flags = 2);
	BAD_HEADER(h->reserved = 1);
	BAD_HEADER(h->name[0] = 0);
	BAD_HEADER(h->name[0] = '\n');
	BAD_HEADER(h->name[US_NAME_MAX - 1] = 'x');
	BAD_HEADER(memset(h->name, 'x', sizeof(h->name)));
	BAD_HEADER(memset(h->description, 'x', sizeof(h->description)));
}

static void counts(void)
{
	BAD_HEADER(h->functions = 0);
	BAD_HEADER(h->functions = US_BUNDLE_MAX_FUNCTIONS + 1);
	BAD_HEADER(h->functions = 0xffffffff);
	BAD_HEADER(h->hunks = 0);
	BAD_HEADER(h->hunks = US_BUNDLE_MAX_HUNKS + 1);
	BAD_HEADER(h->relocs = US_BUNDLE_MAX_RELOCS + 1);
	BAD_HEADER(h->relocs = 0xffffffff);
	BAD_HEADER(h->string_bytes = US_BUNDLE_MAX_STRINGS + 1);
	BAD_HEADER(h->payload_bytes = US_MAX_BUNDLE + 1);
	BAD_HEADER(h->functions++);
	BAD_HEADER(h->hunks--; h->total_size -= 8);
}

#define BAD_SPEC(error, change)						\
	do {								\
		start();						\
		change;							\
		CU_ASSERT_EQUAL(parse_spec(), US_E_##error);		\
	} while (0)

static void functions(void)
{
	struct us_bundle_function *f = &spec.function[0];

	BAD_SPEC(BUNDLE_FIELD, f->old_size = 0);
	BAD_SPEC(BUNDLE_FIELD, f->old_size = 0xffffffff);
	BAD_SPEC(BUNDLE_FIELD, f->new_size = 0);
	BAD_SPEC(BUNDLE_FIELD, f->reserved = 1);
	BAD_SPEC(BUNDLE_FIELD, f->text_offset = 0xfffffff0);
	BAD_SPEC(BUNDLE_BOUNDS, f->arena_offset = 2);
	BAD_SPEC(BUNDLE_BOUNDS, f->arena_offset = 0xffffffff);
	BAD_SPEC(BUNDLE_BOUNDS, f->new_size = 62);
	BAD_SPEC(BUNDLE_BOUNDS, f->new_size = 0xffffffff);
	BAD_SPEC(BUNDLE_BOUNDS, f->name = spec.string_bytes);
	BAD_SPEC(BUNDLE_BOUNDS, f->name = 0xffffffff);
	BAD_SPEC(BUNDLE_FIELD, f->name = spec.string_bytes - 1);
}

static void strings(void)
{
	BAD_SPEC(BUNDLE_FIELD, spec.string_bytes--);
	BAD_SPEC(BUNDLE_FIELD, spec.strings[2] = '\x80');
	BAD_SPEC(BUNDLE_FIELD, spec.strings[2] = '\x1b');
	BAD_SPEC(BUNDLE_BOUNDS, spec.string_bytes = 0);
}

static void padding(void)
{
	start();
	bundle_strings(&blob)[spec.string_bytes] = 1;
	CU_ASSERT_EQUAL(parse(), US_E_BUNDLE_FIELD);
	start();
	blob.data[blob.len - 1] = 1;
	CU_ASSERT_EQUAL(parse(), US_E_BUNDLE_FIELD);
}

/* A second hunk, @distance bytes after the first. */
static void second_hunk(u32 distance)
{
	spec.hunk[1] = spec.hunk[0];
	spec.hunk[1].text_offset += distance;
	spec.hunks = 2;
}

static void hunks(void)
{
	struct us_bundle_hunk *h = &spec.hunk[0];

	BAD_SPEC(BUNDLE_FIELD, h->len = 0);
	BAD_SPEC(BUNDLE_FIELD, h->len = US_HUNK_MAX + 1);
	BAD_SPEC(BUNDLE_FIELD, h->len = 0xffffffff);
	BAD_SPEC(BUNDLE_FIELD, h->expected[5] = 1);
	BAD_SPEC(BUNDLE_FIELD, h->replacement[15] = 1);
	BAD_SPEC(BUNDLE_FIELD, h->text_offset = SIM_FUNCTION - 1);
	BAD_SPEC(BUNDLE_FIELD, h->text_offset = SIM_FUNCTION +
						 SIM_FUNCTION_SIZE - 4);
	BAD_SPEC(BUNDLE_FIELD, second_hunk(20); h->text_offset += 40);
	start();
	second_hunk(5);
	CU_ASSERT_EQUAL(parse_spec(), US_OK);
}

static void hunks_overlap(void)
{
	BAD_SPEC(HUNKS_OVERLAP, second_hunk(0));
	BAD_SPEC(HUNKS_OVERLAP, second_hunk(1));
	BAD_SPEC(HUNKS_OVERLAP, second_hunk(4));
}

static void reloc_fields(void)
{
	struct us_bundle_reloc *r = &spec.reloc[0];

	BAD_SPEC(BUNDLE_FIELD, r->type = 0);
	BAD_SPEC(BUNDLE_FIELD, r->type = 4);
	BAD_SPEC(BUNDLE_FIELD, r->where_space = US_SPACE_IMAGE);
	BAD_SPEC(BUNDLE_FIELD, r->where_space = 4);
	BAD_SPEC(BUNDLE_FIELD, r->target_space = US_SPACE_HUNK);
	BAD_SPEC(BUNDLE_FIELD, r->target_space = 0);
	BAD_SPEC(BUNDLE_FIELD, r->base = 1);
	BAD_SPEC(BUNDLE_FIELD, r->target = 1ll << 32);
	BAD_SPEC(BUNDLE_FIELD, r->target = -(1ll << 32));
	BAD_SPEC(BUNDLE_FIELD, r->target = (s64)(1ull << 63));
}

static void reloc_places(void)
{
	BAD_SPEC(BUNDLE_BOUNDS, spec.reloc[2].where = 58);
	BAD_SPEC(BUNDLE_BOUNDS, spec.reloc[2].where = 0xfffffffe);
	BAD_SPEC(BUNDLE_BOUNDS, spec.reloc[3].where = 2);
	BAD_SPEC(BUNDLE_BOUNDS, spec.reloc[3].where = 1 << 8);
	BAD_SPEC(BUNDLE_BOUNDS, spec.reloc[3].where = 0xffffffff);
	BAD_SPEC(BUNDLE_BOUNDS, spec.reloc[3].type = US_RELOC_ABS64);
	/* Overlapping, and not sorted. */
	BAD_SPEC(BUNDLE_FIELD, spec.reloc[1].where = 15);
	BAD_SPEC(BUNDLE_FIELD, spec.reloc[2].where = 23);
	BAD_SPEC(BUNDLE_FIELD, spec.reloc[1].where = 30);
	BAD_SPEC(BUNDLE_FIELD, spec.reloc[0].where_space = US_SPACE_HUNK;
			       spec.reloc[0].type = US_RELOC_PC32;
			       spec.reloc[0].where = 1);
}

static void for_module(void)
{
	struct us_bundle_base *b = spec.base;

	strcpy(spec.module, "ext4");
	b[0] = (struct us_bundle_base) { .kind = US_BASE_TEXT };
	b[1] = (struct us_bundle_base) { US_BASE_AREA, 2, "" };
	b[2] = (struct us_bundle_base) { US_BASE_PERCPU, 0, "" };
	b[3] = (struct us_bundle_base) { US_BASE_CODE, 0, "jbd2" };
	spec.bases = 4;
	spec.reloc[0].target_space = US_SPACE_BASE;
	spec.reloc[0].base = 3;
}

#define BAD_MODULE(change)						\
	BAD_SPEC(BUNDLE_FIELD, for_module(); change)

static void module_bases(void)
{
	struct us_bundle_base *b = spec.base;

	start();
	for_module();
	CU_ASSERT_EQUAL(parse_spec(), US_OK);
	BAD_MODULE(spec.module[0] = 0);
	BAD_MODULE(spec.module[0] = 0; spec.reloc[0].target_space =
				       US_SPACE_IMAGE; spec.reloc[0].base = 0);
	BAD_MODULE(spec.module[0] = '\n');
	BAD_MODULE(spec.module[US_NAME_MAX - 1] = 'x');
	BAD_MODULE(spec.reloc[0].base = 4);
	BAD_MODULE(b[0].kind = 0);
	BAD_MODULE(b[0].kind = US_BASE_FREED);
	BAD_MODULE(b[0].kind = US_BASE_KERNEL);
	BAD_MODULE(b[0].area = 1);
	BAD_MODULE(b[0].module[0] = 'x');
	BAD_MODULE(b[1].area = US_MODULE_AREAS);
	BAD_MODULE(b[2].area = 1);
	BAD_MODULE(b[3].module[0] = 0);
	BAD_MODULE(b[3].module[US_NAME_MAX - 1] = 'x');
	BAD_MODULE(b[2] = b[1]);
}

static void module_header(void)
{
	start();
	for_module();
	make_bundle(&spec, &blob);
	bundle_header(&blob)->module_build_id_len = 20;
	CU_ASSERT_EQUAL(parse(), US_OK);
	bundle_header(&blob)->module_build_id_len = 7;
	CU_ASSERT_EQUAL(parse(), US_E_BUNDLE_FIELD);
	bundle_header(&blob)->module_build_id_len = 0;
	bundle_header(&blob)->module_build_id[3] = 1;
	CU_ASSERT_EQUAL(parse(), US_E_BUNDLE_FIELD);
	BAD_HEADER(h->module_build_id_len = 20);
	BAD_HEADER(h->module_build_id[0] = 1);
	BAD_HEADER(h->bases = US_BUNDLE_MAX_BASES + 1);
}

static enum us_error parse_revert(struct us_revert *revert, u64 len)
{
	const struct us_revert *found;

	return us_revert_parse(revert, len, &found);
}

static void revert(void)
{
	static struct blob file;
	struct us_revert good_one, bad;

	start();
	make_revert(&blob, &file);
	memcpy(&good_one, file.data, sizeof(good_one));
	CU_ASSERT_EQUAL(file.len, sizeof(good_one));
	CU_ASSERT_EQUAL(parse_revert(&good_one, sizeof(good_one)), US_OK);
	CU_ASSERT_EQUAL(parse_revert(&good_one, 0), US_E_REVERT_FORMAT);
	CU_ASSERT_EQUAL(parse_revert(&good_one, sizeof(good_one) - 1),
			US_E_REVERT_FORMAT);
	CU_ASSERT_EQUAL(us_revert_parse(file.data, sizeof(good_one) + 1,
					&(const struct us_revert *) { NULL }),
			US_E_REVERT_FORMAT);
#define BAD_REVERT(change)						\
	bad = good_one;							\
	change;								\
	CU_ASSERT_EQUAL(parse_revert(&bad, sizeof(bad)), US_E_REVERT_FORMAT)
	BAD_REVERT(bad.magic++);
	BAD_REVERT(bad.version = 1);
	BAD_REVERT(bad.build_id_len = 7);
	BAD_REVERT(bad.build_id_len = 33);
	BAD_REVERT(bad.build_id[31] = 1);
	BAD_REVERT(bad.generation = 0);
}

const struct test bundle_tests[] = {
	{ "good bundle", good },
	{ "truncated at every length", truncated },
	{ "trailing bytes", trailing },
	{ "magic and version", magic_and_version },
	{ "header fields", header_fields },
	{ "counts", counts },
	{ "functions", functions },
	{ "strings", strings },
	{ "padding", padding },
	{ "hunks", hunks },
	{ "hunks overlap", hunks_overlap },
	{ "relocation fields", reloc_fields },
	{ "relocation places", reloc_places },
	{ "bases of a module", module_bases },
	{ "a module in the header", module_header },
	{ "revert authorisation", revert },
	{ 0 },
};
