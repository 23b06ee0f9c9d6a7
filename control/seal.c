/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Seal: find the kernel, freeze its text, then compare what is frozen with the
 * baseline, and thaw it again when anything is not as described.
 */
#include <string.h>

#include "baseline_file.h"
#include "patches.h"
#include "text_map.h"

#define UNFREEZE_TRIES 4u

static u8 block_buffer[US_BLOCK_MAX] __attribute__((aligned(8)));
static u8 expected[US_BLOCK_TEXT], masked[US_BLOCK_TEXT], found[US_BLOCK_TEXT];

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
static void unfreeze(const struct kernel *kernel, u32 ranges)
{
	enum us_error error;
	u32 i, tries;

	for (i = 0; i < ranges; i++) {
		error = US_E_STOP_FAILED;
		for (tries = 0; error && tries < UNFREEZE_TRIES; tries++)
			error = host_protect(kernel->ranges[i].gpa,
					     kernel->ranges[i].len,
					     US_PROT_OPEN);
		if (error)
			host_log(US_LOG_ERROR, "seal: frozen text stays frozen");
	}
}

/* What the host's refusal to freeze says about the kernel or the host. */
static enum us_error freeze_error(enum us_error error)
{
	switch (error) {
	case US_E_GUEST_ADDRESS:
		return US_E_KERNEL_MAPPING;	/* text is not in memory */
	case US_E_STOP_FAILED:
		return error;
	default:
		return US_E_HOST_FAILED;
	}
}

static enum us_error freeze(const struct kernel *kernel)
{
	enum us_error error;
	u32 i;

	for (i = 0; i < kernel->range_count; i++) {
		error = host_protect(kernel->ranges[i].gpa,
				     kernel->ranges[i].len, US_PROT_SEALED);
		if (error) {
			unfreeze(kernel, i);
			return control_fail(freeze_error(error),
					    kernel->ranges[i].gpa, error, NULL);
		}
	}
	return US_OK;
}

static enum us_error text_differs(const struct kernel *kernel, u64 offset,
				  u8 want, u8 got)
{
	return control_fail(US_E_KERNEL_TEXT, kernel->text_gva + offset,
			    (u64)want << 8 | got, NULL);
}

/* The first byte outside sites that differs; there is one. */
static enum us_error find_difference(const struct kernel *kernel, u64 start)
{
	u64 i = 0;

	while (masked[i] || found[i] == expected[i])
		i++;
	return text_differs(kernel, start + i, expected[i], found[i]);
}

static enum us_error compare_block(const struct kernel *kernel,
				   const struct us_block *block,
				   struct us_seal_report *report)
{
	u64 start = block->header->text_offset, len = block->header->text_len;
	u32 inside = 0;
	enum us_error error;
	u8 differs = 0;
	u64 i;

	us_baseline_expect(block, kernel->slide, expected, masked,
			   &report->relocations);
	error = kernel_text_read(kernel, start, found, len);
	if (error)
		return control_fail(error, kernel->text_gva + start, len, NULL);
	/* No branch for each of millions of bytes: a mask of 1 becomes 0, one of
	 * 0 all ones. */
	for (i = 0; i < len; i++) {
		differs |= (found[i] ^ expected[i]) & (u8)(masked[i] - 1);
		inside += masked[i];
	}
	if (differs)
		return find_difference(kernel, start);
	report->bytes_masked += inside;
	report->bytes_exact += len - inside;
	return US_OK;
}

static enum us_error verify_block(const struct control_call *call,
				  const struct us_baseline_head *head, u32 index,
				  const struct kernel *kernel,
				  struct us_seal_report *report)
{
	const struct us_block_ref *ref = &head->blocks[index];
	struct us_block block;
	enum us_error error;

	error = baseline_file_read(call, ref->file_offset, block_buffer, ref->len);
	if (error)
		return error;
	error = us_baseline_parse_block(head, index, block_buffer, ref->len,
					&block);
	if (!error)
		error = text_map_add_relocs(&block);
	if (error)
		return control_fail(error, index, 0, NULL);
	return compare_block(kernel, &block, report);
}

/* The last page goes on after _etext with the segment's padding, which the linker
 * fills with zero bytes and nothing ever writes. */
static enum us_error verify_tail(const struct kernel *kernel)
{
	u64 len = kernel->pages_len - kernel->text_len;
	enum us_error error;
	u64 i;

	error = kernel_text_read(kernel, kernel->text_len, found, len);
	if (error)
		return control_fail(error, kernel->text_gva + kernel->text_len,
				    len, NULL);
	for (i = 0; i < len; i++)
		if (found[i])
			return text_differs(kernel, kernel->text_len + i, 0,
					    found[i]);
	return US_OK;
}

static enum us_error verify_text(const struct control_call *call,
				 const struct us_baseline_head *head,
				 const struct kernel *kernel,
				 struct us_seal_report *report)
{
	enum us_error error = US_OK;
	u32 i;

	for (i = 0; i < head->header->blocks && !error; i++)
		error = verify_block(call, head, i, kernel, report);
	return error ? error : verify_tail(kernel);
}

static void fill_report(const struct us_baseline_header *header,
			const struct kernel *kernel,
			struct us_seal_report *report)
{
	report->text_gva = kernel->text_gva;
	report->text_len = kernel->text_len;
	report->slide = kernel->slide;
	memcpy(report->sites, header->site_counts, sizeof(report->sites));
	memcpy(report->build_id, kernel->build_id, sizeof(report->build_id));
	report->build_id_len = kernel->build_id_len;
	memcpy(report->kernel, kernel->name, sizeof(report->kernel));
}

static enum us_error freeze_and_verify(const struct control_call *call,
				       const struct us_baseline_head *head,
				       struct kernel *kernel,
				       struct us_seal_report *report)
{
	enum us_error error;

	error = kernel_map_text(call->who, kernel);
	if (!error)
		error = freeze(kernel);
	if (error)
		return error;
	text_map_reset();
	error = verify_text(call, head, kernel, report);
	if (error)
		unfreeze(kernel, kernel->range_count);
	return error;
}

enum us_error seal_request(const struct control_call *call)
{
	struct us_seal_report *report = (void *)control_response;
	u64 start = host_time_ns();
	struct us_baseline_head head;
	struct kernel kernel;
	enum us_error error;

	if (control.sealed)
		return control_fail(US_E_ALREADY_SEALED, 0, 0, NULL);
	memset(report, 0, sizeof(*report));
	error = baseline_file_open(call);
	if (!error)
		error = read_head(call, &head);
	if (!error)
		error = kernel_find(call->who, head.header, &kernel);
	if (!error)
		error = freeze_and_verify(call, &head, &kernel, report);
	if (error)
		return error;
	text_map_set_sites(head.sites, head.header->runtime_sites);
	control.kernel = kernel;
	control.sealed = true;
	fill_report(head.header, &kernel, report);
	report->duration_ns = host_time_ns() - start;
	control.result.out_len = sizeof(*report);
	return US_OK;
}
