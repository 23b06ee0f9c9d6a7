/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Constants that the kernel writes to while it boots, before they are read-only. */
#ifndef UNDERSEAL_KERNEL_STRINGS_H
#define UNDERSEAL_KERNEL_STRINGS_H

#include "kernel_values.h"

/* Append to @values, whose places all lie before, those in the constants of
 * @header's ranges. NO_MEMORY. */
enum us_error strings_derive(const struct kernel_memory *memory,
			     const struct us_baseline_header *header,
			     struct value_list *values);

#endif
