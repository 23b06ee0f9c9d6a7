/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A relocatable object that a bundle is made of. Errors are recorded with fail(). */
#ifndef UNDERSEAL_OBJECT_FILE_H
#define UNDERSEAL_OBJECT_FILE_H

#include <gelf.h>

#include "errors.h"
#include "types.h"

/* What becomes of a section. */
enum section_fate {
	SECTION_IGNORED = 0,	/* not loaded, or of no use in the arena */
	SECTION_PAYLOAD,	/* code and constants: goes to the arena */
	SECTION_SHADOW,		/* new variables: goes to shadow memory */
};

struct object_section {
	const char *name;
	GElf_Shdr header;
	const u8 *data;			/* NULL for SHT_NOBITS */
	enum section_fate fate;
	u32 offset;			/* in payload or shadow memory */
};

struct object_symbol {
	const char *name;		/* of the section for section symbols */
	u64 value;			/* offset in its section */
	u64 size;
	u16 shndx;
	u8 type, bind;
};

struct object_file {
	const char *path;
	int fd;
	Elf *elf;
	struct object_section *sections;
	size_t section_count;
	struct object_symbol *symbols;
	size_t symbol_count;
	u32 payload_bytes, shadow_bytes;
};

/*
 * Open @path, decide every section's fate and lay out the payload. FILE_OPEN,
 * ELF_FORMAT, OBJECT_UNSUPPORTED, TOO_LARGE, NO_MEMORY. object_close() after
 * success and failure alike.
 */
enum us_error object_open(struct object_file *object, const char *path);
void object_close(struct object_file *object);

/* The section that @symbol is defined in if it is of that @fate, or NULL. */
const struct object_section *object_home(const struct object_file *object,
					 const struct object_symbol *symbol,
					 enum section_fate fate);

#endif
