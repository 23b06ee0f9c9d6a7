/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which symbol of the old side is which of the new one, and whether what two
 * pointers lead to is the same thing.
 */
#ifndef UNDERSEAL_DIFF_MATCH_H
#define UNDERSEAL_DIFF_MATCH_H

#include "diff_code.h"

struct module_home;

struct match {
	const struct side *old, *new;
	u32 *to_new;		/* by old symbol: its twin, or SIDE_NONE */
	u32 *to_old;		/* by new symbol */
	const struct module_home *home;	/* of an old module (diff_module.h), or NULL
				 * when where it lies does not matter */
	u8 *memo;		/* by old symbol: are the numbered constants the
				 * same? 0 unknown */
	u32 steps;		/* of the comparison under way; bounded */
	struct build_text {	/* what a side calls its own build: */
		char words[8][64];	/* release, version, date */
		u32 count;
	} old_text, new_text;
};

/* NO_MEMORY. match_free() after success and failure alike. */
enum us_error match_symbols(struct match *match, const struct side *old,
			    const struct side *new);
void match_free(struct match *match);

/* For match_symbols(): number the source files, by file symbol, so that files that
 * are the same have the same number. A clash of two numbers only makes symbols that
 * have one name in two files be paired in order. NO_MEMORY. */
enum us_error match_files(const struct side *old, const struct side *new,
			  u32 *old_ordinals, u32 *new_ordinals);

/* Compilers number what has no name of its own beyond its function: "__func__.12",
 * "CSWTCH.7"; so does the kernel: "__UNIQUE_ID_ddebug425.3". The length of @name
 * without those numbers, or 0. */
size_t match_numbered(const char *name);

/* A descriptor of dynamic debugging: its line number is no part of it. Bytes of it
 * that count, or 0 when @name is none. */
u64 match_debug_bytes(const char *name);

/*
 * Do the two pointers lead to the same thing? The same function or variable at the
 * same offset; or, for constants that have no name of their own, equal contents.
 */
bool match_targets(struct match *match, const struct side_target *old,
		   const struct side_target *new);

/* Are the two texts equal but for the names of their builds? */
bool match_build_text(const struct match *match, const u8 *old, u64 old_len,
		      const u8 *new, u64 new_len);

/* Are [@old, + @len) and [@new, + @len) equal with all that they point to? */
bool match_data(struct match *match, u64 old, u64 new, u64 len,
		unsigned int depth);

/* Compare constants without a symbol: strings, literals. */
bool match_literals(struct match *match, u64 old, u64 new, unsigned int depth);

/* Bytes of the nameless constant at @address with its end, a string's NUL. */
u64 match_literal_len(const struct side *side, u64 address);

#endif
