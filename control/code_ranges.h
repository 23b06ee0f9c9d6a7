/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ranges of code that a stop check looks for, so that one is found fast. */
#ifndef UNDERSEAL_CODE_RANGES_H
#define UNDERSEAL_CODE_RANGES_H

#include "stack_check.h"

/* @count (<= STACK_CHECK_RANGES) ranges, which may overlap and stay where they are. */
void code_ranges_set(const struct code_range *ranges, u32 count);

/* The first of them with start < @word < end, or NULL. */
const struct code_range *code_ranges_find(u64 word);

#endif
