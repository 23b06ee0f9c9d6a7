/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "kernel_entries.h"
#include "kernel_tables.h"

enum us_error entries_add(const struct kernel_memory *memory,
			  struct entry_list *list, u64 address, u16 class)
{
	struct us_entry *grown;

	if (!memory_has(memory, address, 1))
		return US_OK;
	if (!(list->count & (list->count - 1))) {
		grown = reallocarray(list->list, list->count ?
				     list->count * 2 : 1, sizeof(*grown));
		if (!grown)
			return fail(US_E_NO_MEMORY, "entries");
		list->list = grown;
	}
	list->list[list->count++] = (struct us_entry){
		.offset = address - memory->base, .class = class,
	};
	return US_OK;
}

static enum us_error add_named(const struct kernel_image *image,
			       const struct kernel_memory *memory,
			       const char *const *names, size_t count,
			       u16 class, struct entry_list *out)
{
	enum us_error error = US_OK;
	u64 address;
	size_t i;

	for (i = 0; i < count && !error; i++)
		if (image_find(image, names[i], &address))
			error = entries_add(memory, out, address, class);
	return error;
}

/* Tables of functions' addresses that are no pointers to call. */
struct table_span {
	u64 start, len;
};

static enum us_error find_tables(const struct kernel_image *image,
				 const struct kernel_memory *memory,
				 struct table_span *spans)
{
	static const char *const bounds[][2] = {
		{ "__start_mcount_loc", "__stop_mcount_loc" },
		{ "__start_kprobe_blacklist", "__stop_kprobe_blacklist" },
		{ "__start_error_injection_whitelist",
		  "__stop_error_injection_whitelist" },
	};
	enum us_error error = US_OK;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bounds) && !error; i++)
		error = table_bounds(image, memory, bounds[i][0], bounds[i][1],
				     &spans[i].start, &spans[i].len);
	return error;
}
#define TABLE_SPANS	3

static bool in_table(const struct table_span *spans, u64 address)
{
	size_t i;

	for (i = 0; i < TABLE_SPANS; i++)
		if (spans[i].len && address >= spans[i].start &&
		    address - spans[i].start < spans[i].len)
			return true;
	return false;
}

/* A bit for each byte of the text at which a function begins. */
static u8 *function_starts(const struct kernel_image *image)
{
	u8 *starts = calloc(1, image->text_len / 8 + 1);
	const struct image_symbol *symbol;
	size_t i;
	u64 at;

	for (i = 0; starts && i < image->symbol_count; i++) {
		symbol = &image->symbols[i];
		if (symbol->type != STT_FUNC ||
		    !image_in_text(image, symbol->value, 1))
			continue;
		at = symbol->value - image->text;
		starts[at / 8] |= 1u << at % 8;
	}
	return starts;
}

/*
 * Functions whose address the kernel takes: every absolute field that holds one.
 * The kernel is linked for one address, so all of them are fields that KASLR
 * changes.
 */
static enum us_error add_pointers(const struct kernel_image *image,
				  const struct kernel_memory *memory,
				  const struct reloc_list *relocs,
				  struct entry_list *out)
{
	struct table_span spans[TABLE_SPANS] = { 0 };
	const struct us_text_reloc *reloc;
	enum us_error error;
	u64 target, at;
	u8 *starts;
	size_t i;

	error = find_tables(image, memory, spans);
	if (error)
		return error;
	starts = function_starts(image);
	if (!starts)
		return fail(US_E_NO_MEMORY, "functions");
	for (i = 0; i < relocs->count && !error; i++) {
		reloc = &relocs->list[i];
		target = reloc->type == US_TEXT_ADD64 ? reloc->value :
			 (u64)(s64)(s32)reloc->value;
		at = target - image->text;
		if (reloc->type == US_TEXT_SUB32 ||
		    !image_in_text(image, target, 1) ||
		    !(starts[at / 8] >> at % 8 & 1) ||
		    in_table(spans, memory->base + reloc->offset))
			continue;
		error = entries_add(memory, out, target, US_CLASS_ANY);
	}
	free(starts);
	return error;
}

static int compare_entries(const void *a, const void *b)
{
	const struct us_entry *x = a, *y = b;

	if (x->class != y->class)
		return (int)x->class - (int)y->class;
	return (x->offset > y->offset) - (x->offset < y->offset);
}

void entries_sort(struct entry_list *list)
{
	size_t i, kept = 0;

	if (!list->count)
		return;
	qsort(list->list, list->count, sizeof(*list->list), compare_entries);
	for (i = 1; i < list->count; i++)
		if (compare_entries(&list->list[i], &list->list[kept]))
			list->list[++kept] = list->list[i];
	list->count = kept + 1;
}

u16 entries_class_of_key(const struct entry_list *list, u64 key)
{
	size_t low = 0, high = list->key_count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (list->keys[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low < list->key_count && list->keys[low].key == key ?
	       list->keys[low].class : US_CLASS_ANY;
}

enum us_error entries_collect(const struct kernel_image *image,
			      const struct kernel_memory *memory,
			      const struct reloc_list *relocs,
			      struct entry_list *out)
{
	static const char *const thunks[] = {
		"__x86_return_thunk", "retbleed_return_thunk",
		"srso_return_thunk", "srso_alias_return_thunk",
		"its_return_thunk",
	};
	static const char *const ftrace[] = {
		"ftrace_caller", "ftrace_regs_caller",
	};
	static const char *const any[] = { "__static_call_return0" };
	enum us_error error;

	*out = (struct entry_list){ .tracer_class = US_CLASS_ANY };
	error = add_pointers(image, memory, relocs, out);
	if (!error)
		error = add_named(image, memory, any, ARRAY_SIZE(any),
				  US_CLASS_ANY, out);
	entries_sort(out);
	if (!error)
		error = classes_collect(image, memory, out);
	if (!error)
		error = add_named(image, memory, thunks, ARRAY_SIZE(thunks),
				  US_CLASS_THUNK, out);
	if (!error)
		error = add_named(image, memory, ftrace, ARRAY_SIZE(ftrace),
				  US_CLASS_FTRACE, out);
	if (!error)
		error = gates_collect(image, memory, out);
	entries_sort(out);
	return error;
}

void entries_free(struct entry_list *list)
{
	free(list->list);
	free(list->keys);
	*list = (struct entry_list){ 0 };
}
