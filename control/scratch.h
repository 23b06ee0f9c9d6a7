/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that one request at a time uses. Sealing reads no bundle, and what takes
 * bundles verifies no blocks; ticks and text writes use none of it.
 */
#ifndef UNDERSEAL_SCRATCH_H
#define UNDERSEAL_SCRATCH_H

#include "baseline.h"

union control_scratch {
	u8 bundle[US_MAX_BUNDLE];	/* input.h: apply, revert */
	struct {			/* verify.h: seal, seal module */
		u8 block[US_BLOCK_MAX];	/* as in the file */
		u8 expected[US_BLOCK_BYTES];
		u8 found[US_BLOCK_BYTES + US_SITE_MAX_LEN];
	} verify;
	u64 align;
};

extern union control_scratch control_scratch;

#endif
