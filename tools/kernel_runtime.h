/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The places that the running kernel patches: struct us_runtime_site. */
#ifndef UNDERSEAL_KERNEL_RUNTIME_H
#define UNDERSEAL_KERNEL_RUNTIME_H

#include "kernel_entries.h"
#include "kernel_tables.h"

struct runtime_list {
	struct us_runtime_site *list;	/* sorted by offset, disjoint */
	size_t count;
};

/*
 * Collect all of @image's text. @patches has its LOCK prefixes, @entries the classes
 * of what the places may lead to. ELF_FORMAT (a table entry that makes no sense),
 * BASELINE_SITES (places that overlap), NO_MEMORY. runtime_free() after success
 * and failure alike.
 */
enum us_error runtime_collect(const struct kernel_image *image,
			      const struct kernel_memory *memory,
			      const struct patch_table *patches,
			      const struct entry_list *entries,
			      struct runtime_list *out);
void runtime_free(struct runtime_list *list);

/* A site that shares a byte with [@offset, @offset + @len), or NULL. */
const struct us_runtime_site *runtime_overlap(const struct runtime_list *list,
					      u64 offset, u64 len);

#endif
