/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dwarf.h>
#include <string.h>

#include "cli.h"
#include "kernel_types.h"

#define MEMBER_DEPTH	4	/* anonymous structs inside each other */

bool type_is_aggregate(Dwarf_Die *die)
{
	return dwarf_tag(die) == DW_TAG_structure_type ||
	       dwarf_tag(die) == DW_TAG_union_type;
}

bool type_of_member(Dwarf_Die *member, Dwarf_Die *type)
{
	Dwarf_Attribute attribute;
	Dwarf_Die declared;

	return dwarf_attr(member, DW_AT_type, &attribute) &&
	       dwarf_formref_die(&attribute, &declared) &&
	       !dwarf_peel_type(&declared, type);
}

static u64 member_offset(Dwarf_Die *member)
{
	Dwarf_Attribute attribute;
	Dwarf_Word offset;

	/* Members of unions have no location: offset 0. */
	if (!dwarf_attr(member, DW_AT_data_member_location, &attribute))
		return 0;
	return dwarf_formudata(&attribute, &offset) ? TYPE_ABSENT : offset;
}

static u64 find_member(Dwarf_Die *type, const char *path, int depth);

/* @path inside @member: the member itself, a part of it, or a member of the
 * anonymous struct that it is. */
static u64 inside_member(Dwarf_Die *member, const char *path, int depth)
{
	const char *name = dwarf_diename(member);
	size_t len = strcspn(path, ".");
	u64 base = member_offset(member), inner = 0;
	Dwarf_Die type;

	if (name && (strlen(name) != len || strncmp(name, path, len)))
		return TYPE_ABSENT;
	if (!name || path[len]) {
		if (!type_of_member(member, &type) || !type_is_aggregate(&type))
			return TYPE_ABSENT;
		inner = find_member(&type, name ? path + len + 1 : path,
				    depth + 1);
	}
	if (base == TYPE_ABSENT || inner == TYPE_ABSENT)
		return TYPE_ABSENT;
	return base + inner;
}

static u64 find_member(Dwarf_Die *type, const char *path, int depth)
{
	Dwarf_Die member;
	u64 offset;

	if (depth > MEMBER_DEPTH || dwarf_child(type, &member))
		return TYPE_ABSENT;
	do {
		if (dwarf_tag(&member) != DW_TAG_member)
			continue;
		offset = inside_member(&member, path, depth);
		if (offset != TYPE_ABSENT)
			return offset;
	} while (!dwarf_siblingof(&member, &member));
	return TYPE_ABSENT;
}

static u64 answer(Dwarf_Die *type, const struct type_query *query)
{
	Dwarf_Word size;

	if (query->member)
		return find_member(type, query->member, 0);
	if (dwarf_aggregate_size(type, &size))
		return TYPE_ABSENT;
	return size;
}

/* Answer what this type can; returns how many answers are new. */
static size_t ask_type(Dwarf_Die *type, struct type_query *queries,
		       size_t count)
{
	const char *name = dwarf_diename(type);
	size_t i, answered = 0;

	if (!name || dwarf_hasattr(type, DW_AT_declaration))
		return 0;
	for (i = 0; i < count; i++) {
		if (queries[i].answer != TYPE_ABSENT ||
		    strcmp(queries[i].type, name))
			continue;
		queries[i].answer = answer(type, &queries[i]);
		if (queries[i].answer != TYPE_ABSENT)
			answered++;
	}
	return answered;
}

static size_t ask_unit(Dwarf_Die *unit, struct type_query *queries,
		       size_t count)
{
	size_t answered = 0;
	Dwarf_Die die;

	if (dwarf_child(unit, &die))
		return 0;
	do {
		if (type_is_aggregate(&die))
			answered += ask_type(&die, queries, count);
	} while (answered < count && !dwarf_siblingof(&die, &die));
	return answered;
}

enum us_error types_resolve(const struct kernel_image *image,
			    struct type_query *queries, size_t count)
{
	Elf *elf = image->kernel ? image->kernel->elf : image->elf;
	Dwarf *dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
	Dwarf_CU *cu = NULL;
	Dwarf_Die unit;
	size_t i, left = count;

	if (!dwarf)
		return fail(US_E_ELF_NO_DEBUG, "%s: %s", image->path,
			    dwarf_errmsg(-1));
	for (i = 0; i < count; i++)
		queries[i].answer = TYPE_ABSENT;
	while (left && !dwarf_get_units(dwarf, cu, &cu, NULL, NULL, &unit,
					NULL))
		left -= ask_unit(&unit, queries, count);
	dwarf_end(dwarf);
	return US_OK;
}
