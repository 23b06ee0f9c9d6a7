/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Put a baseline together from its parts. */
#ifndef UNDERSEAL_BASELINE_WRITE_H
#define UNDERSEAL_BASELINE_WRITE_H

#include "file.h"
#include "kernel_relocs.h"
#include "kernel_sites.h"

struct baseline_parts {
	const u8 *text;
	u64 text_len;
	struct us_baseline_header header; /* build id, release and facts filled */
	const struct reloc_list *relocs;
	const struct site_list *sites;
	const struct site_list *runtime;
};

/* Build the file in @out and its header in @parts->header. TOO_LARGE when the
 * kernel is beyond the format's bounds; NO_MEMORY. */
enum us_error baseline_write(struct baseline_parts *parts, struct buffer *out);

#endif
