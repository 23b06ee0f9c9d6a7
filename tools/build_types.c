/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does a fix change the layout of a structure? Objects of the old layout exist in the
 * running kernel, so functions that know only the new one must not be put into it.
 */
#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <stdlib.h>
#include <string.h>

#include "build_judge.h"
#include "cli.h"

#define MEMBER_DEPTH	16

/* A named structure or union, and a number that says how it is laid out. */
struct layout {
	char *name;
	u64 shape;
};

struct layout_list {
	struct layout *list;
	size_t count, room;
};

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

static bool is_aggregate(Dwarf_Die *die)
{
	return dwarf_tag(die) == DW_TAG_structure_type ||
	       dwarf_tag(die) == DW_TAG_union_type;
}

static bool member_type(Dwarf_Die *member, Dwarf_Die *type)
{
	Dwarf_Attribute attribute;
	Dwarf_Die declared;

	return dwarf_attr(member, DW_AT_type, &attribute) &&
	       dwarf_formref_die(&attribute, &declared) &&
	       !dwarf_peel_type(&declared, type);
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
	if (!member_type(member, &type))
		return shape;
	dwarf_aggregate_size(&type, &size);
	shape = mix(mix(shape, size), dwarf_tag(&type));
	if (is_aggregate(&type) && !dwarf_diename(&type))
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

static enum us_error add_layout(struct layout_list *layouts, Dwarf_Die *type)
{
	struct layout *grown;

	if (layouts->count == layouts->room) {
		layouts->room = layouts->room ? 2 * layouts->room : 1024;
		grown = reallocarray(layouts->list, layouts->room,
				     sizeof(*grown));
		if (!grown)
			return fail(US_E_NO_MEMORY, "types");
		layouts->list = grown;
	}
	grown = &layouts->list[layouts->count];
	grown->name = strdup(dwarf_diename(type));
	grown->shape = mix_members(mix_number(dwarf_tag(type), type,
					      DW_AT_byte_size), type, 0);
	layouts->count++;
	return grown->name ? US_OK : fail(US_E_NO_MEMORY, "types");
}

/* The named types of one scope: of the unit, or of a function or block in it. */
static enum us_error read_scope(struct layout_list *layouts, Dwarf_Die *scope,
				int depth)
{
	enum us_error error = US_OK;
	Dwarf_Attribute attribute;
	Dwarf_Die die;

	if (depth > MEMBER_DEPTH || dwarf_child(scope, &die))
		return US_OK;
	do {
		if (is_aggregate(&die) && dwarf_diename(&die) &&
		    !dwarf_attr(&die, DW_AT_declaration, &attribute))
			error = add_layout(layouts, &die);
		else if (dwarf_tag(&die) == DW_TAG_subprogram ||
			 dwarf_tag(&die) == DW_TAG_lexical_block)
			error = read_scope(layouts, &die, depth + 1);
	} while (!error && !dwarf_siblingof(&die, &die));
	return error;
}

static int compare_layouts(const void *a, const void *b)
{
	const struct layout *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x->shape > y->shape) - (x->shape < y->shape);
}

/* Objects have relocated debug information: libdwfl applies that. */
static enum us_error read_layouts(struct layout_list *layouts, const char *path)
{
	static const Dwfl_Callbacks callbacks = {
		.find_elf = dwfl_build_id_find_elf,
		.find_debuginfo = dwfl_standard_find_debuginfo,
		.section_address = dwfl_offline_section_address,
	};
	Dwfl *dwfl = dwfl_begin(&callbacks);
	enum us_error error = US_OK;
	Dwarf_Die *unit = NULL;
	Dwfl_Module *module;
	bool any = false;
	Dwarf_Addr bias;

	module = dwfl ? dwfl_report_offline(dwfl, "object", path, -1) : NULL;
	if (module)
		dwfl_report_end(dwfl, NULL, NULL);
	while (!error && module &&
	       (unit = dwfl_module_nextcu(module, unit, &bias))) {
		error = read_scope(layouts, unit, 0);
		any = true;
	}
	if (!error && !any)
		error = fail(US_E_ELF_NO_DEBUG, "%s: the configuration lacks "
			     "CONFIG_DEBUG_INFO", path);
	if (layouts->count)
		qsort(layouts->list, layouts->count, sizeof(*layouts->list),
		      compare_layouts);
	dwfl_end(dwfl);
	return error;
}

static void free_layouts(struct layout_list *layouts)
{
	while (layouts->count)
		free(layouts->list[--layouts->count].name);
	free(layouts->list);
}

static int compare_name(const void *a, const void *b)
{
	return strcmp(((const struct layout *)a)->name,
		      ((const struct layout *)b)->name);
}

/* A type that is in both lists, and laid out in @after as nowhere in @before. */
static const char *find_changed(const struct layout_list *before,
				const struct layout_list *after)
{
	const size_t size = sizeof(*before->list);
	size_t i;

	for (i = 0; i < after->count; i++)
		if (!bsearch(&after->list[i], before->list, before->count,
			     size, compare_layouts) &&
		    bsearch(&after->list[i], before->list, before->count, size,
			    compare_name))
			return after->list[i].name;
	return NULL;
}

enum us_error judge_types(struct judge *judge)
{
	struct layout_list before = { 0 }, after = { 0 };
	enum us_error error;
	const char *name;

	error = read_layouts(&before, judge->before_path);
	if (!error)
		error = read_layouts(&after, judge->after_path);
	name = error ? NULL : find_changed(&before, &after);
	if (name)
		error = fail(US_E_NOT_PATCHABLE, "the fix changes the layout "
			     "of struct %s (changed-layout), of which objects "
			     "exist in the running kernel", name);
	free_layouts(&before);
	free_layouts(&after);
	return error;
}
