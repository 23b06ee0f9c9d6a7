/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "maker.h"
#include "sim.h"

void make_key(struct keypair *key, u8 seed)
{
	u8 bytes[crypto_sign_SEEDBYTES];

	memset(bytes, seed, sizeof(bytes));
	memset(key->id, seed ^ 0x5a, sizeof(key->id));
	crypto_sign_seed_keypair(key->public, key->secret, bytes);
}

static void encode(const u8 *bytes, u64 len, char *out, u64 room)
{
	sodium_bin2base64(out, room, bytes, len, sodium_base64_VARIANT_ORIGINAL);
}

u64 make_public_file(const struct keypair *key, char *out, u64 room)
{
	u8 raw[42] = "Ed";
	char line[64];

	memcpy(raw + 2, key->id, 8);
	memcpy(raw + 10, key->public, 32);
	encode(raw, sizeof(raw), line, sizeof(line));
	return snprintf(out, room, "untrusted comment: test key\n%s\n", line);
}

u64 make_signature(const struct keypair *key, const void *data, u64 len,
		   const char *comment, char *out, u64 room)
{
	u8 digest[64], raw[74] = "ED", global[64], text[64 + 1024];
	char line[128], second[128];

	crypto_generichash(digest, sizeof(digest), data, len, NULL, 0);
	memcpy(raw + 2, key->id, 8);
	crypto_sign_detached(raw + 10, NULL, digest, sizeof(digest), key->secret);
	memcpy(text, raw + 10, 64);
	memcpy(text + 64, comment, strlen(comment));
	crypto_sign_detached(global, NULL, text, 64 + strlen(comment),
			     key->secret);
	encode(raw, sizeof(raw), line, sizeof(line));
	encode(global, sizeof(global), second, sizeof(second));
	return snprintf(out, room, "untrusted comment: test signature\n%s\n"
			"trusted comment: %s\n%s\n", line, comment, second);
}

static void append(struct blob *blob, const void *data, u64 len)
{
	if (blob->len + ALIGN_UP(len, 8) > BLOB_MAX)
		abort();
	memcpy(blob->data + blob->len, data, len);
	memset(blob->data + blob->len + len, 0, ALIGN_UP(len, 8) - len);
	blob->len += ALIGN_UP(len, 8);
}

void bundle_spec_default(struct bundle_spec *spec, u32 function, u64 generation)
{
	static const char name[] = "sim_function";
	u32 i;

	memset(spec, 0, sizeof(*spec));
	spec->generation = generation;
	spec->name = "default";
	spec->functions = 1;
	spec->function[0] = (struct us_bundle_function) {
		.text_offset = function, .old_size = SIM_FUNCTION_SIZE,
		.arena_offset = 0, .new_size = 60,
	};
	spec->hunks = 1;
	spec->hunk[0] = (struct us_bundle_hunk) {
		.text_offset = function + 5, .len = 5,
		.replacement = { 0xe9 },
	};
	memcpy(spec->hunk[0].expected, sim_linked + function + 5, 5);
	spec->relocs = 4;
	spec->reloc[0] = (struct us_bundle_reloc) { 8, US_SPACE_PAYLOAD,
		US_RELOC_ABS64, US_SPACE_IMAGE, 0, 0x2345 };
	spec->reloc[1] = (struct us_bundle_reloc) { 20, US_SPACE_PAYLOAD,
		US_RELOC_PC32, US_SPACE_IMAGE, 0, 0x3000 - 4 };
	spec->reloc[2] = (struct us_bundle_reloc) { 24, US_SPACE_PAYLOAD,
		US_RELOC_ABS32S, US_SPACE_PAYLOAD, 0, 32 };
	spec->reloc[3] = (struct us_bundle_reloc) { 0 << 8 | 1, US_SPACE_HUNK,
		US_RELOC_PC32, US_SPACE_PAYLOAD, 0, 0 - 4 };
	memcpy(spec->strings, name, sizeof(name));
	spec->string_bytes = sizeof(name);
	spec->payload_bytes = 61;
	for (i = 0; i < spec->payload_bytes; i++)
		spec->payload[i] = 0x40 + i;
}

void make_bundle(const struct bundle_spec *spec, struct blob *blob)
{
	struct us_bundle_header header = {
		.magic = US_BUNDLE_MAGIC,
		.version = US_BUNDLE_VERSION,
		.header_size = sizeof(header),
		.generation = spec->generation,
		.build_id_len = SIM_BUILD_ID_LEN,
		.functions = spec->functions,
		.hunks = spec->hunks,
		.relocs = spec->relocs,
		.string_bytes = spec->string_bytes,
		.payload_bytes = spec->payload_bytes,
		.description = "a patch for the simulated kernel",
		.bases = spec->bases,
		.links = spec->links,
		.writes = spec->writes,
		.watches = spec->watches,
		.flags = spec->flags,
		.shadow_bytes = spec->shadow_bytes,
		.probation_s = spec->probation_s,
		.consistency = spec->reason ? US_CONSISTENCY_NONE :
			US_CONSISTENCY_STACK,
	};

	if (spec->reason)
		strcpy(header.reason, spec->reason);
	memcpy(header.build_id, sim_build_id, SIM_BUILD_ID_LEN);
	strcpy(header.name, spec->name);
	memcpy(header.module, spec->module, sizeof(header.module));
	memcpy(header.module_build_id, spec->module_build_id, US_BUILD_ID_MAX);
	header.module_build_id_len = spec->module_build_id_len;
	blob->len = 0;
	append(blob, &header, sizeof(header));
	append(blob, spec->function, spec->functions * sizeof(*spec->function));
	append(blob, spec->hunk, spec->hunks * sizeof(*spec->hunk));
	append(blob, spec->reloc, spec->relocs * sizeof(*spec->reloc));
	append(blob, spec->base, spec->bases * sizeof(*spec->base));
	append(blob, spec->link, spec->links * sizeof(*spec->link));
	append(blob, spec->write, spec->writes * sizeof(*spec->write));
	append(blob, spec->watch, spec->watches * sizeof(*spec->watch));
	append(blob, spec->strings, spec->string_bytes);
	append(blob, spec->payload, spec->payload_bytes);
	bundle_header(blob)->total_size = blob->len;
}

struct us_bundle_header *bundle_header(struct blob *blob)
{
	return (void *)blob->data;
}

struct us_bundle_function *bundle_functions(struct blob *blob)
{
	return (void *)(bundle_header(blob) + 1);
}

struct us_bundle_hunk *bundle_hunks(struct blob *blob)
{
	return (void *)(bundle_functions(blob) + bundle_header(blob)->functions);
}

struct us_bundle_reloc *bundle_relocs(struct blob *blob)
{
	return (void *)(bundle_hunks(blob) + bundle_header(blob)->hunks);
}

struct us_bundle_base *bundle_bases(struct blob *blob)
{
	return (void *)(bundle_relocs(blob) + bundle_header(blob)->relocs);
}

struct us_bundle_link *bundle_links(struct blob *blob)
{
	return (void *)(bundle_bases(blob) + bundle_header(blob)->bases);
}

struct us_bundle_write *bundle_writes(struct blob *blob)
{
	return (void *)(bundle_links(blob) + bundle_header(blob)->links);
}

struct us_bundle_watch *bundle_watches(struct blob *blob)
{
	return (void *)(bundle_writes(blob) + bundle_header(blob)->writes);
}

char *bundle_strings(struct blob *blob)
{
	return (char *)(bundle_watches(blob) + bundle_header(blob)->watches);
}

u8 *bundle_payload(struct blob *blob)
{
	return (u8 *)bundle_strings(blob) +
	       ALIGN_UP(bundle_header(blob)->string_bytes, 8);
}

void make_revert(const struct blob *bundle, struct blob *blob)
{
	const struct us_bundle_header *header = (const void *)bundle->data;
	struct us_revert revert = {
		.magic = US_REVERT_MAGIC,
		.version = US_BUNDLE_VERSION,
		.build_id_len = header->build_id_len,
		.generation = header->generation,
	};

	memcpy(revert.build_id, header->build_id, sizeof(revert.build_id));
	crypto_generichash(revert.bundle_id, sizeof(revert.bundle_id),
			   bundle->data, bundle->len, NULL, 0);
	blob->len = 0;
	append(blob, &revert, sizeof(revert));
}

static void fill_facts(u64 *facts)
{
	facts[US_FACT_LINK_BASE] = SIM_LINK_BASE;
	facts[US_FACT_ENTRY_SYSCALL] = SIM_ENTRY_SYSCALL;
	facts[US_FACT_BUILD_ID_NOTE] = SIM_NOTE;
	facts[US_FACT_IMAGE_END] = SIM_IMAGE_END;
	facts[US_FACT_LEVEL2_KERNEL_PGT] = SIM_LEVEL2_PGT;
	facts[US_FACT_INIT_TOP_PGT] = SIM_INIT_TOP_PGT;
	facts[US_FACT_INIT_TASK] = SIM_INIT_TASK;
	facts[US_FACT_PER_CPU_OFFSET] = SIM_PER_CPU_OFFSET;
	facts[US_FACT_NR_CPU_IDS] = SIM_NR_CPU_IDS;
	facts[US_FACT_PERCPU_CURRENT_TASK] = 0x40;
	facts[US_FACT_PERCPU_HARDIRQ_STACK] = 0x48;
	facts[US_FACT_TASK_TASKS] = 0x100;
	facts[US_FACT_TASK_THREAD_NODE] = 0x120;
	facts[US_FACT_TASK_SIGNAL] = 0x140;
	facts[US_FACT_TASK_STACK] = 0x18;
	facts[US_FACT_TASK_THREAD_SP] = 0x200;
	facts[US_FACT_TASK_COMM] = 0x180;
	facts[US_FACT_TASK_PID] = 0x150;
	facts[US_FACT_SIGNAL_THREAD_HEAD] = 0x30;
	facts[US_FACT_THREAD_SIZE] = SIM_STACK_SIZE;
	facts[US_FACT_IRQ_STACK_SIZE] = SIM_STACK_SIZE;
	facts[US_FACT_RETURN_TO_HANDLER] = SIM_RETURN_TO_HANDLER;
	facts[US_FACT_RETHOOK_TRAMPOLINE] = US_FACT_ABSENT;
	facts[US_FACT_MODULES] = SIM_MODULES;
	facts[US_FACT_MODULE_LIST] = SIM_MODULE_LIST;
	facts[US_FACT_MODULE_STATE] = 0;
	facts[US_FACT_MODULE_NAME] = SIM_MODULE_NAME;
	facts[US_FACT_MODULE_PERCPU] = SIM_MODULE_PERCPU;
	facts[US_FACT_MODULE_AREAS] = SIM_MODULE_AREAS;
	facts[US_FACT_MODULE_AREA_SIZE] = US_FACT_ABSENT;
	facts[US_FACT_PANIC_CPU] = SIM_PANIC_CPU;
	facts[US_FACT_TASK_ON_CPU] = 0x158;
	facts[US_FACT_TASK_NVCSW] = 0x160;
	facts[US_FACT_TASK_NIVCSW] = 0x168;
	facts[US_FACT_TASK_START_TIME] = 0x170;
	facts[US_FACT_PERCPU_RUNQUEUES] = 0x100;
	facts[US_FACT_RQ_NR_SWITCHES] = 0x08;
	facts[US_FACT_RQ_IDLE] = 0x20;
	facts[US_FACT_PERCPU_EXCEPTION_STACKS] = 0x50;
	facts[US_FACT_EXCEPTION_STACKS_SIZE] = SIM_EXCEPTION_STACKS;
}

static const struct us_range ranges[] = {
	{ 0, SIM_TEXT_LEN, US_RANGE_TEXT, 0 },
	{ SIM_RODATA, SIM_RODATA_LEN, US_RANGE_RODATA, 0 },
	{ SIM_AFTER_INIT, SIM_AFTER_INIT_LEN, US_RANGE_AFTER_INIT, 0 },
	{ SIM_IDT, PAGE_SIZE, US_RANGE_IDT, 0 },
};

static void count_sites(u32 *counts)
{
	static const u8 kinds[] = {
		[US_RUN_LOCK] = US_SITE_SMP_LOCK,
		[US_RUN_JUMP] = US_SITE_JUMP_LABEL,
		[US_RUN_FTRACE] = US_SITE_FTRACE,
		[US_RUN_CALL] = US_SITE_STATIC_CALL,
		[US_RUN_TAIL] = US_SITE_STATIC_CALL,
		[US_RUN_JCC] = US_SITE_STATIC_CALL,
		[US_RUN_TRACER] = US_SITE_OTHER,
		[US_RUN_GRAPH] = US_SITE_OTHER,
	};
	u32 i;

	for (i = 0; i < sim_site_count; i++)
		counts[sim_sites[i].kind]++;
	for (i = 0; i < sim_runtime_count; i++)
		counts[kinds[us_runtime_kind(&sim_runtime[i])]]++;
}

static void append_head(struct blob *blob)
{
	struct us_baseline_header header = {
		.magic = US_BASELINE_MAGIC,
		.version = US_BASELINE_VERSION,
		.header_size = sizeof(header),
		.text_len = SIM_TEXT_LEN,
		.build_id_len = SIM_BUILD_ID_LEN,
		.runtime_sites = sim_runtime_count,
		.entries = sim_entry_count,
		.blocks = (SIM_TEXT_LEN + US_BLOCK_BYTES - 1) / US_BLOCK_BYTES + 1,
		.fact_count = US_FACT_COUNT,
		.range_count = ARRAY_SIZE(ranges),
		.kernel = "6.1.0-sim",
	};
	const struct us_block_ref none = { 0 };
	u32 i;

	memcpy(header.ranges, ranges, sizeof(ranges));
	memcpy(header.build_id, sim_build_id, SIM_BUILD_ID_LEN);
	memset(header.policy, US_ALLOW, US_POLICY_MODULE);
	fill_facts(header.facts);
	count_sites(header.site_counts);
	append(blob, &header, sizeof(header));
	append(blob, sim_runtime, sim_runtime_count * sizeof(*sim_runtime));
	append(blob, sim_entries, sim_entry_count * sizeof(*sim_entries));
	for (i = 0; i < header.blocks; i++)
		append(blob, &none, sizeof(none));
}

static bool touches(const struct us_block_header *header, u64 offset, u64 len)
{
	return spans_overlap(offset, len, header->offset, header->len);
}

static u32 append_relocs(struct blob *blob, const struct us_block_header *header)
{
	u32 i, count = 0;

	for (i = 0; i < sim_reloc_count; i++) {
		const struct us_text_reloc *reloc = &sim_relocs[i];

		if (!touches(header, reloc->offset,
			     reloc->type == US_TEXT_ADD64 ? 8 : 4))
			continue;
		append(blob, reloc, sizeof(*reloc));
		count++;
	}
	return count;
}

/* The sites' values go to @values; returns how many bytes those are. */
static u32 append_sites(struct blob *blob, struct us_block_header *header,
			u8 *values)
{
	u32 used = 0, i, k;

	for (i = 0; i < sim_site_count; i++) {
		const struct sim_site *from = &sim_sites[i];
		struct us_site site = { from->offset, from->len, from->kind, 0,
					from->values, from->values ? used : 0 };

		if (!touches(header, from->offset, from->len))
			continue;
		append(blob, &site, sizeof(site));
		header->sites++;
		for (k = 0; k < from->values; k++) {
			const struct sim_value *value = &from->value[k];

			values[used++] = value->field ? 1 : 0;
			if (value->field) {
				values[used++] = value->field;
				values[used++] = value->type;
			}
			memcpy(values + used, value->bytes, from->len);
			used += from->len;
		}
	}
	return used;
}

static void append_block(struct blob *blob, u32 index, u64 offset, u64 len)
{
	u64 start = blob->len;
	bool text = offset < SIM_TEXT_LEN;
	struct us_block_header header = { .offset = offset, .len = len };
	static u8 values[US_BLOCK_MAX];

	append(blob, &header, sizeof(header));
	append(blob, text ? sim_linked + offset :
	       sim_constants + (offset - SIM_RODATA), len);
	header.relocs = append_relocs(blob, &header);
	header.values_len = append_sites(blob, &header, values);
	append(blob, values, header.values_len);
	if (text) {
		header.probes_len = (len + 7) / 8;
		append(blob, sim_probes + offset / 8, header.probes_len);
	}
	memcpy(blob->data + start, &header, sizeof(header));
	baseline_refs(blob)[index] = (struct us_block_ref) {
		start, blob->len - start, 0 };
}

void make_baseline(struct blob *blob)
{
	u64 at, left;
	u32 i = 0;

	sim_make_text();
	blob->len = 0;
	append_head(blob);
	for (at = 0; at < SIM_TEXT_LEN; at += US_BLOCK_BYTES) {
		left = SIM_TEXT_LEN - at;
		append_block(blob, i++, at, left < US_BLOCK_BYTES ? left :
						 US_BLOCK_BYTES);
	}
	append_block(blob, i, SIM_RODATA, SIM_RODATA_LEN);
	baseline_header(blob)->total_size = blob->len;
}

struct us_baseline_header *baseline_header(struct blob *blob)
{
	return (void *)blob->data;
}

struct us_runtime_site *baseline_runtime(struct blob *blob)
{
	return (void *)(baseline_header(blob) + 1);
}

struct us_entry *baseline_entries(struct blob *blob)
{
	return (void *)((u8 *)baseline_runtime(blob) +
			ALIGN_UP(baseline_header(blob)->runtime_sites *
				 sizeof(struct us_runtime_site), 8));
}

struct us_block_ref *baseline_refs(struct blob *blob)
{
	return (void *)(baseline_entries(blob) + baseline_header(blob)->entries);
}

struct us_block_header *baseline_block(struct blob *blob, u32 index)
{
	return (void *)(blob->data + baseline_refs(blob)[index].file_offset);
}
