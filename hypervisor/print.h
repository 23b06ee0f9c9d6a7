/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HV_PRINT_H
#define HV_PRINT_H

#include <stdarg.h>

#include "types.h"

/* As vsnprintf, for %s %c %u %x %lu %lx %%, zero padding and width. Returns the
 * length of what is in @out, always terminated; @size >= 1. */
u32 format_text_va(char *out, u32 size, const char *format, va_list args);

#endif
