/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which parts of the image are sealed, and how. */
#ifndef UNDERSEAL_KERNEL_RANGES_H
#define UNDERSEAL_KERNEL_RANGES_H

#include "baseline.h"
#include "kernel_image.h"

/* Fill @header's ranges and text_len. SYMBOL_MISSING, ELF_FORMAT (symbols that
 * contradict each other), TOO_LARGE. */
enum us_error ranges_collect(const struct kernel_image *image,
			     struct us_baseline_header *header);

#endif
