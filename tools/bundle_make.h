/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Turn an object file into a bundle. Errors are recorded with fail(). */
#ifndef UNDERSEAL_BUNDLE_MAKE_H
#define UNDERSEAL_BUNDLE_MAKE_H

#include "baseline_read.h"
#include "bundle.h"
#include "module_baseline.h"
#include "object_file.h"
#include "symbol_map.h"

#define BUNDLE_NEW_VARIABLES	256u
#define SHADOW_NAME_MAX		128u

/* A variable that the kernel lacks, in the bundle's shadow memory. */
struct new_variable {
	char name[SHADOW_NAME_MAX];	/* cut off when it is longer */
	u32 offset, size;
};

/* What a bundle is made from, and its parts as they grow. */
struct bundle_plan {
	const struct baseline *baseline;
	const struct symbol_map *map;
	const struct object_file *object;
	u64 link_base;			/* US_FACT_LINK_BASE */
	struct us_bundle_header header;	/* caller: generation, name, description */
	struct us_bundle_function functions[US_BUNDLE_MAX_FUNCTIONS];
	struct us_bundle_hunk hunks[US_BUNDLE_MAX_HUNKS];
	struct us_bundle_base bases[US_BUNDLE_MAX_BASES];
	struct us_bundle_link links[US_BUNDLE_MAX_LINKS];
	struct us_bundle_write writes[US_BUNDLE_MAX_WRITES];
	struct us_bundle_watch watches[US_BUNDLE_MAX_WATCHES];
	struct new_variable new_variables[BUNDLE_NEW_VARIABLES];
	u32 new_count;
	struct buffer relocs, strings, payload;
	/* What shadow memory begins as; relocations in it, whose where counts there. */
	struct buffer contents, content_relocs;
};

/*
 * Choose the functions that are replaced: those of the object whose names the
 * map has. Fills functions, hunks (each with its relocation) and strings.
 * SYMBOL_AMBIGUOUS, NOTHING_TO_REPLACE, FUNCTION_TOO_SHORT, SITE_OVERLAP,
 * TOO_LARGE, NO_MEMORY.
 */
enum us_error bundle_plan_functions(struct bundle_plan *plan);

/* Copy the object's code into the payload and its new variables into contents, and
 * resolve relocations. OBJECT_UNSUPPORTED, SYMBOL_MISSING, SYMBOL_AMBIGUOUS, ELF_FORMAT, RELOCATION. */
enum us_error bundle_plan_payload(struct bundle_plan *plan);

/* Its new variables: bundle_plan_shadow(). OBJECT_UNSUPPORTED names one that the kernel
 * has too; TOO_LARGE, NO_MEMORY. */
enum us_error bundle_plan_data(struct bundle_plan *plan);

/* Write the parts out as one file. TOO_LARGE, NO_MEMORY. */
enum us_error bundle_plan_write(struct bundle_plan *plan, struct buffer *out);

/* What people know the bundle by; @description may be NULL. Both are checked:
 * check_labels(). */
void bundle_plan_label(struct bundle_plan *plan, u64 generation,
		       const char *name, const char *description);

/* For the planners. Functions and hunks in the format's order, before relocations name
 * hunks by their index. */
void bundle_plan_sort(struct bundle_plan *plan);
enum us_error bundle_plan_reloc(struct bundle_plan *plan,
				const struct us_bundle_reloc *reloc);

enum us_error bundle_plan_string(struct bundle_plan *plan, const char *text,
				 u32 *offset);
/* @plan's index of @base, which is added when it is new. TOO_LARGE. */
enum us_error bundle_plan_base(struct bundle_plan *plan,
			       const struct us_module_base *base, u8 *index);

/* A write of the variable @name, behind those there are. TOO_LARGE, HUNKS_OVERLAP,
 * NO_MEMORY. */
enum us_error bundle_plan_add_write(struct bundle_plan *plan,
				    const struct us_bundle_write *write,
				    const char *name, u32 *index);

/*
 * Shadow memory: first what lies where, by name, then all of it, as @plan's contents
 * are. Before any other write. TOO_LARGE (names the variable), OBJECT_UNSUPPORTED,
 * NO_MEMORY.
 */
enum us_error bundle_plan_variable(struct bundle_plan *plan, const char *name,
				   u64 offset, u64 size);
enum us_error bundle_plan_shadow(struct bundle_plan *plan);

void bundle_plan_free(struct bundle_plan *plan);

#endif
