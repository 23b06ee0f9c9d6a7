/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Modules that have what a fix changes in a header inlined. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "build.h"
#include "cli.h"
#include "diff_compare.h"

#define NAMED_MAX	700u	/* characters of names in a message */

static enum us_error others_path(const struct build *build, const char *when,
				 const char *object, char path[PATH_MAX])
{
	char directory[PATH_MAX];
	enum us_error error = make_path(directory, "%s/others-%s", build->work,
					when);

	return error ? error : object_copy_path(path, directory, object);
}

static enum us_error try_others(struct build *build, const char *when)
{
	char directory[PATH_MAX];
	enum us_error error = make_path(directory, "%s/others-%s", build->work,
					when);

	return error ? error :
	       source_tree_try(&build->tree, build->others.paths,
			       build->others.count, directory);
}

/* Is the object at @index of the vendor's modules? What kbuild makes without being
 * configured to, it makes as for the image, and the image does not have it. */
static enum us_error is_of_module(const struct build *build, size_t index,
				  char module[PATH_MAX])
{
	const char *object = build->others.paths[index];
	char path[PATH_MAX];
	enum us_error error = others_path(build, "before", object, path);

	module[0] = 0;
	if (error || access(path, R_OK))
		return error;
	return source_tree_module(&build->tree, object, module);
}

/* Those of @module are what is patched, or are patched with it. */
static enum us_error promote(struct build *build, const char *module,
			     bool *any)
{
	enum us_error error = US_OK;
	char name[PATH_MAX];
	size_t i = 0;

	while (i < build->others.count && !error) {
		error = source_tree_module(&build->tree,
					   build->others.paths[i], name);
		if (error || strcmp(name, module)) {
			i++;
			continue;
		}
		error = objects_add(&build->objects, build->others.paths[i]);
		objects_drop(&build->others, i);
		*any = true;
	}
	return error;
}

/* The kernel itself has none of the objects: the first module, if any. */
static enum us_error promote_first(struct build *build)
{
	char module[PATH_MAX];
	enum us_error error;
	bool any = false;

	if (!build->others.count)
		return fail(US_E_NOTHING_TO_REPLACE, "%s changes nothing that "
			    "this kernel is made of", build->options->patch);
	error = source_tree_module(&build->tree, build->others.paths[0],
				   module);
	return error ? error : promote(build, module, &any);
}

enum us_error others_join(struct build *build, bool *joined)
{
	*joined = false;
	return build->module[0] ? promote(build, build->module, joined) : US_OK;
}

enum us_error others_before(struct build *build)
{
	char module[PATH_MAX];
	enum us_error error;
	size_t i = 0;

	if (!build->others.count)
		return US_OK;
	note("looking for modules among %zu objects", build->others.count);
	error = try_others(build, "before");
	while (i < build->others.count && !error) {
		error = is_of_module(build, i, module);
		if (module[0])
			i++;
		else
			objects_drop(&build->others, i);
	}
	if (!error && !build->objects.count)
		error = promote_first(build);
	return error;
}

enum us_error others_after(struct build *build)
{
	return build->others.count ? try_others(build, "after") : US_OK;
}

struct named {
	char text[NAMED_MAX];
	size_t len;
	u32 count;
};

static void add_changes(struct named *named, const char *object,
			const struct match *match,
			const struct changes *changes)
{
	const struct change *change;
	int len;
	u32 i;

	for (i = 0; i < changes->count; i++) {
		change = &changes->list[i];
		len = snprintf(named->text + named->len, NAMED_MAX - named->len,
			       "%s%s of %s", named->len ? ", " : "",
			       change->new != SIDE_NONE ?
			       match->new->symbols[change->new].name :
			       match->old->symbols[change->old].name, object);
		if (len > 0 && (size_t)len < NAMED_MAX - named->len)
			named->len += len;
		else
			named->text[named->len] = 0;
		named->count++;
	}
}

static enum us_error compare_objects(const char *object, const char *before,
				     const char *after, struct named *named)
{
	struct side old = { .fd = -1 }, new = { .fd = -1 };
	struct changes changes = { 0 };
	struct match match = { 0 };
	enum us_error error = side_open(&old, before);

	if (!error)
		error = side_open(&new, after);
	if (!error)
		error = match_symbols(&match, &old, &new);
	if (!error)
		error = compare_sides(&match, NULL, &changes);
	if (!error)
		add_changes(named, object, &match, &changes);
	changes_free(&changes);
	match_free(&match);
	side_close(&old);
	side_close(&new);
	return error;
}

static enum us_error judge_other(struct build *build, const char *object,
				 struct named *named)
{
	char before[PATH_MAX], after[PATH_MAX];
	enum us_error error = others_path(build, "before", object, before);

	if (!error)
		error = others_path(build, "after", object, after);
	if (!error && access(after, R_OK))
		return fail(US_E_COMPILE, "%s, which is part of a module, does "
			    "not compile with the fix", object);
	return error ? error : compare_objects(object, before, after, named);
}

enum us_error others_judge(struct build *build)
{
	struct named named = { .len = 0 };
	enum us_error error = US_OK;
	size_t i;

	for (i = 0; i < build->others.count && !error; i++)
		error = judge_other(build, build->others.paths[i], &named);
	if (error || !named.count)
		return error;
	if (build->options->partial) {
		warning("left as it is in %s: %s", build->module[0] ?
			"other modules" : "modules", named.text);
		return US_OK;
	}
	return fail(US_E_NOT_PATCHABLE, "the fix also changes %u functions and "
		    "objects of %smodules, which a bundle for %s does not "
		    "reach (--partial leaves them as they are): %s",
		    named.count, build->module[0] ? "other " : "",
		    build->module[0] ? build->module : "the kernel",
		    named.text);
}
