/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Seal: find the kernel, freeze its text and constants, then compare what is frozen
 * with the baseline, and thaw it again when anything is not as described.
 */
#include <string.h>

#include "audit.h"
#include "baseline_file.h"
#include "probes.h"
#include "text_map.h"
#include "verify.h"

#define UNFREEZE_TRIES 4u

static enum us_error read_head(const struct control_call *call,
			       struct us_baseline_head *head)
{
	u64 file_len = call->request.in[0].len;
	u64 len = sizeof(struct us_baseline_header);
	enum us_error error;

	if (file_len >= len) {
		error = baseline_file_read(call, 0, text_map_head, len);
		if (error)
			return error;
		len = us_baseline_head_len((const void *)text_map_head);
		if (len > TEXT_MAP_HEAD)
			return control_fail(US_E_TOO_LARGE, len, TEXT_MAP_HEAD,
					    NULL);
	}
	/* With counts out of bounds, or a file that ends early, the parser says
	 * what is wrong from what there is. */
	if (!len)
		len = sizeof(struct us_baseline_header);
	if (len > file_len)
		len = file_len;
	error = baseline_file_read(call, 0, text_map_head, len);
	if (error)
		return error;
	error = us_baseline_parse_head(text_map_head, len, file_len, head);
	return error ? control_fail(error, 0, 0, NULL) : US_OK;
}

/* Fails only while vCPUs do not come to a stop, so trying again helps. */
static void unfreeze(const struct frames *frames, u32 count)
{
	enum us_error error;
	u32 i, tries;

	for (i = 0; i < count; i++) {
		error = US_E_STOP_FAILED;
		for (tries = 0; error && tries < UNFREEZE_TRIES; tries++)
			error = host_protect(frames->runs[i].gpa,
					     frames->runs[i].len, US_PROT_OPEN);
		if (error)
			host_log(US_LOG_ERROR, "seal: frozen memory stays frozen");
	}
}

/* What the host's refusal to freeze says about the kernel or the host. */
static enum us_error freeze_error(enum us_error error)
{
	switch (error) {
	case US_E_GUEST_ADDRESS:
		return US_E_KERNEL_MAPPING;	/* the image is not in memory */
	case US_E_STOP_FAILED:
		return error;
	default:
		return US_E_HOST_FAILED;
	}
}

/*
 * The vDSO lies among what is read-only after init (arch/x86/entry/vdso/vma.c), and
 * programs run it there.
 */
static enum us_prot prot_of(u32 range_kind)
{
	return range_kind == US_RANGE_TEXT || range_kind == US_RANGE_AFTER_INIT ?
		US_PROT_SEALED : US_PROT_READ_ONLY;
}

static enum us_error freeze(const struct frames *frames)
{
	enum us_error error;
	u32 i;

	for (i = 0; i < frames->count; i++) {
		const struct frame_run *run = &frames->runs[i];

		error = host_protect(run->gpa, run->len, prot_of(run->kind));
		if (error) {
			unfreeze(frames, i);
			return control_fail(freeze_error(error), run->gpa, error,
					    NULL);
		}
	}
	return US_OK;
}

static enum us_error verify_block(const struct control_call *call,
				  const struct us_baseline_head *head, u32 index,
				  struct us_seal_report *report)
{
	const struct us_block_ref *ref = &head->blocks[index];
	const struct us_range *range;
	struct us_block block;
	enum us_error error;
	u64 offset, len;

	error = baseline_file_read(call, ref->file_offset, verify_buffer, ref->len);
	if (error)
		return error;
	error = us_baseline_parse_block(head, index, verify_buffer, ref->len,
					&block);
	if (error)
		return control_fail(error, index, 0, NULL);
	range = us_baseline_block_range(head->header, index, &offset, &len);
	if (range->kind == US_RANGE_RODATA)
		return verify_rodata(&control.kernel, range, &block, report);
	error = text_map_add_block(&kernel_text, &block);
	if (error)
		return control_fail(error, index, 0, NULL);
	return verify_text(&kernel_text, &block, report);
}

static enum us_error verify_image(const struct control_call *call,
				  const struct us_baseline_head *head,
				  struct us_seal_report *report)
{
	enum us_error error = US_OK;
	u32 i;

	for (i = 0; i < head->header->blocks && !error; i++)
		error = verify_block(call, head, i, report);
	if (!error)
		error = verify_tail(&kernel_text);
	for (i = 0; i < head->header->range_count; i++)
		if (head->header->ranges[i].kind == US_RANGE_AFTER_INIT)
			report->rodata_as_found += head->header->ranges[i].len;
	return error;
}

static void begin_text(const struct us_baseline_head *head)
{
	const struct kernel *kernel = &control.kernel;

	text_map_reset();
	kernel_text.gva = kernel->text_gva;
	kernel_text.len = kernel->text_len;
	kernel_text.moves = &kernel->slide;
	kernel_text.kernel = kernel;
	kernel_text.frames = &kernel->frames;
	kernel_text.sites = head->runtime;
	kernel_text.site_count = head->header->runtime_sites;
	kernel_text.entries = head->entries;
	kernel_text.entry_count = head->header->entries;
}

static void fill_report(const struct us_baseline_header *header,
			struct us_seal_report *report)
{
	const struct kernel *kernel = &control.kernel;

	report->text_gva = kernel->text_gva;
	report->text_len = kernel->text_len;
	report->slide = kernel->slide;
	memcpy(report->sites, header->site_counts, sizeof(report->sites));
	memcpy(report->policy, kernel->policy, sizeof(report->policy));
	memcpy(report->build_id, kernel->build_id, sizeof(report->build_id));
	report->build_id_len = kernel->build_id_len;
	memcpy(report->kernel, kernel->name, sizeof(report->kernel));
}

static enum us_error freeze_and_verify(const struct control_call *call,
				       const struct us_baseline_head *head,
				       struct us_seal_report *report)
{
	struct kernel *kernel = &control.kernel;
	enum us_error error;

	error = kernel_map_image(call->who, head->header, kernel);
	if (!error)
		error = freeze(&kernel->frames);
	if (error)
		return error;
	begin_text(head);
	error = verify_image(call, head, report);
	if (!error)
		error = audit_begin(kernel, head, report);
	if (error)
		unfreeze(&kernel->frames, kernel->frames.count);
	return error;
}

static enum us_error seal(const struct control_call *call,
			  struct us_seal_report *report)
{
	struct us_baseline_head head;
	enum us_error error;

	error = baseline_file_open(call);
	if (!error)
		error = read_head(call, &head);
	if (!error)
		error = kernel_find(call->who, head.header, &control.kernel);
	if (!error)
		error = freeze_and_verify(call, &head, report);
	if (!error)
		fill_report(head.header, report);
	return error;
}

enum us_error seal_request(const struct control_call *call)
{
	struct us_seal_report *report = (void *)control_response;
	u64 start = host_time_ns();
	enum us_error error;

	if (control.sealed)
		return control_fail(US_E_ALREADY_SEALED, 0, 0, NULL);
	memset(report, 0, sizeof(*report));
	error = seal(call, report);
	if (error) {
		memset(&control.kernel, 0, sizeof(control.kernel));
		text_map_reset();
		audit_reset();
		return error;
	}
	probes_reset();
	control.sealed = true;
	report->duration_ns = host_time_ns() - start;
	control.result.out_len = sizeof(*report);
	return US_OK;
}
