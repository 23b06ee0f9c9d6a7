/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Judging compiled objects: are they the vendor's, and what does the fix change? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build.h"
#include "build_judge.h"
#include "cli.h"
#include "process.h"

#define NAMED_MAX	700u	/* characters of names in a message */

/* Several objects become one, as far as names and contents go. */
static enum us_error join(const struct build *build, const char *directory,
			  char path[PATH_MAX])
{
	const struct object_list *objects = &build->objects;
	char (*parts)[PATH_MAX] = calloc(objects->count, PATH_MAX);
	const char **argv = calloc(objects->count + 6, sizeof(*argv));
	enum us_error error = US_OK;
	size_t i;

	if (!parts || !argv)
		error = fail(US_E_NO_MEMORY, "objects");
	if (!error)
		error = make_path(path, "%s/joined", directory);
	for (i = 0; i < objects->count && !error; i++) {
		error = object_copy_path(parts[i], directory,
					 objects->paths[i]);
		argv[4 + i] = parts[i];
	}
	if (!error && objects->count == 1) {
		strcpy(path, parts[0]);
	} else if (!error) {
		argv[0] = "ld";
		argv[1] = "-r";
		argv[2] = "-o";
		argv[3] = path;
		error = process_must(&(struct process){ .argv = argv }, NULL);
	}
	free(parts);
	free(argv);
	return error;
}

/* What is wrong with a build, for a message. */
struct mismatches {
	char text[NAMED_MAX];
	size_t len;
	u32 count, functions;
};

static void mismatch(struct mismatches *list, const char *name, u64 at,
		     const char *what)
{
	int len;

	list->count++;
	note("%s: differs from the vendor's: %s at +%#llx", name, what,
	     (unsigned long long)at);
	len = snprintf(list->text + list->len, NAMED_MAX - list->len,
		       "%s%s (%s)", list->len ? ", " : "", name, what);
	if (len > 0 && (size_t)len < NAMED_MAX - list->len)
		list->len += len;
	else
		list->text[list->len] = 0;
}

static enum us_error prove_function(struct match *match, u32 index,
				    struct mismatches *list)
{
	const char *name = match->new->symbols[index].name, *what = NULL;
	u32 twin = match->to_old[index];
	enum us_error error;
	u64 at = 0;

	/* The linker dropped it for the one that is not weak. */
	if (match->new->symbols[index].bind == STB_WEAK && twin != SIDE_NONE &&
	    match->old->symbols[twin].bind != STB_WEAK)
		return US_OK;
	list->functions++;
	if (twin == SIDE_NONE || !side_is_function(match->old, twin)) {
		mismatch(list, name, 0, "the vendor's has none");
		return US_OK;
	}
	error = compare_function(match, NULL, twin, index, &at, &what);
	if (!error && what)
		mismatch(list, name, at, what);
	return error;
}

/* Functions that the vendor's object has and ours lacks. */
static void prove_complete(const struct match *match, struct mismatches *list)
{
	const struct side *vendor = match->old;
	bool *ours = calloc(vendor->symbol_count + 1, 1);
	u32 i;

	for (i = 0; ours && i < vendor->symbol_count; i++)
		if (match->to_new[i] != SIDE_NONE && side_is_function(vendor, i) &&
		    vendor->symbols[i].file != SIDE_NONE)
			ours[vendor->symbols[i].file] = true;
	for (i = 0; ours && i < vendor->symbol_count; i++)
		if (match->to_new[i] == SIDE_NONE && side_is_function(vendor, i) &&
		    vendor->symbols[i].file != SIDE_NONE &&
		    ours[vendor->symbols[i].file])
			mismatch(list, vendor->symbols[i].name, 0,
				 "ours has none");
	free(ours);
}

static enum us_error prove(struct match *match, struct mismatches *list)
{
	enum us_error error = US_OK;
	u32 i;

	*list = (struct mismatches){ 0 };
	for (i = 0; i < match->new->symbol_count && !error; i++)
		if (side_is_function(match->new, i))
			error = prove_function(match, i, list);
	if (!error)
		prove_complete(match, list);
	return error;
}

/* The unpatched objects at @path against the vendor's binary. */
static enum us_error prove_objects(struct judge *judge, const char *path,
				   struct mismatches *list)
{
	struct match match = { 0 };
	struct side side;
	enum us_error error = side_open(&side, path);

	if (!error)
		error = match_symbols(&match, &judge->vendor, &side);
	if (!error)
		error = prove(&match, list);
	match_free(&match);
	side_close(&side);
	return error;
}

/*
 * In a section of its own a function may reach another one only by a longer jump.
 * So what is left over is compared once more as the vendor compiled it: with all
 * functions in one section.
 */
static enum us_error prove_plain(struct judge *judge, struct mismatches *list)
{
	struct build *build = judge->build;
	char directory[PATH_MAX], path[PATH_MAX];
	enum us_error error = make_path(directory, "%s/plain", build->work);

	note("comparing once more without sections for functions");
	if (!error)
		error = source_tree_build_plain(&build->tree,
						build->objects.paths,
						build->objects.count,
						directory);
	if (!error)
		error = join(build, directory, path);
	return error ? error : prove_objects(judge, path, list);
}

static enum us_error prove_build(struct judge *judge)
{
	struct mismatches list;
	enum us_error error;

	note("comparing the objects without the fix with %s",
	     judge->vendor.path);
	error = prove_objects(judge, judge->before.path, &list);
	if (!error && list.count)
		error = prove_plain(judge, &list);
	if (!error && !list.functions)
		return fail(US_E_NOTHING_TO_REPLACE, "%s: no functions",
			    judge->build->objects.paths[0]);
	if (!error && list.count)
		return fail(US_E_BUILD_MISMATCH, "%u of %u functions differ "
			    "from %s: %s", list.count, list.functions,
			    judge->vendor.path, list.text);
	if (!error)
		note("%u functions are the vendor's", list.functions);
	return error;
}

static enum us_error open_sides(struct judge *judge)
{
	struct build *build = judge->build;
	enum us_error error;

	error = join(build, build->before, judge->before_path);
	if (!error)
		error = join(build, build->after, judge->after_path);
	if (!error)
		error = side_open(&judge->vendor, build->vendor);
	if (!error)
		error = side_open(&judge->before, judge->before_path);
	return error ? error : side_open(&judge->after, judge->after_path);
}

static void close_judge(struct judge *judge)
{
	match_free(&judge->fixed);
	match_free(&judge->carried);
	changes_free(&judge->found);
	changes_free(&judge->changes);
	side_close(&judge->vendor);
	side_close(&judge->before);
	side_close(&judge->after);
}

enum us_error build_judge(struct build *build, struct buffer *file)
{
	struct judge judge = {
		.build = build, .vendor = { .fd = -1 }, .before = { .fd = -1 },
		.after = { .fd = -1 },
	};
	enum us_error error = open_sides(&judge);

	if (!error)
		error = prove_build(&judge);
	if (!error)
		error = judge_types(&judge);
	if (!error)
		error = judge_changes(&judge);
	if (!error)
		error = judge_carry(&judge, file);
	close_judge(&judge);
	return error;
}
