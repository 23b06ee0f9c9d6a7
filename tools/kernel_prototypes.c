/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "kernel_prototypes.h"

#define MAX_TEXT	512u	/* of one prototype; more is cut */
#define MAX_DEPTH	5	/* pointers and functions inside each other */

struct text {
	char bytes[MAX_TEXT];
	size_t len;
};

static void append(struct text *text, const char *part)
{
	size_t len = strlen(part);

	if (len >= sizeof(text->bytes) - text->len)
		len = sizeof(text->bytes) - text->len - 1;
	memcpy(text->bytes + text->len, part, len);
	text->len += len;
	text->bytes[text->len] = 0;
}

static bool type_of(Dwarf_Die *die, Dwarf_Die *type)
{
	Dwarf_Attribute attribute;

	return dwarf_attr_integrate(die, DW_AT_type, &attribute) &&
	       dwarf_formref_die(&attribute, type);
}

static void append_parameters(struct text *text, Dwarf_Die *function, int depth);

/* The type of @die, void when it has none. A type without a name is known by the
 * typedef that leads to it. */
static void append_type(struct text *text, Dwarf_Die *die, int depth)
{
	const char *alias = "", *name;
	Dwarf_Die type;

	while (type_of(die, &type)) {
		name = dwarf_diename(&type);
		die = &type;
		switch (dwarf_tag(&type)) {
		case DW_TAG_typedef:
			alias = name ? name : alias;
			continue;
		case DW_TAG_const_type:
		case DW_TAG_volatile_type:
		case DW_TAG_restrict_type:
		case DW_TAG_atomic_type:
			continue;
		case DW_TAG_pointer_type:
			append(text, "*");
			if (depth < MAX_DEPTH)
				append_type(text, die, depth + 1);
			return;
		case DW_TAG_subroutine_type:
			append(text, "(");
			append_parameters(text, die, depth + 1);
			append(text, ")");
			return;
		default:
			append(text, name ? name : alias);
			return;
		}
	}
	append(text, "void");
}

static void append_parameters(struct text *text, Dwarf_Die *function, int depth)
{
	Dwarf_Die child;

	if (dwarf_child(function, &child))
		return;
	do {
		if (dwarf_tag(&child) == DW_TAG_unspecified_parameters)
			append(text, "...");
		else if (dwarf_tag(&child) != DW_TAG_formal_parameter)
			continue;
		else
			append_type(text, &child, depth);
		append(text, ",");
	} while (!dwarf_siblingof(&child, &child));
}

static enum us_error add(struct prototype_list *out, u64 address,
			 bool static_call, Dwarf_Die *die)
{
	struct prototype *grown;
	struct text text = { .len = 0 };

	if (!(out->count & (out->count - 1))) {
		grown = reallocarray(out->list, out->count ? out->count * 2 : 1,
				     sizeof(*grown));
		if (!grown)
			return fail(US_E_NO_MEMORY, "prototypes");
		out->list = grown;
	}
	append_parameters(&text, die, 0);
	out->list[out->count] = (struct prototype){
		address, strdup(text.bytes), static_call,
	};
	if (!out->list[out->count].text)
		return fail(US_E_NO_MEMORY, "prototypes");
	out->count++;
	return US_OK;
}

/* Where @die's code begins. One that the compiler split (NAME.cold) has ranges, the
 * first of them with its beginning. */
static bool start_of(Dwarf_Die *die, u64 *start)
{
	Dwarf_Addr base, low, high;

	if (!dwarf_lowpc(die, &low)) {
		*start = low;
		return true;
	}
	if (dwarf_ranges(die, 0, &base, &low, &high) <= 0)
		return false;
	*start = low;
	return true;
}

/* A function without code of its own: one that is inlined, or one whose code is equal
 * to another's. Of the latter the name is left as an alias. */
static enum us_error add_alias(const struct kernel_image *image, Dwarf_Die *die,
			       const char *name, struct prototype_list *out)
{
	const struct image_symbol *symbol;
	enum us_error error = US_OK;
	size_t i;

	for (i = image_named(image, name); i < image->symbol_count && !error;
	     i++) {
		symbol = &image->symbols[image->by_name[i]];
		if (strcmp(symbol->name, name))
			break;
		if (symbol->type == STT_FUNC &&
		    image_in_text(image, symbol->value, 1))
			error = add(out, symbol->value, false, die);
	}
	return error;
}

/* Functions that have code, and declarations of static calls' trampolines. */
static enum us_error add_function(const struct kernel_image *image,
				  Dwarf_Die *die, struct prototype_list *out)
{
	Dwarf_Attribute attribute;
	Dwarf_Die origin;
	const char *name;
	u64 address, start;

	if (start_of(die, &start)) {
		/* An instance may lack parameters that it makes no use of. */
		if (dwarf_attr(die, DW_AT_abstract_origin, &attribute) &&
		    dwarf_formref_die(&attribute, &origin))
			die = &origin;
		return image_in_text(image, start, 1) ?
		       add(out, start, false, die) : US_OK;
	}
	name = dwarf_diename(die);
	if (name && !dwarf_hasattr(die, DW_AT_declaration))
		return add_alias(image, die, name, out);
	if (!name || strncmp(name, "__SCT__", 7) ||
	    !image_find(image, name, &address))
		return US_OK;
	return add(out, address, true, die);
}

static enum us_error add_unit(const struct kernel_image *image, Dwarf_Die *unit,
			      struct prototype_list *out)
{
	enum us_error error = US_OK;
	Dwarf_Die die;

	if (dwarf_child(unit, &die))
		return US_OK;
	do {
		if (dwarf_tag(&die) == DW_TAG_subprogram)
			error = add_function(image, &die, out);
	} while (!error && !dwarf_siblingof(&die, &die));
	return error;
}

static int compare_prototypes(const void *a, const void *b)
{
	const struct prototype *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return strcmp(x->text, y->text);
}

enum us_error prototypes_collect(const struct kernel_image *image,
				 struct prototype_list *out)
{
	Dwarf *dwarf = dwarf_begin_elf(image->elf, DWARF_C_READ, NULL);
	enum us_error error = US_OK;
	Dwarf_CU *cu = NULL;
	Dwarf_Die unit;

	*out = (struct prototype_list){ 0 };
	if (!dwarf)
		return fail(US_E_ELF_NO_DEBUG, "%s: %s", image->path,
			    dwarf_errmsg(-1));
	while (!error && !dwarf_get_units(dwarf, cu, &cu, NULL, NULL, &unit,
					  NULL))
		error = add_unit(image, &unit, out);
	dwarf_end(dwarf);
	if (out->count)
		qsort(out->list, out->count, sizeof(*out->list),
		      compare_prototypes);
	return error;
}

void prototypes_free(struct prototype_list *list)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		free(list->list[i].text);
	free(list->list);
	*list = (struct prototype_list){ 0 };
}

size_t prototypes_find(const struct prototype_list *list, u64 address)
{
	size_t low = 0, high = list->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (list->list[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < list->count && list->list[low].address == address ? low :
	       list->count;
}
