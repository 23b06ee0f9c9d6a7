/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "code_ranges.h"

static struct {
	const struct code_range *ranges;
	u32 count;
	u16 order[STACK_CHECK_RANGES];	/* by start */
	u64 reach[STACK_CHECK_RANGES];	/* the highest end up to there */
} sorted;

static u64 start_of(u32 place)
{
	return sorted.ranges[sorted.order[place]].start;
}

/* Shell's sort, with Knuth's gaps: some thousands at most, before the stop. */
static void sort(void)
{
	u32 gap = 1, i, k;

	while (gap < sorted.count / 3)
		gap = 3 * gap + 1;
	for (; gap; gap /= 3) {
		for (i = gap; i < sorted.count; i++) {
			u16 moved = sorted.order[i];
			u64 start = sorted.ranges[moved].start;

			for (k = i; k >= gap && start_of(k - gap) > start; k -= gap)
				sorted.order[k] = sorted.order[k - gap];
			sorted.order[k] = moved;
		}
	}
}

void code_ranges_set(const struct code_range *ranges, u32 count)
{
	u64 reach = 0;
	u32 i;

	sorted.ranges = ranges;
	sorted.count = count;
	for (i = 0; i < count; i++)
		sorted.order[i] = (u16)i;
	sort();
	for (i = 0; i < count; i++) {
		if (ranges[sorted.order[i]].end > reach)
			reach = ranges[sorted.order[i]].end;
		sorted.reach[i] = reach;
	}
}

const struct code_range *code_ranges_find(u64 word)
{
	u32 low = 0, high = sorted.count, middle, best = sorted.count;

	/* How many begin below it. */
	while (low < high) {
		middle = (low + high) / 2;
		if (start_of(middle) < word)
			low = middle + 1;
		else
			high = middle;
	}
	while (low-- > 0 && sorted.reach[low] > word)
		if (sorted.ranges[sorted.order[low]].end > word &&
		    sorted.order[low] < best)
			best = sorted.order[low];
	return best < sorted.count ? &sorted.ranges[best] : NULL;
}
