/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How structures are laid out, from the debug information of relocatable files. */
#ifndef UNDERSEAL_DIFF_SHAPES_H
#define UNDERSEAL_DIFF_SHAPES_H

#include <stddef.h>

#include "errors.h"
#include "types.h"

/* A named structure or union, and a number that says how it is laid out. */
struct shape {
	char *name;
	u64 shape;
};

/* Sorted by name. A name can be there more than once. */
struct shape_list {
	struct shape *list;
	size_t count, room;
};

/* Add all of the file's. ELF_NO_DEBUG, NO_MEMORY. shapes_free() after success and
 * failure alike. */
enum us_error shapes_read(struct shape_list *shapes, const char *path);
void shapes_free(struct shape_list *shapes);

/* Is @after laid out as no type of its name is in @before, and there is one? */
bool shapes_changed(const struct shape_list *before,
		    const struct shape *after);

#endif
