/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the kernel lets kprobes be set. */
#ifndef UNDERSEAL_KERNEL_PROBES_H
#define UNDERSEAL_KERNEL_PROBES_H

#include "kernel_values.h"

/*
 * A bit for each byte of @image's text: set where an instruction begins on which the
 * kernel sets a kprobe, and none of @values and @runtime lies. What ftrace patches is
 * left out: kprobes there go through it. *@out is for free(). ELF_FORMAT,
 * NO_MEMORY.
 */
enum us_error probes_collect(const struct kernel_image *image,
			     const struct kernel_memory *memory,
			     const struct value_list *values,
			     const struct runtime_list *runtime, u8 **out);

#endif
