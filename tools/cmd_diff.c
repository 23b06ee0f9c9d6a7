/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "cmd.h"
#include "diff_module.h"
#include "diff_report.h"
#include "diff_use.h"
#include "report.h"

#define MAX_NAMES	1024u
#define LINE_SLACK	3	/* lines that a macro's call may take */

struct options {
	const char *old, *new, *output;
	const char *kernel, *new_kernel, *modules; /* for modules */
	const char *only[MAX_NAMES], *except[MAX_NAMES];
	struct plan_choice choice;
	struct bundle_options bundle;
	bool report;
};

enum { OPTION_PARTIAL = 256, OPTION_NEW_KERNEL };

static const struct argp_option option_table[] = {
	{ "output", 'o', "FILE", 0, "write a bundle to FILE", 0 },
	{ "functions", 'f', "NAMES", 0, "only these changes, separated by "
	  "commas", 0 },
	{ "exclude", 'x', "NAMES", 0, "all but these changes", 0 },
	{ "partial", OPTION_PARTIAL, NULL, 0, "leave out what cannot be "
	  "patched instead of refusing", 0 },
	{ "kernel", 'k', "VMLINUX", 0, "of modules: the running kernel, which is "
	  "OLD's", 0 },
	{ "new-kernel", OPTION_NEW_KERNEL, "VMLINUX", 0, "of modules without "
	  "debug information: NEW's kernel, for its types", 0 },
	{ "modules", 'M', "DIR", 0, "of modules: what OLD may refer to, as in "
	  "/lib/modules/RELEASE", 0 },
	{ "report", 'r', NULL, 0, "print what changed and whether it needs a "
	  "reboot; done anyway without -o", 0 },
	{ 0 }
};

/* "a,b,c" into @names; @text is taken apart in place. */
static error_t split(char *text, const char **names, u32 *count)
{
	char *save, *name;

	for (name = strtok_r(text, ",", &save); name;
	     name = strtok_r(NULL, ",", &save)) {
		if (*count == MAX_NAMES)
			return usage_error("more than %u names", MAX_NAMES);
		names[(*count)++] = name;
	}
	return 0;
}

static error_t check_options(const struct options *options)
{
	if (!options->old || !options->new)
		return usage_error("OLD and NEW are needed");
	if ((options->new_kernel || options->modules) && !options->kernel)
		return usage_error("--new-kernel and --modules go with "
				   "--kernel");
	if (options->output &&
	    (!options->bundle.name || !options->bundle.generation))
		return usage_error("-o needs --generation and --name");
	return 0;
}

static error_t parse_file(struct options *options, const char *arg)
{
	if (!options->old)
		options->old = arg;
	else if (!options->new)
		options->new = arg;
	else
		return usage_error("OLD and NEW only: '%s'", arg);
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'o':
		options->output = arg;
		return 0;
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->bundle;
		return 0;
	case 'f':
		options->choice.only = options->only;
		return split(arg, options->only, &options->choice.only_count);
	case 'x':
		options->choice.except = options->except;
		return split(arg, options->except,
			     &options->choice.except_count);
	case 'k':
		options->kernel = arg;
		return 0;
	case OPTION_NEW_KERNEL:
		options->new_kernel = arg;
		return 0;
	case 'M':
		options->modules = arg;
		return 0;
	case OPTION_PARTIAL:
		options->choice.partial = true;
		return 0;
	case 'r':
		options->report = true;
		return 0;
	case ARGP_KEY_ARG:
		return parse_file(options, arg);
	case ARGP_KEY_END:
		return check_options(options);
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = option_table, .parser = parse, .args_doc = "OLD NEW",
	.children = bundle_children,
	.doc = "Compare two builds of a kernel (vmlinux of the -dbg packages) or "
	"of a module, and make a bundle that turns the old one into the new one.",
};

struct line_sides {
	struct dwarf_use *old, *new;
};

/* A line number that moved as far as its instruction's own line did. */
static bool is_line(void *context, u64 old_address, u64 old, u64 new_address,
		    u64 new)
{
	const struct line_sides *sides = context;
	u32 from = use_line(sides->old, old_address);
	u32 to = use_line(sides->new, new_address);
	s64 slack = (s64)old - from;

	return from && to && slack >= -LINE_SLACK && slack <= LINE_SLACK &&
	       (s64)new - to == slack;
}

/* Most of what the old side has must be in the new one. */
static enum us_error check_related(const struct match *match)
{
	u32 functions = 0, twins = 0, i;

	for (i = 0; i < match->old->symbol_count; i++) {
		if (match->old->symbols[i].type != STT_FUNC ||
		    match->old->symbols[i].section == SIDE_NONE)
			continue;
		functions++;
		twins += match->to_new[i] != SIDE_NONE;
	}
	if (match->old->linked != match->new->linked || twins * 2 < functions)
		return fail(US_E_UNRELATED, "%s and %s: %u of %u functions are "
			    "in both", match->old->path, match->new->path,
			    twins, functions);
	return US_OK;
}

static enum us_error write_bundle(struct plan *plan,
				  const struct options *options)
{
	struct bundle_plan *out = calloc(1, sizeof(*out));
	struct buffer file = { 0 };
	struct us_bundle bundle;
	enum us_error error;

	if (!out)
		return fail(US_E_NO_MEMORY, "bundle");
	bundle_plan_options(out, &options->bundle);
	error = plan_bundle(plan, out);
	if (!error)
		error = plan_writes(plan, out, options->old, &options->bundle);
	if (!error)
		error = bundle_plan_write(out, &file);
	if (!error)
		error = check_bundle(options->output, file.data, file.len,
				     &bundle);
	if (!error)
		error = file_write(options->output, file.data, file.len, 0644);
	if (!error && cli_json && !options->report)
		print_json(bundle_json(&bundle, file.data, file.len));
	buffer_free(&file);
	bundle_plan_free(out);
	free(out);
	return error;
}

static enum us_error check_obstacle(const struct plan *plan,
				    const struct options *options)
{
	const struct decision *obstacle = plan_obstacle(plan, &options->choice);

	if (!obstacle)
		return US_OK;
	return fail(US_E_NOT_PATCHABLE, "%s: %s %s%s%s (%u such changes; "
		    "--report lists them, --partial leaves them out)",
		    decision_name(plan, obstacle),
		    reason_slug(obstacle->verdict.reason),
		    reason_text(obstacle->verdict.reason),
		    obstacle->verdict.detail[0] ? ": " : "",
		    obstacle->verdict.detail, diff_obstacles(plan));
}

/* Functions that share inlined ones, data or locks with those in the bundle may be
 * among these; nothing in the code tells. */
static void name_left_out(const struct plan *plan)
{
	const struct decision *decision;
	struct buffer names = { 0 };
	u32 count = 0, i;

	for (i = 0; i < plan->changes.count; i++) {
		decision = &plan->decisions[i];
		if (decision->change.kind != CHANGE_FUNCTION ||
		    decision->chosen || decision->verdict.reason == REASON_INIT)
			continue;
		if (buffer_append(&names, count ? ", " : "", count ? 2 : 0) ||
		    buffer_append(&names, decision_name(plan, decision),
				  strlen(decision_name(plan, decision))))
			break;
		count++;
	}
	if (count)
		warning("%u changed functions stay as they are; make sure that "
			"those in the bundle can do without their changes: "
			"%.*s", count, (int)names.len,
			(const char *)names.data);
	buffer_free(&names);
}

static enum us_error carry_out(struct plan *plan, const struct options *options)
{
	enum us_error error = US_OK;

	if (options->output) {
		error = check_obstacle(plan, options);
		if (!error)
			error = write_bundle(plan, options);
		if (!error)
			name_left_out(plan);
	}
	if (error || (options->output && !options->report))
		return error;
	if (cli_json)
		print_json(diff_json(plan));
	else
		diff_print(stdout, plan);
	return US_OK;
}

static enum us_error open_home(const struct options *options,
			       const struct side *old, const struct side *new,
			       struct module_home *home)
{
	const struct home_files files = {
		.module = options->old, .kernel = options->kernel,
		.new_kernel = options->new_kernel, .modules = options->modules,
	};
	enum us_error error;

	if (old->linked)
		return fail(US_E_USAGE, "%s is no module; --kernel is for "
			    "modules", old->path);
	error = home_open(home, &files);
	if (!error)
		error = home_check_release(old, &home->kernel);
	if (!error && options->new_kernel)
		error = home_check_release(new, &home->new_kernel);
	return error;
}

static enum us_error compare(const struct options *options, struct side *old,
			     struct side *new, const struct module_home *home)
{
	struct line_sides sides = { 0 };
	const struct line_check lines = { &sides, is_line };
	struct match match = { 0 };
	struct plan plan = { 0 };
	enum us_error error;

	error = match_symbols(&match, old, new);
	match.home = home;
	if (!error)
		error = check_related(&match);
	if (!error)
		error = use_open(&sides.old, old);
	if (!error)
		error = use_open(&sides.new, new);
	if (!error)
		error = plan_make(&plan, &match, &lines, &options->choice);
	if (!error)
		error = carry_out(&plan, options);
	use_close(sides.old);
	use_close(sides.new);
	plan_free(&plan);
	match_free(&match);
	return error;
}

enum us_error cmd_diff(int argc, char **argv)
{
	struct options *options = calloc(1, sizeof(*options));
	struct side old = { .fd = -1 }, new = { .fd = -1 };
	struct module_home home = { 0 };
	enum us_error error;

	if (!options)
		return fail(US_E_NO_MEMORY, "options");
	error = parse_options(&argp, argc, argv, options);
	if (!error)
		error = side_open(&old, options->old);
	if (!error)
		error = side_open(&new, options->new);
	if (!error && options->output && !old.linked && !options->kernel)
		error = fail(US_E_OBJECT_UNSUPPORTED, "%s: a bundle for a module "
			     "needs the running kernel's vmlinux (--kernel)",
			     options->old);
	if (!error && options->kernel)
		error = open_home(options, &old, &new, &home);
	if (!error)
		error = compare(options, &old, &new,
				options->kernel ? &home : NULL);
	home_close(&home);
	side_close(&old);
	side_close(&new);
	free(options);
	return error;
}
