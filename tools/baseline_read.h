/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Look things up in a baseline that check_baseline() has passed. */
#ifndef UNDERSEAL_BASELINE_READ_H
#define UNDERSEAL_BASELINE_READ_H

#include "baseline.h"
#include "file.h"

struct baseline {
	const char *path;
	struct buffer file;
	struct us_baseline_head head;
};

/* FILE_*, BASELINE_*. baseline_close() after success and failure alike. */
enum us_error baseline_open(struct baseline *baseline, const char *path);
void baseline_close(struct baseline *baseline);

/* Block @index of the file; false past the last one. */
bool baseline_block(const struct baseline *baseline, u32 index,
		    struct us_block *block);

/* Link-time text at image offset @offset; false when it is not all text. */
bool baseline_text(const struct baseline *baseline, u64 offset, u64 len,
		   u8 *out);

/* A place that the kernel patches, at boot or later. */
struct baseline_site {
	u32 offset;		/* image offset */
	u8 kind;		/* enum us_site_kind */
};

/* Is there one that shares a byte with [@offset, @offset + @len)? What the running
 * kernel patches is found first. */
bool baseline_site(const struct baseline *baseline, u64 offset, u64 len,
		   struct baseline_site *site);

/* The enum us_site_kind that people know an enum us_runtime_kind by. */
u8 runtime_site_kind(u8 kind);

#endif
