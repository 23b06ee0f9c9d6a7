/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "baseline_shares.h"
#include "policy.h"
#include "report.h"

static const char *const site_kind_names[US_SITE_KINDS] = {
	[US_SITE_ALTERNATIVE] = "alternative",
	[US_SITE_PARAVIRT] = "paravirt",
	[US_SITE_RETPOLINE] = "retpoline",
	[US_SITE_RETURN] = "return",
	[US_SITE_SMP_LOCK] = "smp_lock",
	[US_SITE_FTRACE] = "ftrace",
	[US_SITE_JUMP_LABEL] = "jump_label",
	[US_SITE_STATIC_CALL] = "static_call",
	[US_SITE_OTHER] = "other",
	[US_SITE_CONSTANT] = "constant",
	[US_SITE_ENDBR] = "endbr",
};

static const char *const range_kind_names[] = {
	[US_RANGE_TEXT] = "text", [US_RANGE_RODATA] = "rodata",
	[US_RANGE_AFTER_INIT] = "after_init", [US_RANGE_IDT] = "idt",
};

static const char *const fact_names[US_FACT_COUNT] = {
	[US_FACT_LINK_BASE] = "link_base",
	[US_FACT_ENTRY_SYSCALL] = "entry_syscall",
	[US_FACT_BUILD_ID_NOTE] = "build_id_note",
	[US_FACT_IMAGE_END] = "image_end",
	[US_FACT_LEVEL2_KERNEL_PGT] = "level2_kernel_pgt",
	[US_FACT_INIT_TOP_PGT] = "init_top_pgt",
	[US_FACT_INIT_TASK] = "init_task",
	[US_FACT_PER_CPU_OFFSET] = "per_cpu_offset",
	[US_FACT_NR_CPU_IDS] = "nr_cpu_ids",
	[US_FACT_PERCPU_CURRENT_TASK] = "percpu_current_task",
	[US_FACT_PERCPU_HARDIRQ_STACK] = "percpu_hardirq_stack",
	[US_FACT_TASK_TASKS] = "task_tasks",
	[US_FACT_TASK_THREAD_NODE] = "task_thread_node",
	[US_FACT_TASK_SIGNAL] = "task_signal",
	[US_FACT_TASK_STACK] = "task_stack",
	[US_FACT_TASK_THREAD_SP] = "task_thread_sp",
	[US_FACT_TASK_COMM] = "task_comm",
	[US_FACT_TASK_PID] = "task_pid",
	[US_FACT_SIGNAL_THREAD_HEAD] = "signal_thread_head",
	[US_FACT_THREAD_SIZE] = "thread_size",
	[US_FACT_IRQ_STACK_SIZE] = "irq_stack_size",
	[US_FACT_RETURN_TO_HANDLER] = "return_to_handler",
	[US_FACT_RETHOOK_TRAMPOLINE] = "rethook_trampoline",
	[US_FACT_MODULES] = "modules",
	[US_FACT_MODULE_LIST] = "module_list",
	[US_FACT_MODULE_STATE] = "module_state",
	[US_FACT_MODULE_NAME] = "module_name",
	[US_FACT_MODULE_PERCPU] = "module_percpu",
	[US_FACT_MODULE_AREAS] = "module_areas",
	[US_FACT_MODULE_AREA_SIZE] = "module_area_size",
	[US_FACT_LEVEL3_KERNEL_PGT] = "level3_kernel_pgt",
	[US_FACT_IDT_TABLE] = "idt_table",
	[US_FACT_PANIC_CPU] = "panic_cpu",
	[US_FACT_TASK_ON_CPU] = "task_on_cpu",
	[US_FACT_TASK_NVCSW] = "task_nvcsw",
	[US_FACT_TASK_NIVCSW] = "task_nivcsw",
	[US_FACT_TASK_START_TIME] = "task_start_time",
	[US_FACT_PERCPU_RUNQUEUES] = "percpu_runqueues",
	[US_FACT_RQ_NR_SWITCHES] = "rq_nr_switches",
	[US_FACT_RQ_IDLE] = "rq_idle",
	[US_FACT_PERCPU_EXCEPTION_STACKS] = "percpu_exception_stacks",
	[US_FACT_EXCEPTION_STACKS_SIZE] = "exception_stacks_size",
};

const char *site_kind_name(unsigned int kind)
{
	return kind < US_SITE_KINDS ? site_kind_names[kind] : "unknown";
}

const char *key_name(const u8 *id)
{
	static char ring[4][17];
	static unsigned int next;
	char *out = ring[next++ % 4];
	u64 number;

	memcpy(&number, id, sizeof(number));
	snprintf(out, sizeof(ring[0]), "%016llX", (unsigned long long)number);
	return out;
}

enum us_error check_bundle(const char *path, const void *data, u64 len,
			   struct us_bundle *bundle)
{
	enum us_error error = us_bundle_parse(data, len, bundle);

	return error ? fail(error, "%s", path) : US_OK;
}

static enum us_error check_blocks(const struct us_baseline_head *head,
				  const u8 *data, u32 *index)
{
	enum us_error error = US_OK;
	struct us_block block;
	u32 i;

	for (i = 0; i < head->header->blocks && !error; i++) {
		*index = i;
		error = us_baseline_parse_block(head, i, data +
						head->blocks[i].file_offset,
						head->blocks[i].len, &block);
	}
	return error;
}

enum us_error check_baseline(const char *path, const void *data, u64 len)
{
	const struct us_baseline_header *header = data;
	struct us_baseline_head head;
	enum us_error error;
	u64 head_len = len;
	u32 index = 0;

	/* Bytes past the head are the blocks' matter. */
	if (len >= sizeof(*header) && us_baseline_head_len(header) &&
	    us_baseline_head_len(header) < len)
		head_len = us_baseline_head_len(header);
	error = us_baseline_parse_head(data, head_len, len, &head);
	if (error)
		return fail(error, "%s", path);
	error = check_blocks(&head, data, &index);
	return error ? fail(error, "%s: block %u", path, index) : US_OK;
}

static json_t *site_counts_json(const u32 *counts)
{
	json_t *sites = json_object();
	unsigned int i;

	for (i = 0; i < US_SITE_KINDS; i++)
		json_object_set_new(sites, site_kind_names[i],
				    json_integer(counts[i]));
	return sites;
}

static json_t *facts_json(const u64 *facts)
{
	json_t *object = json_object();
	unsigned int i;

	/* Addresses do not fit a JSON integer; print all alike. */
	for (i = 0; i < US_FACT_COUNT; i++)
		json_object_set_new(object, fact_names[i],
				    facts[i] == US_FACT_ABSENT ? json_null() :
				    json_sprintf("%#llx", (unsigned long long)
						 facts[i]));
	return object;
}

static json_t *ranges_json(const struct us_baseline_header *header)
{
	json_t *array = json_array();
	u32 i;

	for (i = 0; i < header->range_count; i++)
		json_array_append_new(array, json_pack(
			"{s:s, s:I, s:I}",
			"kind", range_kind_names[header->ranges[i].kind],
			"image_offset", (json_int_t)header->ranges[i].offset,
			"bytes", (json_int_t)header->ranges[i].len));
	return array;
}

static json_t *masked_json(const u64 *masked)
{
	json_t *object = json_object();
	unsigned int i;

	for (i = 0; i < US_SITE_KINDS; i++)
		if (masked[i])
			json_object_set_new(object, site_kind_names[i],
				json_pack("{s:I, s:s}", "bytes",
					  (json_int_t)masked[i], "reason",
					  mask_reason(i)));
	return object;
}

static json_t *shares_json(const void *data)
{
	struct baseline_shares shares;

	if (shares_count(data, &shares))
		return json_null();
	return json_pack("{s:I, s:I, s:o, s:I, s:I, s:I, s:I, s:I}",
			 "text_exact", (json_int_t)shares.exact,
			 "text_enumerated", (json_int_t)shares.enumerated,
			 "text_masked", masked_json(shares.masked),
			 "values", (json_int_t)shares.values,
			 "rodata_exact", (json_int_t)shares.rodata,
			 "rodata_as_found", (json_int_t)shares.as_found,
			 "probes", (json_int_t)shares.probes,
			 "head_bytes", (json_int_t)shares.head);
}

json_t *baseline_json(const void *data)
{
	const struct us_baseline_header *header = data;

	return json_pack("{s:s, s:o, s:o, s:I, s:I, s:i, s:i, s:i, s:o, s:o, "
			 "s:o, s:o, s:o}",
			 "type", "baseline", "kernel",
			 json_name(header->kernel, sizeof(header->kernel)),
			 "build_id",
			 json_hex(header->build_id, header->build_id_len),
			 "bytes", (json_int_t)header->total_size,
			 "text_bytes", (json_int_t)header->text_len,
			 "blocks", (int)header->blocks,
			 "runtime_sites", (int)header->runtime_sites,
			 "entries", (int)header->entries,
			 "ranges", ranges_json(header),
			 "policy", policy_json(header->policy),
			 "sites", site_counts_json(header->site_counts),
			 "shares", shares_json(data),
			 "facts", facts_json(header->facts));
}

static void print_shares(const void *data)
{
	struct baseline_shares shares;
	unsigned int i;

	if (shares_count(data, &shares))
		return;
	printf("  kept           %llu bytes by the control domain\n",
	       (unsigned long long)shares.head);
	printf("  text           %llu bytes exactly, %llu as one of %llu values "
	       "and what changes at run time\n",
	       (unsigned long long)shares.exact,
	       (unsigned long long)shares.enumerated,
	       (unsigned long long)shares.values);
	for (i = 0; i < US_SITE_KINDS; i++)
		if (shares.masked[i])
			printf("  not compared   %llu bytes of kind %s: %s\n",
			       (unsigned long long)shares.masked[i],
			       site_kind_names[i], mask_reason(i));
	printf("  constants      %llu bytes exactly, %llu as found\n",
	       (unsigned long long)shares.rodata,
	       (unsigned long long)shares.as_found);
	printf("  probes         on %llu instructions\n",
	       (unsigned long long)shares.probes);
}

void baseline_print(const void *data)
{
	const struct us_baseline_header *header = data;
	unsigned int i;

	printf("baseline of kernel %.*s\n", US_NAME_MAX, header->kernel);
	printf("  build id       %s\n",
	       hex(header->build_id, header->build_id_len));
	printf("  size           %llu bytes, %llu of text in %u blocks\n",
	       (unsigned long long)header->total_size,
	       (unsigned long long)header->text_len, header->blocks);
	printf("  runtime sites  %u, leading to %u entries\n",
	       header->runtime_sites, header->entries);
	print_shares(data);
	for (i = 0; i < header->range_count; i++)
		printf("  range          %-12s +%#x, %u bytes\n",
		       range_kind_names[header->ranges[i].kind],
		       header->ranges[i].offset, header->ranges[i].len);
	for (i = 0; i < US_POLICY_ROWS; i++)
		printf("  policy         %-12s %s\n", policy_row_name(i),
		       policy_value_name(i, header->policy[i]));
	for (i = 0; i < US_SITE_KINDS; i++)
		printf("  sites          %-12s %u\n", site_kind_names[i],
		       header->site_counts[i]);
	for (i = 0; i < US_FACT_COUNT; i++)
		if (header->facts[i] != US_FACT_ABSENT)
			printf("  fact           %-21s %#llx\n", fact_names[i],
			       (unsigned long long)header->facts[i]);
}
