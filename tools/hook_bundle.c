/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "diff_plan.h"
#include "hook_bundle.h"
#include "report.h"

struct options {
	const char *vmlinux, *output, *name;
	u64 generation;
};

static const struct argp_option option_table[] = {
	{ "output", 'o', "FILE", 0, "write the bundle to FILE", 0 },
	{ "generation", 'g', "NUMBER", 0, "must exceed that of every bundle "
	  "installed in the same text before", 0 },
	{ "name", 'n', "NAME", 0, "short name of the patch", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'o':
		options->output = arg;
		return 0;
	case 'g':
		if (!parse_number(arg, 1, INT64_MAX, &options->generation))
			return usage_error("'%s' is no generation", arg);
		return 0;
	case 'n':
		options->name = arg;
		return check_labels(arg, NULL);
	case ARGP_KEY_ARG:
		if (options->vmlinux)
			return usage_error("one VMLINUX only: '%s'", arg);
		options->vmlinux = arg;
		return 0;
	case ARGP_KEY_END:
		if (!options->vmlinux || !options->output ||
		    !options->generation)
			return usage_error("VMLINUX, --generation and -o FILE "
					   "are needed");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* The compiler may keep the first lines of a function in its callers and the rest
 * as NAME.part.N, which takes what it needs of the parameters: here the one. Forms
 * with other parameters (.isra, .constprop) do not count. */
static u32 find_function(const struct side *side, const char *name)
{
	const struct side_symbol *symbol;
	size_t len = strlen(name);
	u32 i, found = SIDE_NONE;

	for (i = 0; i < side->address_count; i++) {
		symbol = &side->symbols[side->by_address[i]];
		if (symbol->type != STT_FUNC ||
		    strncmp(symbol->name, name, len) ||
		    (symbol->name[len] &&
		     (strncmp(symbol->name + len, ".part.", 6) ||
		      symbol->name[len + 6 + strspn(symbol->name + len + 6,
						    "0123456789")])))
			continue;
		if (found != SIDE_NONE && found != side->by_address[i])
			return SIDE_NONE;
		found = side->by_address[i];
	}
	return found;
}

static enum us_error add_hook(struct changes *changes, const struct side *side,
			      const struct hook *hook)
{
	u32 symbol = find_function(side, hook->function);
	struct change change = {
		.kind = CHANGE_FUNCTION, .old = symbol, .new = symbol,
		.what = "is hooked", .prefix = &hook->prefix,
	};

	if (symbol == SIDE_NONE)
		return fail(US_E_SYMBOL_MISSING, "%s: %s, as a function of its "
			    "own", side->path, hook->function);
	return changes_add(changes, &change);
}

static enum us_error make_plan(struct plan *plan, struct match *match,
			       const struct side *side,
			       const struct hook_kind *kind)
{
	static const struct plan_choice all;
	struct changes changes = { 0 };
	const struct decision *obstacle;
	enum us_error error;
	u32 i;

	error = match_symbols(match, side, side);
	for (i = 0; i < kind->count && !error; i++)
		error = add_hook(&changes, side, &kind->hooks[i]);
	if (!error)
		error = plan_changes(plan, match, &changes, &all);
	changes_free(&changes);
	if (error)
		return error;
	obstacle = plan_obstacle(plan, &all);
	if (!obstacle)
		return US_OK;
	return fail(US_E_NOT_PATCHABLE, "%s: %s: %s", decision_name(plan, obstacle),
		    reason_slug(obstacle->verdict.reason),
		    obstacle->verdict.detail);
}

static enum us_error write_bundle(struct plan *plan,
				  const struct options *options,
				  const struct hook_kind *kind)
{
	struct bundle_plan *out = calloc(1, sizeof(*out));
	struct buffer file = { 0 };
	struct us_bundle bundle;
	enum us_error error;

	if (!out)
		return fail(US_E_NO_MEMORY, "bundle");
	bundle_plan_label(out, options->generation,
			  options->name ? options->name : kind->name,
			  kind->description);
	error = plan_bundle(plan, out);
	if (!error)
		error = bundle_plan_write(out, &file);
	if (!error)
		error = check_bundle(options->output, file.data, file.len,
				     &bundle);
	if (!error)
		error = file_write(options->output, file.data, file.len, 0644);
	if (!error && cli_json)
		print_json(bundle_json(&bundle, file.data, file.len));
	buffer_free(&file);
	bundle_plan_free(out);
	free(out);
	return error;
}

enum us_error hook_bundle(int argc, char **argv, const struct hook_kind *kind)
{
	const struct argp argp = {
		.options = option_table, .parser = parse, .args_doc = "VMLINUX",
		.doc = kind->doc,
	};
	struct options options = { 0 };
	struct side side = { .fd = -1 };
	struct match match = { 0 };
	struct plan plan = { 0 };
	enum us_error error;

	error = parse_options(&argp, argc, argv, &options);
	if (!error)
		error = side_open(&side, options.vmlinux);
	if (!error && !side.linked)
		error = fail(US_E_ELF_FORMAT, "%s is no vmlinux", side.path);
	if (!error)
		error = kind->prepare(&side);
	if (!error)
		error = make_plan(&plan, &match, &side, kind);
	if (!error)
		error = write_bundle(&plan, &options, kind);
	plan_free(&plan);
	match_free(&match);
	side_close(&side);
	return error;
}
