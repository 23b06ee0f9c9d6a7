/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bundles and revert authorisations. */
#include <stdio.h>
#include <string.h>

#include "module_baseline.h"
#include "report.h"

static json_t *functions_json(const struct us_bundle *bundle)
{
	const struct us_bundle_function *function;
	json_t *array = json_array();
	u32 i;

	for (i = 0; i < bundle->header->functions; i++) {
		function = &bundle->functions[i];
		json_array_append_new(array, json_pack(
			"{s:s, s:I, s:I, s:I, s:I}",
			"name", bundle->strings + function->name,
			"text_offset", (json_int_t)function->text_offset,
			"old_size", (json_int_t)function->old_size,
			"arena_offset", (json_int_t)function->arena_offset,
			"new_size", (json_int_t)function->new_size));
	}
	return array;
}

static json_t *hunks_json(const struct us_bundle *bundle)
{
	const struct us_bundle_hunk *hunk;
	json_t *array = json_array();
	u32 i;

	for (i = 0; i < bundle->header->hunks; i++) {
		hunk = &bundle->hunks[i];
		json_array_append_new(array, json_pack(
			"{s:I, s:o, s:o}",
			"text_offset", (json_int_t)hunk->text_offset,
			"expected", json_hex(hunk->expected, hunk->len),
			"replacement", json_hex(hunk->replacement, hunk->len)));
	}
	return array;
}

static const char *const base_names[] = {
	[US_BASE_TEXT] = "text", [US_BASE_AREA] = "area",
	[US_BASE_PERCPU] = "per-cpu", [US_BASE_FREED] = "freed",
	[US_BASE_KERNEL] = "kernel", [US_BASE_MODULE] = "module",
	[US_BASE_CODE] = "code",
};

const char *base_kind_name(u32 kind)
{
	return kind < ARRAY_SIZE(base_names) && base_names[kind] ?
	       base_names[kind] : "unknown";
}

static json_t *bases_json(const struct us_bundle *bundle)
{
	json_t *array = json_array();
	u32 i;

	for (i = 0; i < bundle->header->bases; i++)
		json_array_append_new(array, json_pack("{s:s, s:i, s:o}",
			"kind", base_kind_name(bundle->bases[i].kind),
			"area", (int)bundle->bases[i].area, "module",
			json_name(bundle->bases[i].module, US_NAME_MAX)));
	return array;
}

/* The module whose text is changed; null: the kernel's. */
static json_t *patched_json(const struct us_bundle *bundle)
{
	const struct us_bundle_header *header = bundle->header;

	if (!header->module[0])
		return json_null();
	return json_pack("{s:o, s:o, s:o}", "name",
			 json_name(header->module, sizeof(header->module)),
			 "build_id", json_hex(header->module_build_id,
					      header->module_build_id_len),
			 "bases", bases_json(bundle));
}

static void print_module(const struct us_bundle *bundle)
{
	const struct us_bundle_header *header = bundle->header;
	const struct us_bundle_base *base;
	u32 i;

	if (!header->module[0])
		return;
	printf("  in module    %s%s%s\n", header->module,
	       header->module_build_id_len ? ", build " : "",
	       hex(header->module_build_id, header->module_build_id_len));
	for (i = 0; i < header->bases; i++) {
		base = &bundle->bases[i];
		printf("  base %-7u %s%s%s, area %u\n", i,
		       base_kind_name(base->kind), base->module[0] ? " of " :
		       "", base->module, base->area);
	}
}

static const char *const link_names[] = {
	[US_LINK_NEEDS] = "needs", [US_LINK_CONFLICTS] = "conflicts",
	[US_LINK_REPLACES] = "replaces",
};

static bool is_any(const struct us_bundle_link *link)
{
	static const u8 any[US_DIGEST_SIZE];

	return !memcmp(link->bundle_id, any, sizeof(any));
}

static json_t *links_json(const struct us_bundle *bundle)
{
	const struct us_bundle_link *link;
	json_t *array = json_array();
	u32 i;

	for (i = 0; i < bundle->header->links; i++) {
		link = &bundle->links[i];
		json_array_append_new(array, json_pack("{s:s, s:o, s:o}",
			"kind", link_names[link->kind], "name",
			json_name(link->name, sizeof(link->name)), "bundle_id",
			is_any(link) ? json_null() :
			json_hex(link->bundle_id, US_DIGEST_SIZE)));
	}
	return array;
}

static const char *space_name(u8 space)
{
	switch (space) {
	case US_SPACE_IMAGE:
		return "image";
	case US_SPACE_BASE:
		return "base";
	case US_SPACE_SHADOW:
		return "shadow";
	}
	return "unknown";
}

static const char *when_name(u8 when)
{
	return when == US_WRITE_PRE_APPLY ? "pre" : "post";
}

static json_t *writes_json(const struct us_bundle *bundle)
{
	const struct us_bundle_write *write;
	json_t *array = json_array();
	u32 i;

	for (i = 0; i < bundle->header->writes; i++) {
		write = &bundle->writes[i];
		json_array_append_new(array, json_pack(
			"{s:s, s:s, s:s, s:i, s:I, s:o, s:o, s:b}",
			"variable", bundle->strings + write->name,
			"when", when_name(write->when),
			"space", space_name(write->space),
			"base", (int)write->base,
			"offset", (json_int_t)write->offset,
			"expected", json_hex(write->expected, write->len),
			"replacement", json_hex(write->replacement, write->len),
			"keep", write->flags & US_WRITE_KEEP));
	}
	return array;
}

static json_t *watches_json(const struct us_bundle *bundle)
{
	const struct us_bundle_watch *watch;
	json_t *array = json_array();
	u32 i;

	for (i = 0; i < bundle->header->watches; i++) {
		watch = &bundle->watches[i];
		json_array_append_new(array, json_pack("{s:s, s:I, s:i, s:I}",
			"variable", bundle->strings + watch->name,
			"image_offset", (json_int_t)watch->offset,
			"bytes", (int)watch->len,
			"allowed", (json_int_t)watch->allowed));
	}
	return array;
}

/* How it goes with others and with the running server. */
static void add_rules_json(json_t *object, const struct us_bundle *bundle)
{
	const struct us_bundle_header *header = bundle->header;

	json_object_update_new(object, json_pack(
		"{s:b, s:o, s:s, s:o?, s:i, s:o, s:I, s:o}",
		"cumulative", header->flags & US_BUNDLE_CUMULATIVE,
		"links", links_json(bundle),
		"consistency", header->consistency == US_CONSISTENCY_NONE ?
		"none" : "stack",
		"reason", header->reason[0] ?
		json_name(header->reason, sizeof(header->reason)) : NULL,
		"probation_s", (int)header->probation_s,
		"watches", watches_json(bundle),
		"shadow_bytes", (json_int_t)header->shadow_bytes,
		"writes", writes_json(bundle)));
}

static void print_links(const struct us_bundle *bundle)
{
	const struct us_bundle_link *link;
	u32 i;

	for (i = 0; i < bundle->header->links; i++) {
		link = &bundle->links[i];
		printf("  %-12s bundle %s%s%s\n", link_names[link->kind],
		       link->name, is_any(link) ? "" : ", ", is_any(link) ? "" :
		       hex(link->bundle_id, US_DIGEST_SIZE));
	}
	if (bundle->header->flags & US_BUNDLE_CUMULATIVE)
		printf("  replaces     all that is installed in the same "
		       "text\n");
}

static void print_write(const struct us_bundle *bundle,
			const struct us_bundle_write *write)
{
	printf("  write        %s: %s at %s", when_name(write->when),
	       bundle->strings + write->name, space_name(write->space));
	if (write->space == US_SPACE_BASE)
		printf(" %u", write->base);
	printf("+%#llx: %s -> %s%s\n", (unsigned long long)write->offset,
	       hex(write->expected, write->len),
	       hex(write->replacement, write->len),
	       write->flags & US_WRITE_KEEP ? ", stays when reverted" : "");
}

static void print_rules(const struct us_bundle *bundle)
{
	const struct us_bundle_header *header = bundle->header;
	const struct us_bundle_watch *watch;
	u32 i;

	print_links(bundle);
	if (header->consistency == US_CONSISTENCY_NONE)
		printf("  consistency  none: %s\n", header->reason);
	if (header->probation_s)
		printf("  probation    %u s\n", header->probation_s);
	for (i = 0; i < header->watches; i++) {
		watch = &bundle->watches[i];
		printf("  watch        %s at image+%#llx, %u bytes, may rise by "
		       "%llu\n", bundle->strings + watch->name,
		       (unsigned long long)watch->offset, watch->len,
		       (unsigned long long)watch->allowed);
	}
	if (header->shadow_bytes)
		printf("  shadow       %u bytes for new variables\n",
		       header->shadow_bytes);
	for (i = 0; i < header->writes; i++)
		print_write(bundle, &bundle->writes[i]);
}

json_t *bundle_json(const struct us_bundle *bundle, const void *data, u64 len)
{
	const struct us_bundle_header *header = bundle->header;
	u8 id[US_DIGEST_SIZE];
	json_t *object;

	bundle_id(data, len, id);
	object = json_pack("{s:s, s:o, s:o, s:o, s:I, s:o, s:o, s:I, s:I, s:I, "
			 "s:o, s:o}", "type", "bundle", "name",
			 json_name(header->name, sizeof(header->name)),
			 "description",
			 json_name(header->description,
				   sizeof(header->description)),
			 "bundle_id", json_hex(id, sizeof(id)),
			 "generation", (json_int_t)header->generation,
			 "build_id",
			 json_hex(header->build_id, header->build_id_len),
			 "module", patched_json(bundle),
			 "bytes", (json_int_t)header->total_size,
			 "payload_bytes", (json_int_t)header->payload_bytes,
			 "relocations", (json_int_t)header->relocs,
			 "functions", functions_json(bundle),
			 "hunks", hunks_json(bundle));
	add_rules_json(object, bundle);
	return object;
}

void bundle_print(const struct us_bundle *bundle, const void *data, u64 len)
{
	const struct us_bundle_header *header = bundle->header;
	u8 id[US_DIGEST_SIZE];
	u32 i;

	bundle_id(data, len, id);
	printf("bundle %s\n", header->name);
	if (header->description[0])
		printf("  description  %s\n", header->description);
	printf("  bundle id    %s\n", hex(id, sizeof(id)));
	printf("  generation   %llu\n", (unsigned long long)header->generation);
	printf("  for build    %s\n",
	       hex(header->build_id, header->build_id_len));
	print_module(bundle);
	print_rules(bundle);
	printf("  payload      %u bytes, %u relocations in all\n",
	       header->payload_bytes, header->relocs);
	for (i = 0; i < header->functions; i++)
		printf("  function     %s at +%#x, %u bytes, now %u\n",
		       bundle->strings + bundle->functions[i].name,
		       bundle->functions[i].text_offset,
		       bundle->functions[i].old_size,
		       bundle->functions[i].new_size);
	for (i = 0; i < header->hunks; i++)
		printf("  change       +%#x: %s -> %s\n",
		       bundle->hunks[i].text_offset,
		       hex(bundle->hunks[i].expected, bundle->hunks[i].len),
		       hex(bundle->hunks[i].replacement,
			   bundle->hunks[i].len));
}

json_t *revert_json(const struct us_revert *revert)
{
	return json_pack("{s:s, s:o, s:o, s:I}", "type", "revert", "bundle_id",
			 json_hex(revert->bundle_id, US_DIGEST_SIZE),
			 "build_id",
			 json_hex(revert->build_id, revert->build_id_len),
			 "generation", (json_int_t)revert->generation);
}

void revert_print(const struct us_revert *revert)
{
	printf("authorisation to revert\n");
	printf("  bundle id    %s\n", hex(revert->bundle_id, US_DIGEST_SIZE));
	printf("  generation   %llu\n", (unsigned long long)revert->generation);
	printf("  for build    %s\n",
	       hex(revert->build_id, revert->build_id_len));
}
