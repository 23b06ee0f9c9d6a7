/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "scratch.h"
#include "site_rule.h"
#include "state.h"
#include "text.h"
#include "verify.h"


static u8 *const expected = control_scratch.verify.expected;
static u8 *const found = control_scratch.verify.found;

/* A block on its way through. Offsets are image offsets, or a module text's. */
struct check {
	const struct us_block *block;
	const struct text_map *map;	/* NULL: constants, no runtime sites */
	u64 base;		/* linear address of offset 0 */
	const u64 *moves;	/* what each base of a field moved by */
	u64 start, end;		/* of the block */
	u32 site, runtime;	/* the next ones */
	u64 exact, enumerated, masked;
	u32 masked_by[US_SITE_KINDS];
};

static enum us_error differs(const struct check *check, u64 offset, u64 detail,
			     const u8 *bytes, u32 len)
{
	struct text line = { 0 };

	text_string(&line, check->map ? "text" : "constants");
	text_string(&line, " at ");
	text_hex(&line, check->base + offset);
	text_string(&line, " not as in the baseline: ");
	text_bytes(&line, bytes, len < 16 ? len : 16);
	host_log(US_LOG_WARNING, line.chars);
	return control_fail(check->map ? US_E_KERNEL_TEXT : US_E_KERNEL_RODATA,
			    check->base + offset, detail, NULL);
}

static enum us_error site_differs(const struct check *check, u64 offset, u32 len)
{
	const u8 *bytes = found + (offset - check->start);
	u64 first = 0;

	memcpy(&first, bytes, len < sizeof(first) ? len : sizeof(first));
	return differs(check, offset, first, bytes, len);
}

/* Bytes outside sites, [from, to) of the block. */
static enum us_error check_exact(struct check *check, u64 from, u64 to)
{
	const u8 *want = expected + (from - check->start);
	const u8 *is = found + (from - check->start);
	u64 len = to - from, i = 0;

	check->exact += len;
	if (!memcmp(want, is, len))
		return US_OK;
	while (is[i] == want[i])
		i++;
	return differs(check, from + i, (u64)want[i] << 8 | is[i], is + i,
		       len - i < 16 ? len - i : 16);
}

static enum us_error check_site(struct check *check, const struct us_site *site)
{
	if (!site->values) {
		check->masked += site->len;
		check->masked_by[site->kind] += site->len;
		return US_OK;
	}
	check->enumerated += site->len;
	if (us_block_site_ok(check->block, site, check->moves,
			     found + (site->offset - check->start)))
		return US_OK;
	return site_differs(check, site->offset, site->len);
}

static enum us_error check_runtime(struct check *check,
				   const struct us_runtime_site *site)
{
	u32 len = us_runtime_len(site);

	check->enumerated += len;
	if (site_rule_steady(check->map, site,
			     found + (site->offset - check->start)))
		return US_OK;
	return site_differs(check, site->offset, len);
}

static const struct us_site *next_site(const struct check *check)
{
	return check->site < check->block->header->sites ?
		&check->block->sites[check->site] : NULL;
}

/* The next one that begins before the block's end. */
static const struct us_runtime_site *next_runtime(const struct check *check)
{
	const struct text_map *map = check->map;

	if (!map || check->runtime == map->site_count ||
	    map->sites[check->runtime].offset >= check->end)
		return NULL;
	return &map->sites[check->runtime];
}

/* Pass the runtime sites that lie in @site: at seal its values count. */
static enum us_error skip_inside(struct check *check, const struct us_site *site)
{
	u64 end = (u64)site->offset + site->len;
	const struct us_runtime_site *runtime;

	while ((runtime = next_runtime(check)) && runtime->offset < end) {
		if (runtime->offset < site->offset ||
		    runtime->offset + us_runtime_len(runtime) > end)
			return control_fail(US_E_BASELINE_SITES, runtime->offset,
					    site->offset, NULL);
		check->runtime++;
	}
	return US_OK;
}

/* The next site, of either sort. False when there is none. */
struct place {
	const struct us_runtime_site *runtime;	/* or */
	const struct us_site *site;
	u64 offset, end;
};

static bool next_place(const struct check *check, struct place *place)
{
	const struct us_runtime_site *runtime = next_runtime(check);
	const struct us_site *site = next_site(check);

	*place = (struct place) { 0 };
	if (runtime && (!site || runtime->offset + us_runtime_len(runtime) <=
			site->offset)) {
		place->runtime = runtime;
		place->offset = runtime->offset;
		place->end = place->offset + us_runtime_len(runtime);
		return true;
	}
	if (!site)
		return false;
	place->site = site;
	place->offset = site->offset;
	place->end = place->offset + site->len;
	return true;
}

/* Compare it, if it begins in this block, and go on to the next. */
static enum us_error check_place(struct check *check, const struct place *place)
{
	bool begins = place->offset >= check->start;
	enum us_error error;

	if (place->runtime) {
		check->runtime++;
		return begins ? check_runtime(check, place->runtime) : US_OK;
	}
	check->site++;
	error = skip_inside(check, place->site);
	return !error && begins ? check_site(check, place->site) : error;
}

static enum us_error check_all(struct check *check)
{
	u64 at = check->start;
	enum us_error error;
	struct place place;

	for (; next_place(check, &place); at = place.end) {
		if (place.offset > at) {
			error = check_exact(check, at, place.offset);
			if (error)
				return error;
		}
		error = check_place(check, &place);
		if (error)
			return error;
	}
	return at < check->end ? check_exact(check, at, check->end) : US_OK;
}

/* The block, and as much behind it as a site may run over. */
static u64 bytes_to_read(const struct us_block *block, u64 limit)
{
	u64 end = (u64)block->header->offset + block->header->len;
	u64 more = limit - end;

	return block->header->len + (more < US_SITE_MAX_LEN ? more :
				     US_SITE_MAX_LEN);
}

static enum us_error check_block(struct check *check,
				 struct us_seal_report *report)
{
	enum us_error error;
	u32 i;

	us_block_expect(check->block, check->moves, expected,
			&report->relocations);
	error = check_all(check);
	for (i = 0; i < US_SITE_KINDS; i++)
		report->masked[i] += check->masked_by[i];
	return error;
}

static void place_block(struct check *check, const struct us_block *block)
{
	check->block = block;
	check->start = block->header->offset;
	check->end = check->start + block->header->len;
}

enum us_error verify_text(const struct text_map *map, const struct us_block *block,
			  struct us_seal_report *report)
{
	struct check check = {
		.map = map, .base = map->gva, .moves = map->moves,
	};
	u64 len = bytes_to_read(block, map->len);
	enum us_error error;

	place_block(&check, block);
	check.runtime = text_map_first_site(map, check.start);
	error = text_map_read(map, check.start, found, len);
	if (error)
		return control_fail(error, map->gva + check.start, len, NULL);
	error = check_block(&check, report);
	report->bytes_exact += check.exact;
	report->bytes_enumerated += check.enumerated;
	report->bytes_masked += check.masked;
	return error;
}

enum us_error verify_rodata(const struct kernel *kernel,
			    const struct us_range *range,
			    const struct us_block *block,
			    struct us_seal_report *report)
{
	struct check check = {
		.base = kernel->text_gva, .moves = &kernel->slide,
	};
	u64 len = bytes_to_read(block, (u64)range->offset + range->len);
	enum us_error error;

	place_block(&check, block);
	error = kernel_read(kernel, check.start, found, len);
	if (error)
		return control_fail(error, check.base + check.start, len, NULL);
	error = check_block(&check, report);
	report->rodata_exact += check.exact + check.enumerated;
	report->rodata_as_found += check.masked;
	return error;
}

enum us_error verify_tail(const struct text_map *map)
{
	u64 len = ALIGN_UP(map->len, PAGE_SIZE) - map->len, i;
	enum us_error error;

	error = text_map_read(map, map->len, found, len);
	if (error)
		return control_fail(error, map->gva + map->len, len, NULL);
	for (i = 0; i < len; i++)
		if (found[i])
			return control_fail(US_E_KERNEL_TEXT,
					    map->gva + map->len + i, found[i],
					    NULL);
	return US_OK;
}
