/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parameters of the kernel's functions and static calls, from its DWARF. */
#ifndef UNDERSEAL_KERNEL_PROTOTYPES_H
#define UNDERSEAL_KERNEL_PROTOTYPES_H

#include "kernel_image.h"

/* A function, or a static call: its trampoline __SCT__NAME is declared as one. */
struct prototype {
	u64 address;
	/* Its parameters' types, each followed by a comma, without qualifiers and
	 * typedefs. The type that it returns is left out: a static call of a
	 * tracepoint returns int, what it calls does not. */
	char *text;
	bool static_call;
};

struct prototype_list {
	struct prototype *list;	/* sorted by address */
	size_t count;
};

/* Collect those of @image. ELF_NO_DEBUG, NO_MEMORY. prototypes_free() after success
 * and failure alike. */
enum us_error prototypes_collect(const struct kernel_image *image,
				 struct prototype_list *out);
void prototypes_free(struct prototype_list *list);

/* The first one of the function at @address, which may have several names; the
 * others follow it. @list->count when there is none. */
size_t prototypes_find(const struct prototype_list *list, u64 address);

#endif
