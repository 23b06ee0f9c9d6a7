/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What differs between two sides, function by function and object by object. */
#ifndef UNDERSEAL_DIFF_COMPARE_H
#define UNDERSEAL_DIFF_COMPARE_H

#include "diff_match.h"

enum change_kind {
	CHANGE_FUNCTION,	/* the body differs */
	CHANGE_NEW_FUNCTION,
	CHANGE_REMOVED_FUNCTION,
	CHANGE_DATA,		/* an object's initial contents differ */
	CHANGE_NEW_DATA,
	CHANGE_REMOVED_DATA,
	CHANGE_NEW_EXPORT,	/* a symbol that modules may now use */
};

/* At @at of such code: from here on @depth bytes lie on the stack above the return
 * address; or a call to the callee stands there. */
#define CODE_MARK_CALL		0x80000000u
#define CODE_CALL_LEN		5u

struct code_mark {
	u32 at, depth;
};

/* Code that goes in front of a new body. It comes to its end, where a return is put,
 * or takes a branch to the body, whose distance ends at @skip. */
struct code_prefix {
	const u8 *code;
	u64 len, skip;
	const struct code_mark *marks;	/* ascending; may be none */
	u32 mark_count;
	const char *callee;		/* the kernel's function that it calls */
};

struct change {
	u8 kind;		/* enum change_kind */
	u32 old, new;		/* symbols, SIDE_NONE where there is none */
	u64 at;			/* offset of the first difference */
	const char *what;	/* what differs there, for people */
	const struct code_prefix *prefix; /* NULL: none */
};

/* Immediate operands that may be nothing but line numbers. */
struct line_check {
	void *context;
	/* Do the instructions at these addresses name their own source lines,
	 * @old and @new? */
	bool (*is_line)(void *context, u64 old_address, u64 old,
			u64 new_address, u64 new);
};

struct changes {
	struct change *list;
	u32 count, room;
	u32 functions;		/* that were compared */
	u64 code_bytes;		/* of them, old side */
	u32 objects;
};

/*
 * Compare all that @match knows. Sorted by kind, then by address. NO_MEMORY,
 * ELF_FORMAT. changes_free() after success and failure alike.
 */
enum us_error compare_sides(struct match *match,
			    const struct line_check *lines,
			    struct changes *changes);
void changes_free(struct changes *changes);

/* For compare_sides(): append. NO_MEMORY. */
enum us_error changes_add(struct changes *changes, const struct change *change);

/* Compare two functions; *@what is NULL when they are the same. @lines may be
 * NULL. NO_MEMORY, ELF_FORMAT. */
enum us_error compare_function(struct match *match,
			       const struct line_check *lines, u32 old,
			       u32 new, u64 *at, const char **what);

/* Do the tables say the same of two functions of equal length? */
bool compare_sites(struct match *match, u64 old, u64 new, u64 len, u64 *at,
		   const char **what);

/* Exported names and objects. */
enum us_error compare_data(struct match *match, struct changes *changes);

#endif
