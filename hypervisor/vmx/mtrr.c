/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmx/mtrr.h"

#define FIXED_END	0x100000u

/* Below 1 MiB: a byte for each 64, 16 or 4 KiB. */
static u8 fixed_type(const struct mtrrs *mtrrs, u64 pa)
{
	u64 index, byte;

	if (pa < 0x80000) {
		index = 0;
		byte = pa >> 16;
	} else if (pa < 0xc0000) {
		index = 1 + (pa - 0x80000) / 0x20000;
		byte = pa >> 14 & 7;
	} else {
		index = 3 + (pa - 0xc0000) / 0x8000;
		byte = pa >> 12 & 7;
	}
	return (u8)(mtrrs->fixed[index] >> byte * 8);
}

/* Several at a place: uncached wins, then write-through; others do not overlap. */
static u8 stronger(u8 a, u8 b)
{
	if (a == MTRR_UC || b == MTRR_UC)
		return MTRR_UC;
	return a == MTRR_WT ? a : b;
}

static u8 variable_type(const struct mtrrs *mtrrs, u64 pa, u64 len,
			bool *uniform)
{
	u8 type = mtrrs->default_type & 0xff;
	bool found = false;

	for (u32 i = 0; i < mtrrs->count; i++) {
		u64 mask = mtrrs->variable[i].mask & PAGE_MASK;
		u64 differs = (pa ^ mtrrs->variable[i].base) & mask;
		u8 own = mtrrs->variable[i].base & 0xff;

		if (!(mtrrs->variable[i].mask & MTRR_VALID) ||
		    (differs & ~(len - 1)))
			continue;
		/* A part of the @len bytes only. */
		if (mask & (len - 1))
			*uniform = false;
		if (differs)
			continue;
		type = found ? stronger(type, own) : own;
		found = true;
	}
	return type;
}

u8 mtrr_type(const struct mtrrs *mtrrs, u64 pa, u64 len, bool *uniform)
{
	*uniform = true;
	if (!(mtrrs->default_type & MTRR_ON))
		return MTRR_UC;
	if (pa < FIXED_END && (mtrrs->default_type & MTRR_FIXED_ON)) {
		*uniform = len <= PAGE_SIZE;
		return fixed_type(mtrrs, pa);
	}
	return variable_type(mtrrs, pa, len, uniform);
}
