/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "kernel_relocs.h"

enum us_error relocs_add(const struct kernel_image *image,
			 const struct kernel_memory *memory,
			 struct reloc_list *list, u64 address,
			 enum us_text_reloc_type type)
{
	const u8 *field = memory_linked(memory, address, field_size(type));
	struct us_text_reloc *entry, *grown;

	if (!field)
		return fail(US_E_ELF_FORMAT, "%s: relocation at %#llx is not "
			    "inside the image", image->path,
			    (unsigned long long)address);
	/* Grow at each power of two. */
	if (!(list->count & (list->count - 1))) {
		grown = reallocarray(list->list, list->count ?
				     list->count * 2 : 1, sizeof(*grown));
		if (!grown)
			return fail(US_E_NO_MEMORY, "relocations");
		list->list = grown;
	}
	entry = &list->list[list->count++];
	*entry = (struct us_text_reloc){
		.offset = address - memory->base, .type = type,
		.value = type == US_TEXT_ADD64 ? read_u64(field) :
			 read_u32(field),
	};
	return US_OK;
}

static int compare_offsets(const void *a, const void *b)
{
	const struct us_text_reloc *x = a, *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

enum us_error relocs_finish(const struct kernel_image *image,
			    struct reloc_list *list)
{
	size_t i;

	if (list->count)
		qsort(list->list, list->count, sizeof(*list->list),
		      compare_offsets);
	for (i = 1; i < list->count; i++)
		if (list->list[i - 1].offset + field_size(list->list[i - 1].type) >
		    list->list[i].offset)
			return fail(US_E_ELF_FORMAT,
				    "%s: two relocations overlap at %#llx",
				    image->path, (unsigned long long)
				    (image->text + list->list[i].offset));
	return US_OK;
}

void relocs_free(struct reloc_list *list)
{
	free(list->list);
	*list = (struct reloc_list){ 0 };
}

s64 relocs_difference(const struct reloc_list *a, const struct reloc_list *b)
{
	size_t i;

	for (i = 0; i < a->count && i < b->count; i++)
		if (a->list[i].offset != b->list[i].offset ||
		    a->list[i].type != b->list[i].type)
			return a->list[i].offset < b->list[i].offset ?
			       a->list[i].offset : b->list[i].offset;
	if (i < a->count)
		return a->list[i].offset;
	return i < b->count ? (s64)b->list[i].offset : -1;
}

/*
 * Per-CPU variables are linked at 0 and do not move with the kernel. The linker
 * script puts a few names into their section that stand for places in the image.
 */
static bool is_percpu(const struct kernel_image *image,
		      const struct image_symbol *symbol)
{
	return image->percpu_section != SHN_UNDEF &&
	       symbol->shndx == image->percpu_section &&
	       strcmp(symbol->name, "__init_begin") &&
	       strcmp(symbol->name, "__per_cpu_load") &&
	       strncmp(symbol->name, "init_per_cpu_", 13);
}

/*
 * An absolute symbol is a number and stays, unless the linker script made it from
 * addresses of the image: then its value lies there.
 */
static bool absolute_moves(const struct kernel_image *image,
			   const struct image_symbol *symbol)
{
	u64 end;

	return image_find(image, "_end", &end) &&
	       symbol->value >= image->text && symbol->value <= end;
}

static enum us_error add_one(const struct kernel_image *image,
			     const struct kernel_memory *memory,
			     const Elf64_Rela *rela, u64 base,
			     struct reloc_list *out)
{
	u64 address = rela->r_offset + base;
	const struct image_symbol *symbol;
	u32 type = ELF64_R_TYPE(rela->r_info);
	bool percpu;

	if (ELF64_R_SYM(rela->r_info) >= image->symbol_count)
		return fail(US_E_ELF_FORMAT, "%s: bad relocation",
			    image->path);
	symbol = &image->symbols[ELF64_R_SYM(rela->r_info)];
	percpu = is_percpu(image, symbol);
	if (type == R_X86_64_NONE || symbol->shndx == SHN_UNDEF)
		return US_OK;
	switch (type) {
	case R_X86_64_PC32:
	case R_X86_64_PLT32:
		/* The code moves, the per-CPU offset does not. */
		if (percpu)
			return relocs_add(image, memory, out, address,
					  US_TEXT_SUB32);
		return US_OK;
	case R_X86_64_64:
	case R_X86_64_32:
	case R_X86_64_32S:
		if (percpu || (symbol->shndx == SHN_ABS &&
			       !absolute_moves(image, symbol)))
			return US_OK;
		return relocs_add(image, memory, out, address,
				  type == R_X86_64_64 ? US_TEXT_ADD64 :
				  US_TEXT_ADD32);
	case R_X86_64_PC64:
		return US_OK;
	}
	return fail(US_E_ELF_FORMAT, "%s: relocation type %u at %#llx",
		    image->path, type, (unsigned long long)address);
}

/* Does the relocation section apply to a section that is loaded? Sets @base to what
 * its addresses lack: the per-CPU section is linked at 0. */
static bool applies_to_image(const struct kernel_image *image,
			     const struct kernel_memory *memory,
			     const struct image_section *section, u64 *base)
{
	const GElf_Shdr *target;

	if (section->header.sh_type != SHT_RELA ||
	    section->header.sh_info >= image->section_count ||
	    section->header.sh_entsize != sizeof(Elf64_Rela))
		return false;
	*base = 0;
	if (section->header.sh_info == image->percpu_section &&
	    !image_find(image, "__per_cpu_load", base))
		return false;
	target = &image->sections[section->header.sh_info].header;
	/* Notes are for loaders, who know no slide. */
	return target->sh_type != SHT_NOTE && target->sh_flags & SHF_ALLOC &&
	       memory_has(memory, target->sh_addr + *base, target->sh_size);
}

/* The linker's relocations of one section; those of the text alone would not do. */
static enum us_error add_section(const struct kernel_image *image,
				 const struct kernel_memory *memory,
				 const struct image_section *section, u64 base,
				 struct reloc_list *out)
{
	enum us_error error = US_OK;
	Elf64_Rela rela;
	u64 at;

	if (!section->data)
		return US_OK;
	/* A section may lie anywhere in the file. */
	for (at = 0; section->header.sh_size - at >= sizeof(rela) && !error;
	     at += sizeof(rela)) {
		memcpy(&rela, section->data + at, sizeof(rela));
		error = add_one(image, memory, &rela, base, out);
	}
	return error;
}

enum us_error relocs_from_vmlinux(const struct kernel_image *image,
				  const struct kernel_memory *memory,
				  struct reloc_list *out)
{
	const struct image_section *section;
	enum us_error error = US_OK;
	bool found = false;
	size_t i;
	u64 base;

	*out = (struct reloc_list){ 0 };
	for (i = 1; i < image->section_count && !error; i++) {
		section = &image->sections[i];
		if (!applies_to_image(image, memory, section, &base))
			continue;
		/* Some kernels have them for tables that KASLR leaves alone. */
		if (section->header.sh_info == image->text_section)
			found = true;
		error = add_section(image, memory, section, base, out);
	}
	if (!error && !found)
		error = fail(US_E_ELF_NO_RELOCATIONS,
			     "%s: give the bootable image of the same build "
			     "with --image", image->path);
	if (!error)
		error = relocs_finish(image, out);
	if (error)
		relocs_free(out);
	return error;
}
