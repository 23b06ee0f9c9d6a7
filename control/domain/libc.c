/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The few libc names that the compiler and libsodium's archive want. What
 * libsodium calls when it is misused ends the domain. Its initialisation
 * (sodium_init) is not run: verifying and hashing need none of it, and it would
 * open files for random numbers.
 */
#include <errno.h>
#include <string.h>

#include "domain.h"

#undef errno

int *__errno_location(void);
void __stack_chk_fail(void) __attribute__((noreturn));
void __explicit_bzero_chk(void *dst, size_t len, size_t room);
void __assert_fail(const char *assertion, const char *file, unsigned int line,
		   const char *function) __attribute__((noreturn));

void domain_crash(void)
{
	__asm__ volatile("ud2");
	__builtin_unreachable();
}

/*
 * Names that are linked but never reached: memory locking and random numbers for
 * making keys, and what misuse of the library ends in. libsodium's own
 * sodium_misuse would bring its initialisation with it.
 */
#define NEVER_REACHED(name)		\
	void name(void);		\
	void name(void)			\
	{				\
		domain_crash();		\
	}
NEVER_REACHED(sodium_misuse)
NEVER_REACHED(randombytes_buf)
NEVER_REACHED(abort)
NEVER_REACHED(raise)
NEVER_REACHED(mlock)
NEVER_REACHED(munlock)
NEVER_REACHED(madvise)
NEVER_REACHED(mmap)
NEVER_REACHED(munmap)
NEVER_REACHED(mprotect)
NEVER_REACHED(sysconf)

void __stack_chk_fail(void)
{
	domain_crash();
}

void __assert_fail(const char *assertion, const char *file, unsigned int line,
		   const char *function)
{
	(void)assertion;
	(void)file;
	(void)line;
	(void)function;
	domain_crash();
}

int *__errno_location(void)
{
	static int number;

	return &number;
}

void *memcpy(void *restrict dst, const void *restrict src, size_t len)
{
	void *to = dst;
	size_t words = len / 8, bytes = len % 8;

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(src), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(src), "+c"(bytes) : : "memory");
	return dst;
}

void *memmove(void *dst, const void *src, size_t len)
{
	u8 *to = dst;
	const u8 *from = src;

	if (to <= from || to >= from + len)
		return memcpy(dst, src, len);
	while (len--)
		to[len] = from[len];
	return dst;
}

void *memset(void *dst, int byte, size_t len)
{
	void *to = dst;
	size_t words = len / 8, bytes = len % 8;
	u64 pattern = (u8)byte * 0x0101010101010101ull;

	__asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(pattern) : "memory");
	return dst;
}

void __explicit_bzero_chk(void *dst, size_t len, size_t room)
{
	(void)room;
	memset(dst, 0, len);
}

int memcmp(const void *a, const void *b, size_t len)
{
	const u8 *x = a, *y = b;

	for (; len; len--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

size_t strlen(const char *string)
{
	size_t len = 0;

	while (string[len])
		len++;
	return len;
}

char *strchr(const char *string, int c)
{
	for (; *string != (char)c; string++)
		if (!*string)
			return NULL;
	return (char *)(uintptr_t)string;
}
