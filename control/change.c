/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Carrying a change out. Everything slow comes before the stop; in it the places are
 * looked at once more, the stacks are searched, and all is written by one commit, which
 * the hypervisor makes whole or not at all.
 */
#include <string.h>

#include "change.h"
#include "change_plan.h"
#include "dropped.h"
#include "fault.h"
#include "generations.h"
#include "probation.h"
#include "text.h"

#define ONE_ATTEMPT_MS	1u	/* less than the first wait of stopped_run() */

struct change_plan change;

void change_begin(const char *verb, u64 start)
{
	/* The arrays behind it are as long as their counts say. */
	memset(&change, 0, offsetof(struct change_plan, hunks));
	change.range_count = 0;
	change.listed = 0;
	change.verb = verb;
	change.start = start;
}

void change_add_out(u32 index)
{
	change.out[change.out_count++] = index;
	change.is_out[index] = true;
}

void change_wipe(const struct us_receipt *receipt)
{
	if (arena_wipe(ARENA_CODE, receipt->arena_offset, receipt->arena_bytes) ||
	    arena_wipe(ARENA_SHADOW, receipt->shadow_offset,
		       receipt->shadow_bytes))
		host_log(US_LOG_ERROR, "the arena could not be cleared");
}

enum us_error change_list(u64 gpa, const void *bytes, u64 len)
{
	struct us_commit_write *write = &change.list[change.listed];

	if (change.listed == US_COMMIT_MAX)
		return control_fail(US_E_TOO_MANY_PATCHES, change.listed,
				    US_COMMIT_MAX, NULL);
	*write = (struct us_commit_write) { .gpa = gpa, .len = (u32)len };
	memcpy(write->bytes, bytes, len);
	change.listed++;
	return US_OK;
}

enum us_error change_check(bool staged)
{
	enum us_error error = change_check_text();

	if (!error)
		error = change_check_data(staged);
	if (!error && change.puts_in)
		error = probation_look(&change.bundle);
	return error;
}

/* Code that nobody may be in. */

static enum us_error add_range(u64 start, u64 len, const char *name)
{
	if (change.range_count == CHANGE_MAX_RANGES)
		return control_fail(US_E_TOO_MANY_PATCHES, change.range_count,
				    CHANGE_MAX_RANGES, NULL);
	change.ranges[change.range_count++] =
		(struct code_range) { start, start + len, name };
	return US_OK;
}

static const char *function_at(const struct installed_patch *patch, u32 offset)
{
	u32 i;

	for (i = 0; i < patch->function_count; i++)
		if (offset - patch->functions[i].text_offset <
		    patch->functions[i].old_size)
			return patch->functions[i].name;
	return patch->info.receipt.name;
}

/* The bodies that are left behind or come back. Where old and new ones may run side by
 * side, only the very bytes that change: nobody may go on in the middle of these. */
static enum us_error add_old_code(const struct installed_patch *patch)
{
	enum us_error error = US_OK;
	u32 i;

	if (patch->info.receipt.consistency == US_CONSISTENCY_NONE) {
		for (i = 0; i < patch->hunk_count && !error; i++)
			error = add_range(patch->text->gva +
					  patch->hunks[i].text_offset,
					  patch->hunks[i].len,
					  function_at(patch, patch->hunks[i].text_offset));
		return error;
	}
	for (i = 0; i < patch->function_count && !error; i++)
		error = add_range(patch->text->gva +
				  patch->functions[i].text_offset,
				  patch->functions[i].old_size,
				  patch->functions[i].name);
	return error;
}

/* The new bodies, which go, from their first byte on: somebody may be about to begin. And
 * what is between them. */
static enum us_error add_new_code(const struct installed_patch *patch)
{
	const struct us_receipt *receipt = &patch->info.receipt;
	u64 arena = arena_address(ARENA_CODE);
	enum us_error error = US_OK;
	u32 i;

	for (i = 0; i < patch->function_count && !error; i++)
		error = add_range(arena + patch->functions[i].arena_offset - 1,
				  patch->functions[i].new_size + 1ull,
				  patch->functions[i].name);
	return error ? error : add_range(arena + receipt->arena_offset - 1,
					 receipt->arena_bytes + 1, receipt->name);
}

static bool replaces_function(const struct installed_patch *patch,
			      const struct text_map *text,
			      const struct installed_function *function)
{
	u32 i;

	for (i = 0; patch->text == text && i < patch->function_count; i++)
		if (spans_overlap(patch->functions[i].text_offset,
				  patch->functions[i].old_size,
				  function->text_offset, function->old_size))
			return true;
	return false;
}

/* Of patches that stay, the bodies of functions which @patch, that comes or goes,
 * replaces as well. */
static enum us_error add_stacked_code(const struct installed_patch *patch)
{
	u64 arena = arena_address(ARENA_CODE);
	const struct installed_function *function;
	struct installed_patch other;
	enum us_error error = US_OK;
	u32 i, k;

	if (patch->info.receipt.consistency == US_CONSISTENCY_NONE)
		return US_OK;
	for (i = 0; i < patches_count(); i++) {
		patches_get(i, &other);
		if (change.is_out[i] || !other.text)
			continue;
		for (k = 0; k < other.function_count && !error; k++) {
			function = &other.functions[k];
			if (replaces_function(patch, other.text, function))
				error = add_range(arena + function->arena_offset,
						  function->new_size,
						  function->name);
		}
	}
	return error;
}

/* What is put in, as it will be listed. */
static void describe(struct installed_patch *patch)
{
	const struct us_bundle_header *header = change.bundle.header;
	struct us_receipt *receipt = &patch->info.receipt;
	u32 i;

	*patch = (struct installed_patch) {
		.text = change.target.text,
		.functions = change.functions, .function_count = header->functions,
		.hunks = change.hunks, .hunk_count = header->hunks,
		.links = change.bundle.links, .link_count = header->links,
	};
	memcpy(receipt->bundle_id, change.input.id, sizeof(receipt->bundle_id));
	receipt->generation = header->generation;
	receipt->functions = header->functions;
	for (i = 0; i < header->hunks; i++)
		receipt->bytes_written += change.hunks[i].len;
	receipt->arena_offset = change.arena_offset;
	receipt->arena_bytes = header->payload_bytes;
	text_copy(receipt->name, US_NAME_MAX, header->name);
	text_copy(receipt->module, US_NAME_MAX, header->module);
	receipt->replaced = change.out_count;
	receipt->writes = header->writes;
	receipt->shadow_offset = change.shadow_offset;
	receipt->shadow_bytes = header->shadow_bytes;
	receipt->consistency = header->consistency;
	memcpy(patch->info.key_id, change.input.key->id,
	       sizeof(patch->info.key_id));
	text_copy(patch->info.description, sizeof(patch->info.description),
		  header->description);
}

static enum us_error add_ranges(void)
{
	struct installed_patch patch;
	enum us_error error = US_OK;
	u32 i;

	for (i = 0; i < change.out_count && !error; i++) {
		patches_get(change.out[i], &patch);
		error = add_new_code(&patch);
		if (!error)
			error = add_old_code(&patch);
		if (!error)
			error = add_stacked_code(&patch);
	}
	if (error || !change.puts_in)
		return error;
	describe(&patch);
	error = add_old_code(&patch);
	return error ? error : add_stacked_code(&patch);
}

/* What is written. */

static enum us_error list_mapping(enum arena_part part)
{
	struct us_commit_write write;
	enum us_error error;
	u32 count;

	error = arena_plan_mapping(&control.kernel, part, &write, &count);
	if (!error && count)
		error = change_list(write.gpa, write.bytes, write.len);
	return error;
}

static enum us_error list_in(void)
{
	enum us_error error = list_mapping(ARENA_CODE);

	if (!error && change.bundle.header->shadow_bytes)
		error = list_mapping(ARENA_SHADOW);
	if (!error)
		error = change_list_data_in(US_WRITE_PRE_APPLY);
	if (!error)
		error = change_list_text_in();
	return error ? error : change_list_data_in(US_WRITE_POST_APPLY);
}

static enum us_error list_all(void)
{
	struct installed_patch patch;
	enum us_error error = US_OK;
	u32 i;

	change.listed = 0;
	for (i = 0; i < change.out_count && !error; i++) {
		patches_get(change.out[i], &patch);
		error = change_list_text_out(&patch);
		if (!error)
			error = change_list_data_out(&patch);
	}
	return error || !change.puts_in ? error : list_in();
}

/* Whom the change is called after: what comes in, or what was meant to go. */
static void subject(struct us_receipt *receipt)
{
	struct installed_patch patch;

	if (change.puts_in)
		describe(&patch);
	else
		patches_get(change.out[change.out_count - 1], &patch);
	*receipt = patch.info.receipt;
}

static void label(struct text *line)
{
	struct us_receipt receipt;

	subject(&receipt);
	text_string(line, change.verb);
	text_string(line, " ");
	text_string(line, receipt.name);
	text_string(line, " generation ");
	text_decimal(line, receipt.generation);
}

static enum us_error check_stopped(void *ctx)
{
	(void)ctx;
	return change_check(true);
}

static enum us_error commit(void *ctx)
{
	struct text line = { 0 };
	enum us_error error;

	(void)ctx;
	error = list_all();
	if (error)
		return error;
	label(&line);
	error = host_commit(change.list, change.listed, line.chars);
	return error ? control_fail(US_E_HOST_FAILED, error, 0, NULL) : US_OK;
}

/* What is done once it is done. */

static void complete(struct us_receipt *receipt, const struct stopped_work *work,
		     u64 prepared)
{
	receipt->time_ns = host_time_ns();
	receipt->stop_ns = work->stop_ns;
	receipt->total_ns = receipt->time_ns - change.start;
	receipt->prepare_ns = prepared - change.start;
	receipt->attempts = work->attempts;
}

static void remove_out(void)
{
	struct installed_patch patch;
	u32 i;

	for (i = 0; i < change.out_count; i++) {
		patches_get(change.out[i], &patch);
		change_wipe(&patch.info.receipt);
		patches_remove(change.out[i]);
	}
}

/* Variables that get back what they held. */
static u32 describe_writes(struct installed_write *writes)
{
	u32 i, count = 0;

	for (i = 0; i < change.bundle.header->writes; i++) {
		const struct us_bundle_write *write = &change.bundle.writes[i];
		struct installed_write *to = &writes[count];

		if ((write->flags & US_WRITE_KEEP) ||
		    write->space == US_SPACE_SHADOW)
			continue;
		*to = (struct installed_write) {
			.gva = change.writes[i].gva, .len = write->len };
		memcpy(to->before, change.writes[i].before, US_HUNK_MAX);
		memcpy(to->after, change.writes[i].after, US_HUNK_MAX);
		text_copy(to->name, US_NAME_MAX,
			  change.bundle.strings + write->name);
		count++;
	}
	return count;
}

static void record_in(struct installed_patch *patch)
{
	static struct installed_write writes[US_BUNDLE_MAX_WRITES];
	const struct us_bundle_header *header = change.bundle.header;

	patch->writes = writes;
	patch->write_count = describe_writes(writes);
	patches_add(patch);
	generations_note(header->module, header->generation);
	if (header->module[0])
		dropped_installed(header->module, header->generation);
	probation_begin(&change.bundle, change.input.id);
	arena_mapped(ARENA_CODE);
	if (header->shadow_bytes)
		arena_mapped(ARENA_SHADOW);
}

static void answer(const struct us_receipt *receipt)
{
	memcpy(control_response, receipt, sizeof(*receipt));
	control.result.out_len = sizeof(*receipt);
}

static void fill_work(struct stopped_work *work)
{
	*work = (struct stopped_work) {
		.kernel = &control.kernel,
		.ranges = change.ranges,
		.range_count = change.range_count,
		.check = check_stopped,
		.commit = commit,
	};
}

/* Of a patch that went: its own receipt, with the numbers of this change. */
static void receipt_out(u32 which, const struct stopped_work *work, u64 prepared,
			struct us_receipt *receipt)
{
	struct installed_patch patch;

	patches_get(change.out[which], &patch);
	*receipt = patch.info.receipt;
	receipt->replaced = change.out_count - 1;
	receipt->writes = patch.write_count;
	complete(receipt, work, prepared);
}

enum us_error change_run(u64 arg)
{
	u64 prepared = host_time_ns();
	struct installed_patch patch;
	struct stopped_work work;
	struct us_receipt last;
	enum us_error error;

	error = add_ranges();
	if (error)
		return error;
	fill_work(&work);
	error = stopped_run(&work, arg);
	if (error)
		return error;
	if (change.puts_in)
		describe(&patch);
	else
		receipt_out(change.out_count - 1, &work, prepared, &last);
	remove_out();
	if (change.puts_in) {
		complete(&patch.info.receipt, &work, prepared);
		record_in(&patch);
		last = patch.info.receipt;
	}
	answer(&last);
	fault_point(US_STEP_RECORDED);
	return US_OK;
}

enum us_error change_run_once(struct us_receipt *receipts)
{
	u64 prepared = host_time_ns();
	struct stopped_work work;
	enum us_error error;
	u32 i;

	error = add_ranges();
	if (error)
		return error;
	fill_work(&work);
	error = stopped_run(&work, ONE_ATTEMPT_MS);
	if (error)
		return error;
	for (i = 0; i < change.out_count; i++)
		receipt_out(i, &work, prepared, &receipts[i]);
	remove_out();
	return US_OK;
}
