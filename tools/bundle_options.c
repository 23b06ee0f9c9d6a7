/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "bundle_options.h"
#include "cli.h"
#include "report.h"

enum { KEY_NEEDS = 0x400, KEY_CONFLICTS, KEY_REPLACES, KEY_CUMULATIVE,
       KEY_CONSISTENCY, KEY_REASON, KEY_PROBATION, KEY_WATCH, KEY_WRITE };

static const struct argp_option option_table[] = {
	{ "generation", 'g', "NUMBER", 0, "must exceed that of every bundle "
	  "installed in the same text before", 1 },
	{ "name", 'n', "NAME", 0, "short name of the patch", 1 },
	{ "description", 'd', "TEXT", 0, "what it is for", 1 },
	{ "needs", KEY_NEEDS, "NAME[=BUNDLE]", 0, "install only beside the "
	  "bundle NAME, or beside that very one: its file or bundle id", 2 },
	{ "conflicts", KEY_CONFLICTS, "NAME[=BUNDLE]", 0, "never together with "
	  "that one", 2 },
	{ "replaces", KEY_REPLACES, "NAME[=BUNDLE]", 0, "take that one out in "
	  "the same stop, if it is there", 2 },
	{ "cumulative", KEY_CUMULATIVE, NULL, 0, "take out all that is "
	  "installed in the same text", 2 },
	{ "consistency", KEY_CONSISTENCY, "stack|none", 0, "none: do not wait "
	  "until no task is inside the functions; needs --reason", 2 },
	{ "reason", KEY_REASON, "TEXT", 0, "why old and new code may run side "
	  "by side", 2 },
	{ "probation", KEY_PROBATION, "SECONDS", 0, "take the patch back unless "
	  "the server confirms its health within SECONDS", 2 },
	{ "watch", KEY_WATCH, "VARIABLE[:ALLOWED]", 0, "take it back when this "
	  "counter of the kernel's rises by more than ALLOWED (default 0) in "
	  "that time", 2 },
	{ "write", KEY_WRITE, "WRITE", 0, "change a variable as the patch is "
	  "applied: '[pre|post] VARIABLE EXPECTED NEW [keep]', or @FILE with one "
	  "on each line", 2 },
	{ 0 }
};

/* The bundle id of the file @path, which has to be of a bundle called @name. */
static error_t read_id(const char *path, const char *name,
		       u8 id[US_DIGEST_SIZE])
{
	struct us_bundle bundle;
	struct buffer file;
	error_t result = 0;

	if (file_read(path, US_MAX_BUNDLE, &file))
		return EINVAL;
	if (check_bundle(path, file.data, file.len, &bundle))
		result = EINVAL;
	else if (strcmp(bundle.header->name, name))
		result = usage_error("%s is the bundle %s, not %s", path,
				     bundle.header->name, name);
	else
		bundle_id(file.data, file.len, id);
	buffer_free(&file);
	return result;
}

/* "NAME", "NAME=ID" or "NAME=FILE". */
static error_t parse_link(struct bundle_options *options, u32 kind, char *arg)
{
	struct us_bundle_link *link;
	char *which = strchr(arg, '=');
	error_t error;
	u32 i;

	if (options->link_count == US_BUNDLE_MAX_LINKS)
		return usage_error("more than %u other bundles",
				   US_BUNDLE_MAX_LINKS);
	if (which)
		*which++ = 0;
	error = check_labels(arg, NULL);
	if (error)
		return error;
	link = &options->links[options->link_count];
	*link = (struct us_bundle_link){ .kind = kind };
	strcpy(link->name, arg);
	if (which && !bundle_id_parse(which, link->bundle_id)) {
		error = read_id(which, arg, link->bundle_id);
		if (error)
			return error;
	}
	for (i = 0; i < options->link_count; i++)
		if (!strcmp(link->name, options->links[i].name) &&
		    !memcmp(link->bundle_id, options->links[i].bundle_id,
			    US_DIGEST_SIZE))
			return usage_error("bundle %s is named twice", arg);
	options->link_count++;
	return 0;
}

static error_t add_write(struct bundle_options *options, const char *text)
{
	if (options->write_count == US_BUNDLE_MAX_WRITES)
		return usage_error("more than %u writes", US_BUNDLE_MAX_WRITES);
	if (!write_spec_parse(text, &options->writes[options->write_count]))
		return usage_error("'%s' is no write: '[pre|post] VARIABLE "
				   "EXPECTED NEW [keep]'", text);
	options->write_count++;
	return 0;
}

/* Empty lines, and those that begin with '#', say nothing. */
static error_t read_writes(struct bundle_options *options, const char *path)
{
	struct buffer file;
	char *line, *save;
	error_t error = 0;

	if (file_read(path, US_BUNDLE_MAX_STRINGS, &file))
		return EINVAL;
	if (buffer_append(&file, "", 1))
		error = EINVAL;
	for (line = error ? NULL : strtok_r((char *)file.data, "\n", &save);
	     line && !error; line = strtok_r(NULL, "\n", &save))
		if (line[0] != '#' && line[strspn(line, " \t\r")])
			error = add_write(options, line);
	buffer_free(&file);
	return error;
}

static error_t add_watch(struct bundle_options *options, const char *text)
{
	if (options->watch_count == US_BUNDLE_MAX_WATCHES)
		return usage_error("more than %u watches",
				   US_BUNDLE_MAX_WATCHES);
	if (!watch_spec_parse(text, &options->watches[options->watch_count]))
		return usage_error("'%s' is no counter: 'VARIABLE[:ALLOWED]'",
				   text);
	options->watch_count++;
	return 0;
}

static error_t parse_consistency(struct bundle_options *options,
				 const char *arg)
{
	if (strcmp(arg, "stack") && strcmp(arg, "none"))
		return usage_error("'%s' is neither stack nor none", arg);
	options->unchecked = !strcmp(arg, "none");
	return 0;
}

static error_t check_options(const struct bundle_options *options)
{
	if (options->unchecked != !!options->reason)
		return usage_error("--consistency none and --reason go "
				   "together");
	if (options->reason && check_labels(NULL, options->reason))
		return usage_error("the reason must be 1 to %u printable ASCII "
				   "characters", US_NAME_MAX * 2 - 1);
	if (options->watch_count && !options->probation_s)
		return usage_error("--watch goes with --probation");
	return check_labels(options->name, options->description);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct bundle_options *options = state->input;

	switch (key) {
	case 'g':
		if (!parse_number(arg, 1, INT64_MAX, &options->generation))
			return usage_error("'%s' is no generation", arg);
		return 0;
	case 'n':
		options->name = arg;
		return 0;
	case 'd':
		options->description = arg;
		return 0;
	case KEY_NEEDS:
		return parse_link(options, US_LINK_NEEDS, arg);
	case KEY_CONFLICTS:
		return parse_link(options, US_LINK_CONFLICTS, arg);
	case KEY_REPLACES:
		return parse_link(options, US_LINK_REPLACES, arg);
	case KEY_CUMULATIVE:
		options->cumulative = true;
		return 0;
	case KEY_CONSISTENCY:
		return parse_consistency(options, arg);
	case KEY_REASON:
		options->reason = arg;
		return 0;
	case KEY_PROBATION:
		if (!parse_number(arg, 1, US_BUNDLE_MAX_PROBATION,
				  &options->probation_s))
			return usage_error("'%s' is no probation of 1 to %u "
					   "seconds", arg,
					   US_BUNDLE_MAX_PROBATION);
		return 0;
	case KEY_WATCH:
		return add_watch(options, arg);
	case KEY_WRITE:
		return *arg == '@' ? read_writes(options, arg + 1) :
				     add_write(options, arg);
	case ARGP_KEY_END:
		return check_options(options);
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = option_table, .parser = parse,
};

const struct argp_child bundle_children[] = {
	{ &argp, 0, NULL, 0 }, { 0 }
};

void bundle_plan_options(struct bundle_plan *plan,
			 const struct bundle_options *options)
{
	struct us_bundle_header *header = &plan->header;

	bundle_plan_label(plan, options->generation, options->name,
			  options->description);
	header->flags = options->cumulative ? US_BUNDLE_CUMULATIVE : 0;
	header->consistency = options->unchecked ? US_CONSISTENCY_NONE :
						   US_CONSISTENCY_STACK;
	if (options->reason)
		strcpy(header->reason, options->reason);
	header->probation_s = (u32)options->probation_s;
	header->links = options->link_count;
	memcpy(plan->links, options->links,
	       options->link_count * sizeof(*plan->links));
}
