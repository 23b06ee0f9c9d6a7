/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Patches on probation: confirming health, and trying again what went down once. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "bundle_id.h"
#include "carry.h"
#include "cli.h"
#include "cmd.h"
#include "marks.h"

#define MAX_MARKS	256u
#define SHORT_ID	8u	/* digits of an id that stand for it, at least */

struct options {
	const char *which;	/* a name, or the beginning of a bundle id */
	const char *marks;
	u64 timeout_ms;
};

enum { KEY_TIMEOUT = 0x100, KEY_MARKS };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case KEY_TIMEOUT:
		if (!parse_number(arg, 1, 3600000, &options->timeout_ms))
			return usage_error("'%s' is no timeout of 1 to "
					   "3600000 ms", arg);
		return 0;
	case KEY_MARKS:
		options->marks = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (options->which)
			return usage_error("'%s' is one argument too many",
					   arg);
		options->which = arg;
		return 0;
	case ARGP_KEY_END:
		return options->which ? 0 :
		       usage_error("the patch's name or bundle id is missing");
	}
	return ARGP_ERR_UNKNOWN;
}

static bool is_meant(const char *which, const char *name, const u8 *id)
{
	char digits[BUNDLE_ID_TEXT];
	size_t len = strlen(which), i;

	if (!strncmp(which, name, US_NAME_MAX))
		return true;
	bundle_id_text(id, digits);
	for (i = 0; i < len && i < BUNDLE_ID_TEXT - 1; i++)
		if (tolower((unsigned char)which[i]) != digits[i])
			return false;
	return len >= SHORT_ID && len < BUNDLE_ID_TEXT;
}

/* The one installed patch that is meant. */
static enum us_error find_installed(const struct options *options,
				    u8 id[US_DIGEST_SIZE])
{
	struct ring_request request = {
		.op = US_OP_LIST, .timeout_ms = options->timeout_ms,
	};
	const struct us_patch_info *patches;
	enum us_error error = ring(&request);
	u32 i, found = 0;

	patches = request.out;
	for (i = 0; !error && i < request.out_len / sizeof(*patches); i++) {
		const struct us_receipt *receipt = &patches[i].receipt;

		if (patches[i].state == US_PATCH_AWAITED ||
		    !is_meant(options->which, receipt->name,
			      receipt->bundle_id))
			continue;
		memcpy(id, receipt->bundle_id, US_DIGEST_SIZE);
		found++;
	}
	ring_release(&request);
	if (error)
		return error;
	if (found > 1)
		return fail(US_E_USAGE, "%s stands for %u patches; give the "
			    "bundle id of one", options->which, found);
	return found ? US_OK : fail(US_E_PATCH_NOT_FOUND, "%s", options->which);
}

static enum us_error confirm(const struct options *options)
{
	struct ring_request request = {
		.op = US_OP_HEALTH, .timeout_ms = options->timeout_ms,
	};
	const struct us_patch_info *patch;
	u8 id[US_DIGEST_SIZE];
	enum us_error error = find_installed(options, id);

	if (error)
		return error;
	request.in[0] = id;
	request.in_len[0] = sizeof(id);
	error = ring(&request);
	if (!error) {
		patch = carry_answer(&request, sizeof(*patch));
		if (!patch)
			error = US_E_PROTOCOL;
		else if (cli_json)
			print_json(patch_json(patch));
		else
			patch_print(patch);
	}
	ring_release(&request);
	return error;
}

static const struct argp_option health_options[] = {
	{ "timeout", KEY_TIMEOUT, "MS", 0, "give up after MS milliseconds "
	  "(default 120000)", 0 },
	{ 0 }
};

static const struct argp health_argp = {
	.options = health_options, .parser = parse, .args_doc = "NAME|BUNDLEID",
	.doc = "Confirm that this server is well with an installed patch: its "
	"probation is over, and it stays.",
};

enum us_error cmd_health(int argc, char **argv)
{
	struct options options = { 0 };
	enum us_error error = parse_options(&health_argp, argc, argv, &options);

	if (!error)
		error = ring_open();
	return error ? error : confirm(&options);
}

static json_t *mark_json(const struct mark *mark)
{
	return json_pack("{s:o, s:o}", "name",
			 json_name(mark->name, sizeof(mark->name)), "bundle_id",
			 json_hex(mark->bundle_id, US_DIGEST_SIZE));
}

/* Remove the marks that are meant: a name may stand for several. */
static enum us_error remove_marks(const struct options *options, json_t *array)
{
	static struct mark marks[MAX_MARKS];
	enum us_error error;
	u32 count, i;

	error = marks_list(options->marks, marks, MAX_MARKS, &count);
	for (i = 0; i < count && !error; i++) {
		if (!is_meant(options->which, marks[i].name,
			      marks[i].bundle_id))
			continue;
		error = marks_remove(options->marks, marks[i].bundle_id);
		if (!error && !cli_json)
			printf("%s may be tried again\n", marks[i].name[0] ?
			       marks[i].name :
			       hex(marks[i].bundle_id, US_DIGEST_SIZE));
		json_array_append_new(array, mark_json(&marks[i]));
	}
	if (!error && !json_array_size(array))
		return fail(US_E_PATCH_NOT_FOUND, "%s: no mark of %s",
			    options->marks, options->which);
	return error;
}

static const struct argp_option retry_options[] = {
	{ "marks", KEY_MARKS, "DIR", 0, "where the agent keeps its marks (default "
	  MARKS_DIRECTORY ")", 0 },
	{ 0 }
};

static const struct argp retry_argp = {
	.options = retry_options, .parser = parse, .args_doc = "NAME|BUNDLEID",
	.doc = "Let the agent try a stored bundle again, on whose probation the "
	"server went down. It does at its next round, or when told to look.",
};

enum us_error cmd_retry(int argc, char **argv)
{
	struct options options = { .marks = MARKS_DIRECTORY };
	enum us_error error = parse_options(&retry_argp, argc, argv, &options);
	json_t *array = json_array();

	if (!error)
		error = remove_marks(&options, array);
	if (!error)
		print_json(json_pack("{s:O}", "retried", array));
	json_decref(array);
	return error;
}
