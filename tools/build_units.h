/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which objects of a kernel a changed source file ends up in. Errors are recorded with
 * fail(). */
#ifndef UNDERSEAL_BUILD_UNITS_H
#define UNDERSEAL_BUILD_UNITS_H

#include "source_tree.h"

/* The source files that a kernel was compiled from, from its DWARF, sorted. */
struct unit_list {
	char **names;		/* "fs/ext4/mballoc.c" */
	size_t count;
};

/* FILE_OPEN, ELF_FORMAT, ELF_NO_DEBUG, NO_MEMORY. units_free() after success and
 * failure alike. */
enum us_error units_read(struct unit_list *units, const char *vmlinux);
void units_free(struct unit_list *units);
bool units_have(const struct unit_list *units, const char *name);

/* Objects to compile, "fs/ext4/mballoc.o", in the order they were added. */
struct object_list {
	char **paths;
	size_t count;
};

#define OBJECTS_MAX	128u	/* compiled for one fix at most */

/*
 * The objects that @fix touches. A header or included file stands for every unit that
 * includes it, directly or not. NOT_PATCHABLE names what no bundle can carry:
 * assembly, configuration, code outside the kernel image. NOTHING_TO_REPLACE when
 * no file of the fix is part of a kernel. @others are units that include what is
 * fixed and are not in the image: a module's, or not configured.
 */
enum us_error objects_of_fix(const struct source_tree *tree,
			     const struct fix *fix,
			     const struct unit_list *units,
			     struct object_list *objects,
			     struct object_list *others);

/* Append @path; it is fine when it is there already. TOO_LARGE, NO_MEMORY. */
enum us_error objects_add(struct object_list *objects, const char *path);
/* Remove the entry at @index. */
void objects_drop(struct object_list *objects, size_t index);
void objects_free(struct object_list *objects);

/* For objects_of_fix(): every source file of the kernel that includes @path, itself
 * or through others. Each is handed to @found. */
enum us_error includers_find(const struct source_tree *tree, const char *path,
			     enum us_error (*found)(void *context,
						    const char *unit),
			     void *context);

#endif
