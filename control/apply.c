/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Apply: a signed bundle becomes an installed patch, or nothing has changed.
 */
#include <string.h>

#include "await.h"
#include "change_plan.h"
#include "dropped.h"
#include "fault.h"
#include "generations.h"
#include "text.h"

/* Linear address of @offset in the text that is patched. */
static u64 text_gva(u64 offset)
{
	return change.target.text->gva + offset;
}

static bool too_old(const struct us_bundle_header *header)
{
	return header->generation <= generations_of(header->module) &&
	       !dropped_may_return(change.input.id);
}

static enum us_error check_target(void)
{
	const struct us_bundle_header *header = change.bundle.header;
	const struct kernel *kernel = &control.kernel;
	enum us_error error;

	if (!control.sealed)
		return control_fail(US_E_NOT_SEALED, 0, 0, NULL);
	if (header->build_id_len != kernel->build_id_len ||
	    memcmp(header->build_id, kernel->build_id, kernel->build_id_len))
		return control_fail(US_E_WRONG_BUILD_ID, 0, 0, kernel->name);
	if (await_cancelled(change.input.id))
		return control_fail(US_E_TAKEN_BACK, header->generation, 0,
				    header->name);
	error = target_find(&change.bundle, &change.target);
	if (error)
		return error;
	if (too_old(header))
		return control_fail(US_E_OLD_GENERATION, header->generation,
				    generations_of(header->module), NULL);
	return US_OK;
}

static enum us_error check_room(void)
{
	const struct us_bundle_header *header = change.bundle.header;
	const struct installed_patch more = {
		.function_count = header->functions, .hunk_count = header->hunks,
		.write_count = header->writes, .link_count = header->links,
	};

	if (!patches_have_room(&more, change.is_out) ||
	    !generations_have_room(header->module))
		return control_fail(US_E_TOO_MANY_PATCHES, patches_count(),
				    US_MAX_PATCHES, NULL);
	return US_OK;
}

/* With others, or in their place. */
static enum us_error check_links(void)
{
	enum us_error error;

	change_choose_replaced();
	error = change_check_links();
	return error ? error : check_room();
}

static enum us_error check_ranges(void)
{
	const struct text_map *text = change.target.text;
	u32 i;

	for (i = 0; i < change.bundle.header->functions; i++) {
		const struct us_bundle_function *fn = &change.bundle.functions[i];

		if (!span_inside(fn->text_offset, fn->old_size, text->len))
			return control_fail(US_E_TARGET_OUTSIDE,
					    text_gva(fn->text_offset),
					    fn->old_size,
					    change.bundle.strings + fn->name);
	}
	for (i = 0; i < change.bundle.header->hunks; i++) {
		const struct us_bundle_hunk *hunk = &change.bundle.hunks[i];
		u64 gva = text_gva(hunk->text_offset);

		if (!span_inside(hunk->text_offset, hunk->len, text->len))
			return control_fail(US_E_TARGET_OUTSIDE, gva, hunk->len,
					    NULL);
		if (text_map_touches_site(text, hunk->text_offset, hunk->len))
			return control_fail(US_E_SITE_OVERLAP, gva, hunk->len,
					    NULL);
	}
	return change_check_stacks();
}

/* Choose where the new code and its shadow memory will be. */
static enum us_error place(void)
{
	const struct us_bundle_header *header = change.bundle.header;
	enum us_error error;

	error = arena_find_room(ARENA_CODE, header->payload_bytes,
				&change.arena_offset);
	if (!error)
		error = arena_find_room(ARENA_SHADOW, header->shadow_bytes,
					&change.shadow_offset);
	if (!error)
		error = arena_choose_addresses(&control.kernel,
					       header->shadow_bytes);
	/* That was a look at the mapping, which can find the module gone. */
	if (!error)
		error = target_check(&change.bundle, &change.target);
	return error ? error : change_place_data();
}

static void copy_hunks(void)
{
	u32 i;

	for (i = 0; i < change.bundle.header->hunks; i++) {
		const struct us_bundle_hunk *hunk = &change.bundle.hunks[i];

		change.hunks[i] = (struct installed_hunk) {
			.text_offset = hunk->text_offset, .len = hunk->len };
		memcpy(change.hunks[i].after, hunk->replacement, US_HUNK_MAX);
	}
}

static void copy_functions(void)
{
	u32 i;

	for (i = 0; i < change.bundle.header->functions; i++) {
		const struct us_bundle_function *fn = &change.bundle.functions[i];

		change.functions[i] = (struct installed_function) {
			.text_offset = fn->text_offset,
			.old_size = fn->old_size,
			.arena_offset = (u32)change.arena_offset +
					fn->arena_offset,
			.new_size = fn->new_size,
		};
		text_copy(change.functions[i].name, US_NAME_MAX,
			  change.bundle.strings + fn->name);
	}
}

static void copy_writes(void)
{
	u32 i;

	for (i = 0; i < change.bundle.header->writes; i++) {
		memcpy(change.writes[i].expected, change.bundle.writes[i].expected,
		       US_HUNK_MAX);
		memcpy(change.writes[i].after, change.bundle.writes[i].replacement,
		       US_HUNK_MAX);
	}
}

/* Where a relocation is stored now, and the linear address it will have. */
static u8 *reloc_place(const struct us_bundle_reloc *reloc, u64 *gva)
{
	u32 index = reloc->where >> 8, byte = reloc->where & 0xff;

	switch (reloc->where_space) {
	case US_SPACE_PAYLOAD:
		*gva = arena_address(ARENA_CODE) + change.arena_offset +
		       reloc->where;
		return change.payload + reloc->where;
	case US_SPACE_HUNK:
		*gva = text_gva(change.hunks[index].text_offset) + byte;
		return change.hunks[index].after + byte;
	default:	/* US_SPACE_WRITE */
		*gva = change.writes[index].gva + byte % US_HUNK_MAX;
		return (byte < US_HUNK_MAX ? change.writes[index].after :
			change.writes[index].expected) + byte % US_HUNK_MAX;
	}
}

/* The linear address that a relocation's target counts from. */
static u64 target_base(const struct us_bundle_reloc *reloc)
{
	switch (reloc->target_space) {
	case US_SPACE_IMAGE:
		return control.kernel.text_gva;
	case US_SPACE_PAYLOAD:
		return arena_address(ARENA_CODE) + change.arena_offset;
	case US_SPACE_SHADOW:
		return arena_address(ARENA_SHADOW) + change.shadow_offset;
	case US_SPACE_BASE:
		return change.target.bases[reloc->base];
	}
	return 0;	/* US_SPACE_ABSOLUTE */
}

static enum us_error relocate_one(u32 index)
{
	const struct us_bundle_reloc *reloc = &change.bundle.relocs[index];
	u64 value = target_base(reloc) + (u64)reloc->target;
	u64 gva;
	u8 *place = reloc_place(reloc, &gva);

	if (reloc->type == US_RELOC_PC32)
		value -= gva;
	if (reloc->type != US_RELOC_ABS64 && (u64)(s64)(s32)value != value)
		return control_fail(US_E_RELOCATION, index, value, NULL);
	memcpy(place, &value, reloc->type == US_RELOC_ABS64 ? 8 : 4);
	return US_OK;
}

static enum us_error relocate(void)
{
	enum us_error error = US_OK;
	u32 i;

	copy_hunks();
	copy_functions();
	copy_writes();
	for (i = 0; i < change.bundle.header->relocs && !error; i++)
		error = relocate_one(i);
	return error;
}

static void unstage(void)
{
	const struct us_receipt staged = {
		.arena_offset = change.arena_offset,
		.arena_bytes = change.bundle.header->payload_bytes,
		.shadow_offset = change.shadow_offset,
		.shadow_bytes = change.bundle.header->shadow_bytes,
	};

	change_wipe(&staged);
}

/* The payload into the arena, where nothing leads yet; shadow memory is the guest's to
 * write, so it is cleared now. */
static enum us_error stage(void)
{
	const struct us_bundle_header *header = change.bundle.header;

	if (!arena_write(change.arena_offset, change.payload,
			 header->payload_bytes) &&
	    !arena_wipe(ARENA_SHADOW, change.shadow_offset, header->shadow_bytes))
		return US_OK;
	unstage();
	return control_fail(US_E_HOST_FAILED, change.arena_offset,
			    header->payload_bytes, NULL);
}

static enum us_error install(u64 arg)
{
	enum us_error error;

	fault_point(US_STEP_PLANNED);
	error = stage();
	if (error)
		return error;
	fault_point(US_STEP_STAGED);
	error = change_run(arg);
	if (error)
		unstage();
	return error;
}

static enum us_error load(const struct control_call *call)
{
	enum us_error error = stopped_check_deadline(call->request.arg);

	if (!error)
		error = input_load(call, &change.input);
	if (error)
		return error;
	fault_point(US_STEP_VERIFIED);
	error = us_bundle_parse(change.input.data, change.input.len,
				&change.bundle);
	if (error)
		return control_fail(error, 0, 0, NULL);
	change.payload = change.input.data +
			 (change.bundle.payload - change.input.data);
	change.puts_in = true;
	return US_OK;
}

enum us_error apply_request(const struct control_call *call)
{
	static enum us_error (*const steps[])(void) = {
		check_target, check_links, check_ranges, place, relocate,
	};
	u64 start = host_time_ns();
	enum us_error error;
	u32 i;

	change_begin("apply", start);
	error = load(call);
	for (i = 0; i < ARRAY_SIZE(steps) && !error; i++)
		error = steps[i]();
	if (!error)
		error = change_check(false);
	return error ? error : install(call->request.arg);
}
