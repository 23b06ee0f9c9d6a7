/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes of variables and counters to watch, by the names that the kernel has for the
 * places: what the bundle calls them is its author's word. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "inspect_code.h"
#include "report.h"

/* The relocation of what @write expects, or of its replacement. */
static const struct us_bundle_reloc *
value_reloc(const struct us_bundle *bundle, u32 index, bool expected)
{
	u32 where = index << 8 | (expected ? US_HUNK_MAX : 0), i;

	for (i = 0; i < bundle->header->relocs; i++)
		if (bundle->relocs[i].where_space == US_SPACE_WRITE &&
		    bundle->relocs[i].where >= where &&
		    bundle->relocs[i].where < where + US_HUNK_MAX)
			return &bundle->relocs[i];
	return NULL;
}

/* "&name", a number as the processor would read it, or bytes. */
static void value_text(const struct review *review, u32 index, bool expected,
		       char *out, size_t room)
{
	const struct us_bundle_write *write = &review->bundle->writes[index];
	const u8 *bytes = expected ? write->expected : write->replacement;
	const struct us_bundle_reloc *reloc =
		value_reloc(review->bundle, index, expected);
	unsigned long long number = 0;

	if (reloc && write->len == 8) {
		out[0] = '&';
		review_target_text(review, reloc, out + 1, room - 1);
	} else if (!reloc && (write->len == 1 || write->len == 2 ||
			      write->len == 4 || write->len == 8)) {
		memcpy(&number, bytes, write->len);
		snprintf(out, room, "%#llx", number);
	} else {
		snprintf(out, room, "%s%s", hex(bytes, write->len),
			 reloc ? " with addresses" : "");
	}
}

static void place_text(const struct review *review, u64 address, char *out,
		       size_t room)
{
	if (review->have_names || address >= REVIEW_BASES)
		review_name(review, address, out, room);
	else
		snprintf(out, room, "image+%#llx",
			 (unsigned long long)(address - review->link_base));
}

static json_t *show_write(const struct review *review, u32 index)
{
	const struct us_bundle_write *write = &review->bundle->writes[index];
	const char *name = review->bundle->strings + write->name;
	char place[160], expected[160], replacement[160];

	place_text(review, review_write_address(review, write), place,
		   sizeof(place));
	value_text(review, index, true, expected, sizeof(expected));
	value_text(review, index, false, replacement, sizeof(replacement));
	if (!cli_json)
		printf("  write %-6u %u bytes at %s, called %s: %s -> %s\n",
		       index, write->len, place, name, expected, replacement);
	return json_pack("{s:s, s:s, s:i, s:s, s:s}", "place", place,
			 "variable", name, "bytes", (int)write->len, "expected",
			 expected, "replacement", replacement);
}

static json_t *show_watch(const struct review *review, u32 index)
{
	const struct us_bundle_watch *watch = &review->bundle->watches[index];
	const char *name = review->bundle->strings + watch->name;
	char place[160];

	place_text(review, review->link_base + watch->offset, place,
		   sizeof(place));
	if (!cli_json)
		printf("  watch %-6u %u bytes at %s, called %s\n", index,
		       watch->len, place, name);
	return json_pack("{s:s, s:s, s:i}", "place", place, "variable", name,
			 "bytes", (int)watch->len);
}

void review_show_writes(const struct review *review, json_t *object)
{
	json_t *writes = json_array(), *watches = json_array();
	u32 i;

	for (i = 0; i < review->bundle->header->writes; i++)
		json_array_append_new(writes, show_write(review, i));
	for (i = 0; i < review->bundle->header->watches; i++)
		json_array_append_new(watches, show_watch(review, i));
	if (object) {
		json_object_set_new(object, "write_list", writes);
		json_object_set_new(object, "watch_list", watches);
	} else {
		json_decref(writes);
		json_decref(watches);
	}
}
