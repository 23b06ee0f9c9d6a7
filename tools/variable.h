/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding a variable by its name, and what may be done with it. Errors are recorded
 * with fail(). */
#ifndef UNDERSEAL_VARIABLE_H
#define UNDERSEAL_VARIABLE_H

#include "bundle_make.h"
#include "diff_module.h"
#include "kernel_image.h"

struct variable {
	u8 space, base;		/* as in struct us_bundle_write; or _ABSOLUTE */
	u64 offset;		/* in that space */
	u64 size;		/* bytes; 0: the symbol table does not tell */
	u64 room;		/* bytes up to what lies behind it */
	const char *sealed;	/* why it cannot be written, or NULL */
};

/* Where names are looked up: either baseline and map, or the kernel's file; in front of
 * the latter the module that is patched. All but one of these are NULL. */
struct variables {
	const struct baseline *baseline;
	const struct symbol_map *map;
	const struct kernel_image *kernel;
	struct us_baseline_header ranges;	/* of @kernel */
	const struct side *module;
	const struct module_home *home;		/* with @module */
};

/* For the kernel's file, or what a module has around it (whose kernel it is then);
 * exactly one of them. SYMBOL_MISSING, ELF_FORMAT. */
enum us_error variables_open(struct variables *variables,
			     const struct kernel_image *kernel,
			     const struct side *module,
			     const struct module_home *home);

/* The new variables of @plan go first. A base that is needed is added to @plan.
 * SYMBOL_MISSING, SYMBOL_AMBIGUOUS, OBJECT_UNSUPPORTED. */
enum us_error variable_find(const struct variables *variables,
			    struct bundle_plan *plan, const char *name,
			    struct variable *out);

#endif
