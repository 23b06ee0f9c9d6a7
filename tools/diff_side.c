/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading a kernel, module or object: sections, symbols, relocations. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "diff_side.h"

/* Made-up addresses of relocatable files. Sections lie apart, so that a pointer
 * to one's end is not a pointer to the next one's start. */
#define SECTION_BASE	0x100000000000ull
#define SECTION_GAP	0x10000ull
#define EXTERN_BASE	0x200000000000ull
#define EXTERN_GAP	0x100000000ull

static enum us_error bad_elf(const struct side *side, const char *why)
{
	return fail(US_E_ELF_FORMAT, "%s: %s", side->path, why);
}

static enum us_error check_header(struct side *side)
{
	const Elf64_Ehdr *header = (const void *)side->file;

	if (side->file_len < sizeof(*header) ||
	    memcmp(header->e_ident, ELFMAG, SELFMAG))
		return bad_elf(side, "no ELF file");
	if (header->e_ident[EI_CLASS] != ELFCLASS64 ||
	    header->e_ident[EI_DATA] != ELFDATA2LSB ||
	    header->e_machine != EM_X86_64)
		return bad_elf(side, "not for x86-64");
	if (header->e_type != ET_EXEC && header->e_type != ET_REL)
		return bad_elf(side, "neither a linked kernel (vmlinux) nor a "
			       "relocatable file (.ko, .o)");
	side->linked = header->e_type == ET_EXEC;
	if (!header->e_shnum || header->e_shentsize != sizeof(Elf64_Shdr) ||
	    header->e_shoff % 8 ||
	    !span_inside(header->e_shoff, (u64)header->e_shnum *
			 sizeof(Elf64_Shdr), side->file_len) ||
	    header->e_shstrndx >= header->e_shnum)
		return bad_elf(side, "no section table, or a truncated file");
	side->section_count = header->e_shnum;
	return US_OK;
}

static const Elf64_Shdr *header_of(const struct side *side, u32 index)
{
	const Elf64_Ehdr *header = (const void *)side->file;

	return (const Elf64_Shdr *)(side->file + header->e_shoff) + index;
}

/* A string table's string, or NULL: it must end inside the table. */
static const char *string_at(const struct side *side, u32 table, u32 offset)
{
	const Elf64_Shdr *header = header_of(side, table);

	if (header->sh_type != SHT_STRTAB ||
	    !span_inside(header->sh_offset, header->sh_size, side->file_len) ||
	    offset >= header->sh_size ||
	    side->file[header->sh_offset + header->sh_size - 1])
		return NULL;
	return (const char *)side->file + header->sh_offset + offset;
}

static enum us_error load_sections(struct side *side)
{
	const Elf64_Ehdr *elf = (const void *)side->file;
	u64 at = SECTION_BASE;
	u32 i;

	side->sections = calloc(side->section_count, sizeof(*side->sections));
	if (!side->sections)
		return fail(US_E_NO_MEMORY, "%s", side->path);
	side->sections[0].name = "";
	for (i = 1; i < side->section_count; i++) {
		const Elf64_Shdr *header = header_of(side, i);
		struct side_section *section = &side->sections[i];

		section->name = string_at(side, elf->e_shstrndx,
					  header->sh_name);
		if (!section->name)
			return bad_elf(side, "bad section name");
		section->flags = header->sh_flags;
		section->type = header->sh_type;
		section->size = header->sh_size;
		section->address = header->sh_addr;
		if (header->sh_type != SHT_NOBITS) {
			if (!span_inside(header->sh_offset, header->sh_size,
					 side->file_len))
				return bad_elf(side, "a section lies outside "
					       "the file; is it truncated?");
			section->data = side->file + header->sh_offset;
		}
		if (!(header->sh_flags & SHF_ALLOC))
			continue;
		if (header->sh_size > 1ull << 31 ||
		    header->sh_addralign > 1u << 24 ||
		    !span_valid(header->sh_addr, header->sh_size))
			return bad_elf(side, "a section of absurd size");
		if (side->linked)
			continue;
		section->address = ALIGN_UP(at, SECTION_GAP);
		at = section->address + section->size + SECTION_GAP;
	}
	return US_OK;
}

static int compare_relas(const void *a, const void *b)
{
	const Elf64_Rela *x = a, *y = b;

	return (x->r_offset > y->r_offset) - (x->r_offset < y->r_offset);
}

static bool relas_sorted(const Elf64_Rela *relas, u64 count)
{
	u64 i;

	for (i = 1; i < count; i++)
		if (relas[i].r_offset < relas[i - 1].r_offset)
			return false;
	return true;
}

static enum us_error load_relas(struct side *side)
{
	u32 i, k;

	for (i = 1; i < side->section_count; i++) {
		const Elf64_Shdr *header = header_of(side, i);
		struct side_section *target;
		u64 count = header->sh_size / sizeof(Elf64_Rela);

		if (header->sh_type != SHT_RELA)
			continue;
		if (header->sh_info >= side->section_count ||
		    count > UINT32_MAX)
			return bad_elf(side, "bad relocation section");
		target = &side->sections[header->sh_info];
		if (!(target->flags & SHF_ALLOC) || !count)
			continue;
		if (target->owned)
			return bad_elf(side, "two relocation sections for one");
		target->owned = malloc(count * sizeof(Elf64_Rela));
		if (!target->owned)
			return fail(US_E_NO_MEMORY, "%s", side->path);
		memcpy(target->owned, side->sections[i].data,
		       count * sizeof(Elf64_Rela));
		for (k = 0; side->linked && k < count; k++)
			target->owned[k].r_offset -= target->address;
		if (!relas_sorted(target->owned, count))
			qsort(target->owned, count, sizeof(Elf64_Rela),
			      compare_relas);
		target->relas = target->owned;
		target->rela_count = count;
	}
	return US_OK;
}

static enum us_error load_symbol(struct side *side, const Elf64_Sym *raw,
				 u32 strings, struct side_symbol *symbol)
{
	symbol->name = string_at(side, strings, raw->st_name);
	if (!symbol->name)
		return bad_elf(side, "bad symbol name");
	symbol->type = ELF64_ST_TYPE(raw->st_info);
	symbol->bind = ELF64_ST_BIND(raw->st_info);
	symbol->size = raw->st_size;
	symbol->address = raw->st_value;
	symbol->section = SIDE_NONE;
	symbol->file = SIDE_NONE;
	if (raw->st_shndx == SHN_ABS) {
		symbol->absolute = true;
	} else if (raw->st_shndx == SHN_UNDEF) {
		symbol->address = EXTERN_BASE +
			(u64)(symbol - side->symbols) * EXTERN_GAP;
		symbol->size = 0;
	} else if (raw->st_shndx >= side->section_count) {
		return bad_elf(side, "a symbol in no section");
	} else {
		symbol->section = raw->st_shndx;
		if (!side->linked)
			symbol->address +=
				side->sections[raw->st_shndx].address;
		if (symbol->type == STT_SECTION)
			symbol->name = side->sections[raw->st_shndx].name;
	}
	if (!span_valid(symbol->address, symbol->size))
		return bad_elf(side, "a symbol of absurd size");
	return US_OK;
}

static enum us_error load_symbols(struct side *side)
{
	const Elf64_Shdr *table = NULL;
	enum us_error error = US_OK;
	u32 i, file = SIDE_NONE;

	for (i = 1; i < side->section_count; i++)
		if (side->sections[i].type == SHT_SYMTAB)
			table = header_of(side, i);
	if (!table)
		return fail(US_E_ELF_FORMAT, "%s: no symbols; a stripped file "
			    "cannot be compared, take the one of the -dbg "
			    "package", side->path);
	if (table->sh_entsize != sizeof(Elf64_Sym) ||
	    table->sh_link >= side->section_count ||
	    table->sh_size / sizeof(Elf64_Sym) > 1u << 26)
		return bad_elf(side, "bad symbol table");
	side->symbol_count = table->sh_size / sizeof(Elf64_Sym);
	side->symbols = calloc(side->symbol_count + 1, sizeof(*side->symbols));
	if (!side->symbols)
		return fail(US_E_NO_MEMORY, "%s", side->path);
	for (i = 0; i < side->symbol_count && !error; i++) {
		Elf64_Sym raw;

		memcpy(&raw, side->file + table->sh_offset + i * sizeof(raw),
		       sizeof(raw));
		error = load_symbol(side, &raw, table->sh_link,
				    &side->symbols[i]);
		if (!error && side->symbols[i].type == STT_FILE)
			file = i;
		else if (side->symbols[i].bind == STB_LOCAL)
			side->symbols[i].file = file;
	}
	return error;
}

static const struct side *sorting;

static int compare_names(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;
	int order = strcmp(sorting->symbols[x].name, sorting->symbols[y].name);

	return order ? order : (x > y) - (x < y);
}

static int compare_addresses(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;
	u64 first = sorting->symbols[x].address;
	u64 second = sorting->symbols[y].address;

	if (first != second)
		return first < second ? -1 : 1;
	return (x > y) - (x < y);
}

static enum us_error index_symbols(struct side *side)
{
	const struct side_symbol *symbol;
	u32 i;

	side->by_name = calloc(side->symbol_count + 1, sizeof(u32));
	side->by_address = calloc(side->symbol_count + 1, sizeof(u32));
	if (!side->by_name || !side->by_address)
		return fail(US_E_NO_MEMORY, "%s", side->path);
	for (i = 0; i < side->symbol_count; i++) {
		symbol = &side->symbols[i];
		if (symbol->type == STT_FILE || side_is_nameless(symbol))
			continue;
		side->by_name[side->name_count++] = i;
		if (symbol->section != SIDE_NONE &&
		    side->sections[symbol->section].flags & SHF_ALLOC)
			side->by_address[side->address_count++] = i;
	}
	sorting = side;
	qsort(side->by_name, side->name_count, sizeof(u32), compare_names);
	qsort(side->by_address, side->address_count, sizeof(u32),
	      compare_addresses);
	return US_OK;
}

static int compare_u64(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return (x > y) - (x < y);
}

static bool is_relative_type(u32 type)
{
	return type == R_X86_64_PC32 || type == R_X86_64_PLT32;
}

/* Everything that relocations point to outside code: where data may begin. */
static enum us_error collect_starts(struct side *side)
{
	struct side_target target;
	u64 room = 0, i, kept = 0;
	u32 s, r;

	for (s = 1; s < side->section_count; s++)
		room += side->sections[s].rela_count;
	side->starts = malloc((room + 1) * sizeof(u64));
	if (!side->starts)
		return fail(US_E_NO_MEMORY, "%s", side->path);
	for (s = 1; s < side->section_count; s++) {
		const struct side_section *section = &side->sections[s];
		bool code = section->flags & SHF_EXECINSTR;

		for (r = 0; r < section->rela_count; r++) {
			const Elf64_Rela *rela = &section->relas[r];

			if (!side_rela_target(side, rela, &target))
				return bad_elf(side, "bad relocation");
			if (code &&
			    is_relative_type(ELF64_R_TYPE(rela->r_info)))
				target.address += 4;
			side->starts[side->start_count++] = target.address;
		}
	}
	qsort(side->starts, side->start_count, sizeof(u64), compare_u64);
	for (i = 0; i < side->start_count; i++)
		if (!kept || side->starts[i] != side->starts[kept - 1])
			side->starts[kept++] = side->starts[i];
	side->start_count = kept;
	return US_OK;
}

static void find_mutable(struct side *side)
{
	u32 start = side_symbol_named(side, "__start_ro_after_init");
	u32 end = side_symbol_named(side, "__end_ro_after_init");

	if (start == SIDE_NONE || end == SIDE_NONE)
		return;
	side->mutable_start = side->symbols[start].address;
	side->mutable_end = side->symbols[end].address;
}

static enum us_error check_relas(const struct side *side)
{
	u32 i;

	for (i = 1; i < side->section_count; i++)
		if (side->sections[i].rela_count)
			return US_OK;
	if (!side->linked)
		return US_OK;
	return fail(US_E_ELF_NO_RELOCATIONS, "%s: it cannot be told which "
		    "numbers in it are addresses; kernels built with "
		    "CONFIG_X86_NEED_RELOCS before 6.15 carry them",
		    side->path);
}

static enum us_error load(struct side *side, bool relocations)
{
	enum us_error error = check_header(side);

	if (!error)
		error = load_sections(side);
	if (!error && relocations)
		error = load_relas(side);
	if (!error && relocations)
		error = check_relas(side);
	if (!error)
		error = load_symbols(side);
	if (!error)
		error = index_symbols(side);
	if (!error && relocations)
		error = collect_starts(side);
	if (error)
		return error;
	find_mutable(side);
	return side_collect_sites(side);
}

enum us_error side_from_memory(struct side *side, const char *path,
			       const u8 *data, u64 len)
{
	*side = (struct side){ .path = path, .fd = -1, .file = data,
			       .file_len = len };
	return load(side, true);
}

static enum us_error map_file(struct side *side, const char *path)
{
	struct stat status;
	void *map;

	*side = (struct side){ .path = path };
	side->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (side->fd < 0)
		return fail(US_E_FILE_OPEN, "%s: %s", path, strerror(errno));
	if (fstat(side->fd, &status) || !S_ISREG(status.st_mode) ||
	    status.st_size < (off_t)sizeof(Elf64_Ehdr))
		return bad_elf(side, "no ELF file");
	map = mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE, side->fd, 0);
	if (map == MAP_FAILED)
		return fail(US_E_FILE_READ, "%s: %s", path, strerror(errno));
	side->file = map;
	side->file_len = status.st_size;
	return US_OK;
}

enum us_error side_open(struct side *side, const char *path)
{
	enum us_error error = map_file(side, path);

	return error ? error : load(side, true);
}

enum us_error side_open_kernel(struct side *side, const char *path)
{
	enum us_error error = map_file(side, path);

	if (!error)
		error = load(side, false);
	if (!error && !side->linked)
		error = bad_elf(side, "no linked kernel (vmlinux)");
	return error;
}

void side_close(struct side *side)
{
	u32 i;

	if (side->fd >= 0 && side->file)
		munmap((void *)side->file, side->file_len);
	if (side->fd >= 0)
		close(side->fd);
	for (i = 0; side->sections && i < side->section_count; i++)
		free(side->sections[i].owned);
	free(side->sections);
	free(side->symbols);
	free(side->by_name);
	free(side->by_address);
	free(side->starts);
	free(side->sites);
	*side = (struct side){ .fd = -1 };
}
