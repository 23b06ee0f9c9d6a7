/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Revert: the same path backwards, with a signed authority of its own. */
#include <string.h>

#include "arena.h"
#include "input.h"
#include "patches.h"
#include "revert.h"
#include "stopped.h"
#include "text.h"

#define ONE_ATTEMPT_MS	1u	/* less than the first wait of stopped_run() */

static struct plan {
	u32 index;
	struct installed_patch patch;
	struct code_range ranges[US_BUNDLE_MAX_FUNCTIONS + 1];
} plan;

static enum us_error check_last(void)
{
	const char *newer = patches_newer_over(plan.index);

	return newer ? control_fail(US_E_PATCH_NOT_LAST, 0, 0, newer) : US_OK;
}

static enum us_error choose(const struct us_revert *revert)
{
	const struct kernel *kernel = &control.kernel;

	if (!control.sealed)
		return control_fail(US_E_NOT_SEALED, 0, 0, NULL);
	if (revert->build_id_len != kernel->build_id_len ||
	    memcmp(revert->build_id, kernel->build_id, kernel->build_id_len))
		return control_fail(US_E_WRONG_BUILD_ID, 0, 0, kernel->name);
	if (!patches_find(revert->bundle_id, revert->generation, &plan.index))
		return control_fail(US_E_PATCH_NOT_FOUND, revert->generation, 0,
				    NULL);
	return check_last();
}

/* Nothing of the patch may be used before: a look at the mapping can find that its
 * module is gone, and it with that. */
static enum us_error check_installed(void)
{
	patches_get(plan.index, &plan.patch);
	if (!plan.patch.text)
		return control_fail(US_E_PATCH_NOT_FOUND,
				    plan.patch.info.receipt.generation, 0,
				    plan.patch.info.receipt.module);
	return US_OK;
}

/* The patch's own part of the arena with its first byte, and the old functions:
 * a frame between the two would come back to bytes that have changed. */
static void prepare_ranges(u64 arena_gva)
{
	const struct us_receipt *receipt = &plan.patch.info.receipt;
	u64 start = arena_gva + receipt->arena_offset;
	u32 i;

	plan.ranges[0] = (struct code_range) {
		start - 1, start + receipt->arena_bytes, receipt->name };
	for (i = 0; i < plan.patch.function_count; i++) {
		const struct installed_function *fn = &plan.patch.functions[i];

		start = plan.patch.text->gva + fn->text_offset;
		plan.ranges[i + 1] = (struct code_range) {
			start, start + fn->old_size, fn->name };
	}
}

static enum us_error check_current(void *ctx)
{
	u8 found[US_HUNK_MAX];
	enum us_error error;
	u32 i, k;

	(void)ctx;
	error = check_installed();
	if (error)
		return error;
	for (i = 0; i < plan.patch.hunk_count; i++) {
		const struct installed_hunk *hunk = &plan.patch.hunks[i];
		u64 gva = plan.patch.text->gva + hunk->text_offset;

		error = text_map_read(plan.patch.text, hunk->text_offset, found,
				      hunk->len);
		if (error)
			return control_fail(error, gva, hunk->len, NULL);
		for (k = 0; k < hunk->len; k++)
			if (found[k] != hunk->after[k])
				return control_fail(US_E_EXPECTED_BYTES, gva + k,
						    hunk->after[k] << 8 |
						    found[k], NULL);
	}
	return US_OK;
}

static enum us_error restore(void *ctx)
{
	const struct text_map *text = plan.patch.text;
	enum us_error error = US_OK;
	u32 i;

	(void)ctx;
	for (i = 0; i < plan.patch.hunk_count && !error; i++) {
		const struct installed_hunk *hunk = &plan.patch.hunks[i];

		error = text_map_write(text, hunk->text_offset, hunk->before,
				       hunk->len);
	}
	if (!error)
		return US_OK;
	while (i-- > 0) {
		const struct installed_hunk *hunk = &plan.patch.hunks[i];

		if (text_map_write(text, hunk->text_offset, hunk->after,
				   hunk->len))
			host_log(US_LOG_ERROR, "revert: a hunk could not be redone");
	}
	return control_fail(US_E_HOST_FAILED, 0, 0, NULL);
}

/* Its code is nobody's any more. */
static void remove_patch(void)
{
	if (arena_wipe(plan.patch.info.receipt.arena_offset,
		       plan.patch.info.receipt.arena_bytes))
		host_log(US_LOG_ERROR, "revert: the arena could not be cleared");
	patches_remove(plan.index);
}

static void answer(const struct stopped_work *work, u64 start)
{
	struct us_receipt *receipt = (void *)control_response;

	*receipt = plan.patch.info.receipt;
	receipt->time_ns = host_time_ns();
	receipt->stop_ns = work->stop_ns;
	receipt->total_ns = receipt->time_ns - start;
	receipt->attempts = work->attempts;
	control.result.out_len = sizeof(*receipt);
}

static enum us_error take_out(struct stopped_work *work, u64 deadline_ms)
{
	enum us_error error;
	u64 arena_gva;

	error = arena_choose_address(&control.kernel, &arena_gva);
	if (!error)
		error = check_installed();
	if (error)
		return error;
	prepare_ranges(arena_gva);
	*work = (struct stopped_work) {
		.kernel = &control.kernel,
		.ranges = plan.ranges,
		.range_count = plan.patch.function_count + 1,
		.check = check_current,
		.commit = restore,
	};
	error = check_current(NULL);
	if (!error)
		error = stopped_run(work, deadline_ms);
	if (!error)
		remove_patch();
	return error;
}

enum us_error revert_request(const struct control_call *call)
{
	u64 start = host_time_ns();
	const struct us_revert *revert;
	struct stopped_work work;
	struct input input;
	enum us_error error;

	error = stopped_check_deadline(call->request.arg);
	if (!error)
		error = input_load(call, &input);
	if (error)
		return error;
	error = us_revert_parse(input.data, input.len, &revert);
	if (error)
		return control_fail(error, 0, 0, NULL);
	error = choose(revert);
	if (!error)
		error = take_out(&work, call->request.arg);
	if (!error)
		answer(&work, start);
	return error;
}

enum us_error revert_aside(u32 index)
{
	struct stopped_work work;
	enum us_error error;

	plan.index = index;
	error = check_last();
	return error ? error : take_out(&work, ONE_ATTEMPT_MS);
}
