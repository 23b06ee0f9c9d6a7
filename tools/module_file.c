/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "decompress.h"
#include "module_file.h"

#define FILE_MAX	(64ull << 20)
#define SHF_AFTER_INIT	0x00200000u	/* include/linux/elf.h */

static enum us_error bad_module(const struct module_file *module,
				const char *why)
{
	return fail(US_E_ELF_FORMAT, "%s: %s", module->path, why);
}

static enum us_error read_file(struct module_file *module)
{
	struct buffer packed = { 0 };
	enum us_error error;

	error = file_read(module->path, FILE_MAX, &packed);
	if (error)
		return error;
	if (packed.len < 6 || memcmp(packed.data, "\xfd" "7zXZ", 6)) {
		module->file = packed;
		return US_OK;
	}
	error = xz_unpack(module->path, packed.data, packed.len, FILE_MAX,
			  &module->file);
	buffer_free(&packed);
	return error;
}

static enum us_error check_header(const struct module_file *module,
				  const Elf64_Ehdr *header)
{
	if (module->file.len < sizeof(*header) ||
	    memcmp(header->e_ident, ELFMAG, SELFMAG))
		return bad_module(module, "no ELF file");
	if (header->e_ident[EI_CLASS] != ELFCLASS64 ||
	    header->e_ident[EI_DATA] != ELFDATA2LSB ||
	    header->e_machine != EM_X86_64)
		return bad_module(module, "not for x86-64");
	if (header->e_type != ET_REL)
		return bad_module(module, "not a kernel module");
	if (header->e_shentsize != sizeof(Elf64_Shdr) || header->e_shoff % 8 ||
	    !span_inside(header->e_shoff,
			 header->e_shnum * sizeof(Elf64_Shdr),
			 module->file.len) ||
	    header->e_shstrndx >= header->e_shnum)
		return bad_module(module, "bad section table");
	return US_OK;
}

/* A string table's content, which ends with a NUL, or NULL. */
static const char *string_table(const struct module_file *module,
				const Elf64_Shdr *header)
{
	const u8 *data = module->file.data;

	if (header->sh_type != SHT_STRTAB || !header->sh_size ||
	    !span_inside(header->sh_offset, header->sh_size, module->file.len) ||
	    data[header->sh_offset + header->sh_size - 1])
		return NULL;
	return (const char *)data + header->sh_offset;
}

static bool section_ok(const struct module_file *module, const Elf64_Shdr *header)
{
	u64 align = header->sh_addralign;

	if (header->sh_size > FILE_MAX || align > PAGE_SIZE ||
	    (align & (align - 1)))
		return false;
	return header->sh_type == SHT_NOBITS ||
	       span_inside(header->sh_offset, header->sh_size, module->file.len);
}

static enum us_error load_sections(struct module_file *module)
{
	const Elf64_Ehdr *elf = (const void *)module->file.data;
	const Elf64_Shdr *headers;
	const char *names;
	u32 i;

	headers = (const void *)(module->file.data + elf->e_shoff);
	names = string_table(module, &headers[elf->e_shstrndx]);
	module->sections = calloc(elf->e_shnum + 1, sizeof(*module->sections));
	if (!module->sections)
		return fail(US_E_NO_MEMORY, "section table");
	if (!names)
		return bad_module(module, "bad section names");
	module->section_count = elf->e_shnum;
	for (i = 0; i < elf->e_shnum; i++) {
		const Elf64_Shdr *header = &headers[i];

		if (header->sh_name >= headers[elf->e_shstrndx].sh_size ||
		    (i && !section_ok(module, header)))
			return bad_module(module, "bad section header");
		module->sections[i] = (struct module_section) {
			.name = names + header->sh_name,
			.header = header,
			.data = header->sh_type == SHT_NOBITS ? NULL :
				module->file.data + header->sh_offset,
			.area = AREA_NONE,
		};
	}
	return US_OK;
}

static enum us_error load_symbols(struct module_file *module)
{
	const struct module_section *table = NULL, *strings;
	u32 i;

	for (i = 1; i < module->section_count; i++)
		if (module->sections[i].header->sh_type == SHT_SYMTAB)
			table = &module->sections[i];
	if (!table || table->header->sh_entsize != sizeof(Elf64_Sym) ||
	    table->header->sh_offset % 8 ||
	    table->header->sh_link >= module->section_count)
		return bad_module(module, "no symbol table");
	strings = &module->sections[table->header->sh_link];
	module->strings = string_table(module, strings->header);
	if (!module->strings)
		return bad_module(module, "bad string table");
	module->strings_len = strings->header->sh_size;
	module->symbols = (const void *)table->data;
	module->symbol_count = table->header->sh_size / sizeof(Elf64_Sym);
	return US_OK;
}

const char *module_symbol_name(const struct module_file *module, u32 index)
{
	const Elf64_Sym *symbol = &module->symbols[index];

	return symbol->st_name < module->strings_len ?
	       module->strings + symbol->st_name : "";
}

const struct module_section *module_section(const struct module_file *module,
					    const char *name)
{
	u32 i;

	for (i = 1; i < module->section_count; i++)
		if (!strcmp(module->sections[i].name, name))
			return &module->sections[i];
	return NULL;
}

/* What the loader sees: rewrite_section_headers() and layout_and_allocate() of
 * kernel/module/main.c take some sections out, or mark them. */
static u64 loader_flags(const struct module_section *section)
{
	u64 flags = section->header->sh_flags;

	if (!strcmp(section->name, ".modinfo") ||
	    !strcmp(section->name, "__versions") ||
	    !strcmp(section->name, ".data..percpu"))
		flags &= ~(u64)SHF_ALLOC;
	if (!strcmp(section->name, ".data..ro_after_init") ||
	    !strcmp(section->name, "__jump_table"))
		flags |= SHF_AFTER_INIT;
	return flags;
}

/* In this order, layout_sections() of the same file. */
static const struct layout_pass {
	u64 wanted, not_wanted;
	u8 core, init;
} passes[] = {
	{ SHF_EXECINSTR | SHF_ALLOC, 0, AREA_TEXT, AREA_INIT_TEXT },
	{ SHF_ALLOC, SHF_WRITE, AREA_RODATA, AREA_INIT_RODATA },
	{ SHF_AFTER_INIT | SHF_ALLOC, 0, AREA_RO_AFTER_INIT, AREA_INIT_DATA },
	{ SHF_WRITE | SHF_ALLOC, 0, AREA_DATA, AREA_INIT_DATA },
	{ SHF_ALLOC, 0, AREA_DATA, AREA_INIT_DATA },
};

static void place(struct module_file *module, struct module_section *section,
		  u8 area)
{
	u64 align = section->header->sh_addralign;

	section->area = area;
	section->offset = ALIGN_UP(module->area_len[area], align ? align : 1);
	module->area_len[area] = section->offset + section->header->sh_size;
}

static void lay_out_pass(struct module_file *module,
			 const struct layout_pass *pass, bool init, u8 area)
{
	u32 i;

	for (i = 1; i < module->section_count; i++) {
		struct module_section *section = &module->sections[i];
		u64 flags = loader_flags(section);

		if ((flags & pass->wanted) == pass->wanted &&
		    !(flags & pass->not_wanted) && section->area == AREA_NONE &&
		    init == !strncmp(section->name, ".init", 5))
			place(module, section, area);
	}
}

/*
 * To 6.3 one area takes all of the core and one all of the init sections, with the
 * parts of different protection on pages of their own: the first three parts of the
 * core, the first two of init.
 */
static void lay_out(struct module_file *module, bool one_core)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(passes); i++) {
		u8 core = one_core ? (u8)AREA_TEXT : passes[i].core;
		u8 init = one_core ? (u8)AREA_INIT_TEXT : passes[i].init;

		lay_out_pass(module, &passes[i], false, core);
		lay_out_pass(module, &passes[i], true, init);
		if (i == 0)
			module->text_len = module->area_len[AREA_TEXT];
		if (one_core && i < 3)
			module->area_len[core] =
				ALIGN_UP(module->area_len[core], PAGE_SIZE);
		if (one_core && i < 2)
			module->area_len[init] =
				ALIGN_UP(module->area_len[init], PAGE_SIZE);
	}
	for (i = 1; i < module->section_count; i++)
		if (!strcmp(module->sections[i].name, ".data..percpu"))
			place(module, &module->sections[i], AREA_PERCPU);
}

/* From the object's .modinfo: "name=...", NUL-terminated strings. */
static bool name_from_modinfo(struct module_file *module)
{
	const struct module_section *info = module_section(module, ".modinfo");
	const char *at, *end;
	size_t len;

	if (!info || !info->data)
		return false;
	at = (const char *)info->data;
	end = at + info->header->sh_size;
	for (; at < end; at += len + 1) {
		len = strnlen(at, end - at);
		if (len > 5 && !memcmp(at, "name=", 5) &&
		    len - 5 < sizeof(module->name)) {
			memcpy(module->name, at + 5, len - 5);
			return true;
		}
	}
	return false;
}

bool module_name_of_path(const char *path, char name[US_NAME_MAX])
{
	const char *base = strrchr(path, '/'), *end;
	size_t len, i;

	base = base ? base + 1 : path;
	end = strstr(base, ".ko");
	if (!end || (strcmp(end, ".ko") && strcmp(end, ".ko.xz")))
		return false;
	len = end - base;
	if (!len || len >= US_NAME_MAX)
		return false;
	memset(name, 0, US_NAME_MAX);
	for (i = 0; i < len; i++)
		name[i] = base[i] == '-' ? '_' : base[i];
	return true;
}

static void find_build_id(struct module_file *module)
{
	const struct module_section *note;
	const Elf64_Nhdr *header;
	u64 at;

	note = module_section(module, ".note.gnu.build-id");
	if (!note || !note->data || note->header->sh_size < sizeof(*header))
		return;
	header = (const void *)note->data;
	at = sizeof(*header) + ALIGN_UP((u64)header->n_namesz, 4);
	if (header->n_type != NT_GNU_BUILD_ID || header->n_descsz < 8 ||
	    header->n_descsz > US_BUILD_ID_MAX ||
	    !span_inside(at, header->n_descsz, note->header->sh_size))
		return;
	memcpy(module->build_id, note->data + at, header->n_descsz);
	module->build_id_len = header->n_descsz;
}

enum us_error module_file_open(struct module_file *module, const char *path,
			       bool one_core)
{
	enum us_error error;

	*module = (struct module_file){ .path = path };
	error = read_file(module);
	if (!error)
		error = check_header(module, (const void *)module->file.data);
	if (!error)
		error = load_sections(module);
	if (!error)
		error = load_symbols(module);
	if (error)
		return error;
	if (!name_from_modinfo(module) &&
	    !module_name_of_path(path, module->name))
		return bad_module(module, "the module has no name");
	find_build_id(module);
	lay_out(module, one_core);
	if (module->text_len > US_MODULE_MAX_TEXT)
		return fail(US_E_TOO_LARGE, "%s: %llu bytes of code", path,
			    (unsigned long long)module->text_len);
	return US_OK;
}

void module_file_close(struct module_file *module)
{
	free(module->sections);
	buffer_free(&module->file);
	*module = (struct module_file){ 0 };
}
