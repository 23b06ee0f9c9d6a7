/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "answer.h"
#include "bundle.h"
#include "cli.h"
#include "policy.h"
#include "report.h"

static const char *const exit_names[US_EXIT_KINDS] = {
	[US_EXIT_CPUID] = "cpuid", [US_EXIT_MSR] = "msr",
	[US_EXIT_IO] = "io", [US_EXIT_DOORBELL] = "doorbell",
	[US_EXIT_NMI] = "nmi", [US_EXIT_SMI] = "smi",
	[US_EXIT_INIT] = "init", [US_EXIT_APIC] = "apic",
	[US_EXIT_TEXT_WRITE] = "text_write", [US_EXIT_HIDDEN] = "hidden",
	[US_EXIT_MAP] = "map", [US_EXIT_OTHER] = "other",
	[US_EXIT_REGISTER] = "register",
};

static const char *control_name(u32 state)
{
	switch (state) {
	case US_CONTROL_OK:
		return "ok";
	case US_CONTROL_HUNG:
		return "hung";
	case US_CONTROL_CRASHED:
		return "crashed";
	}
	return "unknown";
}

json_t *json_address(u64 address)
{
	return json_sprintf("%#llx", (unsigned long long)address);
}

json_t *json_build_id(const u8 *id, u32 len)
{
	return json_hex(id, len > US_BUILD_ID_MAX ? US_BUILD_ID_MAX : len);
}

const char *build_id_text(const u8 *id, u32 len)
{
	return hex(id, len > US_BUILD_ID_MAX ? US_BUILD_ID_MAX : len);
}

static json_t *mapping_json(const struct us_status *status)
{
	return json_pack("{s:I, s:I, s:o}",
			 "audits", (json_int_t)status->audits,
			 "changes", (json_int_t)status->mapping_changes,
			 "address", json_address(status->mapping_gva));
}

json_t *status_json(const struct us_status *status)
{
	return json_pack(
		"{s:i, s:o, s:i, s:s, s:b, s:o, s:o, s:{s:o, s:I}, "
		"s:{s:o, s:I, s:I}, s:i, s:I, s:I, s:I, s:I, "
		"s:o, s:{s:i, s:i}, s:i, s:i, s:o}",
		"abi_version", (int)status->abi_version, "version",
		json_sprintf("%u.%u.%u", status->product_version >> 16,
			     status->product_version >> 8 & 0xff,
			     status->product_version & 0xff),
		"vcpus", (int)status->vcpus,
		"control", control_name(status->control_state),
		"sealed", status->seal_state == US_SEALED,
		"kernel", json_name(status->kernel, sizeof(status->kernel)),
		"build_id",
		json_build_id(status->build_id, status->build_id_len),
		"text", "address", json_address(status->text_gva),
		"bytes", (json_int_t)status->text_len,
		"arena", "address", json_address(status->arena_gpa),
		"bytes", (json_int_t)status->arena_len,
		"used", (json_int_t)status->arena_used,
		"patches", (int)status->patches,
		"generation", (json_int_t)status->generation,
		"hidden_bytes", (json_int_t)status->hidden_bytes,
		"writes_allowed", (json_int_t)status->writes_allowed,
		"writes_refused", (json_int_t)status->writes_refused,
		"mapping", mapping_json(status),
		"modules", "sealed", (int)status->modules_sealed,
		"open", (int)status->modules_open,
		"probes", (int)status->probes,
		"pinned_vcpus", (int)status->pinned_vcpus,
		"policy", status->seal_state == US_SEALED ?
		policy_json(status->policy) : json_null());
}

static void print_sealed(const struct us_status *status)
{
	printf("  kernel          %.*s, sealed\n"
	       "  build id        %s\n"
	       "  text            %#llx, %llu bytes\n", US_NAME_MAX,
	       status->kernel,
	       build_id_text(status->build_id, status->build_id_len),
	       (unsigned long long)status->text_gva,
	       (unsigned long long)status->text_len);
	printf("  policy          %s\n", policy_text(status->policy));
	printf("  registers       pinned on %u vCPUs\n", status->pinned_vcpus);
	printf("  mapping         %llu audits, %llu changes",
	       (unsigned long long)status->audits,
	       (unsigned long long)status->mapping_changes);
	if (status->mapping_changes)
		printf(", the last at %#llx",
		       (unsigned long long)status->mapping_gva);
	printf("\n  modules         %u sealed, %u not protected\n",
	       status->modules_sealed, status->modules_open);
	printf("  probes          %u in sealed text\n", status->probes);
}

void status_print(const struct us_status *status)
{
	printf("Underseal %u.%u.%u, %u vCPUs, control domain %s\n",
	       status->product_version >> 16,
	       status->product_version >> 8 & 0xff,
	       status->product_version & 0xff, status->vcpus,
	       control_name(status->control_state));
	if (status->seal_state == US_SEALED)
		print_sealed(status);
	else
		printf("  kernel          not sealed\n");
	printf("  patches         %u installed, generation %llu\n",
	       status->patches, (unsigned long long)status->generation);
	printf("  arena           %llu of %llu bytes used\n",
	       (unsigned long long)status->arena_used,
	       (unsigned long long)status->arena_len);
	printf("  hidden memory   %llu bytes\n",
	       (unsigned long long)status->hidden_bytes);
	printf("  writes to text  %llu allowed, %llu refused\n",
	       (unsigned long long)status->writes_allowed,
	       (unsigned long long)status->writes_refused);
}

/* null: the kernel's own text. */
static json_t *module_or_null(const struct us_receipt *receipt)
{
	return receipt->module[0] ?
	       json_name(receipt->module, sizeof(receipt->module)) : NULL;
}

json_t *receipt_json(const struct us_receipt *receipt)
{
	return json_pack("{s:o, s:o?, s:o, s:I, s:I, s:I, s:I, s:i, s:i, s:I, "
			 "s:I, s:I, s:i, s:i, s:I, s:I, s:I, s:s, s:b}", "name",
			 json_name(receipt->name, sizeof(receipt->name)),
			 "module", module_or_null(receipt),
			 "bundle_id",
			 json_hex(receipt->bundle_id, US_DIGEST_SIZE),
			 "generation", (json_int_t)receipt->generation,
			 "time_ns", (json_int_t)receipt->time_ns,
			 "stop_ns", (json_int_t)receipt->stop_ns,
			 "total_ns", (json_int_t)receipt->total_ns,
			 "attempts", (int)receipt->attempts,
			 "functions", (int)receipt->functions,
			 "bytes_written", (json_int_t)receipt->bytes_written,
			 "arena_offset", (json_int_t)receipt->arena_offset,
			 "arena_bytes", (json_int_t)receipt->arena_bytes,
			 "replaced", (int)receipt->replaced,
			 "writes", (int)receipt->writes,
			 "shadow_offset", (json_int_t)receipt->shadow_offset,
			 "shadow_bytes", (json_int_t)receipt->shadow_bytes,
			 "prepare_ns", (json_int_t)receipt->prepare_ns,
			 "consistency",
			 receipt->consistency == US_CONSISTENCY_NONE ?
			 "none" : "stack", "only_awaited",
			 receipt->only_awaited);
}

static void cancelled_print(const struct us_receipt *receipt)
{
	printf("awaited no more: %.*s, generation %llu\n"
	       "  module     %.*s\n"
	       "  bundle id  %s\n"
	       "  it was not installed; no code has changed\n", US_NAME_MAX,
	       receipt->name, (unsigned long long)receipt->generation,
	       US_NAME_MAX, receipt->module,
	       hex(receipt->bundle_id, US_DIGEST_SIZE));
}

void receipt_print(const struct us_receipt *receipt, const char *verb)
{
	if (receipt->only_awaited) {
		cancelled_print(receipt);
		return;
	}
	printf("%s %.*s, generation %llu\n", verb, US_NAME_MAX, receipt->name,
	       (unsigned long long)receipt->generation);
	if (receipt->module[0])
		printf("  module     %.*s\n", US_NAME_MAX, receipt->module);
	printf("  bundle id  %s\n", hex(receipt->bundle_id, US_DIGEST_SIZE));
	printf("  functions  %u, %llu bytes of sealed text written\n",
	       receipt->functions, (unsigned long long)receipt->bytes_written);
	if (receipt->replaced)
		printf("  replaced   %u patches\n", receipt->replaced);
	if (receipt->writes || receipt->shadow_bytes)
		printf("  data       %u writes of variables, %llu bytes of new "
		       "ones\n", receipt->writes,
		       (unsigned long long)receipt->shadow_bytes);
	printf("  stop       %.1f us, %u attempts; in all %.1f ms, %.1f of them "
	       "before\n", receipt->stop_ns / 1e3, receipt->attempts,
	       receipt->total_ns / 1e6, receipt->prepare_ns / 1e6);
}

static const char *patch_state_name(u32 state)
{
	switch (state) {
	case US_PATCH_ACTIVE:
		return "active";
	case US_PATCH_PROBATION:
		return "probation";
	case US_PATCH_AWAITED:
		return "awaited";
	}
	return "unknown";
}

json_t *patch_json(const struct us_patch_info *patch)
{
	json_t *object = receipt_json(&patch->receipt);

	json_object_set_new(object, "description",
			    json_name(patch->description,
				      sizeof(patch->description)));
	json_object_set_new(object, "key_id",
			    json_string(key_name(patch->key_id)));
	json_object_set_new(object, "state",
			    json_string(patch_state_name(patch->state)));
	json_object_set_new(object, "probation_left_ms",
			    json_integer(patch->probation_left_ms));
	return object;
}

void patch_print(const struct us_patch_info *patch)
{
	printf("%6llu  %s  %.*s", (unsigned long long)patch->receipt.generation,
	       hex(patch->receipt.bundle_id, 8), US_NAME_MAX,
	       patch->receipt.name);
	if (patch->receipt.module[0])
		printf(" in module %.*s", US_NAME_MAX, patch->receipt.module);
	if (patch->description[0])
		printf("  (%.*s)", (int)sizeof(patch->description),
		       patch->description);
	if (patch->receipt.replaced)
		printf("  replaced %u", patch->receipt.replaced);
	if (patch->receipt.shadow_bytes)
		printf("  %llu bytes of new variables",
		       (unsigned long long)patch->receipt.shadow_bytes);
	if (patch->receipt.consistency == US_CONSISTENCY_NONE)
		printf("  beside the old code");
	if (patch->state == US_PATCH_PROBATION)
		printf("  on probation, %.1f s left",
		       patch->probation_left_ms / 1e3);
	else if (patch->state != US_PATCH_ACTIVE)
		printf("  %s", patch_state_name(patch->state));
	putchar('\n');
}

const char *log_level_name(u32 level)
{
	switch (level) {
	case US_LOG_INFO:
		return "info";
	case US_LOG_WARNING:
		return "warning";
	case US_LOG_ERROR:
		return "error";
	case US_LOG_ALERT:
		return "alert";
	}
	return "unknown";
}

json_t *log_entry_json(const struct us_log_entry *entry)
{
	return json_pack("{s:I, s:I, s:s, s:o, s:o}",
			 "sequence", (json_int_t)entry->sequence,
			 "time_ns", (json_int_t)entry->time_ns,
			 "level", log_level_name(entry->level), "vcpu",
			 entry->vcpu < US_MAX_VCPUS ?
			 json_integer(entry->vcpu) : json_null(), "text",
			 json_name(entry->text, sizeof(entry->text)));
}

void log_entry_print(const struct us_log_entry *entry)
{
	printf("%llu [%llu.%06llu] ", (unsigned long long)entry->sequence,
	       (unsigned long long)entry->time_ns / 1000000000,
	       (unsigned long long)entry->time_ns / 1000 % 1000000);
	if (entry->vcpu < US_MAX_VCPUS)
		printf("vCPU %u ", entry->vcpu);
	if (entry->level != US_LOG_INFO)
		printf("%s: ", log_level_name(entry->level));
	printf("%.*s\n", (int)sizeof(entry->text), entry->text);
}

json_t *counters_json(const struct us_counters *counters, u32 vcpus)
{
	json_t *exits = json_array(), *one;
	u32 vcpu, kind;

	for (vcpu = 0; vcpu < vcpus && vcpu < US_MAX_VCPUS; vcpu++) {
		one = json_object();
		for (kind = 0; kind < US_EXIT_KINDS; kind++)
			json_object_set_new(one, exit_names[kind],
					    json_integer((json_int_t)
						counters->exits[vcpu][kind]));
		json_array_append_new(exits, one);
	}
	return json_pack("{s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
			 "time_ns", (json_int_t)counters->time_ns,
			 "exits", exits,
			 "hypervisor_ns", (json_int_t)counters->hypervisor_ns,
			 "control_calls", (json_int_t)counters->control_calls,
			 "control_ns", (json_int_t)counters->control_ns,
			 "stops", (json_int_t)counters->stops,
			 "registers_refused",
			 (json_int_t)counters->registers_refused,
			 "hypervisor_bytes",
			 (json_int_t)counters->hypervisor_bytes,
			 "control_bytes", (json_int_t)counters->control_bytes,
			 "page_table_bytes",
			 (json_int_t)counters->page_table_bytes);
}

void counters_print(const struct us_counters *counters, u32 vcpus)
{
	u32 vcpu, kind;

	printf("up %.3f s\n%-12s", counters->time_ns / 1e9, "exits");
	for (vcpu = 0; vcpu < vcpus && vcpu < US_MAX_VCPUS; vcpu++)
		printf("  %10s %u", "vCPU", vcpu);
	putchar('\n');
	for (kind = 0; kind < US_EXIT_KINDS; kind++) {
		printf("%-12s", exit_names[kind]);
		for (vcpu = 0; vcpu < vcpus && vcpu < US_MAX_VCPUS; vcpu++)
			printf("  %12llu", (unsigned long long)
			       counters->exits[vcpu][kind]);
		putchar('\n');
	}
	printf("in the hypervisor %.1f ms; control domain entered %llu times, %.1f ms; "
	       "%llu stops; %llu changes of pinned registers refused\n",
	       counters->hypervisor_ns / 1e6,
	       (unsigned long long)counters->control_calls,
	       counters->control_ns / 1e6, (unsigned long long)counters->stops,
	       (unsigned long long)counters->registers_refused);
	printf("memory: hypervisor %llu, control domain %llu, page tables %llu "
	       "bytes\n", (unsigned long long)counters->hypervisor_bytes,
	       (unsigned long long)counters->control_bytes,
	       (unsigned long long)counters->page_table_bytes);
}
