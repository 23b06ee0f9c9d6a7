/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bundle that takes the kernel's stack traces through the arena. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "cmd.h"
#include "diff_plan.h"
#include "report.h"

struct options {
	const char *vmlinux, *output, *name;
	u64 generation;
};

static const struct argp_option option_table[] = {
	{ "output", 'o', "FILE", 0, "write the bundle to FILE", 0 },
	{ "generation", 'g', "NUMBER", 0, "must exceed that of every bundle "
	  "installed in the same text before", 0 },
	{ "name", 'n', "NAME", 0, "short name of the patch (unwind)", 0 },
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

static const struct argp argp = {
	.options = option_table, .parser = parse, .args_doc = "VMLINUX",
	.doc = "Make the bundle with which the kernel's stack traces go through "
	"the code of all other bundles, whatever the order of installation.",
};

/* unwind_hook.S */
extern const u8 us_hook_text[], us_hook_text_else[], us_hook_text_end[];
extern const u8 us_hook_orc[], us_hook_orc_else[], us_hook_orc_end[];

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
			      const char *name, const struct code_prefix *prefix)
{
	u32 symbol = find_function(side, name);
	struct change change = {
		.kind = CHANGE_FUNCTION, .old = symbol, .new = symbol,
		.what = "is hooked", .prefix = prefix,
	};

	if (symbol == SIDE_NONE)
		return fail(US_E_SYMBOL_MISSING, "%s: %s, as a function of its "
			    "own; stack traces of this kernel stay as they are",
			    side->path, name);
	return changes_add(changes, &change);
}

static enum us_error check_kernel(const struct side *side)
{
	if (!side->linked)
		return fail(US_E_ELF_FORMAT, "%s is no vmlinux", side->path);
	if (!side_section(side, ".orc_unwind_ip"))
		return fail(US_E_OBJECT_UNSUPPORTED, "%s has no ORC unwind data; "
			    "its stack traces need nothing", side->path);
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
	bundle_plan_label(out, options->generation,
			  options->name ? options->name : "unwind",
			  "stack traces through new code");
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

static enum us_error make_plan(struct plan *plan, struct match *match,
			       const struct side *side)
{
	static const struct plan_choice all;
	static struct code_prefix text, orc;
	struct changes changes = { 0 };
	const struct decision *obstacle;
	enum us_error error;

	text = (struct code_prefix){
		us_hook_text, us_hook_text_end - us_hook_text,
		us_hook_text_else - us_hook_text,
	};
	orc = (struct code_prefix){
		us_hook_orc, us_hook_orc_end - us_hook_orc,
		us_hook_orc_else - us_hook_orc,
	};
	error = match_symbols(match, side, side);
	if (!error)
		error = add_hook(&changes, side, "is_ftrace_trampoline", &text);
	if (!error)
		error = add_hook(&changes, side, "orc_find", &orc);
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

enum us_error cmd_unwind(int argc, char **argv)
{
	struct options options = { 0 };
	struct side side = { .fd = -1 };
	struct match match = { 0 };
	struct plan plan = { 0 };
	enum us_error error;

	error = parse_options(&argp, argc, argv, &options);
	if (!error)
		error = side_open(&side, options.vmlinux);
	if (!error)
		error = check_kernel(&side);
	if (!error)
		error = make_plan(&plan, &match, &side);
	if (!error)
		error = write_bundle(&plan, &options);
	plan_free(&plan);
	match_free(&match);
	side_close(&side);
	return error;
}
