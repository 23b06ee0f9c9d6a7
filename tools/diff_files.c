/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which source file of the old side is which of the new one. A kernel has a dozen
 * files called "core.c": between two kernels their order tells them apart, for a single
 * object what they define does.
 */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "diff_match.h"

struct file_name {
	const char *name;
	u32 symbol;
};

static int compare_files(const void *a, const void *b)
{
	const struct file_name *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x->symbol > y->symbol) - (x->symbol < y->symbol);
}

static u32 hash_name(const char *name, u32 nth)
{
	u32 hash = 2166136261u ^ nth;

	while (*name)
		hash = (hash ^ (u8)*name++) * 16777619u;
	return hash | 1;
}

/* The n-th "core.c" gets the number of "core.c" and n, on both sides. */
static enum us_error number_files(const struct side *side, u32 *ordinals)
{
	struct file_name *files = calloc(side->symbol_count + 1,
					 sizeof(*files));
	u32 count = 0, i, nth = 0;

	if (!files)
		return fail(US_E_NO_MEMORY, "files");
	for (i = 0; i < side->symbol_count; i++)
		if (side->symbols[i].type == STT_FILE)
			files[count++] = (struct file_name){
				side->symbols[i].name, i,
			};
	qsort(files, count, sizeof(*files), compare_files);
	for (i = 0; i < count; i++) {
		nth = i && !strcmp(files[i].name, files[i - 1].name) ?
		      nth + 1 : 0;
		ordinals[files[i].symbol] = hash_name(files[i].name, nth);
	}
	free(files);
	return US_OK;
}

static bool has_local(const struct side *side, const char *name, u32 file)
{
	u32 i, index;

	for (i = side_find_name(side, name); i < side->name_count; i++) {
		index = side->by_name[i];
		if (strcmp(side->symbols[index].name, name))
			return false;
		if (side->symbols[index].bind == STB_LOCAL &&
		    side->symbols[index].file == file)
			return true;
	}
	return false;
}

/* Give file @file of the object the number of the old side's file of that name which
 * shares most local names with it. @scores is room for a count by old symbol. */
static void number_by_contents(const struct side *old, const struct side *new,
			       u32 file, const u32 *old_ordinals,
			       u32 *new_ordinals, u32 *scores)
{
	const char *name = new->symbols[file].name;
	u32 best = SIDE_NONE, i, from;

	memset(scores, 0, old->symbol_count * sizeof(*scores));
	for (i = 0; i < old->symbol_count; i++) {
		from = old->symbols[i].file;
		if (old->symbols[i].bind == STB_LOCAL && from != SIDE_NONE &&
		    old->symbols[i].size && old->symbols[i].name[0] &&
		    !strcmp(old->symbols[from].name, name) &&
		    has_local(new, old->symbols[i].name, file))
			scores[from]++;
	}
	for (i = 0; i < old->symbol_count; i++)
		if (scores[i] && (best == SIDE_NONE || scores[i] > scores[best]))
			best = i;
	if (best != SIDE_NONE)
		new_ordinals[file] = old_ordinals[best];
}

/* How many source files are called @name? */
static u32 count_files(const struct side *side, const char *name)
{
	u32 i, count = 0;

	for (i = 0; i < side->symbol_count; i++)
		count += side->symbols[i].type == STT_FILE &&
			 !strcmp(side->symbols[i].name, name);
	return count;
}

enum us_error match_files(const struct side *old, const struct side *new,
			  u32 *old_ordinals, u32 *new_ordinals)
{
	enum us_error error = number_files(old, old_ordinals);
	u32 *scores, i;

	if (!error)
		error = number_files(new, new_ordinals);
	/* An object has few files; a kernel's are all there. */
	if (error || new->linked)
		return error;
	scores = calloc(old->symbol_count + 1, sizeof(*scores));
	if (!scores)
		return fail(US_E_NO_MEMORY, "files");
	for (i = 0; i < new->symbol_count; i++)
		if (new->symbols[i].type == STT_FILE &&
		    count_files(old, new->symbols[i].name) !=
		    count_files(new, new->symbols[i].name))
			number_by_contents(old, new, i, old_ordinals,
					   new_ordinals, scores);
	free(scores);
	return US_OK;
}
