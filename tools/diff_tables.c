/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Comparing what the kernel's tables say of a function. */
#include <string.h>

#include "diff_compare.h"
#include "kernel_image.h"

#define BUG_LINE	8	/* u16 in struct bug_entry; churn, not a change */
#define BUG_FLAGS	10

struct site_pair {
	struct match *match;
	const struct side_site *old, *new;
};

/* Pointers at @offset of both entries lead to the same thing. */
static bool same_pointer(const struct site_pair *pair, u64 offset,
			 unsigned int width)
{
	struct side_target a, b;

	return side_pointer(pair->match->old, pair->old->entry + offset, width,
			    true, &a) &&
	       side_pointer(pair->match->new, pair->new->entry + offset, width,
			    true, &b) &&
	       match_targets(pair->match, &a, &b);
}

static bool same_bytes(const struct site_pair *pair, u64 offset, u64 len)
{
	const u8 *a = side_bytes(pair->match->old, pair->old->entry + offset,
				 len);
	const u8 *b = side_bytes(pair->match->new, pair->new->entry + offset,
				 len);

	return a && b && !memcmp(a, b, len);
}

/* A pointer with flags in its lowest two bits. */
static bool same_tagged(const struct site_pair *pair, u64 offset,
			unsigned int width)
{
	struct side_target a, b;

	if (!side_pointer(pair->match->old, pair->old->entry + offset, width,
			  true, &a) ||
	    !side_pointer(pair->match->new, pair->new->entry + offset, width,
			  true, &b) ||
	    ((a.address ^ b.address) & 3))
		return false;
	a.addend -= a.address & 3;
	b.addend -= b.address & 3;
	a.address &= ~3ull;
	b.address &= ~3ull;
	return match_targets(pair->match, &a, &b);
}

/* The replacement's instructions are code like any other. */
static bool same_replacement(const struct site_pair *pair, u64 len)
{
	struct code_refs old = { 0 }, new = { 0 };
	struct side_target a, b;
	bool same = false;
	const u8 *x, *y;
	u64 at = 0;
	u32 i;

	if (!len)
		return true;
	if (!side_pointer(pair->match->old, pair->old->entry + 4, 4, true,
			  &a) ||
	    !side_pointer(pair->match->new, pair->new->entry + 4, 4, true,
			  &b) ||
	    code_collect(pair->match->old, a.address, len, &old) ||
	    code_collect(pair->match->new, b.address, len, &new) ||
	    old.count != new.count)
		goto out;
	x = side_bytes(pair->match->old, a.address, len);
	y = side_bytes(pair->match->new, b.address, len);
	for (i = 0; i < old.count; i++) {
		if (old.list[i].offset != new.list[i].offset ||
		    old.list[i].width != new.list[i].width ||
		    memcmp(x + at, y + at, old.list[i].offset - at) ||
		    !match_targets(pair->match, &old.list[i].target,
				   &new.list[i].target))
			goto out;
		at = old.list[i].offset + old.list[i].width;
	}
	same = !memcmp(x + at, y + at, len - at);
out:
	code_free(&old);
	code_free(&new);
	return same;
}

static bool same_alternative(const struct site_pair *pair)
{
	unsigned int size = side_entry_size(pair->match->old,
					    TABLE_ALTERNATIVE);
	const u8 *entry = side_bytes(pair->match->old, pair->old->entry, size);

	/* Two pointers, feature and flags, then the two lengths. */
	return entry && same_bytes(pair, 8, size - 8) &&
	       same_replacement(pair, entry[size - 1]);
}

static bool same_bug(const struct site_pair *pair)
{
	return same_pointer(pair, 4, 4) && same_bytes(pair, BUG_FLAGS, 2);
}

static bool same_entry(const struct site_pair *pair)
{
	switch (pair->old->table) {
	case TABLE_ALTERNATIVE:
		return same_alternative(pair);
	case TABLE_PARAVIRT:
		return same_bytes(pair, 8, 2);
	case TABLE_JUMP_LABEL:
		return same_pointer(pair, 4, 4) && same_tagged(pair, 8, 8);
	case TABLE_STATIC_CALL:
		return same_tagged(pair, 4, 4);
	case TABLE_BUG:
		return same_bug(pair);
	case TABLE_EXCEPTION:
		return same_pointer(pair, 4, 4) && same_bytes(pair, 8, 4);
	}
	return true;
}

bool compare_sites(struct match *match, u64 old, u64 new, u64 len, u64 *at,
		   const char **what)
{
	const struct side *x = match->old, *y = match->new;
	u32 i = side_find_site(x, old), k = side_find_site(y, new);

	for (; i < x->site_count && x->sites[i].address - old < len; i++, k++) {
		const struct site_pair pair = {
			match, &x->sites[i], &y->sites[k],
		};

		if (k < y->site_count && y->sites[k].address - new ==
		    x->sites[i].address - old &&
		    y->sites[k].table == x->sites[i].table &&
		    same_entry(&pair))
			continue;
		*at = x->sites[i].address - old;
		*what = side_table_name(x->sites[i].table);
		return false;
	}
	if (k < y->site_count && y->sites[k].address - new < len) {
		*at = y->sites[k].address - new;
		*what = side_table_name(y->sites[k].table);
		return false;
	}
	return true;
}
