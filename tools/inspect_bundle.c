/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report itself: relocations by name, old and new code, data added. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "inspect_code.h"
#include "unwind.h"

#define COLUMN	58

static const char *const type_names[] = {
	[US_RELOC_ABS64] = "ABS64", [US_RELOC_ABS32S] = "ABS32S",
	[US_RELOC_PC32] = "PC32",
};

void review_target_text(const struct review *review,
			const struct us_bundle_reloc *reloc, char *out,
			size_t room)
{
	/* PC32 counts from the field; instructions count from its end. */
	s64 end = reloc->type == US_RELOC_PC32 ? 4 : 0;
	s64 target = reloc->target + end;

	if (reloc->target_space == US_SPACE_ABSOLUTE)
		snprintf(out, room, "number %#llx", (unsigned long long)target);
	else if (reloc->target_space != US_SPACE_IMAGE || review->have_names)
		review_name(review, review_target(review, reloc) + (u64)end,
			    out, room);
	else
		snprintf(out, room, "image+%#llx", (unsigned long long)target);
}

static void where_text(const struct review *review,
		       const struct us_bundle_reloc *reloc, char *out,
		       size_t room)
{
	u32 index = reloc->where >> 8, byte = reloc->where & 0xff;

	if (reloc->where_space == US_SPACE_HUNK)
		snprintf(out, room, "change %u, byte %u", index, byte);
	else if (reloc->where_space == US_SPACE_WRITE)
		snprintf(out, room, "write %u, %s", index, byte < US_HUNK_MAX ?
			 "new value" : "expected value");
	else
		review_name(review, REVIEW_ARENA + reloc->where, out, room);
}

static void show_relocs(const struct review *review, json_t *object)
{
	const struct us_bundle *bundle = review->bundle;
	json_t *array = json_array();
	char where[160], target[160];
	u32 i;

	for (i = 0; i < bundle->header->relocs; i++) {
		const struct us_bundle_reloc *reloc = &bundle->relocs[i];

		where_text(review, reloc, where, sizeof(where));
		review_target_text(review, reloc, target, sizeof(target));
		if (!cli_json)
			printf("  relocation   %-34s %-6s %s\n", where,
			       type_names[reloc->type], target);
		json_array_append_new(array, json_pack("{s:s, s:s, s:s}",
				      "where", where, "type",
				      type_names[reloc->type], "target",
				      target));
	}
	if (object)
		json_object_set_new(object, "relocation_list", array);
	else
		json_decref(array);
}

/* Strings that nothing has as its name are notes of the author. */
static bool is_name(const struct us_bundle *bundle, u32 offset)
{
	u32 i;

	for (i = 0; i < bundle->header->functions; i++)
		if (bundle->functions[i].name == offset)
			return true;
	for (i = 0; i < bundle->header->writes; i++)
		if (bundle->writes[i].name == offset)
			return true;
	for (i = 0; i < bundle->header->watches; i++)
		if (bundle->watches[i].name == offset)
			return true;
	return false;
}

static void show_notes(const struct review *review, json_t *object)
{
	const struct us_bundle *bundle = review->bundle;
	json_t *array = json_array();
	const char *text;
	u32 at;

	for (at = 0; at < bundle->header->string_bytes;
	     at += strlen(text) + 1) {
		text = bundle->strings + at;
		if (!text[0] || is_name(bundle, at))
			continue;
		if (!cli_json)
			printf("  note         %s\n", text);
		json_array_append_new(array, json_string(text));
	}
	if (object)
		json_object_set_new(object, "notes", array);
	else
		json_decref(array);
}

/* Bytes of the payload that belong to no replaced function: constants, and
 * functions that only the bundle has. */
static u64 covered_until(const struct us_bundle *bundle, u64 at)
{
	bool again = true;
	u32 i;

	while (again) {
		again = false;
		for (i = 0; i < bundle->header->functions; i++) {
			const struct us_bundle_function *fn =
				&bundle->functions[i];

			if (at >= fn->arena_offset &&
			    at < (u64)fn->arena_offset + fn->new_size) {
				at = (u64)fn->arena_offset + fn->new_size;
				again = true;
			}
		}
	}
	return at;
}

static u64 next_covered(const struct us_bundle *bundle, u64 at)
{
	u64 next = bundle->header->payload_bytes;
	u32 i;

	for (i = 0; i < bundle->header->functions; i++)
		if (bundle->functions[i].arena_offset >= at &&
		    bundle->functions[i].arena_offset < next)
			next = bundle->functions[i].arena_offset;
	return next;
}

/* Leave out what only fills the room between pieces. */
static void trim(const u8 *bytes, u64 *at, u64 *end)
{
	while (*at < *end && bytes[*at] == 0xcc)
		++*at;
	while (*at < *end && bytes[*end - 1] == 0xcc)
		--*end;
}

static void show_hex(const u8 *bytes, u64 offset, u64 len)
{
	u64 at, i;

	for (at = 0; at < len; at += 16) {
		printf("    +%04llx  ", (unsigned long long)(offset + at));
		for (i = at; i < at + 16; i++)
			if (i < len)
				printf("%02x ", bytes[i]);
			else
				printf("   ");
		putchar(' ');
		for (i = at; i < at + 16 && i < len; i++)
			putchar(bytes[i] >= 0x20 && bytes[i] < 0x7f ?
				bytes[i] : '.');
		putchar('\n');
	}
}

static void show_added(const struct us_bundle *bundle, u64 at, u64 end,
		       json_t *array)
{
	trim(bundle->payload, &at, &end);
	if (at == end)
		return;
	if (!cli_json) {
		printf("  added        +%#llx, %llu bytes (constants, or code "
		       "that the kernel lacks)\n", (unsigned long long)at,
		       (unsigned long long)(end - at));
		show_hex(bundle->payload + at, at, end - at);
	}
	json_array_append_new(array, json_pack("{s:I, s:I}", "offset",
			      (json_int_t)at, "bytes",
			      (json_int_t)(end - at)));
}

/* Bytes of the unwind data in front of the code (unwind.h), which are shown as one. */
static u64 show_unwind(const struct us_bundle *bundle, json_t *object)
{
	struct us_unwind_header header = { 0 };
	u64 len = bundle->header->payload_bytes;

	if (len >= sizeof(header))
		memcpy(&header, bundle->payload, sizeof(header));
	if (header.magic != US_UNWIND_MAGIC ||
	    header.check != ~(header.len | (u64)header.count << 32) ||
	    !span_inside(sizeof(header), header.count *
			 (4ull + US_UNWIND_ORC), len))
		return 0;
	if (object)
		json_object_set_new(object, "unwind_ranges",
				    json_integer(header.count));
	else
		printf("  unwind data  %u ranges\n", header.count);
	return sizeof(header) + header.count * (4ull + US_UNWIND_ORC);
}

static void show_data(const struct review *review, json_t *object)
{
	const struct us_bundle *bundle = review->bundle;
	json_t *array = json_array();
	u64 at = show_unwind(bundle, object), end;

	while (at < bundle->header->payload_bytes) {
		end = next_covered(bundle, at);
		show_added(bundle, at, end, array);
		at = covered_until(bundle, end);
	}
	if (object)
		json_object_set_new(object, "added", array);
	else
		json_decref(array);
}

static void print_row(const struct listing *old, const struct listing *new,
		      const struct row *row)
{
	char left[200] = "", right[200] = "";
	char mark = '|';

	if (row->old != ~0u)
		snprintf(left, sizeof(left), "%5x  %s",
			 old->lines[row->old].offset,
			 old->lines[row->old].text);
	if (row->new != ~0u)
		snprintf(right, sizeof(right), "%5x  %s",
			 new->lines[row->new].offset,
			 new->lines[row->new].text);
	if (row->old == ~0u)
		mark = '>';
	else if (row->new == ~0u)
		mark = '<';
	else if (!strcmp(old->lines[row->old].key, new->lines[row->new].key))
		mark = ' ';
	printf("    %-*.*s %c %s\n", COLUMN, COLUMN, left, mark, right);
}

static json_t *lines_json(const struct listing *listing)
{
	json_t *array = json_array();
	u32 i;

	for (i = 0; i < listing->count; i++)
		json_array_append_new(array, json_pack("{s:I, s:s}", "offset",
				      (json_int_t)listing->lines[i].offset,
				      "text", listing->lines[i].text));
	return array;
}

static enum us_error print_rows(const struct listing *old,
				const struct listing *new)
{
	struct row *rows = NULL;
	enum us_error error;
	u32 count = 0, i;

	error = listing_align(old, new, &rows, &count);
	for (i = 0; i < count && !error; i++)
		print_row(old, new, &rows[i]);
	free(rows);
	return error;
}

static enum us_error list_old(const struct review *review,
			      const struct us_bundle_function *fn,
			      struct listing *out)
{
	u8 *code = malloc(fn->old_size);
	enum us_error error = US_OK;

	*out = (struct listing){ 0 };
	if (!code)
		return fail(US_E_NO_MEMORY, "code");
	if (review_old_code(review, fn->text_offset, fn->old_size, code))
		error = listing_make(review, code, fn->old_size,
				     review->text_base + fn->text_offset, out);
	free(code);
	return error;
}

/* A cold part has no new body of its own: its function's is shown there. */
static bool shows_body(const struct us_bundle *bundle, u32 index)
{
	const char *name = bundle->strings + bundle->functions[index].name;

	return !strstr(name, ".cold");
}

static enum us_error show_function(const struct review *review, u32 index,
				   json_t *array)
{
	const struct us_bundle_function *fn = &review->bundle->functions[index];
	const char *name = review->bundle->strings + fn->name;
	struct listing old, new = { 0 };
	enum us_error error = list_old(review, fn, &old);

	if (!error && shows_body(review->bundle, index))
		error = listing_make(review, review->payload +
				     fn->arena_offset, fn->new_size,
				     REVIEW_ARENA + fn->arena_offset, &new);
	if (!error && !cli_json) {
		printf("\n%s: %u bytes now, %u bytes new\n    %-*s   %s\n", name,
		       fn->old_size, fn->new_size, COLUMN,
		       old.count ? "old" :
		       review->bundle->header->module[0] ?
		       "old (name --module and --vmlinux)" :
		       "old (name --vmlinux or --baseline)",
		       "new");
		error = print_rows(&old, &new);
	} else if (!error) {
		json_array_append_new(array, json_pack("{s:s, s:o, s:o}",
				      "name", name, "old", lines_json(&old),
				      "new", lines_json(&new)));
	}
	listing_free(&old);
	listing_free(&new);
	return error;
}

static enum us_error show_code(const struct review *review, json_t *object)
{
	enum us_error error = US_OK;
	json_t *array = json_array();
	u32 i;

	for (i = 0; i < review->bundle->header->functions && !error; i++)
		error = show_function(review, i, array);
	if (object)
		json_object_set_new(object, "disassembly", array);
	else
		json_decref(array);
	return error;
}

static enum us_error show(const struct inspect_options *options,
			  const struct us_bundle *bundle, json_t *object)
{
	struct review review;
	enum us_error error = review_open(&review, options, bundle);

	if (!error) {
		show_notes(&review, object);
		show_relocs(&review, object);
		review_show_writes(&review, object);
		show_data(&review, object);
		if (options->disassemble)
			error = show_code(&review, object);
	}
	review_close(&review);
	return error;
}

enum us_error (*const inspect_code)(const struct inspect_options *options,
				    const struct us_bundle *bundle,
				    json_t *object) = show;
