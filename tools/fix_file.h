/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A source fix: a unified diff, read and checked here and applied in memory. The
 * file is not trusted: it may name no path outside the tree and can only change
 * lines of files. Errors are recorded with fail().
 */
#ifndef UNDERSEAL_FIX_FILE_H
#define UNDERSEAL_FIX_FILE_H

#include "file.h"

#define FIX_FILE_MAX	(4u << 20)	/* bytes of a diff */
#define FIX_SOURCE_MAX	(16u << 20)	/* bytes of a source file */

struct fix_hunk {
	u64 old_line;		/* counted from 1; the line before when old_count
				 * is 0 */
	u64 old_count, new_count;
	size_t first, count;	/* lines of the diff: fix->lines[first] on */
};

/* One file that the fix changes. */
struct fix_target {
	char *path;		/* relative to the tree, checked */
	struct fix_hunk *hunks;
	size_t hunk_count;
};

struct fix_line {
	const char *text;	/* with its first character: ' ', '-' or '+' */
	size_t len;		/* with the newline, if the line has one */
};

struct fix {
	const char *path;
	struct buffer text;
	struct fix_line *lines;
	size_t line_count;
	struct fix_target *targets;
	size_t target_count;
};

/*
 * Read the diff @path (paths with one leading component, as git and diff -u write
 * them). FILE_*, TOO_LARGE, NO_MEMORY; FIX_FORMAT for what is no unified diff, adds,
 * removes or renames files, or names a path that leaves the tree.
 * fix_free() after success and failure alike.
 */
enum us_error fix_read(struct fix *fix, const char *path);

/* The same for the diff @text, which is taken over; @path stands in messages. */
enum us_error fix_parse(struct fix *fix, const char *path, struct buffer *text);
void fix_free(struct fix *fix);

/*
 * Apply the fix to @old, the content of @target's file. Every line of context has
 * to match; the place may have moved.
 *
 * Line numbers are kept: from the first change on, a #line directive follows
 * each line that ends a function or a type ("}" alone), so that __LINE__ is what it
 * was in every function that the fix does not touch. FIX_APPLY, NO_MEMORY.
 */
enum us_error fix_apply(const struct fix *fix, const struct fix_target *target,
			const struct buffer *old, struct buffer *out);

#endif
