/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which structures' layouts differ between the two sides, and who uses them. */
#ifndef UNDERSEAL_DIFF_TYPES_H
#define UNDERSEAL_DIFF_TYPES_H

#include "diff_shapes.h"
#include "diff_side.h"

struct btf;
struct module_home;

struct layouts {
	struct btf *old, *new;
	struct btf *kernel, *new_kernel; /* of modules: what theirs builds upon */
	struct shape_list old_shapes, new_shapes; /* of modules without BTF that can
				 * be read */
	u32 count;		/* types of the new side */
	const char **names;	/* of those that changed, sorted */
	u32 changed_count;
	struct dwarf_use *use;
	bool known;		/* both sides describe their types */
};

/* Read both sides' type information; known stays false when one has none. That of
 * modules, which have a @home, is their debug information, or BTF when both kernels are
 * known. Without a home nothing is known of modules. @new NULL: only the old
 * kernel's is read. NO_MEMORY. layouts_free() after success and failure alike. */
enum us_error layouts_open(struct layouts *layouts, const struct side *old,
			   const struct side *new,
			   const struct module_home *home);
void layouts_free(struct layouts *layouts);

/* The name of a type with changed layout that the function at @address of the new
 * side uses, or NULL. Any such type, when nothing tells what functions use. */
const char *layouts_used(struct layouts *layouts, u64 address);

/* Is the layout of a type called @name known to have changed? */
bool layouts_changed(const struct layouts *layouts, const char *name);

/* Byte offset of @member in struct @type of the old side, or -1. */
s64 layouts_member(const struct layouts *layouts, const char *type,
		   const char *member);

/* How many parameters function @name of the old side takes, or -1. */
int layouts_parameters(const struct layouts *layouts, const char *name);

#endif
