/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi.h"
#include "cli.h"
#include "object_file.h"

#define PAYLOAD_ALIGN	64u	/* what the arena gives a payload's first byte */

/*
 * Sections by the start of their names, first match counts. A section that only
 * lists places for the kernel to patch at boot can be left out when the code works
 * unpatched; when it does not, the object is refused.
 */
static const struct section_rule {
	const char *prefix;
	const char *refused;	/* why, or NULL */
	enum section_fate fate;
} rules[] = {
	{ ".text", NULL, SECTION_PAYLOAD },
	{ ".rodata", NULL, SECTION_PAYLOAD },
	/* Lists of places; the code there is right as compiled. */
	{ "__mcount_loc", NULL, SECTION_IGNORED },	/* calls become NOPs */
	{ ".retpoline_sites", NULL, SECTION_IGNORED },
	{ ".return_sites", NULL, SECTION_IGNORED },
	{ ".call_sites", NULL, SECTION_IGNORED },
	{ ".ibt_endbr_seal", NULL, SECTION_IGNORED },
	{ ".smp_locks", NULL, SECTION_IGNORED },
	{ ".parainstructions", NULL, SECTION_IGNORED },
	{ ".static_call_sites", NULL, SECTION_IGNORED },
	/* For stack traces and people. */
	{ ".orc_", NULL, SECTION_IGNORED },
	{ ".eh_frame", NULL, SECTION_IGNORED },
	{ ".discard", NULL, SECTION_IGNORED },
	{ ".comment", NULL, SECTION_IGNORED },
	{ ".note", NULL, SECTION_IGNORED },
	{ ".modinfo", NULL, SECTION_IGNORED },
	{ ".printk_index", NULL, SECTION_IGNORED },
	/* What would be wrong without the kernel's help. */
	{ ".altinstr", "instructions chosen by the processor at boot "
	  "(alternatives)", SECTION_IGNORED },
	{ "__jump_table", "a static key (jump label)", SECTION_IGNORED },
	{ "__ex_table", "an access to user memory (exception table)",
	  SECTION_IGNORED },
	{ "__bug_table", "WARN or BUG (bug table)", SECTION_IGNORED },
	{ ".data..percpu", "variables of each CPU", SECTION_IGNORED },
	{ ".data..ro_after_init", "data that is set at boot", SECTION_IGNORED },
	{ ".data..init", "data for boot only", SECTION_IGNORED },
	/* What the kernel has too, bundle_data.c refuses by name. */
	{ ".data", NULL, SECTION_SHADOW },
	{ ".bss", NULL, SECTION_SHADOW },
	{ ".init", "code for boot only", SECTION_IGNORED },
	{ ".exit", "code for unloading only", SECTION_IGNORED },
};

static enum us_error bad_object(const struct object_file *object,
				const char *why)
{
	return fail(US_E_ELF_FORMAT, "%s: %s", object->path, why);
}

static enum us_error unsupported(const struct object_file *object,
				 const struct object_section *section,
				 const char *why)
{
	return fail(US_E_OBJECT_UNSUPPORTED, "%s: section %s: %s",
		    object->path, section->name, why);
}

static const struct section_rule *find_rule(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rules); i++)
		if (!strncmp(name, rules[i].prefix, strlen(rules[i].prefix)))
			return &rules[i];
	return NULL;
}

static enum us_error decide(const struct object_file *object,
			    struct object_section *section)
{
	const struct section_rule *rule;

	if (!(section->header.sh_flags & SHF_ALLOC) ||
	    !section->header.sh_size)
		return US_OK;
	rule = find_rule(section->name);
	if (!rule)
		return unsupported(object, section, "not known");
	if (rule->refused)
		return unsupported(object, section, rule->refused);
	section->fate = rule->fate;
	if (rule->fate == SECTION_IGNORED)
		return US_OK;
	if (section->header.sh_flags & SHF_TLS ||
	    (rule->fate == SECTION_PAYLOAD &&
	     (section->header.sh_flags & SHF_WRITE || !section->data)))
		return unsupported(object, section, "writable");
	if (section->header.sh_addralign > PAYLOAD_ALIGN ||
	    (section->header.sh_addralign & (section->header.sh_addralign - 1)))
		return unsupported(object, section,
				   "aligned to more than 64 bytes");
	return US_OK;
}

static enum us_error load_section(struct object_file *object, size_t index,
				  size_t names)
{
	struct object_section *section = &object->sections[index];
	Elf_Scn *scn = elf_getscn(object->elf, index);
	Elf_Data *data;

	if (!scn || !gelf_getshdr(scn, &section->header))
		return bad_object(object, "bad section header");
	section->name = elf_strptr(object->elf, names,
				   section->header.sh_name);
	if (!section->name)
		return bad_object(object, "bad section name");
	if (section->header.sh_type != SHT_NOBITS && section->header.sh_size) {
		data = elf_rawdata(scn, NULL);
		if (!data || data->d_size != section->header.sh_size)
			return bad_object(object, "section outside the file");
		section->data = data->d_buf;
	}
	return decide(object, section);
}

static enum us_error load_sections(struct object_file *object)
{
	enum us_error error = US_OK;
	size_t names, i;

	if (elf_getshdrnum(object->elf, &object->section_count) ||
	    elf_getshdrstrndx(object->elf, &names))
		return bad_object(object, "bad section table");
	object->sections = calloc(object->section_count + 1,
				  sizeof(*object->sections));
	if (!object->sections)
		return fail(US_E_NO_MEMORY, "%s", object->path);
	for (i = 1; i < object->section_count && !error; i++)
		error = load_section(object, i, names);
	return error;
}

static enum us_error load_symbol(struct object_file *object,
				 const GElf_Shdr *table, const Elf64_Sym *raw,
				 struct object_symbol *symbol)
{
	symbol->value = raw->st_value;
	symbol->size = raw->st_size;
	symbol->shndx = raw->st_shndx;
	symbol->type = ELF64_ST_TYPE(raw->st_info);
	symbol->bind = ELF64_ST_BIND(raw->st_info);
	if (symbol->shndx < SHN_LORESERVE &&
	    symbol->shndx >= object->section_count)
		return bad_object(object, "bad symbol");
	if (symbol->type == STT_SECTION && symbol->shndx < SHN_LORESERVE)
		symbol->name = object->sections[symbol->shndx].name;
	else
		symbol->name = elf_strptr(object->elf, table->sh_link,
					  raw->st_name);
	return symbol->name ? US_OK : bad_object(object, "bad symbol name");
}

static enum us_error load_symbols(struct object_file *object)
{
	const struct object_section *table = NULL;
	enum us_error error = US_OK;
	Elf64_Sym raw;
	size_t i;

	for (i = 1; i < object->section_count; i++)
		if (object->sections[i].header.sh_type == SHT_SYMTAB)
			table = &object->sections[i];
	if (!table || !table->data ||
	    table->header.sh_entsize != sizeof(Elf64_Sym))
		return bad_object(object, "no symbol table");
	object->symbol_count = table->header.sh_size / sizeof(Elf64_Sym);
	object->symbols = calloc(object->symbol_count + 1,
				 sizeof(*object->symbols));
	if (!object->symbols)
		return fail(US_E_NO_MEMORY, "%s", object->path);
	for (i = 0; i < object->symbol_count && !error; i++) {
		memcpy(&raw, table->data + i * sizeof(raw), sizeof(raw));
		error = load_symbol(object, &table->header, &raw,
				    &object->symbols[i]);
	}
	return error;
}

static enum us_error lay_out(struct object_file *object,
			     enum section_fate fate, u32 *total)
{
	struct object_section *section;
	u64 at = 0;
	size_t i;

	for (i = 1; i < object->section_count; i++) {
		section = &object->sections[i];
		if (section->fate != fate)
			continue;
		if (section->header.sh_addralign)
			at = ALIGN_UP(at, section->header.sh_addralign);
		if (at > US_MAX_BUNDLE ||
		    section->header.sh_size > US_MAX_BUNDLE - at)
			return fail(US_E_TOO_LARGE, "%s: more than %u bytes of "
				    "%s", object->path, US_MAX_BUNDLE,
				    fate == SECTION_PAYLOAD ? "code" : "data");
		section->offset = at;
		at += section->header.sh_size;
	}
	*total = at;
	return US_OK;
}

static enum us_error check_header(const struct object_file *object)
{
	GElf_Ehdr header;

	if (elf_kind(object->elf) != ELF_K_ELF ||
	    !gelf_getehdr(object->elf, &header))
		return bad_object(object, "no ELF file");
	if (header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    header.e_ident[EI_DATA] != ELFDATA2LSB ||
	    header.e_machine != EM_X86_64 || header.e_type != ET_REL)
		return bad_object(object, "no relocatable object for x86-64");
	return US_OK;
}

enum us_error object_open(struct object_file *object, const char *path)
{
	enum us_error error;

	*object = (struct object_file){ .path = path };
	object->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (object->fd < 0)
		return fail(US_E_FILE_OPEN, "%s: %s", path, strerror(errno));
	elf_version(EV_CURRENT);
	object->elf = elf_begin(object->fd, ELF_C_READ_MMAP, NULL);
	if (!object->elf)
		return bad_object(object, elf_errmsg(-1));
	error = check_header(object);
	if (!error)
		error = load_sections(object);
	if (!error)
		error = load_symbols(object);
	if (!error)
		error = lay_out(object, SECTION_PAYLOAD,
				&object->payload_bytes);
	if (!error)
		error = lay_out(object, SECTION_SHADOW, &object->shadow_bytes);
	return error;
}

void object_close(struct object_file *object)
{
	if (object->elf)
		elf_end(object->elf);
	if (object->fd >= 0)
		close(object->fd);
	free(object->sections);
	free(object->symbols);
	*object = (struct object_file){ .fd = -1 };
}

const struct object_section *object_home(const struct object_file *object,
					 const struct object_symbol *symbol,
					 enum section_fate fate)
{
	if (symbol->shndx == SHN_UNDEF || symbol->shndx >= SHN_LORESERVE ||
	    object->sections[symbol->shndx].fate != fate)
		return NULL;
	return &object->sections[symbol->shndx];
}
