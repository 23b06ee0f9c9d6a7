/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Apply: a signed bundle becomes an installed patch, or nothing has changed.
 * Everything slow is done before the stop: after staging there is nothing left
 * but to check the places once more, look at the stacks and write the hunks.
 */
#include <string.h>

#include "arena.h"
#include "dropped.h"
#include "generations.h"
#include "input.h"
#include "patches.h"
#include "probation.h"
#include "probes.h"
#include "stopped.h"
#include "target.h"
#include "text.h"

/* A bundle on its way in; static because of its size, one at a time. */
static struct plan {
	struct us_bundle bundle;
	struct input input;
	struct target target;
	u8 *payload;		/* the bundle's, relocated in place */
	u64 arena_offset;	/* of the payload */
	u64 arena_gva;		/* of the arena */
	struct installed_hunk hunks[US_BUNDLE_MAX_HUNKS];
	struct installed_function functions[US_BUNDLE_MAX_FUNCTIONS];
	struct code_range ranges[US_BUNDLE_MAX_FUNCTIONS];
} plan;

static u32 hunk_count(void)
{
	return plan.bundle.header->hunks;
}

static u32 function_count(void)
{
	return plan.bundle.header->functions;
}

/* Linear address of @offset in the text that is patched. */
static u64 text_gva(u64 offset)
{
	return plan.target.text->gva + offset;
}

static bool too_old(const struct us_bundle_header *header)
{
	return header->generation <= generations_of(header->module) &&
	       !dropped_may_return(plan.input.id);
}

static enum us_error check_target(void)
{
	const struct us_bundle_header *header = plan.bundle.header;
	const struct kernel *kernel = &control.kernel;
	enum us_error error;

	if (!control.sealed)
		return control_fail(US_E_NOT_SEALED, 0, 0, NULL);
	if (header->build_id_len != kernel->build_id_len ||
	    memcmp(header->build_id, kernel->build_id, kernel->build_id_len))
		return control_fail(US_E_WRONG_BUILD_ID, 0, 0, kernel->name);
	error = target_find(&plan.bundle, &plan.target);
	if (error)
		return error;
	if (too_old(header))
		return control_fail(US_E_OLD_GENERATION, header->generation,
				    generations_of(header->module), NULL);
	if (!patches_have_room(header->functions, header->hunks) ||
	    !generations_have_room(header->module))
		return control_fail(US_E_TOO_MANY_PATCHES, patches_count(),
				    US_MAX_PATCHES, NULL);
	return US_OK;
}

static enum us_error check_ranges(void)
{
	const struct text_map *text = plan.target.text;
	u32 i;

	for (i = 0; i < function_count(); i++) {
		const struct us_bundle_function *fn = &plan.bundle.functions[i];

		if (!span_inside(fn->text_offset, fn->old_size, text->len))
			return control_fail(US_E_TARGET_OUTSIDE,
					    text_gva(fn->text_offset),
					    fn->old_size,
					    plan.bundle.strings + fn->name);
	}
	for (i = 0; i < hunk_count(); i++) {
		const struct us_bundle_hunk *hunk = &plan.bundle.hunks[i];
		u64 gva = text_gva(hunk->text_offset);
		const char *other;

		if (!span_inside(hunk->text_offset, hunk->len, text->len))
			return control_fail(US_E_TARGET_OUTSIDE, gva, hunk->len,
					    NULL);
		if (text_map_touches_site(text, hunk->text_offset, hunk->len))
			return control_fail(US_E_SITE_OVERLAP, gva, hunk->len,
					    NULL);
		other = patches_hunk_at(text, hunk->text_offset, hunk->len);
		if (other)
			return control_fail(US_E_HUNKS_OVERLAP, gva, hunk->len,
					    other);
	}
	return US_OK;
}

/* Also notes what memory holds, which is what reverting puts back. */
static enum us_error check_expected(void *ctx)
{
	const struct text_map *text = plan.target.text;
	u8 linked[US_HUNK_MAX];
	enum us_error error;
	u32 i, k;

	(void)ctx;
	error = target_check(&plan.bundle, &plan.target);
	if (!error)
		error = probation_look(&plan.bundle);
	if (error)
		return error;
	for (i = 0; i < hunk_count(); i++) {
		const struct us_bundle_hunk *hunk = &plan.bundle.hunks[i];
		u64 gva = text_gva(hunk->text_offset);

		error = text_map_read(text, hunk->text_offset,
				      plan.hunks[i].before, hunk->len);
		if (!error)
			error = text_map_read_linked(text, hunk->text_offset,
						     linked, hunk->len);
		if (error)
			return control_fail(error, gva, hunk->len, NULL);
		/* The kernel would put back over the hunk what was there. */
		if (probes_touch(gva, hunk->len))
			return control_fail(US_E_EXPECTED_BYTES, gva, hunk->len,
					    "kprobe");
		for (k = 0; k < hunk->len; k++)
			if (linked[k] != hunk->expected[k])
				return control_fail(US_E_EXPECTED_BYTES, gva + k,
						    hunk->expected[k] << 8 |
						    linked[k], NULL);
	}
	return US_OK;
}

static void prepare_lists(void)
{
	u32 i;

	memset(plan.hunks, 0, sizeof(plan.hunks));
	for (i = 0; i < hunk_count(); i++) {
		const struct us_bundle_hunk *hunk = &plan.bundle.hunks[i];

		plan.hunks[i].text_offset = hunk->text_offset;
		plan.hunks[i].len = hunk->len;
		memcpy(plan.hunks[i].after, hunk->replacement, US_HUNK_MAX);
	}
	for (i = 0; i < function_count(); i++) {
		const struct us_bundle_function *fn = &plan.bundle.functions[i];
		u64 start = text_gva(fn->text_offset);

		plan.functions[i].text_offset = fn->text_offset;
		plan.functions[i].old_size = fn->old_size;
		plan.functions[i].arena_offset = plan.arena_offset +
						 fn->arena_offset;
		plan.functions[i].new_size = fn->new_size;
		text_copy(plan.functions[i].name, US_NAME_MAX,
			  plan.bundle.strings + fn->name);
		plan.ranges[i] = (struct code_range) {
			start, start + fn->old_size, plan.functions[i].name };
	}
}

/* Where a relocation is stored now, and the linear address it will have. */
static u8 *reloc_place(const struct us_bundle_reloc *reloc, u64 *gva)
{
	u32 hunk = reloc->where >> 8, byte = reloc->where & 0xff;

	if (reloc->where_space == US_SPACE_PAYLOAD) {
		*gva = plan.arena_gva + plan.arena_offset + reloc->where;
		return plan.payload + reloc->where;
	}
	*gva = text_gva(plan.hunks[hunk].text_offset) + byte;
	return plan.hunks[hunk].after + byte;
}

/* The linear address that a relocation's target counts from. */
static u64 target_base(const struct us_bundle_reloc *reloc)
{
	switch (reloc->target_space) {
	case US_SPACE_IMAGE:
		return control.kernel.text_gva;
	case US_SPACE_PAYLOAD:
		return plan.arena_gva + plan.arena_offset;
	case US_SPACE_BASE:
		return plan.target.bases[reloc->base];
	}
	return 0;	/* US_SPACE_ABSOLUTE */
}

static enum us_error relocate(u32 index)
{
	const struct us_bundle_reloc *reloc = &plan.bundle.relocs[index];
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

/* Relocate the copy and put the payload into the arena; on an error the arena is
 * as before. */
static enum us_error stage(void)
{
	u64 len = plan.bundle.header->payload_bytes;
	enum us_error error;
	u32 i;

	error = arena_find_room(len, &plan.arena_offset);
	if (!error)
		error = arena_choose_address(&control.kernel, &plan.arena_gva);
	/* That was a look at the mapping, which can find the module gone. */
	if (!error)
		error = target_check(&plan.bundle, &plan.target);
	if (error)
		return error;
	prepare_lists();
	for (i = 0; i < plan.bundle.header->relocs; i++) {
		error = relocate(i);
		if (error)
			return error;
	}
	if (!arena_write(plan.arena_offset, plan.payload, len))
		return US_OK;
	arena_wipe(plan.arena_offset, len);
	return control_fail(US_E_HOST_FAILED, plan.arena_offset, len, NULL);
}

static void unstage(void)
{
	if (arena_wipe(plan.arena_offset, plan.bundle.header->payload_bytes))
		host_log(US_LOG_ERROR, "apply: the arena could not be cleared");
}

/* The hunks, all or none. */
static enum us_error commit(void *ctx)
{
	const struct text_map *text = plan.target.text;
	enum us_error error;
	u32 i;

	(void)ctx;
	error = arena_map(&control.kernel);
	if (error)
		return error;
	for (i = 0; i < hunk_count() && !error; i++)
		error = text_map_write(text, plan.hunks[i].text_offset,
				       plan.hunks[i].after, plan.hunks[i].len);
	if (!error)
		return US_OK;
	/* The one that failed may be half written. */
	while (i-- > 0)
		if (text_map_write(text, plan.hunks[i].text_offset,
				   plan.hunks[i].before, plan.hunks[i].len))
			host_log(US_LOG_ERROR, "apply: a hunk could not be undone");
	arena_unmap();
	return control_fail(US_E_HOST_FAILED, 0, 0, NULL);
}

static void record(const struct stopped_work *work, u64 start)
{
	const struct us_bundle_header *header = plan.bundle.header;
	struct installed_patch patch = {
		.text = plan.target.text,
		.functions = plan.functions,
		.function_count = function_count(),
		.hunks = plan.hunks,
		.hunk_count = hunk_count(),
	};
	struct us_receipt *receipt = &patch.info.receipt;
	u32 i;

	memcpy(receipt->bundle_id, plan.input.id, sizeof(receipt->bundle_id));
	receipt->generation = header->generation;
	receipt->time_ns = host_time_ns();
	receipt->stop_ns = work->stop_ns;
	receipt->total_ns = receipt->time_ns - start;
	receipt->attempts = work->attempts;
	receipt->functions = function_count();
	for (i = 0; i < hunk_count(); i++)
		receipt->bytes_written += plan.hunks[i].len;
	receipt->arena_offset = plan.arena_offset;
	receipt->arena_bytes = header->payload_bytes;
	text_copy(receipt->name, US_NAME_MAX, header->name);
	text_copy(receipt->module, US_NAME_MAX, header->module);
	memcpy(patch.info.key_id, plan.input.key->id, sizeof(patch.info.key_id));
	text_copy(patch.info.description, sizeof(patch.info.description),
		  header->description);
	patches_add(&patch);
	probation_begin(&plan.bundle, plan.input.id);
	generations_note(header->module, header->generation);
	if (header->module[0])
		dropped_installed(header->module, header->generation);
	memcpy(control_response, receipt, sizeof(*receipt));
	control.result.out_len = sizeof(*receipt);
}

static enum us_error install(u64 deadline_ms, u64 start)
{
	struct stopped_work work = {
		.kernel = &control.kernel,
		.ranges = plan.ranges,
		.range_count = function_count(),
		.check = check_expected,
		.commit = commit,
	};
	enum us_error error;

	error = stage();
	if (error)
		return error;
	error = stopped_run(&work, deadline_ms);
	if (error)
		unstage();
	else
		record(&work, start);
	return error;
}

/* Parts of the format that are known and not acted upon: no bundle may believe that
 * they had an effect. */
static enum us_error check_supported(const struct us_bundle_header *header)
{
	if (header->flags || header->links || header->writes ||
	    header->shadow_bytes ||
	    header->consistency != US_CONSISTENCY_STACK)
		return control_fail(US_E_BUNDLE_FIELD, 0, 0, NULL);
	return US_OK;
}

enum us_error apply_request(const struct control_call *call)
{
	u64 start = host_time_ns();
	enum us_error error;

	error = stopped_check_deadline(call->request.arg);
	if (!error)
		error = input_load(call, &plan.input);
	if (error)
		return error;
	error = us_bundle_parse(plan.input.data, plan.input.len, &plan.bundle);
	if (error)
		return control_fail(error, 0, 0, NULL);
	plan.payload = plan.input.data +
		       (plan.bundle.payload - plan.input.data);
	error = check_supported(plan.bundle.header);
	if (!error)
		error = check_target();
	if (!error)
		error = check_ranges();
	if (!error)
		error = check_expected(NULL);
	return error ? error : install(call->request.arg, start);
}
