/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which structures' layouts differ between the two sides, and who uses them. */
#ifndef UNDERSEAL_DIFF_TYPES_H
#define UNDERSEAL_DIFF_TYPES_H

#include "diff_side.h"

struct btf;

struct layouts {
	struct btf *old, *new;
	u32 count;		/* types of the new side */
	const char **names;	/* of those that changed, sorted */
	u32 changed_count;
	struct dwarf_use *use;
	bool known;		/* both sides describe their types */
};

/* Read both sides' type information; known stays false when one has none.
 * NO_MEMORY. layouts_free() after success and failure alike. */
enum us_error layouts_open(struct layouts *layouts, const struct side *old,
			   const struct side *new);
void layouts_free(struct layouts *layouts);

/* The name of a type with changed layout that the function at @address of the new
 * side uses, or NULL. */
const char *layouts_used(struct layouts *layouts, u64 address);

/* Byte offset of @member in struct @type of the old side, or -1. */
s64 layouts_member(const struct layouts *layouts, const char *type,
		   const char *member);

/* How many parameters function @name of the old side takes, or -1. */
int layouts_parameters(const struct layouts *layouts, const char *name);

#endif
