/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What may stand in the text where the kernel patches itself while it boots: for
 * each place the set of all outcomes, over every processor and command line.
 */
#ifndef UNDERSEAL_KERNEL_VALUES_H
#define UNDERSEAL_KERNEL_VALUES_H

#include "file.h"
#include "kernel_patch.h"
#include "kernel_runtime.h"

struct value_site {
	u32 offset;		/* image offset */
	u32 len;
	u32 count;		/* of values; 0: masked */
	u8 kind;		/* enum us_site_kind */
	u64 first, size;	/* its values in the pool, as the format has them */
};

struct value_list {
	struct value_site *list; /* sorted, disjoint */
	size_t count;
	struct buffer pool;
};

/*
 * Derive the values of all of @table's places in @image's text, but for those that
 * @runtime describes wholly. @memory is left as it was. ELF_FORMAT (a place that
 * contradicts itself), TOO_LARGE (more outcomes than the format takes), NO_MEMORY.
 * values_free() after success and failure alike.
 */
enum us_error values_derive(const struct kernel_image *image,
			    struct kernel_memory *memory,
			    const struct patch_table *table,
			    const struct runtime_list *runtime,
			    struct value_list *out);

/* Append one whose values are in the pool, behind all others. NO_MEMORY. */
enum us_error values_add(struct value_list *out, const struct value_site *site);

void values_free(struct value_list *values);

#endif
