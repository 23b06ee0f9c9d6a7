/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "kernel_image.h"

u16 read_u16(const u8 *at)
{
	u16 value;

	memcpy(&value, at, sizeof(value));
	return value;
}

u32 read_u32(const u8 *at)
{
	u32 value;

	memcpy(&value, at, sizeof(value));
	return value;
}

u64 read_u64(const u8 *at)
{
	u64 value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static enum us_error bad_elf(const struct kernel_image *image, const char *why)
{
	return fail(US_E_ELF_FORMAT, "%s: %s", image->path, why);
}

static enum us_error check_header(const struct kernel_image *image)
{
	GElf_Ehdr header;

	if (elf_kind(image->elf) != ELF_K_ELF ||
	    !gelf_getehdr(image->elf, &header))
		return bad_elf(image, "no ELF file");
	if (header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    header.e_ident[EI_DATA] != ELFDATA2LSB ||
	    header.e_machine != EM_X86_64)
		return bad_elf(image, "not for x86-64");
	if (header.e_type != ET_EXEC)
		return bad_elf(image, "not a linked kernel (vmlinux)");
	return US_OK;
}

static enum us_error load_sections(struct kernel_image *image)
{
	size_t names, i;
	struct image_section *section;
	Elf_Data *data;
	Elf_Scn *scn;

	if (elf_getshdrnum(image->elf, &image->section_count) ||
	    elf_getshdrstrndx(image->elf, &names))
		return bad_elf(image, "bad section table");
	image->sections = calloc(image->section_count + 1,
				 sizeof(*image->sections));
	if (!image->sections)
		return fail(US_E_NO_MEMORY, "section table");
	for (i = 1; i < image->section_count; i++) {
		section = &image->sections[i];
		scn = elf_getscn(image->elf, i);
		if (!scn || !gelf_getshdr(scn, &section->header))
			return bad_elf(image, "bad section header");
		section->name = elf_strptr(image->elf, names,
					   section->header.sh_name);
		if (!section->name)
			return bad_elf(image, "bad section name");
		if (!strcmp(section->name, ".data..percpu"))
			image->percpu_section = i;
		if (section->header.sh_type == SHT_NOBITS)
			continue;
		data = elf_rawdata(scn, NULL);
		if (!data || data->d_size != section->header.sh_size)
			return bad_elf(image, "section outside the file");
		section->data = data->d_buf;
	}
	return US_OK;
}

static enum us_error fill_symbols(struct kernel_image *image,
				  const struct image_section *table)
{
	const struct image_section *strings;
	struct image_symbol *symbol;
	Elf64_Sym raw;
	size_t i;

	if (table->header.sh_link >= image->section_count)
		return bad_elf(image, "bad symbol table");
	strings = &image->sections[table->header.sh_link];
	if (!strings->data || !strings->header.sh_size ||
	    strings->data[strings->header.sh_size - 1])
		return bad_elf(image, "bad string table");
	for (i = 0; i < image->symbol_count; i++) {
		/* The table may lie anywhere in the file. */
		memcpy(&raw, table->data + i * sizeof(raw), sizeof(raw));
		if (raw.st_name >= strings->header.sh_size)
			return bad_elf(image, "bad symbol name");
		symbol = &image->symbols[i];
		symbol->name = (const char *)strings->data + raw.st_name;
		symbol->value = raw.st_value;
		symbol->size = raw.st_size;
		symbol->shndx = raw.st_shndx;
		symbol->type = ELF64_ST_TYPE(raw.st_info);
		symbol->bind = ELF64_ST_BIND(raw.st_info);
		/* Relocations name sections through nameless symbols. */
		if (symbol->type == STT_SECTION &&
		    symbol->shndx < image->section_count &&
		    image->sections[symbol->shndx].name)
			symbol->name = image->sections[symbol->shndx].name;
	}
	return US_OK;
}

static const struct kernel_image *sorting;

static int compare_names(const void *a, const void *b)
{
	return strcmp(sorting->symbols[*(const u32 *)a].name,
		      sorting->symbols[*(const u32 *)b].name);
}

enum us_error image_index(struct kernel_image *image)
{
	size_t i;

	image->by_name = calloc(image->symbol_count + 1,
				sizeof(*image->by_name));
	if (!image->by_name)
		return fail(US_E_NO_MEMORY, "symbol table");
	for (i = 0; i < image->symbol_count; i++)
		image->by_name[i] = i;
	sorting = image;
	qsort(image->by_name, image->symbol_count, sizeof(*image->by_name),
	      compare_names);
	return US_OK;
}

static enum us_error load_symbols(struct kernel_image *image)
{
	const struct image_section *table = NULL;
	enum us_error error;
	size_t i;

	for (i = 1; i < image->section_count; i++)
		if (image->sections[i].header.sh_type == SHT_SYMTAB)
			table = &image->sections[i];
	if (!table || table->header.sh_entsize != sizeof(Elf64_Sym) ||
	    !table->data)
		return bad_elf(image, "no symbol table: it is stripped; "
			       "take vmlinux from the -dbg package");
	image->symbol_count = table->header.sh_size / sizeof(Elf64_Sym);
	image->symbols = calloc(image->symbol_count + 1,
				sizeof(*image->symbols));
	if (!image->symbols)
		return fail(US_E_NO_MEMORY, "symbol table");
	error = fill_symbols(image, table);
	return error ? error : image_index(image);
}

static u16 section_of(const struct kernel_image *image, u64 address)
{
	const GElf_Shdr *header;
	size_t i;

	for (i = 1; i < image->section_count; i++) {
		header = &image->sections[i].header;
		if (header->sh_flags & SHF_ALLOC && i != image->percpu_section &&
		    address >= header->sh_addr &&
		    address - header->sh_addr < header->sh_size)
			return i;
	}
	return SHN_UNDEF;
}

static enum us_error find_text(struct kernel_image *image)
{
	u64 end;
	enum us_error error;

	error = image_symbol(image, "_text", &image->text);
	if (!error)
		error = image_symbol(image, "_etext", &end);
	if (error)
		return error;
	if (end <= image->text)
		return bad_elf(image, "_etext lies before _text");
	image->text_len = end - image->text;
	image->text_bytes = image_bytes(image, image->text, image->text_len);
	if (!image->text_bytes)
		return bad_elf(image, "the text is not in one section");
	image->text_section = section_of(image, image->text);
	return US_OK;
}

enum us_error image_open(struct kernel_image *image, const char *path)
{
	enum us_error error;

	*image = (struct kernel_image){ .path = path };
	image->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (image->fd < 0)
		return fail(US_E_FILE_OPEN, "%s: %s", path, strerror(errno));
	elf_version(EV_CURRENT);
	image->elf = elf_begin(image->fd, ELF_C_READ_MMAP, NULL);
	if (!image->elf)
		return bad_elf(image, elf_errmsg(-1));
	error = check_header(image);
	if (!error)
		error = load_sections(image);
	if (!error)
		error = load_symbols(image);
	if (!error)
		error = find_text(image);
	return error;
}

void image_close(struct kernel_image *image)
{
	if (image->elf)
		elf_end(image->elf);
	if (image->fd >= 0)
		close(image->fd);
	free(image->sections);
	free(image->symbols);
	free(image->by_name);
	*image = (struct kernel_image){ .fd = -1 };
}

size_t image_named(const struct kernel_image *image, const char *name)
{
	size_t low = 0, high = image->symbol_count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (strcmp(image->symbols[image->by_name[middle]].name,
			   name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The one symbol called @name, and whether local ones contradict each other. */
static const struct image_symbol *lookup(const struct kernel_image *image,
					 const char *name, bool *ambiguous)
{
	const struct image_symbol *found = NULL, *symbol;
	size_t i;

	*ambiguous = false;
	for (i = image_named(image, name); i < image->symbol_count; i++) {
		symbol = &image->symbols[image->by_name[i]];
		if (strcmp(symbol->name, name))
			break;
		if (symbol->shndx == SHN_UNDEF || symbol->type == STT_FILE ||
		    symbol->type == STT_SECTION)
			continue;
		if (symbol->bind != STB_LOCAL) {
			*ambiguous = false;
			return symbol;
		}
		if (found && found->value != symbol->value)
			*ambiguous = true;
		found = symbol;
	}
	return found;
}

const struct image_symbol *image_find_symbol(const struct kernel_image *image,
					     const char *name)
{
	bool ambiguous;
	const struct image_symbol *found = lookup(image, name, &ambiguous);

	return ambiguous ? NULL : found;
}

enum us_error image_symbol(const struct kernel_image *image, const char *name,
			   u64 *value)
{
	bool ambiguous;
	const struct image_symbol *found = lookup(image, name, &ambiguous);

	if (!found && image->kernel)
		return image_symbol(image->kernel, name, value);
	if (!found)
		return fail(US_E_SYMBOL_MISSING, "%s: %s", image->path, name);
	if (ambiguous)
		return fail(US_E_SYMBOL_AMBIGUOUS, "%s: %s", image->path, name);
	*value = found->value;
	return US_OK;
}

bool image_find(const struct kernel_image *image, const char *name, u64 *value)
{
	return image_symbol(image, name, value) == US_OK;
}

const u8 *image_bytes(const struct kernel_image *image, u64 address, u64 len)
{
	const struct image_section *section;
	size_t i;

	for (i = 1; i < image->section_count; i++) {
		section = &image->sections[i];
		if (!(section->header.sh_flags & SHF_ALLOC) || !section->data ||
		    i == image->percpu_section ||
		    address < section->header.sh_addr)
			continue;
		if (span_inside(address - section->header.sh_addr, len,
				section->header.sh_size))
			return section->data +
			       (address - section->header.sh_addr);
	}
	return image->kernel ? image_bytes(image->kernel, address, len) : NULL;
}

const struct image_section *image_section(const struct kernel_image *image,
					  const char *name)
{
	size_t i;

	for (i = 1; i < image->section_count; i++)
		if (!strcmp(image->sections[i].name, name))
			return &image->sections[i];
	return NULL;
}

bool image_in_text(const struct kernel_image *image, u64 address, u64 len)
{
	return address >= image->text &&
	       span_inside(address - image->text, len, image->text_len);
}
