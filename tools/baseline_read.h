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

/* Link-time text at image offset @offset; false when it is not all text. */
bool baseline_text(const struct baseline *baseline, u64 offset, u64 len,
		   u8 *out);

/* A site that shares a byte with [@offset, @offset + @len), or NULL. */
const struct us_site *baseline_site(const struct baseline *baseline,
				    u64 offset, u64 len);

#endif
