/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "kernel_insn.h"
#include "kernel_runtime.h"

struct collector {
	const struct kernel_image *image;
	const struct kernel_memory *memory;
	const struct entry_list *entries;
	struct runtime_list *out;
};

static enum us_error bad_site(const struct collector *to, const char *table,
			      u64 address)
{
	return fail(US_E_ELF_FORMAT, "%s: %s: unexpected code at %#llx",
		    to->image->path, table, (unsigned long long)address);
}

static u32 image_offset(const struct collector *to, u64 address)
{
	return memory_has(to->memory, address, 1) ?
	       address - to->memory->base : US_NO_TARGET;
}

static enum us_error add(struct collector *to, u64 address, u8 kind, u8 len,
			 u64 target, u16 class, u8 jcc)
{
	struct runtime_list *out = to->out;
	struct us_runtime_site *grown;

	if (!image_in_text(to->image, address, len))
		return bad_site(to, "run-time site", address);
	if (!(out->count & (out->count - 1))) {
		grown = reallocarray(out->list, out->count ? out->count * 2 : 1,
				     sizeof(*grown));
		if (!grown)
			return fail(US_E_NO_MEMORY, "sites");
		out->list = grown;
	}
	out->list[out->count++] = (struct us_runtime_site){
		.offset = address - to->memory->base, .class = class,
		.target = image_offset(to, target), .jcc = jcc,
		.kind_len = kind << 4 | len,
	};
	return US_OK;
}

static const u8 *code_at(const struct collector *to, u64 address, u64 len)
{
	return image_in_text(to->image, address, len) ?
	       memory_linked(to->memory, address, len) : NULL;
}

static bool is_nop5(const u8 *code)
{
	static const u8 nop5[] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };

	return !memcmp(code, nop5, sizeof(nop5));
}

/* struct jump_entry { s32 code; s32 target; long key; }; JMP or NOP of two or five
 * bytes (arch_jump_entry_size()). */
static enum us_error add_jump(struct collector *to, const u8 *entry, u64 at)
{
	u64 address = table_pointer(entry, at);
	u64 target = table_pointer(entry + 4, at + 4);
	const u8 *code = code_at(to, address, 2);
	u8 len = 5;

	if (!image_in_text(to->image, address, 1))
		return US_OK;
	if (code && (*code == 0xeb || (code[0] == 0x66 && code[1] == 0x90)))
		len = 2;
	else if (!(code = code_at(to, address, 5)) ||
		 (*code != 0xe9 && !is_nop5(code)))
		return bad_site(to, "__jump_table", address);
	if (!image_in_text(to->image, target, 1))
		return bad_site(to, "__jump_table", target);
	return add(to, address, US_RUN_JUMP, len, target, 0, 0);
}

/* What the key at @key leads to at first; 0 for nowhere. */
static u64 key_function(const struct collector *to, u64 key)
{
	const u8 *function = memory_linked(to->memory, key, 8);

	return function ? read_u64(function) : 0;
}

/* struct static_call_site { s32 addr; s32 key; }; two low bits of key are flags. */
static enum us_error add_static_call(struct collector *to, const u8 *entry,
				     u64 at)
{
	u64 address = table_pointer(entry, at);
	u64 key = table_pointer(entry + 4, at + 4) & ~3ull;
	u64 target = key_function(to, key);
	u16 class = entries_class_of_key(to->entries, key);
	const u8 *code = code_at(to, address, 6);

	if (!image_in_text(to->image, address, 1))
		return US_OK;
	/* A module may call what another module defines. */
	if (!memory_has(to->memory, key, 8) && !to->image->kernel)
		return bad_site(to, "static_call_sites", key);
	if (code && code[0] == 0xe8)
		return add(to, address, US_RUN_CALL, 5, target, class, 0);
	if (code && code[0] == 0xe9)
		return add(to, address, US_RUN_TAIL, 5, target, class, 0);
	if (code && code[0] == 0x0f && (code[1] & 0xf0) == 0x80)
		return add(to, address, US_RUN_JCC, 6, target, class, code[1]);
	return bad_site(to, "static_call_sites", address);
}

/* __mcount_loc: addresses of calls to __fentry__, or of the NOPs in their place. */
static enum us_error add_ftrace(struct collector *to, const u8 *entry, u64 at)
{
	u64 address = read_u64(entry);
	const u8 *code = code_at(to, address, 5);

	(void)at;
	if (!image_in_text(to->image, address, 1))
		return US_OK;
	if (!code || (*code != 0xe8 && !is_nop5(code)))
		return bad_site(to, "__mcount_loc", address);
	return add(to, address, US_RUN_FTRACE, 5, 0, US_CLASS_FTRACE, 0);
}

static const struct table {
	const char *start, *end;
	u32 size;		/* bytes of an entry */
	/* Sites outside the text (init code) are passed over. */
	enum us_error (*add)(struct collector *to, const u8 *entry, u64 at);
} tables[] = {
	{ "__start___jump_table", "__stop___jump_table", 16, add_jump },
	{ "__start_static_call_sites", "__stop_static_call_sites", 8,
	  add_static_call },
	{ "__start_mcount_loc", "__stop_mcount_loc", 8, add_ftrace },
};

static enum us_error collect_table(struct collector *to,
				   const struct table *table)
{
	u64 start, len, at;
	enum us_error error;
	const u8 *bytes;

	error = table_bounds(to->image, to->memory, table->start, table->end,
			     &start, &len);
	if (error || !len)
		return error;
	bytes = memory_linked(to->memory, start, len);
	for (at = 0; len - at >= table->size && !error; at += table->size)
		error = table->add(to, bytes + at, start + at);
	return error;
}

static enum us_error collect_locks(struct collector *to,
				   const struct patch_table *patches)
{
	const struct patch *patch;
	enum us_error error = US_OK;
	size_t i;

	for (i = 0; i < patches->count && !error; i++) {
		patch = &patches->list[i];
		if (patch->kind == PATCH_LOCK &&
		    image_in_text(to->image, patch->address, 1) &&
		    (!i || patch[-1].kind != PATCH_LOCK ||
		     patch[-1].address != patch->address))
			error = add(to, patch->address, US_RUN_LOCK, 1, 0, 0,
				    0);
	}
	return error;
}

/* The trampolines of static calls: __SCT__NAME, whose key is __SCK__NAME. */
static enum us_error collect_trampolines(struct collector *to)
{
	const struct image_symbol *symbol;
	enum us_error error = US_OK;
	char key_name[256];
	u64 key, target;
	u16 class;
	size_t i;

	for (i = 0; i < to->image->symbol_count && !error; i++) {
		symbol = &to->image->symbols[i];
		if (strncmp(symbol->name, "__SCT__", 7) ||
		    symbol->shndx == SHN_UNDEF ||
		    !image_in_text(to->image, symbol->value, 1))
			continue;
		snprintf(key_name, sizeof(key_name), "__SCK__%s",
			 symbol->name + 7);
		if (!image_find(to->image, key_name, &key))
			key = 0;
		target = key ? key_function(to, key) : 0;
		class = key ? entries_class_of_key(to->entries, key) :
			      US_CLASS_ANY;
		error = add(to, symbol->value, US_RUN_TAIL, 5, target, class,
			    0);
	}
	return error;
}

/* The calls in ftrace's entry code that lead to the current tracer
 * (arch/x86/kernel/ftrace.c, ftrace_update_ftrace_func()). */
static enum us_error collect_tracers(struct collector *to)
{
	static const struct {
		const char *name, *target;
		u8 kind, opcode;
	} calls[] = {
		{ "ftrace_call", "ftrace_stub", US_RUN_TRACER, 0xe8 },
		{ "ftrace_regs_call", "ftrace_stub", US_RUN_TRACER, 0xe8 },
		{ "ftrace_graph_call", "ftrace_stub", US_RUN_GRAPH, 0xe9 },
	};
	enum us_error error = US_OK;
	u64 address, target;
	const u8 *code;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(calls) && !error; i++) {
		/* A module has none, and finds the kernel's. */
		if (!image_find(to->image, calls[i].name, &address) ||
		    to->image->kernel)
			continue;
		code = code_at(to, address, 5);
		if (!code || *code != calls[i].opcode)
			return bad_site(to, calls[i].name, address);
		if (!image_find(to->image, calls[i].target, &target))
			target = 0;
		error = add(to, address, calls[i].kind, 5, target,
			    to->entries->tracer_class, 0);
	}
	return error;
}

static int compare_sites(const void *a, const void *b)
{
	const struct us_runtime_site *x = a, *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

static enum us_error sort(struct collector *to)
{
	struct runtime_list *out = to->out;
	size_t i;

	if (out->count)
		qsort(out->list, out->count, sizeof(*out->list), compare_sites);
	for (i = 1; i < out->count; i++)
		if (out->list[i - 1].offset +
		    us_runtime_len(&out->list[i - 1]) > out->list[i].offset)
			return fail(US_E_BASELINE_SITES, "%s: sites of two "
				    "kinds overlap at %#llx", to->image->path,
				    (unsigned long long)(to->memory->base +
						out->list[i].offset));
	return US_OK;
}

enum us_error runtime_collect(const struct kernel_image *image,
			      const struct kernel_memory *memory,
			      const struct patch_table *patches,
			      const struct entry_list *entries,
			      struct runtime_list *out)
{
	struct collector to = { image, memory, entries, out };
	enum us_error error = US_OK;
	size_t i;

	*out = (struct runtime_list){ 0 };
	for (i = 0; i < ARRAY_SIZE(tables) && !error; i++)
		error = collect_table(&to, &tables[i]);
	if (!error)
		error = collect_locks(&to, patches);
	if (!error)
		error = collect_trampolines(&to);
	if (!error)
		error = collect_tracers(&to);
	return error ? error : sort(&to);
}

void runtime_free(struct runtime_list *list)
{
	free(list->list);
	*list = (struct runtime_list){ 0 };
}

const struct us_runtime_site *runtime_overlap(const struct runtime_list *list,
					      u64 offset, u64 len)
{
	size_t low = 0, high = list->count, middle;
	const struct us_runtime_site *site;

	/* The first that does not end at @offset or before. */
	while (low < high) {
		middle = low + (high - low) / 2;
		site = &list->list[middle];
		if ((u64)site->offset + us_runtime_len(site) <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low < list->count && list->list[low].offset < offset + len ?
	       &list->list[low] : NULL;
}
