/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "kernel_insn.h"
#include "kernel_probes.h"

struct probes {
	const struct kernel_image *image;
	const struct kernel_memory *memory;
	u8 *bits;
	const struct image_symbol **functions; /* of the text, by address */
	size_t count;
};

static int compare_functions(const void *a, const void *b)
{
	const struct image_symbol *x = *(const struct image_symbol *const *)a;
	const struct image_symbol *y = *(const struct image_symbol *const *)b;

	if (x->value != y->value)
		return x->value < y->value ? -1 : 1;
	return (x->size > y->size) - (x->size < y->size);
}

static enum us_error find_functions(struct probes *probes)
{
	const struct kernel_image *image = probes->image;
	const struct image_symbol *symbol;
	size_t i;

	probes->functions = calloc(image->symbol_count + 1,
				   sizeof(*probes->functions));
	if (!probes->functions)
		return fail(US_E_NO_MEMORY, "functions");
	for (i = 0; i < image->symbol_count; i++) {
		symbol = &image->symbols[i];
		if (symbol->type == STT_FUNC && symbol->size &&
		    image_in_text(image, symbol->value, symbol->size))
			probes->functions[probes->count++] = symbol;
	}
	qsort(probes->functions, probes->count, sizeof(*probes->functions),
	      compare_functions);
	return US_OK;
}

/* Where function @index ends, or another begins in it. */
static u64 function_end(const struct probes *probes, size_t index)
{
	const struct image_symbol *function = probes->functions[index];
	u64 end = function->value + function->size;
	size_t i;

	for (i = index + 1; i < probes->count; i++)
		if (probes->functions[i]->value > function->value)
			break;
	if (i < probes->count && probes->functions[i]->value < end)
		return probes->functions[i]->value;
	return end;
}

/* can_probe() decodes from the function's start too. Breakpoints and UD2 (BUG())
 * are no places for a probe. */
static void set_starts(struct probes *probes, u64 start, u64 end)
{
	const u8 *code = memory_linked(probes->memory, start, end - start);
	u64 at = 0, len = end - start, offset = start - probes->image->text;
	struct insn insn;

	for (; at < len && insn_decode(code + at, len - at, &insn);
	     at += insn.length) {
		if (insn.opcode[0] == 0xcc ||
		    (insn.opcode[0] == 0x0f && insn.opcode[1] == 0x0b))
			continue;
		probes->bits[(offset + at) / 8] |= 1u << (offset + at) % 8;
	}
}

static void clear(struct probes *probes, u64 offset, u64 len)
{
	for (; len && offset < probes->image->text_len; offset++, len--)
		probes->bits[offset / 8] &= ~(1u << offset % 8);
}

/*
 * Clear every instruction that shares a byte with [@offset, @offset + @len): also
 * the one that begins before it.
 */
static void clear_site(struct probes *probes, u64 offset, u64 len)
{
	const u8 *code = probes->memory->linked;
	struct insn insn;
	u64 back;

	for (back = 1; back < INSN_MAX && back <= offset; back++) {
		u64 at = offset - back;

		if (!(probes->bits[at / 8] >> at % 8 & 1))
			continue;
		if (insn_decode(code + at, INSN_MAX, &insn) &&
		    insn.length > back)
			clear(probes, at, 1);
		break;
	}
	clear(probes, offset, len);
}

/* Sections of code that probes must not be set in (kernel/kprobes.c,
 * populate_kprobe_blacklist(), and arch_populate_kprobe_blacklist()). */
static void clear_areas(struct probes *probes)
{
	static const char *const areas[][2] = {
		{ "__entry_text_start", "__entry_text_end" },
		{ "__noinstr_text_start", "__noinstr_text_end" },
		{ "__kprobes_text_start", "__kprobes_text_end" },
		{ "__indirect_thunk_start", "__indirect_thunk_end" },
	};
	u64 start, end;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(areas); i++)
		if (image_find(probes->image, areas[i][0], &start) &&
		    image_find(probes->image, areas[i][1], &end) &&
		    end > start && image_in_text(probes->image, start, 1))
			clear(probes, start - probes->image->text, end - start);
}

static void clear_function(struct probes *probes, u64 address)
{
	size_t i;

	for (i = 0; i < probes->count; i++)
		if (probes->functions[i]->value == address)
			clear(probes, address - probes->image->text,
			      probes->functions[i]->size);
}

/* NOKPROBE_SYMBOL(): a table of addresses. What the compiler made of such a function
 * (NAME.part.0, NAME.cold) is barred with it, as in within_kprobe_blacklist(). */
static enum us_error clear_blacklist(struct probes *probes)
{
	const struct image_symbol *function;
	u64 start, len, at, base;
	enum us_error error;
	char name[256];
	const u8 *table;
	size_t i, stem;

	error = table_bounds(probes->image, probes->memory,
			     "__start_kprobe_blacklist",
			     "__stop_kprobe_blacklist", &start, &len);
	if (error || !len)
		return error;
	table = memory_linked(probes->memory, start, len);
	for (at = 0; len - at >= 8; at += 8)
		clear_function(probes, read_u64(table + at));
	for (i = 0; i < probes->count; i++) {
		function = probes->functions[i];
		stem = strcspn(function->name, ".");
		if (!function->name[stem] || !stem || stem >= sizeof(name))
			continue;
		memcpy(name, function->name, stem);
		name[stem] = 0;
		if (!image_find(probes->image, name, &base))
			continue;
		for (at = 0; len - at >= 8; at += 8)
			if (read_u64(table + at) == base)
				clear(probes, function->value -
				      probes->image->text, function->size);
	}
	return US_OK;
}

enum us_error probes_collect(const struct kernel_image *image,
			     const struct kernel_memory *memory,
			     const struct value_list *values,
			     const struct runtime_list *runtime, u8 **out)
{
	struct probes probes = { .image = image, .memory = memory };
	enum us_error error;
	size_t i;

	*out = probes.bits = calloc(1, image->text_len / 8 + 1);
	if (!probes.bits)
		return fail(US_E_NO_MEMORY, "probes");
	error = find_functions(&probes);
	for (i = 0; i < probes.count; i++)
		if (!i || probes.functions[i]->value !=
		    probes.functions[i - 1]->value ||
		    probes.functions[i]->size > probes.functions[i - 1]->size)
			set_starts(&probes, probes.functions[i]->value,
				   function_end(&probes, i));
	for (i = 0; i < values->count; i++)
		clear_site(&probes, values->list[i].offset,
			   values->list[i].len);
	for (i = 0; i < runtime->count; i++)
		clear_site(&probes, runtime->list[i].offset,
			   us_runtime_len(&runtime->list[i]));
	clear_areas(&probes);
	if (!error)
		error = clear_blacklist(&probes);
	free(probes.functions);
	return error;
}
