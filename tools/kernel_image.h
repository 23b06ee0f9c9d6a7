/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel's vmlinux with symbols and debug information, opened for reading.
 * All calls record their errors with fail(); addresses are link addresses.
 */
#ifndef UNDERSEAL_KERNEL_IMAGE_H
#define UNDERSEAL_KERNEL_IMAGE_H

#include <gelf.h>

#include "errors.h"
#include "types.h"

struct image_symbol {
	const char *name;
	u64 value;
	u64 size;
	u16 shndx;		/* SHN_UNDEF, SHN_ABS or a section's index */
	u8 type;		/* STT_* */
	u8 bind;		/* STB_* */
};

struct image_section {
	const char *name;
	GElf_Shdr header;
	const u8 *data;		/* NULL for SHT_NOBITS */
};

struct kernel_image {
	const char *path;
	int fd;
	Elf *elf;
	struct image_section *sections;	/* by section index */
	size_t section_count;
	struct image_symbol *symbols;	/* in file order, as relocations count */
	size_t symbol_count;
	u32 *by_name;			/* symbol indices sorted by name */
	u64 text;			/* _text */
	u64 text_len;			/* _etext - _text */
	const u8 *text_bytes;
	u16 text_section;		/* that has _text */
	u16 percpu_section;		/* .data..percpu, or SHN_UNDEF */
	/* Of a module shaped as an image (module_link.h), else NULL: the kernel that
	 * has the symbols, bytes and types that are not found in the module. */
	const struct kernel_image *kernel;
};

/* Open @path: x86-64 ET_EXEC with a symbol table. FILE_OPEN, ELF_FORMAT,
 * SYMBOL_MISSING, NO_MEMORY. image_close() after success and failure alike. */
enum us_error image_open(struct kernel_image *image, const char *path);
void image_close(struct kernel_image *image);

/* The one address of @name: a global definition goes before local ones.
 * SYMBOL_MISSING, SYMBOL_AMBIGUOUS. */
enum us_error image_symbol(const struct kernel_image *image, const char *name,
			   u64 *value);

/* The same as an entry of the symbol table, of this image alone; NULL. */
const struct image_symbol *image_find_symbol(const struct kernel_image *image,
					     const char *name);

/* For makers of images: fill by_name from symbols. NO_MEMORY. */
enum us_error image_index(struct kernel_image *image);

/* The first of @image->by_name that is not before @name: symbols of one name follow
 * each other there. */
size_t image_named(const struct kernel_image *image, const char *name);

/* As image_symbol(), but silent: false when there is no unique @name. */
bool image_find(const struct kernel_image *image, const char *name, u64 *value);

/* The file's bytes for [@address, @address + @len), or NULL. */
const u8 *image_bytes(const struct kernel_image *image, u64 address, u64 len);

/* The section called @name, or NULL. */
const struct image_section *image_section(const struct kernel_image *image,
					  const char *name);

/* Is [@address, @address + @len) inside _text .. _etext? */
bool image_in_text(const struct kernel_image *image, u64 address, u64 len);

/* Unaligned little-endian reads. */
u16 read_u16(const u8 *at);
u32 read_u32(const u8 *at);
u64 read_u64(const u8 *at);

#endif
