/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What sealing a kernel or a module has found. */
#include <stdio.h>

#include "answer.h"
#include "baseline_shares.h"
#include "cli.h"
#include "policy.h"
#include "report.h"

static double percent(u64 part, u64 whole)
{
	return whole ? 100.0 * part / whole : 0;
}

static json_t *counts_json(const u32 *counts)
{
	json_t *object = json_object();
	u32 i;

	for (i = 0; i < US_SITE_KINDS; i++)
		json_object_set_new(object, site_kind_name(i),
				    json_integer(counts[i]));
	return object;
}

json_t *seal_report_json(const struct us_seal_report *report)
{
	return json_pack(
		"{s:o, s:o, s:{s:o, s:I}, s:o, s:I, s:I, s:I, s:f, s:f, s:f, "
		"s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}",
		"kernel", json_name(report->kernel, sizeof(report->kernel)),
		"build_id",
		json_build_id(report->build_id, report->build_id_len),
		"text", "address", json_address(report->text_gva),
		"bytes", (json_int_t)report->text_len,
		"slide", json_address(report->slide),
		"bytes_exact", (json_int_t)report->bytes_exact,
		"bytes_enumerated", (json_int_t)report->bytes_enumerated,
		"bytes_masked", (json_int_t)report->bytes_masked,
		"percent_exact", percent(report->bytes_exact, report->text_len),
		"percent_enumerated",
		percent(report->bytes_enumerated, report->text_len),
		"percent_masked",
		percent(report->bytes_masked, report->text_len),
		"rodata_exact", (json_int_t)report->rodata_exact,
		"rodata_as_found", (json_int_t)report->rodata_as_found,
		"idt_gates", (json_int_t)report->idt_gates,
		"relocations", (json_int_t)report->relocations,
		"duration_ns", (json_int_t)report->duration_ns,
		"sites", counts_json(report->sites),
		"masked", counts_json(report->masked),
		"policy", policy_json(report->policy));
}

static void print_share(const char *what, u64 bytes, u64 of)
{
	printf("  %-13s %10llu bytes, %7.4f %%\n", what,
	       (unsigned long long)bytes, percent(bytes, of));
}

static void print_masked(const struct us_seal_report *report)
{
	u32 i;

	for (i = 0; i < US_SITE_KINDS; i++)
		if (report->masked[i])
			printf("    %-11s %10u bytes: %s\n", site_kind_name(i),
			       report->masked[i], mask_reason(i));
}

void seal_report_print(const struct us_seal_report *report)
{
	u32 i;

	printf("sealed kernel %.*s\n", US_NAME_MAX, report->kernel);
	printf("  build id      %s\n",
	       build_id_text(report->build_id, report->build_id_len));
	printf("  text          %#llx, %llu bytes, slide %#llx\n",
	       (unsigned long long)report->text_gva,
	       (unsigned long long)report->text_len,
	       (unsigned long long)report->slide);
	print_share("exact", report->bytes_exact, report->text_len);
	print_share("enumerated", report->bytes_enumerated, report->text_len);
	print_share("masked", report->bytes_masked, report->text_len);
	print_masked(report);
	printf("  constants     %llu bytes exact, %llu protected as found\n",
	       (unsigned long long)report->rodata_exact,
	       (unsigned long long)report->rodata_as_found);
	printf("  IDT           %llu gates\n",
	       (unsigned long long)report->idt_gates);
	printf("  relocations   %llu\n",
	       (unsigned long long)report->relocations);
	for (i = 0; i < US_SITE_KINDS; i++)
		printf("  sites         %-12s %u\n", site_kind_name(i),
		       report->sites[i]);
	printf("  policy        %s\n", policy_text(report->policy));
	printf("  took          %.1f ms\n", report->duration_ns / 1e6);
}

static const char *module_state_name(u32 state)
{
	switch (state) {
	case US_MODULE_VERIFIED:
		return "verified";
	case US_MODULE_UNVERIFIED:
		return "unverified";
	case US_MODULE_UNPROTECTED:
		return "unprotected";
	}
	return "unknown";
}

json_t *module_json(const struct us_module_info *module)
{
	return json_pack(
		"{s:o, s:s, s:o, s:{s:o, s:I}, s:I, s:I, s:I, s:I}",
		"name", json_name(module->name, sizeof(module->name)),
		"state", module_state_name(module->state),
		"error", module->error ?
		json_string(us_error_name(module->error)) : json_null(),
		"text", "address", json_address(module->text_gva),
		"bytes", (json_int_t)module->text_len,
		"bytes_exact", (json_int_t)module->bytes_exact,
		"bytes_enumerated", (json_int_t)module->bytes_enumerated,
		"bytes_masked", (json_int_t)module->bytes_masked,
		"relocations", (json_int_t)module->relocations);
}

void module_print(const struct us_module_info *module)
{
	printf("%-24.*s %-11s", US_NAME_MAX, module->name,
	       module_state_name(module->state));
	if (module->text_gva)
		printf("  %#llx, %llu bytes: %llu exact, %llu enumerated, "
		       "%llu masked", (unsigned long long)module->text_gva,
		       (unsigned long long)module->text_len,
		       (unsigned long long)module->bytes_exact,
		       (unsigned long long)module->bytes_enumerated,
		       (unsigned long long)module->bytes_masked);
	if (module->error)
		printf("  %s: %s", us_error_name(module->error),
		       us_error_text(module->error));
	putchar('\n');
}
