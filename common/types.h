/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Freestanding basics that every part shares: fixed-width names, compile-time
 * helpers and overflow-safe arithmetic for lengths that come from outside.
 */
#ifndef UNDERSEAL_TYPES_H
#define UNDERSEAL_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

#define static_assert _Static_assert

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define PAGE_SHIFT	12
#define PAGE_SIZE	4096ull
#define PAGE_MASK	(~(PAGE_SIZE - 1))
#define SIZE_2M		(2ull << 20)
#define SIZE_1G		(1ull << 30)

/* @align must be a power of two; the caller rules out wrap-around first. */
#define ALIGN_DOWN(x, align)	((x) & ~((u64)(align) - 1))
#define ALIGN_UP(x, align)	ALIGN_DOWN((x) + (u64)(align) - 1, align)
#define IS_ALIGNED(x, align)	(((x) & ((u64)(align) - 1)) == 0)

/* Is [off, off + len) inside [0, limit)? True for len 0 at off <= limit. */
static inline bool span_inside(u64 off, u64 len, u64 limit)
{
	return off <= limit && len <= limit - off;
}

/* Do [a, a + alen) and [b, b + blen) share a byte? Neither may wrap. */
static inline bool spans_overlap(u64 a, u64 alen, u64 b, u64 blen)
{
	return alen && blen && a < b + blen && b < a + alen;
}

/* Does @addr + @len stay inside 64 bits? */
static inline bool span_valid(u64 addr, u64 len)
{
	return addr + len >= addr;
}

#endif
