/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding things in one side of a comparison. */
#include <string.h>

#include "diff_side.h"
#include "kernel_image.h"

/* How far back a symbol that contains an address is looked for: symbols may lie
 * inside each other (labels in assembly). */
#define NESTING		32u

const struct side_section *side_section(const struct side *side,
					const char *name)
{
	u32 i;

	for (i = 1; i < side->section_count; i++)
		if (!strcmp(side->sections[i].name, name))
			return &side->sections[i];
	return NULL;
}

const struct side_section *side_section_at(const struct side *side, u64 address)
{
	const struct side_section *section, *ends = NULL;
	u32 i;

	for (i = 1; i < side->section_count; i++) {
		section = &side->sections[i];
		if (!(section->flags & SHF_ALLOC) ||
		    address < section->address)
			continue;
		if (address - section->address < section->size)
			return section;
		if (address - section->address == section->size)
			ends = section;
	}
	return ends;
}

const u8 *side_bytes(const struct side *side, u64 address, u64 len)
{
	const struct side_section *section = side_section_at(side, address);

	if (!section || !section->data ||
	    !span_inside(address - section->address, len, section->size))
		return NULL;
	return section->data + (address - section->address);
}

bool side_is_function(const struct side *side, u32 index)
{
	const struct side_symbol *symbol = &side->symbols[index];

	return symbol->type == STT_FUNC && symbol->size &&
	       symbol->section != SIDE_NONE &&
	       side->sections[symbol->section].flags & SHF_EXECINSTR &&
	       side->sections[symbol->section].data;
}

bool side_is_nameless(const struct side_symbol *symbol)
{
	return symbol->type == STT_SECTION || !symbol->name[0] ||
	       !strncmp(symbol->name, ".L", 2);
}

u32 side_find_name(const struct side *side, const char *name)
{
	u32 low = 0, high = side->name_count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (strcmp(side->symbols[side->by_name[middle]].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < side->name_count &&
	    strcmp(side->symbols[side->by_name[low]].name, name))
		return side->name_count;
	return low;
}

u32 side_symbol_named(const struct side *side, const char *name)
{
	u32 i, index, found = SIDE_NONE, locals = 0;

	for (i = side_find_name(side, name); i < side->name_count; i++) {
		index = side->by_name[i];
		if (strcmp(side->symbols[index].name, name))
			break;
		if (side->symbols[index].section == SIDE_NONE &&
		    !side->symbols[index].absolute)
			continue;
		if (side->symbols[index].bind != STB_LOCAL)
			return index;
		found = index;
		locals++;
	}
	return locals == 1 ? found : SIDE_NONE;
}

u32 side_find_address(const struct side *side, u64 address)
{
	u32 low = 0, high = side->address_count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (side->symbols[side->by_address[middle]].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

u32 side_symbol_at(const struct side *side, u64 address)
{
	const struct side_symbol *symbol;
	u32 i = side_find_address(side, address + 1), steps, index;

	for (steps = 0; i && steps < NESTING; steps++) {
		index = side->by_address[--i];
		symbol = &side->symbols[index];
		if (address - symbol->address < symbol->size)
			return index;
		/* A function or object ends all nesting. */
		if (symbol->size && symbol->type != STT_NOTYPE &&
		    symbol->address < address)
			break;
	}
	return SIDE_NONE;
}

u32 side_find_rela(const struct side_section *section, u64 offset)
{
	u32 low = 0, high = section->rela_count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (section->relas[middle].r_offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool side_rela_target(const struct side *side, const Elf64_Rela *rela,
		      struct side_target *target)
{
	u32 index = ELF64_R_SYM(rela->r_info);
	const struct side_symbol *symbol;

	if (index >= side->symbol_count)
		return false;
	symbol = &side->symbols[index];
	*target = (struct side_target){
		.address = symbol->address + (u64)rela->r_addend,
		.symbol = side_is_nameless(symbol) ? SIDE_NONE : index,
		.addend = rela->r_addend,
	};
	return true;
}

bool side_pointer(const struct side *side, u64 address, unsigned int width,
		  bool relative, struct side_target *target)
{
	const struct side_section *section = side_section_at(side, address);
	const u8 *bytes = side_bytes(side, address, width);
	u32 rela;

	if (!bytes)
		return false;
	/* The build sorts some tables after linking; then their relocations,
	 * unlike their contents, are in the old order. */
	if (side->linked) {
		*target = (struct side_target){ .symbol = SIDE_NONE };
		target->address = width == 8 ? read_u64(bytes) :
				  (u64)(s64)(s32)read_u32(bytes);
		if (relative)
			target->address += address;
		return true;
	}
	rela = side_find_rela(section, address - section->address);
	if (rela >= section->rela_count ||
	    section->relas[rela].r_offset != address - section->address)
		return false;
	return side_rela_target(side, &section->relas[rela], target);
}

u64 side_room(const struct side *side, u64 address)
{
	const struct side_section *section = side_section_at(side, address);
	u64 low = 0, high = side->start_count, middle, end;
	u32 symbol;

	if (!section)
		return 0;
	end = section->address + section->size;
	while (low < high) {
		middle = low + (high - low) / 2;
		if (side->starts[middle] <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < side->start_count && side->starts[low] < end)
		end = side->starts[low];
	symbol = side_find_address(side, address + 1);
	if (symbol < side->address_count &&
	    side->symbols[side->by_address[symbol]].address < end)
		end = side->symbols[side->by_address[symbol]].address;
	return end - address;
}

static bool starts_with(const char *name, const char *prefix)
{
	return !strncmp(name, prefix, strlen(prefix));
}

bool side_is_constant(const struct side *side, u64 address)
{
	const struct side_section *section = side_section_at(side, address);

	return section && starts_with(section->name, ".rodata") &&
	       (address < side->mutable_start || address >= side->mutable_end);
}

bool side_is_code(const struct side *side, u64 address)
{
	const struct side_section *section = side_section_at(side, address);

	return section && section->flags & SHF_EXECINSTR;
}

bool side_is_init(const struct side *side, u64 address)
{
	static const char *const prefixes[] = {
		".init.", ".exit.", ".altinstr", ".x86_cpu_dev", ".meminit",
		".apicdrivers", ".iommu", ".head.text",
	};
	const struct side_section *section = side_section_at(side, address);
	size_t i;

	for (i = 0; section && i < ARRAY_SIZE(prefixes); i++)
		if (starts_with(section->name, prefixes[i]))
			return true;
	return false;
}

bool side_is_percpu(const struct side *side, u64 address)
{
	const struct side_section *section = side_section_at(side, address);

	return section && starts_with(section->name, ".data..percpu");
}

u32 side_find_site(const struct side *side, u64 address)
{
	u32 low = 0, high = side->site_count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (side->sites[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
