/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NOPs as the kernel writes them; rules by release. */
#ifndef UNDERSEAL_KERNEL_NOPS_H
#define UNDERSEAL_KERNEL_NOPS_H

#include "kernel_tables.h"

/* Fill @len bytes. */
void nops_fill(enum patch_rules rules, u8 *bytes, u32 len);

/* Make the NOPs among the instructions in the first @len bytes longer ones;
 * decoding may look at @room bytes. */
void nops_optimize(enum patch_rules rules, u8 *bytes, u32 len, u32 room);

#endif
