/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a source fix to a bundle, in stages. Errors are recorded with fail(). */
#ifndef UNDERSEAL_BUILD_H
#define UNDERSEAL_BUILD_H

#include "archive.h"
#include "build_units.h"
#include "bundle_options.h"
#include "fix_file.h"
#include "source_tree.h"

struct build_options {
	const char *patch, *release, *source, *config, *headers, *vmlinux;
	const char *module, *modules, *system_map, *output;
	struct bundle_options bundle;
	u64 jobs;
	bool fetch_only, partial;
};

/* One fix on its way. */
struct build {
	const struct build_options *options;
	struct archive_kernel kernel;	/* what all of it is made from */
	char config[PATH_MAX];
	const char *headers;		/* NULL without the headers package */
	char work[PATH_MAX];		/* directory for this run alone */
	char before[PATH_MAX], after[PATH_MAX];	/* objects */
	char compiler[256];		/* as vmlinux names it */
	char release[65];		/* of vmlinux */
	struct fix fix;
	struct buffer *changed;		/* by the fix's target: its new text */
	struct source_tree tree;
	struct source_params params;
	struct unit_list units;
	struct object_list objects;
	struct object_list others;	/* of other modules, which include what
					 * the fix changes */
	char module[PATH_MAX];		/* that all of them belong to, or "" */
	char vendor[PATH_MAX];		/* the vendor's binary of that */
};

/* All of it: the bundle is @file. Any error of the stages. */
enum us_error build_bundle(const struct build_options *options,
			   struct buffer *file);

/*
 * A fix to a header also changes modules that have its functions inlined, which this
 * bundle cannot carry. In the tree without the fix: find out which of @build->others
 * are a module's at all; those of the first module become the objects when the kernel
 * itself has none. When @build->module is known, its own ones join the objects:
 * *@joined, which then have to be compiled. With the fix: compile the rest once more.
 * Then NOT_PATCHABLE names the functions that differ, or a warning with --partial.
 */
enum us_error others_before(struct build *build);
enum us_error others_join(struct build *build, bool *joined);
enum us_error others_after(struct build *build);
enum us_error others_judge(struct build *build);

/*
 * Judge the compiled objects: without the fix they have to be what the vendor's
 * kernel holds (BUILD_MISMATCH names each function that is not); what the fix
 * changes becomes a bundle, or is refused by name (NOT_PATCHABLE and others).
 */
enum us_error build_judge(struct build *build, struct buffer *file);

#endif
