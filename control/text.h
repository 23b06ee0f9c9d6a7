/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines for the log, put together piece by piece; what does not fit is cut. */
#ifndef UNDERSEAL_TEXT_H
#define UNDERSEAL_TEXT_H

#include "types.h"

struct text {
	char chars[104];	/* always NUL-terminated; starts as {0} */
	u32 len;
};

void text_string(struct text *text, const char *string);
/* At most @max characters of @string; those not printable become '?'. */
void text_guest_string(struct text *text, const char *string, u32 max);
/* All of @string, or the beginning of it and "...": @max characters, 3 at least. */
void text_shortened(struct text *text, const char *string, u32 max);
void text_decimal(struct text *text, u64 number);
void text_hex(struct text *text, u64 number);
/* @len bytes as pairs of hex digits. */
void text_bytes(struct text *text, const u8 *bytes, u32 len);

/* Copy a NUL-terminated string into @room bytes, cut and terminated; the rest is
 * zero. */
void text_copy(char *to, u32 room, const char *from);

#endif
