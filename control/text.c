/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "text.h"

static const char digits[] = "0123456789abcdef";

static void add(struct text *text, char c)
{
	if (text->len + 1 < sizeof(text->chars)) {
		text->chars[text->len++] = c;
		text->chars[text->len] = '\0';
	}
}

void text_string(struct text *text, const char *string)
{
	while (*string)
		add(text, *string++);
}

void text_guest_string(struct text *text, const char *string, u32 max)
{
	for (; max && *string; max--, string++)
		add(text, *string >= 0x20 && *string <= 0x7e ? *string : '?');
}

void text_shortened(struct text *text, const char *string, u32 max)
{
	static const char dots[] = "...";
	u32 len = 0, kept;

	while (string[len])
		len++;
	kept = len <= max ? len : max - (sizeof(dots) - 1);
	for (; kept; kept--)
		add(text, *string++);
	text_string(text, len <= max ? "" : dots);
}

static void number_in(struct text *text, u64 number, u32 base)
{
	char reversed[20];
	u32 len = 0;

	do {
		reversed[len++] = digits[number % base];
		number /= base;
	} while (number);
	while (len)
		add(text, reversed[--len]);
}

void text_decimal(struct text *text, u64 number)
{
	number_in(text, number, 10);
}

void text_hex(struct text *text, u64 number)
{
	number_in(text, number, 16);
}

void text_bytes(struct text *text, const u8 *bytes, u32 len)
{
	for (; len; len--, bytes++) {
		add(text, digits[*bytes >> 4]);
		add(text, digits[*bytes & 15]);
	}
}

void text_copy(char *to, u32 room, const char *from)
{
	u32 i = 0;

	for (; i + 1 < room && from[i]; i++)
		to[i] = from[i];
	for (; i < room; i++)
		to[i] = '\0';
}
