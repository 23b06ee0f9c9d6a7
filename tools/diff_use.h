/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which structures a function uses, from the debug information. */
#ifndef UNDERSEAL_DIFF_USE_H
#define UNDERSEAL_DIFF_USE_H

#include <elfutils/libdwfl.h>

#include "diff_side.h"

struct dwarf_use;

/* The debug information of a relocatable file, relocated; what is not in the file is
 * not looked for. NULL on failure, else for dwfl_end(). */
Dwfl *object_debug(const char *path, Dwfl_Module **module);

/* NO_MEMORY. Without debug information nothing is ever found. */
enum us_error use_open(struct dwarf_use **use, const struct side *side);
void use_close(struct dwarf_use *use);

/*
 * The first structure for which @wanted says yes among those of the function at
 * @address: of its parameters and variables, of those of functions inlined into it,
 * and of what their members point to. NULL when there is none.
 */
const char *use_find(struct dwarf_use *use, u64 address,
		     bool (*wanted)(void *context, const char *name),
		     void *context);

/* Is there debug information at all? */
bool use_known(const struct dwarf_use *use);

/* Is @address.. compiled from C? true when nothing is known. */
bool use_is_c(struct dwarf_use *use, u64 address);

/* The source line of the instruction at @address, or 0. */
u32 use_line(struct dwarf_use *use, u64 address);

#endif
