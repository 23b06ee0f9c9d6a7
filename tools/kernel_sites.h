/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The places in the kernel's text that the kernel itself rewrites, from the
 * tables that it rewrites them by.
 */
#ifndef UNDERSEAL_KERNEL_SITES_H
#define UNDERSEAL_KERNEL_SITES_H

#include "baseline.h"
#include "kernel_image.h"

struct site_list {
	struct us_site *list;	/* sorted by offset, length, kind; no twins */
	size_t count;
};

/*
 * Collect every site in @image's text. ELF_FORMAT (a table entry that makes no
 * sense), ELF_NO_DEBUG, SYMBOL_MISSING, NO_MEMORY.
 */
enum us_error sites_collect(const struct kernel_image *image,
			    struct site_list *out);

/*
 * Those of @all that the kernel rewrites after boot; the rest change only before
 * the first process runs. The result is disjoint: overlaps of one kind are
 * merged, of different kinds refused (BASELINE_SITES).
 */
enum us_error sites_runtime(const struct kernel_image *image,
			    const struct site_list *all, struct site_list *out);

void sites_free(struct site_list *list);

/* For the collectors. Sites outside the text (init code) are left out. */
enum us_error sites_add(const struct kernel_image *image,
			struct site_list *list, u64 address, u64 len, u8 kind);

#endif
