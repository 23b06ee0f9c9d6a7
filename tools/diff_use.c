/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "diff_use.h"

/* a->b->c->d: how many pointers between a variable and what is used of it. */
#define POINTER_DEPTH	3u
#define SCOPE_DEPTH	32u
#define SEEN		4096u

struct dwarf_use {
	Elf *elf;
	Dwarf *dwarf;
	/* Of a relocatable file: libdwfl lays sections out in its own way. */
	Dwfl *dwfl;
	const struct side *side;
	u64 *moved;			/* by section: its address there */
	const char *found;
	bool (*wanted)(void *context, const char *name);
	void *context;
	Dwarf_Off seen[SEEN];		/* types that were looked at */
	u8 depth[SEEN];
	u32 seen_count;
};

static int find_nothing(Dwfl_Module *module, void **context, const char *name,
			Dwarf_Addr base, const char *file, const char *link,
			GElf_Word checksum, char **path)
{
	(void)module;
	(void)context;
	(void)name;
	(void)base;
	(void)file;
	(void)link;
	(void)checksum;
	(void)path;
	return -1;
}

Dwfl *object_debug(const char *path, Dwfl_Module **module)
{
	static const Dwfl_Callbacks callbacks = {
		.find_elf = dwfl_build_id_find_elf,
		.find_debuginfo = find_nothing,
		.section_address = dwfl_offline_section_address,
	};
	Dwfl *dwfl = dwfl_begin(&callbacks);

	*module = dwfl ? dwfl_report_offline(dwfl, "object", path, -1) : NULL;
	if (*module && !dwfl_report_end(dwfl, NULL, NULL))
		return dwfl;
	dwfl_end(dwfl);
	*module = NULL;
	return NULL;
}

static enum us_error open_object(struct dwarf_use *use)
{
	const struct side *side = use->side;
	Dwfl_Module *module;
	Dwarf_Addr bias;
	GElf_Shdr header;
	Elf *elf;
	u32 i;

	use->moved = calloc(side->section_count, sizeof(*use->moved));
	if (!use->moved)
		return fail(US_E_NO_MEMORY, "debug information");
	use->dwfl = object_debug(side->path, &module);
	use->dwarf = use->dwfl ? dwfl_module_getdwarf(module, &bias) : NULL;
	elf = use->dwarf ? dwfl_module_getelf(module, &bias) : NULL;
	for (i = 1; elf && i < side->section_count; i++)
		if (gelf_getshdr(elf_getscn(elf, i), &header))
			use->moved[i] = header.sh_addr;
	return US_OK;
}

/* @address of the side as the debug information counts. */
static u64 debug_address(const struct dwarf_use *use, u64 address)
{
	const struct side_section *section;

	if (!use->moved)
		return address;
	section = side_section_at(use->side, address);
	return section ? use->moved[section - use->side->sections] +
			 (address - section->address) : 0;
}

bool use_known(const struct dwarf_use *use)
{
	return use && use->dwarf;
}

enum us_error use_open(struct dwarf_use **out, const struct side *side)
{
	struct dwarf_use *use = calloc(1, sizeof(*use));

	*out = use;
	if (!use)
		return fail(US_E_NO_MEMORY, "debug information");
	use->side = side;
	if (side->fd < 0)
		return US_OK;
	elf_version(EV_CURRENT);
	if (!side->linked)
		return open_object(use);
	use->elf = elf_begin(side->fd, ELF_C_READ_MMAP, NULL);
	if (use->elf)
		use->dwarf = dwarf_begin_elf(use->elf, DWARF_C_READ, NULL);
	return US_OK;
}

void use_close(struct dwarf_use *use)
{
	if (!use)
		return;
	if (use->dwarf && !use->dwfl)
		dwarf_end(use->dwarf);
	dwfl_end(use->dwfl);
	free(use->moved);
	if (use->elf)
		elf_end(use->elf);
	free(use);
}

/* Was @offset looked at from here or nearer? */
static bool is_seen(struct dwarf_use *use, Dwarf_Off offset, u32 depth)
{
	u32 at = (u32)(offset * 2654435761u) % SEEN, steps;

	for (steps = 0; steps < SEEN && use->seen[at]; steps++) {
		if (use->seen[at] == offset) {
			if (use->depth[at] <= depth)
				return true;
			use->depth[at] = depth;
			return false;
		}
		at = (at + 1) % SEEN;
	}
	if (use->seen_count < SEEN - 1) {
		use->seen[at] = offset;
		use->depth[at] = depth;
		use->seen_count++;
	}
	return false;
}

static bool type_of(Dwarf_Die *die, Dwarf_Die *type)
{
	Dwarf_Attribute attribute;

	return dwarf_attr_integrate(die, DW_AT_type, &attribute) &&
	       dwarf_formref_die(&attribute, type);
}

static void look_at_type(struct dwarf_use *use, Dwarf_Die *die, u32 depth);

static void look_at_members(struct dwarf_use *use, Dwarf_Die *type, u32 depth)
{
	Dwarf_Die member, inner;

	if (dwarf_child(type, &member))
		return;
	do {
		if (dwarf_tag(&member) == DW_TAG_member &&
		    type_of(&member, &inner))
			look_at_type(use, &inner, depth);
	} while (!use->found && !dwarf_siblingof(&member, &member));
}

/* @depth counts the pointers that were followed. */
static void look_at_type(struct dwarf_use *use, Dwarf_Die *die, u32 depth)
{
	Dwarf_Die type = *die;
	const char *name;
	u32 steps;

	for (steps = 0; steps < 32; steps++) {
		switch (dwarf_tag(&type)) {
		case DW_TAG_pointer_type:
			if (++depth > POINTER_DEPTH)
				return;
			break;
		case DW_TAG_typedef:
		case DW_TAG_const_type:
		case DW_TAG_volatile_type:
		case DW_TAG_restrict_type:
		case DW_TAG_array_type:
			break;
		case DW_TAG_structure_type:
		case DW_TAG_union_type:
			if (is_seen(use, dwarf_dieoffset(&type), depth))
				return;
			name = dwarf_diename(&type);
			if (name && use->wanted(use->context, name)) {
				use->found = name;
				return;
			}
			look_at_members(use, &type, depth);
			return;
		default:
			return;
		}
		if (!type_of(&type, &type))
			return;
	}
}

/* Parameters and variables of a scope and of all inside it. */
static void look_at_scope(struct dwarf_use *use, Dwarf_Die *scope, u32 depth)
{
	Dwarf_Die die, type;

	if (depth > SCOPE_DEPTH || dwarf_child(scope, &die))
		return;
	do {
		switch (dwarf_tag(&die)) {
		case DW_TAG_formal_parameter:
		case DW_TAG_variable:
			if (type_of(&die, &type))
				look_at_type(use, &type, 0);
			break;
		case DW_TAG_lexical_block:
		case DW_TAG_inlined_subroutine:
			look_at_scope(use, &die, depth + 1);
			break;
		}
	} while (!use->found && !dwarf_siblingof(&die, &die));
}

static bool find_function(struct dwarf_use *use, u64 address, Dwarf_Die *out)
{
	Dwarf_Die unit;

	if (!use->dwarf || !dwarf_addrdie(use->dwarf, address, &unit) ||
	    dwarf_child(&unit, out))
		return false;
	do {
		if (dwarf_tag(out) == DW_TAG_subprogram &&
		    dwarf_haspc(out, address) > 0)
			return true;
	} while (!dwarf_siblingof(out, out));
	return false;
}

const char *use_find(struct dwarf_use *use, u64 address,
		     bool (*wanted)(void *context, const char *name),
		     void *context)
{
	Dwarf_Die function;

	if (!use || !find_function(use, debug_address(use, address), &function))
		return NULL;
	use->found = NULL;
	use->wanted = wanted;
	use->context = context;
	memset(use->seen, 0, sizeof(use->seen));
	use->seen_count = 0;
	look_at_scope(use, &function, 0);
	return use->found;
}

bool use_is_c(struct dwarf_use *use, u64 address)
{
	Dwarf_Die unit;

	if (!use || !use->dwarf)
		return true;
	address = debug_address(use, address);
	if (!dwarf_addrdie(use->dwarf, address, &unit))
		return false;
	return dwarf_srclang(&unit) != DW_LANG_Mips_Assembler;
}

u32 use_line(struct dwarf_use *use, u64 address)
{
	Dwarf_Line *line;
	Dwarf_Die unit;
	int number;

	if (!use || !use->dwarf)
		return 0;
	address = debug_address(use, address);
	if (!dwarf_addrdie(use->dwarf, address, &unit))
		return 0;
	line = dwarf_getsrc_die(&unit, address);
	return line && !dwarf_lineno(line, &number) && number > 0 ?
	       (u32)number : 0;
}
