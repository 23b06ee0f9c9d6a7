/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One kernel with its modules: what the loader would resolve a module's undefined
 * symbols to. Errors are recorded with fail().
 */
#ifndef UNDERSEAL_MODULE_SET_H
#define UNDERSEAL_MODULE_SET_H

#include "kernel_image.h"
#include "module_file.h"

/* A symbol that a module exports. */
struct module_export {
	char *name;
	u64 offset;		/* in the area */
	u32 module;		/* index into modules */
	u8 area;		/* enum module_area */
	bool code;		/* in the executable part of AREA_TEXT */
};

struct known_module {
	char *path;
	char name[US_NAME_MAX];
	u64 area_len[AREA_COUNT];
	u64 text_len;
};

struct module_set {
	const struct kernel_image *kernel;
	bool one_core;		/* core_layout, not mem[]: kernels to 6.3 */
	struct known_module *modules;	/* by name */
	size_t count;
	struct module_export *exports;	/* by name */
	size_t export_count;
};

/* @progress is called with the number of modules read so far, and may be NULL. */
typedef void (*module_progress)(size_t done, size_t all, const char *what);

/*
 * Read every module below @directory, or none when it is NULL. ELF_FORMAT, FILE_*,
 * SYMBOL_MISSING (no struct module), ELF_NO_DEBUG, NO_MEMORY. module_set_close()
 * after success and failure alike.
 */
enum us_error module_set_open(struct module_set *set,
			      const struct kernel_image *kernel,
			      const char *directory, module_progress progress);
void module_set_close(struct module_set *set);

/* The first module that exports @name, or NULL. */
const struct module_export *module_set_find(const struct module_set *set,
					    const char *name);

/* The address of @name if the kernel exports it. */
bool module_set_kernel_symbol(const struct module_set *set, const char *name,
			      const struct image_symbol **symbol);

#endif
