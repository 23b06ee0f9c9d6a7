/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "bundle.h"
#include "module_baseline.h"

/* The file's parts in order; sizes follow from the header alone. */
struct layout {
	u64 functions, hunks, relocs, bases, links, writes, watches;
	u64 strings, payload, end;
};

static bool all_zero(const void *data, u64 len)
{
	const u8 *bytes = data;

	while (len--)
		if (*bytes++)
			return false;
	return true;
}

static bool printable(char c)
{
	return c >= 0x20 && c <= 0x7e;
}

/* A name in a fixed field: printable ASCII, then zero bytes to the field's end. */
static bool field_text_ok(const char *text, u64 room)
{
	u64 len = 0;

	while (len < room && printable(text[len]))
		len++;
	return len < room && all_zero(text + len, room - len);
}

static bool build_id_ok(const u8 *id, u32 len)
{
	return len >= 8 && len <= US_BUILD_ID_MAX &&
	       all_zero(id + len, US_BUILD_ID_MAX - len);
}

/* Without a module there is nothing to say of one. */
static bool module_ok(const struct us_bundle_header *header)
{
	if (!header->module[0])
		return all_zero(header->module, sizeof(header->module)) &&
		       all_zero(header->module_build_id, US_BUILD_ID_MAX) &&
		       !header->module_build_id_len && !header->bases;
	return field_text_ok(header->module, sizeof(header->module)) &&
	       (build_id_ok(header->module_build_id,
			    header->module_build_id_len) ||
		(!header->module_build_id_len &&
		 all_zero(header->module_build_id, US_BUILD_ID_MAX)));
}

static bool counts_ok(const struct us_bundle_header *header)
{
	return header->functions >= 1 &&
	       header->functions <= US_BUNDLE_MAX_FUNCTIONS &&
	       header->hunks >= 1 && header->hunks <= US_BUNDLE_MAX_HUNKS &&
	       header->relocs <= US_BUNDLE_MAX_RELOCS &&
	       header->bases <= US_BUNDLE_MAX_BASES &&
	       header->links <= US_BUNDLE_MAX_LINKS &&
	       header->writes <= US_BUNDLE_MAX_WRITES &&
	       header->watches <= US_BUNDLE_MAX_WATCHES &&
	       header->shadow_bytes <= US_BUNDLE_MAX_SHADOW &&
	       header->string_bytes <= US_BUNDLE_MAX_STRINGS &&
	       header->payload_bytes <= US_MAX_BUNDLE;
}

/* Who lets old and new run side by side has to say why. */
static bool consistency_ok(const struct us_bundle_header *header)
{
	if (!field_text_ok(header->reason, sizeof(header->reason)))
		return false;
	if (header->consistency == US_CONSISTENCY_NONE)
		return header->reason[0];
	return header->consistency == US_CONSISTENCY_STACK &&
	       !header->reason[0];
}

static bool probation_ok(const struct us_bundle_header *header)
{
	return header->probation_s <= US_BUNDLE_MAX_PROBATION &&
	       (header->probation_s || !header->watches);
}

static bool header_ok(const struct us_bundle_header *header)
{
	return header->header_size == sizeof(*header) && counts_ok(header) &&
	       header->generation >= 1 && !header->reserved &&
	       !(header->flags & ~US_BUNDLE_CUMULATIVE) &&
	       consistency_ok(header) && probation_ok(header) &&
	       build_id_ok(header->build_id, header->build_id_len) &&
	       field_text_ok(header->name, sizeof(header->name)) &&
	       header->name[0] &&
	       field_text_ok(header->description, sizeof(header->description)) &&
	       module_ok(header);
}

/* Cannot overflow: counts_ok() bounds every product. */
static struct layout layout_of(const struct us_bundle_header *header)
{
	struct layout at;

	at.functions = sizeof(*header);
	at.hunks = at.functions +
		   header->functions * sizeof(struct us_bundle_function);
	at.relocs = at.hunks + header->hunks * sizeof(struct us_bundle_hunk);
	at.bases = at.relocs + header->relocs * sizeof(struct us_bundle_reloc);
	at.links = at.bases + header->bases * sizeof(struct us_bundle_base);
	at.writes = at.links + header->links * sizeof(struct us_bundle_link);
	at.watches = at.writes + header->writes * sizeof(struct us_bundle_write);
	at.strings = at.watches +
		     header->watches * sizeof(struct us_bundle_watch);
	at.payload = at.strings + ALIGN_UP(header->string_bytes, 8);
	at.end = at.payload + ALIGN_UP(header->payload_bytes, 8);
	return at;
}

static enum us_error check_header(const void *data, u64 len, struct layout *at)
{
	const struct us_bundle_header *header = data;

	if (len < sizeof(header->magic))
		return US_E_BUNDLE_TRUNCATED;
	if (header->magic != US_BUNDLE_MAGIC)
		return US_E_BUNDLE_MAGIC;
	if (len < offsetof(struct us_bundle_header, header_size))
		return US_E_BUNDLE_TRUNCATED;
	if (header->version != US_BUNDLE_VERSION)
		return US_E_BUNDLE_VERSION;
	if (len < sizeof(*header))
		return US_E_BUNDLE_TRUNCATED;
	if (!header_ok(header))
		return US_E_BUNDLE_FIELD;
	*at = layout_of(header);
	if (header->total_size != at->end)
		return US_E_BUNDLE_FIELD;
	if (len < at->end)
		return US_E_BUNDLE_TRUNCATED;
	return len > at->end ? US_E_BUNDLE_TRAILING : US_OK;
}

static enum us_error check_padding(const struct us_bundle *bundle)
{
	u64 strings = bundle->header->string_bytes;
	u64 payload = bundle->header->payload_bytes;

	if (!all_zero(bundle->strings + strings, ALIGN_UP(strings, 8) - strings) ||
	    !all_zero(bundle->payload + payload, ALIGN_UP(payload, 8) - payload))
		return US_E_BUNDLE_FIELD;
	return US_OK;
}

static enum us_error check_strings(const struct us_bundle *bundle)
{
	u64 i, len = bundle->header->string_bytes;

	for (i = 0; i < len; i++)
		if (bundle->strings[i] && !printable(bundle->strings[i]))
			return US_E_BUNDLE_FIELD;
	/* With a NUL at the very end every name inside is terminated. */
	return len && bundle->strings[len - 1] ? US_E_BUNDLE_FIELD : US_OK;
}

static enum us_error check_functions(const struct us_bundle *bundle)
{
	const struct us_bundle_header *header = bundle->header;
	u32 i;

	for (i = 0; i < header->functions; i++) {
		const struct us_bundle_function *fn = &bundle->functions[i];

		if (!fn->old_size || !fn->new_size || fn->reserved)
			return US_E_BUNDLE_FIELD;
		if (!span_inside(fn->text_offset, fn->old_size, SIZE_1G))
			return US_E_BUNDLE_FIELD;
		if (!span_inside(fn->arena_offset, fn->new_size,
				 header->payload_bytes))
			return US_E_BUNDLE_BOUNDS;
		if (fn->name >= header->string_bytes)
			return US_E_BUNDLE_BOUNDS;
		if (!bundle->strings[fn->name])
			return US_E_BUNDLE_FIELD;
	}
	return US_OK;
}

static bool hunk_in_function(const struct us_bundle *bundle,
			     const struct us_bundle_hunk *hunk)
{
	u32 i;

	for (i = 0; i < bundle->header->functions; i++) {
		const struct us_bundle_function *fn = &bundle->functions[i];

		if (hunk->text_offset >= fn->text_offset &&
		    span_inside(hunk->text_offset - fn->text_offset,
				hunk->len, fn->old_size))
			return true;
	}
	return false;
}

static enum us_error check_hunks(const struct us_bundle *bundle)
{
	u64 last = 0, end = 0;
	u32 i;

	for (i = 0; i < bundle->header->hunks; i++) {
		const struct us_bundle_hunk *hunk = &bundle->hunks[i];

		if (!hunk->len || hunk->len > US_HUNK_MAX ||
		    !all_zero(hunk->expected + hunk->len,
			      US_HUNK_MAX - hunk->len) ||
		    !all_zero(hunk->replacement + hunk->len,
			      US_HUNK_MAX - hunk->len))
			return US_E_BUNDLE_FIELD;
		if (hunk->text_offset < last)
			return US_E_BUNDLE_FIELD;
		if (hunk->text_offset < end)
			return US_E_HUNKS_OVERLAP;
		if (!hunk_in_function(bundle, hunk))
			return US_E_BUNDLE_FIELD;
		last = hunk->text_offset;
		end = last + hunk->len;
	}
	return US_OK;
}

static u64 reloc_size(u8 type)
{
	return type == US_RELOC_ABS64 ? 8 : 4;
}

static bool target_ok(const struct us_bundle *bundle,
		      const struct us_bundle_reloc *reloc)
{
	switch (reloc->target_space) {
	case US_SPACE_IMAGE:
	case US_SPACE_PAYLOAD:
	case US_SPACE_ABSOLUTE:
		return !reloc->base;
	case US_SPACE_SHADOW:
		return !reloc->base && bundle->header->shadow_bytes;
	case US_SPACE_BASE:
		return reloc->base < bundle->header->bases;
	}
	return false;
}

static bool reloc_kinds_ok(const struct us_bundle *bundle,
			   const struct us_bundle_reloc *reloc)
{
	/* S + A stays far from the ends of 64 bits, so sums with it do too. */
	const s64 reach = 1ll << 31;

	return reloc->type >= US_RELOC_ABS64 && reloc->type <= US_RELOC_PC32 &&
	       (reloc->where_space == US_SPACE_PAYLOAD ||
		reloc->where_space == US_SPACE_HUNK ||
		reloc->where_space == US_SPACE_WRITE) &&
	       target_ok(bundle, reloc) &&
	       reloc->target >= -reach && reloc->target <= reach;
}

static bool reloc_place_ok(const struct us_bundle *bundle,
			   const struct us_bundle_reloc *reloc)
{
	u32 index = reloc->where >> 8, byte = reloc->where & 0xff;
	u64 size = reloc_size(reloc->type);

	if (reloc->where_space == US_SPACE_PAYLOAD)
		return span_inside(reloc->where, size,
				   bundle->header->payload_bytes);
	if (reloc->where_space == US_SPACE_HUNK)
		return index < bundle->header->hunks &&
		       span_inside(byte, size, bundle->hunks[index].len);
	return index < bundle->header->writes &&
	       span_inside(byte % US_HUNK_MAX, size,
			   bundle->writes[index].len) &&
	       byte < 2 * US_HUNK_MAX;
}

static enum us_error check_relocs(const struct us_bundle *bundle)
{
	u64 end = 0;
	u8 space = 0;
	u32 i;

	for (i = 0; i < bundle->header->relocs; i++) {
		const struct us_bundle_reloc *reloc = &bundle->relocs[i];

		if (!reloc_kinds_ok(bundle, reloc))
			return US_E_BUNDLE_FIELD;
		if (!reloc_place_ok(bundle, reloc))
			return US_E_BUNDLE_BOUNDS;
		/* Sorted, so comparing neighbours finds every overlap. */
		if (reloc->where_space < space ||
		    (reloc->where_space == space && reloc->where < end))
			return US_E_BUNDLE_FIELD;
		space = reloc->where_space;
		end = (u64)reloc->where + reloc_size(reloc->type);
	}
	return US_OK;
}

static bool base_ok(const struct us_bundle_base *base)
{
	const bool other = base->kind == US_BASE_MODULE ||
			   base->kind == US_BASE_CODE;

	if (base->kind != US_BASE_TEXT && base->kind != US_BASE_AREA &&
	    base->kind != US_BASE_PERCPU && !other)
		return false;
	if (base->area >= (other || base->kind == US_BASE_AREA ?
			   US_MODULE_AREAS : 1))
		return false;
	return other ? base->module[0] && field_text_ok(base->module,
							sizeof(base->module)) :
		       all_zero(base->module, sizeof(base->module));
}

static enum us_error check_bases(const struct us_bundle *bundle)
{
	const struct us_bundle_base *bases = bundle->bases;
	u32 i, k;

	for (i = 0; i < bundle->header->bases; i++) {
		if (!base_ok(&bases[i]))
			return US_E_BUNDLE_FIELD;
		for (k = 0; k < i; k++)
			if (!memcmp(&bases[i], &bases[k], sizeof(*bases)))
				return US_E_BUNDLE_FIELD;
	}
	return US_OK;
}

static enum us_error check_links(const struct us_bundle *bundle)
{
	u32 i, k;

	for (i = 0; i < bundle->header->links; i++) {
		const struct us_bundle_link *link = &bundle->links[i];

		if (link->kind < US_LINK_NEEDS ||
		    link->kind > US_LINK_REPLACES || link->reserved ||
		    !link->name[0] ||
		    !field_text_ok(link->name, sizeof(link->name)))
			return US_E_BUNDLE_FIELD;
		/* One kind of link to one bundle. */
		for (k = 0; k < i; k++)
			if (!memcmp(link->bundle_id, bundle->links[k].bundle_id,
				    sizeof(link->bundle_id)) &&
			    !memcmp(link->name, bundle->links[k].name,
				    sizeof(link->name)))
				return US_E_BUNDLE_FIELD;
	}
	return US_OK;
}

static enum us_error write_place_ok(const struct us_bundle_header *header,
				    const struct us_bundle_write *write)
{
	if (write->space == US_SPACE_BASE)
		return write->base < header->bases &&
		       span_inside(write->offset, write->len, SIZE_1G) ?
		       US_OK : US_E_BUNDLE_FIELD;
	if (write->base)
		return US_E_BUNDLE_FIELD;
	if (write->space == US_SPACE_IMAGE)
		return span_inside(write->offset, write->len, SIZE_1G) ?
		       US_OK : US_E_BUNDLE_FIELD;
	if (write->space != US_SPACE_SHADOW)
		return US_E_BUNDLE_FIELD;
	return span_inside(write->offset, write->len, header->shadow_bytes) ?
	       US_OK : US_E_BUNDLE_BOUNDS;
}

static bool string_ok(const struct us_bundle *bundle, u32 name)
{
	return name < bundle->header->string_bytes && bundle->strings[name];
}

static enum us_error check_writes(const struct us_bundle *bundle)
{
	u8 when = US_WRITE_PRE_APPLY;
	enum us_error error;
	u32 i;

	for (i = 0; i < bundle->header->writes; i++) {
		const struct us_bundle_write *write = &bundle->writes[i];

		if (write->when < when || write->when > US_WRITE_POST_APPLY ||
		    write->flags & ~US_WRITE_KEEP || write->reserved ||
		    !write->len || write->len > US_HUNK_MAX ||
		    !all_zero(write->expected + write->len,
			      US_HUNK_MAX - write->len) ||
		    !all_zero(write->replacement + write->len,
			      US_HUNK_MAX - write->len))
			return US_E_BUNDLE_FIELD;
		if (!string_ok(bundle, write->name))
			return US_E_BUNDLE_BOUNDS;
		error = write_place_ok(bundle->header, write);
		if (error)
			return error;
		when = write->when;
	}
	return US_OK;
}

static enum us_error check_watches(const struct us_bundle *bundle)
{
	u32 i;

	for (i = 0; i < bundle->header->watches; i++) {
		const struct us_bundle_watch *watch = &bundle->watches[i];

		if ((watch->len != 4 && watch->len != 8) ||
		    !IS_ALIGNED(watch->offset, watch->len) ||
		    !span_inside(watch->offset, watch->len, SIZE_1G))
			return US_E_BUNDLE_FIELD;
		if (!string_ok(bundle, watch->name))
			return US_E_BUNDLE_BOUNDS;
	}
	return US_OK;
}

enum us_error us_bundle_parse(const void *data, u64 len, struct us_bundle *bundle)
{
	static enum us_error (*const checks[])(const struct us_bundle *) = {
		check_padding, check_strings, check_functions, check_hunks,
		check_writes, check_relocs, check_bases, check_links,
		check_watches,
	};
	struct us_bundle found;
	enum us_error error;
	struct layout at;
	u32 i;

	error = check_header(data, len, &at);
	if (error)
		return error;
	found.header = data;
	found.functions = (const void *)((const u8 *)data + at.functions);
	found.hunks = (const void *)((const u8 *)data + at.hunks);
	found.relocs = (const void *)((const u8 *)data + at.relocs);
	found.bases = (const void *)((const u8 *)data + at.bases);
	found.links = (const void *)((const u8 *)data + at.links);
	found.writes = (const void *)((const u8 *)data + at.writes);
	found.watches = (const void *)((const u8 *)data + at.watches);
	found.strings = (const char *)data + at.strings;
	found.payload = (const u8 *)data + at.payload;
	for (i = 0; i < ARRAY_SIZE(checks); i++) {
		error = checks[i](&found);
		if (error)
			return error;
	}
	*bundle = found;
	return US_OK;
}

enum us_error us_revert_parse(const void *data, u64 len,
			      const struct us_revert **revert)
{
	const struct us_revert *found = data;

	if (len != sizeof(*found) || found->magic != US_REVERT_MAGIC ||
	    found->version != US_BUNDLE_VERSION || !found->generation ||
	    !build_id_ok(found->build_id, found->build_id_len))
		return US_E_REVERT_FORMAT;
	*revert = found;
	return US_OK;
}
