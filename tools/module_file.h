/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel module as it is shipped (.ko, also .ko.xz), and where the kernel's loader
 * would put its sections. Errors are recorded with fail().
 */
#ifndef UNDERSEAL_MODULE_FILE_H
#define UNDERSEAL_MODULE_FILE_H

#include <elf.h>

#include "file.h"
#include "module_baseline.h"

/* Counts as enum mod_mem_type (include/linux/module.h) since 6.4. */
enum module_area {
	AREA_TEXT = 0,		/* core_layout to 6.3 */
	AREA_DATA = 1,
	AREA_RODATA = 2,
	AREA_RO_AFTER_INIT = 3,
	AREA_INIT_TEXT = 4,	/* init_layout to 6.3 */
	AREA_INIT_DATA = 5,
	AREA_INIT_RODATA = 6,
	AREA_PERCPU = 7,
	AREA_COUNT = 8,
	AREA_NONE = 255,	/* not loaded */
};

struct module_section {
	const char *name;
	const Elf64_Shdr *header;
	const u8 *data;		/* NULL for SHT_NOBITS */
	u8 area;		/* enum module_area */
	u64 offset;		/* in it */
};

struct module_file {
	const char *path;
	struct buffer file;
	struct module_section *sections;
	u32 section_count;
	const Elf64_Sym *symbols;
	u32 symbol_count;
	const char *strings;	/* of the symbols */
	u64 strings_len;
	u64 area_len[AREA_COUNT];
	u64 text_len;		/* of AREA_TEXT: its executable part. 0 for the few
				 * modules that only hold tables */
	char name[US_NAME_MAX];
	u8 build_id[US_BUILD_ID_MAX];
	u32 build_id_len;	/* 0: none */
};

/*
 * Read @path and lay it out: with one core area (@one_core, kernels to 6.3) or as
 * later. FILE_*, ELF_FORMAT, NO_MEMORY. module_file_close() after success and failure
 * alike.
 */
enum us_error module_file_open(struct module_file *module, const char *path,
			       bool one_core);
void module_file_close(struct module_file *module);

/* The name of symbol @index; "" when it is bad. */
const char *module_symbol_name(const struct module_file *module, u32 index);

/* The section called @name, or NULL. */
const struct module_section *module_section(const struct module_file *module,
					    const char *name);

/* "nf_tables" of ".../nf-tables.ko.xz" in @name; false when @path is no module. */
bool module_name_of_path(const char *path, char name[US_NAME_MAX]);

#endif
