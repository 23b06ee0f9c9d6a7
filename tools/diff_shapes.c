/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "diff_shapes.h"
#include "diff_use.h"
#include "kernel_types.h"

#define MEMBER_DEPTH	16

static u64 mix(u64 shape, u64 value)
{
	return (shape ^ value) * 0x100000001b3ull;
}

static u64 mix_text(u64 shape, const char *text)
{
	while (text && *text)
		shape = mix(shape, (u8)*text++);
	return mix(shape, 0);
}

static u64 mix_number(u64 shape, Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value = ~0ull;

	if (dwarf_attr(die, name, &attribute))
		dwarf_formudata(&attribute, &value);
	return mix(shape, value);
}

static u64 mix_members(u64 shape, Dwarf_Die *type, int depth);

/* Name, place, size and kind; the members of what has no name of its own. */
static u64 mix_member(u64 shape, Dwarf_Die *member, int depth)
{
	Dwarf_Die type;
	Dwarf_Word size = 0;

	shape = mix_text(shape, dwarf_diename(member));
	shape = mix_number(shape, member, DW_AT_data_member_location);
	shape = mix_number(shape, member, DW_AT_bit_size);
	shape = mix_number(shape, member, DW_AT_data_bit_offset);
	if (!type_of_member(member, &type))
		return shape;
	dwarf_aggregate_size(&type, &size);
	shape = mix(mix(shape, size), dwarf_tag(&type));
	if (type_is_aggregate(&type) && !dwarf_diename(&type))
		shape = mix_members(shape, &type, depth + 1);
	return shape;
}

static u64 mix_members(u64 shape, Dwarf_Die *type, int depth)
{
	Dwarf_Die member;

	if (depth > MEMBER_DEPTH || dwarf_child(type, &member))
		return shape;
	do {
		if (dwarf_tag(&member) == DW_TAG_member)
			shape = mix_member(shape, &member, depth);
	} while (!dwarf_siblingof(&member, &member));
	return shape;
}

static enum us_error add_shape(struct shape_list *shapes, Dwarf_Die *type)
{
	struct shape *grown;

	if (shapes->count == shapes->room) {
		shapes->room = shapes->room ? 2 * shapes->room : 1024;
		grown = reallocarray(shapes->list, shapes->room,
				     sizeof(*grown));
		if (!grown)
			return fail(US_E_NO_MEMORY, "types");
		shapes->list = grown;
	}
	grown = &shapes->list[shapes->count];
	grown->name = strdup(dwarf_diename(type));
	grown->shape = mix_members(mix_number(dwarf_tag(type), type,
					      DW_AT_byte_size), type, 0);
	shapes->count += grown->name != NULL;
	return grown->name ? US_OK : fail(US_E_NO_MEMORY, "types");
}

/* The named types of one scope: of the unit, or of a function or block in it. */
static enum us_error read_scope(struct shape_list *shapes, Dwarf_Die *scope,
				int depth)
{
	enum us_error error = US_OK;
	Dwarf_Attribute attribute;
	Dwarf_Die die;

	if (depth > MEMBER_DEPTH || dwarf_child(scope, &die))
		return US_OK;
	do {
		if (type_is_aggregate(&die) && dwarf_diename(&die) &&
		    !dwarf_attr(&die, DW_AT_declaration, &attribute))
			error = add_shape(shapes, &die);
		else if (dwarf_tag(&die) == DW_TAG_subprogram ||
			 dwarf_tag(&die) == DW_TAG_lexical_block)
			error = read_scope(shapes, &die, depth + 1);
	} while (!error && !dwarf_siblingof(&die, &die));
	return error;
}

static int compare_shapes(const void *a, const void *b)
{
	const struct shape *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x->shape > y->shape) - (x->shape < y->shape);
}

enum us_error shapes_read(struct shape_list *shapes, const char *path)
{
	Dwfl_Module *module;
	Dwfl *dwfl = object_debug(path, &module);
	enum us_error error = US_OK;
	Dwarf_Die *unit = NULL;
	bool any = false;
	Dwarf_Addr bias;

	while (!error && module &&
	       (unit = dwfl_module_nextcu(module, unit, &bias))) {
		error = read_scope(shapes, unit, 0);
		any = true;
	}
	if (!error && !any)
		error = fail(US_E_ELF_NO_DEBUG, "%s: no debug information; "
			     "kernels are configured for it by "
			     "CONFIG_DEBUG_INFO", path);
	if (shapes->count)
		qsort(shapes->list, shapes->count, sizeof(*shapes->list),
		      compare_shapes);
	dwfl_end(dwfl);
	return error;
}

void shapes_free(struct shape_list *shapes)
{
	while (shapes->count)
		free(shapes->list[--shapes->count].name);
	free(shapes->list);
	*shapes = (struct shape_list){ 0 };
}

static int compare_name(const void *a, const void *b)
{
	return strcmp(((const struct shape *)a)->name,
		      ((const struct shape *)b)->name);
}

bool shapes_changed(const struct shape_list *before,
		    const struct shape *after)
{
	const size_t size = sizeof(*before->list);

	return before->count &&
	       !bsearch(after, before->list, before->count, size,
			compare_shapes) &&
	       bsearch(after, before->list, before->count, size, compare_name);
}
