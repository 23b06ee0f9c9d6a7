/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The four functions that a compiler may call in freestanding code. */
#include <string.h>

#include "types.h"

void *memcpy(void *restrict to, const void *restrict from, size_t len)
{
	void *start = to;

	asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(len) :: "memory");
	return start;
}

void *memset(void *to, int byte, size_t len)
{
	void *start = to;

	asm volatile("rep stosb" : "+D"(to), "+c"(len) : "a"(byte) : "memory");
	return start;
}

void *memmove(void *to, const void *from, size_t len)
{
	u8 *d = to;
	const u8 *s = from;

	if (d <= s || d >= s + len)
		return memcpy(to, from, len);
	while (len--)
		d[len] = s[len];
	return to;
}

int memcmp(const void *a, const void *b, size_t len)
{
	const u8 *x = a, *y = b;

	for (size_t i = 0; i < len; i++)
		if (x[i] != y[i])
			return x[i] < y[i] ? -1 : 1;
	return 0;
}
