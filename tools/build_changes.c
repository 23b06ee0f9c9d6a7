/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a fix changes: the object with it against the object without it, which
 * were compiled alike, so that nothing else can differ. Then the same in terms of the
 * vendor's kernel, which is what gets patched.
 */
#include "build_judge.h"
#include "cli.h"

/* Let the comparison pair what has no name of its own, by how it is used. */
static enum us_error pair_nameless(struct match *match)
{
	const struct side *side = match->new;
	enum us_error error = US_OK;
	const char *what;
	u32 i, twin;
	u64 at;

	for (i = 0; i < side->symbol_count && !error; i++) {
		twin = match->to_old[i];
		if (side->symbols[i].type != STT_FUNC || twin == SIDE_NONE ||
		    side->symbols[i].section == SIDE_NONE ||
		    match->old->symbols[twin].section == SIDE_NONE)
			continue;
		error = compare_function(match, NULL, twin, i, &at, &what);
	}
	return error;
}

static const char *change_name(const struct judge *judge,
			       const struct change *change)
{
	return change->new != SIDE_NONE ?
	       judge->after.symbols[change->new].name :
	       judge->before.symbols[change->old].name;
}

/* The vendor's symbol for one of the object without the fix. */
static u32 vendor_symbol(const struct judge *judge,
			 const struct change *change)
{
	if (change->new != SIDE_NONE)
		return judge->carried.to_old[change->new];
	/* Gone with the fix: by name, when that is enough. */
	return side_symbol_named(&judge->vendor,
				 judge->before.symbols[change->old].name);
}

static enum us_error translate(struct judge *judge, const struct change *found)
{
	struct change change = *found;

	if (found->old != SIDE_NONE) {
		change.old = vendor_symbol(judge, found);
		if (change.old == SIDE_NONE && found->new == SIDE_NONE)
			return US_OK;
		if (change.old == SIDE_NONE)
			return fail(US_E_SYMBOL_AMBIGUOUS, "%s",
				    change_name(judge, found));
	}
	note("%s: %s", change_name(judge, found), found->what);
	return changes_add(&judge->changes, &change);
}

enum us_error judge_changes(struct judge *judge)
{
	enum us_error error;
	u32 i;

	error = match_symbols(&judge->fixed, &judge->before, &judge->after);
	if (!error)
		error = compare_sides(&judge->fixed, NULL, &judge->found);
	if (!error && !judge->found.count)
		return fail(US_E_NOTHING_TO_REPLACE, "the fix changes no "
			    "function and no data of this kernel");
	if (!error)
		error = match_symbols(&judge->carried, &judge->vendor,
				      &judge->after);
	if (!error)
		error = pair_nameless(&judge->carried);
	for (i = 0; i < judge->found.count && !error; i++)
		error = translate(judge, &judge->found.list[i]);
	return error;
}
