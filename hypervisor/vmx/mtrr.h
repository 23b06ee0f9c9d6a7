/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the MTRRs say of memory: SDM volume 3, 12.11. Computed from their values and
 * nothing else. */
#ifndef HV_VMX_MTRR_H
#define HV_VMX_MTRR_H

#include "types.h"

#define MTRR_UC		0u
#define MTRR_WC		1u
#define MTRR_WT		4u
#define MTRR_WP		5u
#define MTRR_WB		6u

#define MTRR_VARIABLE	32u
#define MTRR_FIXED	11u

/* IA32_MTRR_DEF_TYPE beside the type. */
#define MTRR_FIXED_ON	(1u << 10)
#define MTRR_ON		(1u << 11)
/* A variable range's mask counts. */
#define MTRR_VALID	(1u << 11)

struct mtrrs {
	u64 default_type;	/* IA32_MTRR_DEF_TYPE */
	u64 fixed[MTRR_FIXED];	/* by address: 64K_00000, 16K_80000 ... */
	u32 count;
	struct {
		u64 base, mask;	/* as in their MSRs */
	} variable[MTRR_VARIABLE];
};

/* Type of the first byte of the @len bytes at @pa; *@uniform: of all of them. @len is a
 * power of two, at least a page, and @pa a multiple of it. */
u8 mtrr_type(const struct mtrrs *mtrrs, u64 pa, u64 len, bool *uniform);

#endif
