/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sizes and member offsets of the kernel's C types, from its DWARF. */
#ifndef UNDERSEAL_KERNEL_TYPES_H
#define UNDERSEAL_KERNEL_TYPES_H

#include <elfutils/libdw.h>

#include "kernel_image.h"

#define TYPE_ABSENT	(~0ull)

/* One question: the offset of @member ("a" or, into an embedded struct, "a.b") in
 * struct or union @type, or the size of @type when @member is NULL. */
struct type_query {
	const char *type;
	const char *member;
	u64 answer;		/* bytes, or TYPE_ABSENT */
};

/*
 * Answer @queries (@count of them) from the first full definition of each type.
 * What is not found stays TYPE_ABSENT. ELF_NO_DEBUG when @image has no DWARF.
 */
enum us_error types_resolve(const struct kernel_image *image,
			    struct type_query *queries, size_t count);

/* A structure or union? */
bool type_is_aggregate(Dwarf_Die *die);

/* The type of @member without typedefs and qualifiers; false when it has none. */
bool type_of_member(Dwarf_Die *member, Dwarf_Die *type);

#endif
