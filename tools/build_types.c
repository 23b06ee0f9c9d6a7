/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does a fix change the layout of a structure? Objects of the old layout exist in the
 * running kernel, so functions that know only the new one must not be put into it.
 */
#include "build_judge.h"
#include "cli.h"
#include "diff_shapes.h"

static const char *find_changed(const struct shape_list *before,
				const struct shape_list *after)
{
	size_t i;

	for (i = 0; i < after->count; i++)
		if (shapes_changed(before, &after->list[i]))
			return after->list[i].name;
	return NULL;
}

enum us_error judge_types(struct judge *judge)
{
	struct shape_list before = { 0 }, after = { 0 };
	enum us_error error;
	const char *name;

	error = shapes_read(&before, judge->before_path);
	if (!error)
		error = shapes_read(&after, judge->after_path);
	name = error ? NULL : find_changed(&before, &after);
	if (name)
		error = fail(US_E_NOT_PATCHABLE, "the fix changes the layout "
			     "of struct %s (changed-layout), of which objects "
			     "exist in the running kernel", name);
	shapes_free(&before);
	shapes_free(&after);
	return error;
}
