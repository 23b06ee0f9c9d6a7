/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Comparing code. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "diff_compare.h"
#include "kernel_image.h"

enum us_error changes_add(struct changes *changes, const struct change *change)
{
	struct change *grown;

	if (changes->count == changes->room) {
		changes->room = changes->room ? changes->room * 2 : 64;
		grown = reallocarray(changes->list, changes->room,
				     sizeof(*grown));
		if (!grown)
			return fail(US_E_NO_MEMORY, "changes");
		changes->list = grown;
	}
	changes->list[changes->count++] = *change;
	return US_OK;
}

void changes_free(struct changes *changes)
{
	free(changes->list);
	*changes = (struct changes){ 0 };
}

/* Two functions of equal length, compared in step. */
struct pair {
	struct match *match;
	const struct line_check *lines;
	u64 old, new, len;
	const u8 *old_bytes, *new_bytes;
	struct code_refs old_refs, new_refs;
	u64 at;
	const char *what;
};

static bool differ(struct pair *pair, u64 at, const char *what)
{
	pair->at = at;
	pair->what = what;
	return false;
}

/* Is the only difference of the instruction at @at a line number in it? */
static bool is_line_number(const struct pair *pair, u64 at, u64 end)
{
	struct code_insn insn;
	u64 old, new;
	u32 mask;

	if (!pair->lines ||
	    !code_decode(pair->old_bytes + at, end - at, &insn) ||
	    insn.imm_size < 2 || insn.imm_size > 4 || insn.len != end - at)
		return false;
	if (memcmp(pair->old_bytes + at, pair->new_bytes + at,
		   insn.imm_offset) ||
	    memcmp(pair->old_bytes + at + insn.imm_offset + insn.imm_size,
		   pair->new_bytes + at + insn.imm_offset + insn.imm_size,
		   end - at - insn.imm_offset - insn.imm_size))
		return false;
	mask = insn.imm_size == 2 ? 0xffff : 0xffffffff;
	old = insn.imm_size == 2 ?
	      read_u16(pair->old_bytes + at + insn.imm_offset) :
	      read_u32(pair->old_bytes + at + insn.imm_offset);
	new = insn.imm_size == 2 ?
	      read_u16(pair->new_bytes + at + insn.imm_offset) :
	      read_u32(pair->new_bytes + at + insn.imm_offset);
	return pair->lines->is_line(pair->lines->context, pair->old + at,
				    old & mask, pair->new + at, new & mask);
}

/* Bytes that point nowhere, between two fields. Where they differ, go through
 * them instruction by instruction. */
static bool same_plain(struct pair *pair, u64 from, u64 to)
{
	u64 at = from;

	if (!memcmp(pair->old_bytes + from, pair->new_bytes + from, to - from))
		return true;
	while (pair->old_bytes[at] == pair->new_bytes[at])
		at++;
	return differ(pair, at, "instructions");
}

static bool same_refs(struct pair *pair)
{
	const struct code_ref *a, *b;
	u64 at = 0;
	u32 i;

	if (pair->old_refs.count != pair->new_refs.count)
		return same_plain(pair, 0, pair->len) &&
		       differ(pair, 0, "instructions");
	for (i = 0; i < pair->old_refs.count; i++) {
		a = &pair->old_refs.list[i];
		b = &pair->new_refs.list[i];
		if (a->offset != b->offset || a->width != b->width ||
		    a->form != b->form || a->offset < at)
			return differ(pair, a->offset < b->offset ? a->offset :
				      b->offset, "instructions");
		if (!same_plain(pair, at, a->offset))
			return false;
		if (!match_targets(pair->match, &a->target, &b->target))
			return differ(pair, a->offset, "a reference");
		at = a->offset + a->width;
	}
	return same_plain(pair, at, pair->len);
}

/*
 * Make copies in which immediate operands that are line numbers are alike. Returns
 * false when there are none: then the functions differ for good.
 */
static bool blank_lines(struct pair *pair, u8 *old, u8 *new)
{
	struct code_insn insn;
	bool any = false;
	u64 at;

	memcpy(old, pair->old_bytes, pair->len);
	memcpy(new, pair->new_bytes, pair->len);
	for (at = 0; at < pair->len; at += insn.len) {
		if (!code_decode(pair->old_bytes + at, pair->len - at, &insn))
			return false;
		if (!memcmp(pair->old_bytes + at, pair->new_bytes + at,
			    insn.len) ||
		    !is_line_number(pair, at, at + insn.len))
			continue;
		memcpy(new + at, old + at, insn.len);
		any = true;
	}
	return any;
}

static enum us_error compare_again(struct pair *pair)
{
	u8 *old = malloc(pair->len), *new = malloc(pair->len);
	const u8 *old_bytes = pair->old_bytes, *new_bytes = pair->new_bytes;
	enum us_error error = US_OK;

	if (!old || !new) {
		error = fail(US_E_NO_MEMORY, "code");
	} else if (blank_lines(pair, old, new)) {
		pair->old_bytes = old;
		pair->new_bytes = new;
		pair->what = NULL;
		same_refs(pair);
		pair->old_bytes = old_bytes;
		pair->new_bytes = new_bytes;
	}
	free(old);
	free(new);
	return error;
}

static enum us_error compare_bodies(struct pair *pair)
{
	enum us_error error;

	error = code_collect(pair->match->old, pair->old, pair->len,
			     &pair->old_refs);
	if (!error)
		error = code_collect(pair->match->new, pair->new, pair->len,
				     &pair->new_refs);
	if (error)
		return error;
	pair->old_bytes = side_bytes(pair->match->old, pair->old, pair->len);
	pair->new_bytes = side_bytes(pair->match->new, pair->new, pair->len);
	if (!same_refs(pair) && pair->lines && !pair->old_refs.undecoded)
		error = compare_again(pair);
	if (!error && !pair->what)
		compare_sites(pair->match, pair->old, pair->new, pair->len,
			      &pair->at, &pair->what);
	return error;
}

enum us_error compare_function(struct match *match,
			       const struct line_check *lines, u32 old,
			       u32 new, u64 *at, const char **what)
{
	const struct side_symbol *a = &match->old->symbols[old];
	const struct side_symbol *b = &match->new->symbols[new];
	struct pair pair = {
		.match = match, .lines = lines, .old = a->address,
		.new = b->address, .len = a->size,
	};
	enum us_error error = US_OK;

	*at = 0;
	*what = NULL;
	if (a->size != b->size)
		*what = "length";
	else
		error = compare_bodies(&pair);
	if (pair.what) {
		*what = pair.what;
		*at = pair.at;
	}
	code_free(&pair.old_refs);
	code_free(&pair.new_refs);
	return error;
}

/* Another function symbol for the same bytes came before. */
static bool is_alias(const struct side *side, u32 position)
{
	u32 index = side->by_address[position], other;

	while (position--) {
		other = side->by_address[position];
		if (side->symbols[other].address !=
		    side->symbols[index].address)
			return false;
		if (side_is_function(side, other) && side->symbols[other].size ==
		    side->symbols[index].size)
			return true;
	}
	return false;
}

static enum us_error compare_one(struct match *match,
				 const struct line_check *lines, u32 old,
				 struct changes *changes)
{
	struct change change = {
		.kind = CHANGE_FUNCTION, .old = old, .new = match->to_new[old],
	};
	enum us_error error;

	if (change.new == SIDE_NONE || !side_is_function(match->new, change.new)) {
		change.kind = CHANGE_REMOVED_FUNCTION;
		change.new = SIDE_NONE;
		change.what = "it is gone";
		return changes_add(changes, &change);
	}
	changes->functions++;
	changes->code_bytes += match->old->symbols[old].size;
	error = compare_function(match, lines, old, change.new, &change.at,
				 &change.what);
	if (error || !change.what)
		return error;
	return changes_add(changes, &change);
}

static enum us_error compare_functions(struct match *match,
				       const struct line_check *lines,
				       struct changes *changes)
{
	enum us_error error = US_OK;
	u32 i, index;

	for (i = 0; i < match->old->address_count && !error; i++) {
		index = match->old->by_address[i];
		if (side_is_function(match->old, index) && !is_alias(match->old, i))
			error = compare_one(match, lines, index, changes);
	}
	for (i = 0; i < match->new->address_count && !error; i++) {
		const struct change change = {
			.kind = CHANGE_NEW_FUNCTION, .old = SIDE_NONE,
			.new = match->new->by_address[i], .what = "it is new",
		};

		if (side_is_function(match->new, change.new) &&
		    !is_alias(match->new, i) &&
		    match->to_old[change.new] == SIDE_NONE)
			error = changes_add(changes, &change);
	}
	return error;
}

static int compare_changes(const void *a, const void *b)
{
	const struct change *x = a, *y = b;

	if (x->kind != y->kind)
		return (int)x->kind - (int)y->kind;
	if (x->old != y->old)
		return (x->old > y->old) - (x->old < y->old);
	return (x->new > y->new) - (x->new < y->new);
}

enum us_error compare_sides(struct match *match,
			    const struct line_check *lines,
			    struct changes *changes)
{
	enum us_error error;

	*changes = (struct changes){ 0 };
	error = compare_functions(match, lines, changes);
	if (!error)
		error = compare_data(match, changes);
	if (changes->count)
		qsort(changes->list, changes->count, sizeof(*changes->list),
		      compare_changes);
	return error;
}
