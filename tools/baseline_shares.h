/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the bytes of a kernel are described by its baseline. */
#ifndef UNDERSEAL_BASELINE_SHARES_H
#define UNDERSEAL_BASELINE_SHARES_H

#include "baseline.h"

struct baseline_shares {
	u64 exact, enumerated;	/* bytes of text; what is left is masked */
	u64 masked[US_SITE_KINDS];
	u64 values;		/* listed in all, for boot-time sites */
	u64 rodata, as_found;	/* bytes of constants */
	u64 probes;		/* instructions that take a kprobe */
	u64 head;		/* bytes that the control domain keeps */
};

/* Count those of the baseline in @data, which check_baseline() has passed. NO_MEMORY. */
enum us_error shares_count(const void *data, struct baseline_shares *shares);

/* Why bytes of a site of @kind (enum us_site_kind) are not compared. */
const char *mask_reason(u32 kind);

#endif
