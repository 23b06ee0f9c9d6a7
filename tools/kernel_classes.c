/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Classes of functions by their parameters. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "kernel_entries.h"
#include "kernel_prototypes.h"

struct classes {
	const struct kernel_image *image;
	const struct kernel_memory *memory;
	struct prototype_list prototypes;
	const char **texts;	/* sorted; class US_CLASS_FREE + index */
	size_t count;
	struct entry_list *out;
};

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* 0 when no class has that prototype. */
static u16 class_of(const struct classes *classes, const char *text)
{
	const char **found = bsearch(&text, classes->texts, classes->count,
				     sizeof(*classes->texts), compare_texts);

	return found ? US_CLASS_FREE + (found - classes->texts) : 0;
}

static const char *first_text(const struct classes *classes, u64 address)
{
	size_t i = prototypes_find(&classes->prototypes, address);

	return i < classes->prototypes.count ?
	       classes->prototypes.list[i].text : NULL;
}

static bool has_text(const struct classes *classes, u64 address,
		     const char *text)
{
	const struct prototype_list *all = &classes->prototypes;
	size_t i;

	for (i = prototypes_find(all, address);
	     i < all->count && all->list[i].address == address; i++)
		if (!strcmp(all->list[i].text, text))
			return true;
	return false;
}

/* What ftrace's entry code calls, as every tracer. */
static const char *tracer_prototype(const struct classes *classes)
{
	u64 address;

	return image_find(classes->image, "arch_ftrace_ops_list_func",
			  &address) ? first_text(classes, address) : NULL;
}

/* A class for each prototype of a static call, and the tracers'. */
static enum us_error number(struct classes *classes)
{
	const struct prototype_list *all = &classes->prototypes;
	const char *tracer = tracer_prototype(classes);
	size_t i, kept = 0;

	classes->texts = calloc(all->count + 1, sizeof(*classes->texts));
	if (!classes->texts)
		return fail(US_E_NO_MEMORY, "prototypes");
	for (i = 0; i < all->count; i++)
		if (all->list[i].static_call)
			classes->texts[classes->count++] = all->list[i].text;
	if (tracer)
		classes->texts[classes->count++] = tracer;
	if (!classes->count)
		return US_OK;
	qsort(classes->texts, classes->count, sizeof(*classes->texts),
	      compare_texts);
	for (i = 1; i < classes->count; i++)
		if (strcmp(classes->texts[i], classes->texts[kept]))
			classes->texts[++kept] = classes->texts[i];
	classes->count = kept + 1;
	if (classes->count > US_CLASS_GATE - US_CLASS_FREE)
		return fail(US_E_TOO_LARGE, "%s: prototypes of static calls",
			    classes->image->path);
	classes->out->tracer_class = tracer ? class_of(classes, tracer) :
				     US_CLASS_ANY;
	return US_OK;
}

static enum us_error add_key(struct entry_list *out, u64 key, u16 class)
{
	struct key_class *grown;

	if (!(out->key_count & (out->key_count - 1))) {
		grown = reallocarray(out->keys, out->key_count ?
				     out->key_count * 2 : 1, sizeof(*grown));
		if (!grown)
			return fail(US_E_NO_MEMORY, "static calls");
		out->keys = grown;
	}
	out->keys[out->key_count++] = (struct key_class){ key, class };
	return US_OK;
}

/*
 * The class of the static call whose trampoline has prototype @text. When what it
 * leads to at first is of another prototype or, as assembly, of none, its others
 * may be too: then any function will do.
 */
static u16 key_class(const struct classes *classes, u64 key, const char *text)
{
	const u8 *slot = memory_linked(classes->memory, key, 8);
	u64 target = slot ? read_u64(slot) : 0;
	u64 zero;

	if (!image_find(classes->image, "__static_call_return0", &zero))
		zero = 0;
	if (target && target != zero && !has_text(classes, target, text))
		return US_CLASS_ANY;
	return class_of(classes, text);
}

static int compare_keys(const void *a, const void *b)
{
	const struct key_class *x = a, *y = b;

	return (x->key > y->key) - (x->key < y->key);
}

/* From the trampolines' names to the keys': __SCT__NAME, __SCK__NAME. */
static enum us_error find_keys(struct classes *classes)
{
	const struct kernel_image *image = classes->image;
	const struct image_symbol *symbol;
	enum us_error error = US_OK;
	char key_name[256];
	const char *text;
	size_t i;
	u64 key;

	for (i = 0; i < image->symbol_count && !error; i++) {
		symbol = &image->symbols[i];
		if (strncmp(symbol->name, "__SCT__", 7) ||
		    symbol->shndx == SHN_UNDEF)
			continue;
		text = first_text(classes, symbol->value);
		snprintf(key_name, sizeof(key_name), "__SCK__%s",
			 symbol->name + 7);
		if (text && image_find(image, key_name, &key))
			error = add_key(classes->out, key,
					key_class(classes, key, text));
	}
	if (classes->out->key_count)
		qsort(classes->out->keys, classes->out->key_count,
		      sizeof(*classes->out->keys), compare_keys);
	return error;
}

/* Every class has these: what stands for a call that returns 0, and for a probe of a
 * tracepoint that is being removed (kernel/tracepoint.c). */
static enum us_error add_common(const struct classes *classes)
{
	static const char *const names[] = {
		"__static_call_return0", "tp_stub_func",
	};
	enum us_error error = US_OK;
	u64 address;
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (image_find(classes->image, names[i], &address))
			for (k = 0; k < classes->count && !error; k++)
				error = entries_add(classes->memory,
						    classes->out, address,
						    US_CLASS_FREE + k);
	return error;
}

/* Every name of a function counts: code that is equal is there once. */
static enum us_error add_function(const struct classes *classes, u64 address)
{
	const struct prototype_list *all = &classes->prototypes;
	enum us_error error = US_OK;
	size_t i;
	u16 class;

	for (i = prototypes_find(all, address); i < all->count && !error &&
	     all->list[i].address == address; i++) {
		class = class_of(classes, all->list[i].text);
		if (class)
			error = entries_add(classes->memory, classes->out,
					    address, class);
	}
	return error;
}

static enum us_error fill(const struct classes *classes)
{
	size_t i, functions = classes->out->count;
	enum us_error error = US_OK;

	for (i = 0; i < functions && !error; i++)
		error = add_function(classes, classes->memory->base +
				     classes->out->list[i].offset);
	return error ? error : add_common(classes);
}

enum us_error classes_collect(const struct kernel_image *image,
			      const struct kernel_memory *memory,
			      struct entry_list *out)
{
	struct classes classes = {
		.image = image, .memory = memory, .out = out,
	};
	enum us_error error;

	error = prototypes_collect(image, &classes.prototypes);
	if (!error)
		error = number(&classes);
	if (!error)
		error = find_keys(&classes);
	if (!error)
		error = fill(&classes);
	free(classes.texts);
	prototypes_free(&classes.prototypes);
	return error;
}
