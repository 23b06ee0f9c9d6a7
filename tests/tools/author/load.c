/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Written apart from tools/module_link.c, to check it: layout_sections() and
 * apply_relocate_add() of kernel/module/main.c and arch/x86/kernel/module.c of 6.1.
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

#define MODULES		0x18000000ull
#define ROOM		0x00400000ull
#define PERCPU		0x00300000ull	/* in a module's room */
#define INIT		0x00200000ull
#define PAGE		4096u
#define LOADED_MAX	4
#define SECTIONS_MAX	128

struct loaded {
	const u8 *file;
	const char *name, *strings;
	const Elf64_Sym *symbols;
	u64 base, symbol_count;
	u64 at[SECTIONS_MAX];	/* by section */
};

static bool moved[(LOADED_MAX + 1) * ROOM];	/* from MODULES on */

/* The kernel, then modules. */
static struct loaded loaded[LOADED_MAX + 1];
static int count;

static const Elf64_Shdr *section(const struct loaded *module, int index)
{
	const Elf64_Ehdr *elf = (const void *)module->file;

	return (const Elf64_Shdr *)(module->file + elf->e_shoff) + index;
}

static int section_count(const struct loaded *module)
{
	return ((const Elf64_Ehdr *)module->file)->e_shnum;
}

static const char *section_name(const struct loaded *module, int index)
{
	const Elf64_Ehdr *elf = (const void *)module->file;

	return (const char *)module->file +
	       section(module, elf->e_shstrndx)->sh_offset +
	       section(module, index)->sh_name;
}

static void find_symbols(struct loaded *module)
{
	const Elf64_Shdr *table;
	int i;

	for (i = 1; i < section_count(module); i++) {
		table = section(module, i);
		if (table->sh_type != SHT_SYMTAB)
			continue;
		module->symbols = (const void *)(module->file +
						 table->sh_offset);
		module->symbol_count = table->sh_size / sizeof(Elf64_Sym);
		module->strings = (const char *)module->file +
				  section(module, table->sh_link)->sh_offset;
	}
	if (!module->symbols || section_count(module) > SECTIONS_MAX)
		die("no symbols");
}

void load_names(const u8 *file)
{
	loaded[0] = (struct loaded){ .file = file, .name = "" };
	find_symbols(&loaded[0]);
	count = 1;
}

static u64 symbol_value(const struct loaded *module, const Elf64_Sym *symbol)
{
	return symbol->st_value + (symbol->st_shndx < SECTIONS_MAX ?
				   module->at[symbol->st_shndx] : 0);
}

static const Elf64_Sym *find(const struct loaded *module, const char *name)
{
	u64 i;

	for (i = 1; i < module->symbol_count; i++)
		if (module->symbols[i].st_shndx != SHN_UNDEF &&
		    !strcmp(module->strings + module->symbols[i].st_name, name))
			return &module->symbols[i];
	return NULL;
}

u64 module_symbol(const char *name)
{
	const Elf64_Sym *symbol;
	int i;

	for (i = count - 1; i >= 0; i--) {
		symbol = find(&loaded[i], name);
		if (symbol)
			return symbol_value(&loaded[i], symbol);
	}
	die(name);
}

/* 0: code, 1: constant, 2: constant after initialisation, 3: data. */
static int part_of(const struct loaded *module, int index)
{
	const Elf64_Shdr *header = section(module, index);
	const char *name = section_name(module, index);

	if (header->sh_flags & SHF_EXECINSTR)
		return 0;
	if (!(header->sh_flags & SHF_WRITE))
		return 1;
	return !strcmp(name, "__jump_table") ||
	       !strcmp(name, ".data..ro_after_init") ? 2 : 3;
}

static u64 place(struct loaded *module, int index, u64 at)
{
	const Elf64_Shdr *header = section(module, index);
	u64 align = header->sh_addralign ? header->sh_addralign : 1;

	at = (at + align - 1) / align * align;
	module->at[index] = at;
	if (header->sh_type != SHT_NOBITS)
		memcpy((void *)at, module->file + header->sh_offset,
		       header->sh_size);
	return at + header->sh_size;
}

static void lay_out(struct loaded *module)
{
	u64 core = module->base, init = module->base + INIT;
	const char *name;
	int part, i;

	for (part = 0; part < 4; part++) {
		for (i = 1; i < section_count(module); i++) {
			name = section_name(module, i);
			if (!(section(module, i)->sh_flags & SHF_ALLOC) ||
			    part_of(module, i) != part ||
			    !strcmp(name, ".modinfo") ||
			    !strcmp(name, "__versions"))
				continue;
			if (!strcmp(name, ".data..percpu"))
				place(module, i, module->base + PERCPU);
			else if (!strncmp(name, ".init", 5))
				init = place(module, i, init);
			else
				core = place(module, i, core);
		}
		if (part < 3)
			core = (core + PAGE - 1) / PAGE * PAGE;
	}
}

static void relocate(struct loaded *module, const Elf64_Shdr *header)
{
	const Elf64_Rela *rela = (const void *)(module->file +
						header->sh_offset);
	u64 i, value, at, len;

	for (i = 0; i < header->sh_size / sizeof(*rela); i++) {
		const Elf64_Sym *symbol =
			&module->symbols[ELF64_R_SYM(rela[i].r_info)];
		u32 type = ELF64_R_TYPE(rela[i].r_info);

		at = module->at[header->sh_info] + rela[i].r_offset;
		value = symbol->st_shndx ? symbol_value(module, symbol) :
			module_symbol(module->strings + symbol->st_name);
		value += rela[i].r_addend;
		if (type == R_X86_64_PC32 || type == R_X86_64_PLT32 ||
		    type == R_X86_64_PC64)
			value -= at;
		len = type == R_X86_64_64 || type == R_X86_64_PC64 ? 8 : 4;
		memcpy((void *)at, &value, len);
		memset(&moved[at - MODULES], true, len);
	}
}

bool module_moved(const u8 *at)
{
	return (u64)at - MODULES < sizeof(moved) && moved[(u64)at - MODULES];
}

static const char *name_of(const struct loaded *module)
{
	const char *info;
	int i;

	for (i = 1; i < section_count(module); i++) {
		info = (const char *)module->file +
		       section(module, i)->sh_offset;
		if (!strcmp(section_name(module, i), ".modinfo") &&
		    !strncmp(info, "name=", 5))
			return info + 5;
	}
	die("a module without a name");
}

void load_module(const char *path)
{
	struct loaded *module = &loaded[count];
	size_t len;
	int i;

	if (count > LOADED_MAX)
		die("too many modules");
	module->file = slurp(path, &len);
	module->base = MODULES + (u64)count * ROOM;
	module->name = name_of(module);
	find_symbols(module);
	map_at(module->base, ROOM);
	lay_out(module);
	for (i = 1; i < section_count(module); i++)
		if (section(module, i)->sh_type == SHT_RELA &&
		    module->at[section(module, i)->sh_info])
			relocate(module, section(module, i));
	count++;
}

u64 module_base(const char *name, const struct us_bundle_base *base)
{
	int i;

	if (base->module[0])
		name = base->module;
	for (i = 1; i < count; i++)
		if (!strcmp(loaded[i].name, name) && !base->area)
			return loaded[i].base +
			       (base->kind == US_BASE_PERCPU ? PERCPU : 0);
	die("no such base");
}
