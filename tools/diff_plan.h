/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of each change, and the bundle that carries those that can be. */
#ifndef UNDERSEAL_DIFF_PLAN_H
#define UNDERSEAL_DIFF_PLAN_H

#include "bundle_options.h"
#include "diff_author.h"
#include "diff_types.h"

/* A change with what is decided about it. */
struct decision {
	struct change change;
	struct verdict verdict;
	bool blocks;		/* without it the update is not complete */
	bool chosen;		/* goes into the bundle */
	bool listed;		/* the user left it in */
	bool carried;		/* new, and goes with a chosen one */
	u32 new_size;		/* of the body in the arena, when chosen */
};

struct plan {
	struct match *match;
	struct changes changes;		/* cold parts belong to their functions */
	struct decision *decisions;	/* one for each */
	struct layouts layouts;
	bool layouts_judged;		/* by the caller, in another way */
	u64 capability;			/* as in struct author */
	bool strange_warn, strange_orc;
	bool new_variables;		/* the same */
};

/* Which changes the user wants; names may be repeated. */
struct plan_choice {
	const char *const *only;	/* NULL: all */
	u32 only_count;
	const char *const *except;
	u32 except_count;
	bool partial;			/* what cannot be patched is left out */
};

/*
 * Compare and decide. @lines may be NULL. Errors of compare_sides(); also
 * SYMBOL_MISSING: the choice names a function that did not change.
 * plan_free() after success and failure alike.
 */
enum us_error plan_make(struct plan *plan, struct match *match,
			const struct line_check *lines,
			const struct plan_choice *choice);

/* Decide about @changes, which are taken over: what differs is known already, and
 * that no layout does. New variables go along. */
enum us_error plan_changes(struct plan *plan, struct match *match,
			   struct changes *changes,
			   const struct plan_choice *choice);
void plan_free(struct plan *plan);

/* The first decision that keeps the bundle from being made, or NULL. */
const struct decision *plan_obstacle(const struct plan *plan,
				     const struct plan_choice *choice);

/*
 * Build the bundle of all chosen functions: @out's header (generation, name and
 * description are the caller's), tables and payload. NOTHING_TO_REPLACE,
 * TOO_LARGE, NO_MEMORY, ELF_FORMAT (no build id).
 */
enum us_error plan_bundle(struct plan *plan, struct bundle_plan *out);

/* Add the writes and watches of @options to @out, which plan_bundle() has made. @kernel is
 * the old kernel's file, when @plan is not of a module. Errors of bundle_plan_writes(),
 * image_open(). */
enum us_error plan_writes(struct plan *plan, struct bundle_plan *out,
			  const char *kernel,
			  const struct bundle_options *options);

/* The symbol's name on the side where there is one. */
const char *decision_name(const struct plan *plan,
			  const struct decision *decision);

/* Add the redirecting jump and function entry for @old, whose new body is @body.
 * OBJECT_UNSUPPORTED (refused, in author->verdict). */
enum us_error plan_check_entry(struct author *author, u32 old, u64 *at);

/* May callers of the old function @old count on registers that only its present body
 * leaves alone? OBJECT_UNSUPPORTED, with the verdict. */
enum us_error plan_check_registers(struct author *author, u32 old);

/* The function of @side whose cold part @cold is, or SIDE_NONE. */
u32 plan_whole(const struct side *side, u32 cold);

/* It does not go along, because of another one. */
void plan_leave_out(struct decision *decision, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Name of the function whose cold part this is: its length in @name, or 0. */
size_t cold_stem(const char *name);

#endif
