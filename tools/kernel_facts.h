/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the control domain has to know of one kernel build: enum us_fact. */
#ifndef UNDERSEAL_KERNEL_FACTS_H
#define UNDERSEAL_KERNEL_FACTS_H

#include "baseline.h"
#include "kernel_image.h"

/*
 * Fill @header's build id, release and facts. SYMBOL_MISSING, SYMBOL_AMBIGUOUS,
 * ELF_FORMAT, ELF_NO_DEBUG.
 */
enum us_error facts_collect(const struct kernel_image *image,
			    struct us_baseline_header *header);

#endif
