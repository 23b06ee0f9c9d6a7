/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Put a baseline together from its parts. */
#ifndef UNDERSEAL_BASELINE_WRITE_H
#define UNDERSEAL_BASELINE_WRITE_H

#include "file.h"
#include "kernel_entries.h"
#include "kernel_runtime.h"
#include "kernel_values.h"

struct baseline_parts {
	/* Build id, release, facts, ranges, text_len and policy filled. */
	struct us_baseline_header header;
	const struct kernel_memory *memory;
	const struct reloc_list *relocs; /* of the whole image */
	const struct value_list *values;
	const struct runtime_list *runtime;
	const struct entry_list *entries;
	const u8 *probes;		/* a bit for each byte of text */
};

/* The parts of it that other formats share: count the sites by kind; append @range's
 * blocks to @out, and write their refs at @out's offset *@table, which moves on. */
void count_sites(const struct value_list *values, const struct runtime_list *runtime,
		 u32 counts[16]);
enum us_error baseline_write_range(const struct baseline_parts *parts,
				   const struct us_range *range, u64 *table,
				   struct buffer *out);

/* Build the file in @out and its header in @parts->header. TOO_LARGE when the
 * kernel is beyond the format's bounds; NO_MEMORY. */
enum us_error baseline_write(struct baseline_parts *parts, struct buffer *out);

#endif
