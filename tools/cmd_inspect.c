/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "cli.h"
#include "cmd.h"
#include "file.h"
#include "report.h"
#include "report_module.h"

static error_t parse(int key, char *arg, struct argp_state *state)
{
	const char **path = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (*path)
			return usage_error("one FILE only: '%s'", arg);
		*path = arg;
		return 0;
	case ARGP_KEY_END:
		return *path ? 0 : usage_error("FILE is needed");
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.parser = parse, .args_doc = "FILE",
	.doc = "Check a bundle, a baseline (of a kernel or a module) or a revert "
	"authorisation, whichever "
	"FILE is, and show what it holds. The signature is not looked at: that "
	"is for 'underseal verify'.",
};

static enum us_error inspect_baseline(const char *path,
				      const struct buffer *file)
{
	enum us_error error = check_baseline(path, file->data, file->len);

	if (error)
		return error;
	if (cli_json)
		print_json(baseline_json(file->data));
	else
		baseline_print(file->data);
	return US_OK;
}

static enum us_error inspect_module(const char *path, const struct buffer *file)
{
	enum us_error error = check_module(path, file->data, file->len);

	if (error)
		return error;
	if (cli_json)
		print_json(module_baseline_json(file->data));
	else
		module_baseline_print(file->data);
	return US_OK;
}

static enum us_error inspect_bundle(const char *path, const struct buffer *file)
{
	struct us_bundle bundle;
	enum us_error error;

	error = check_bundle(path, file->data, file->len, &bundle);
	if (error)
		return error;
	if (cli_json)
		print_json(bundle_json(&bundle, file->data, file->len));
	else
		bundle_print(&bundle, file->data, file->len);
	return US_OK;
}

static enum us_error inspect_revert(const char *path, const struct buffer *file)
{
	const struct us_revert *revert;
	enum us_error error;

	error = us_revert_parse(file->data, file->len, &revert);
	if (error)
		return fail(error, "%s", path);
	if (cli_json)
		print_json(revert_json(revert));
	else
		revert_print(revert);
	return US_OK;
}

static enum us_error inspect(const char *path, const struct buffer *file)
{
	u64 magic = 0;

	if (file->len >= sizeof(magic))
		memcpy(&magic, file->data, sizeof(magic));
	switch (magic) {
	case US_BASELINE_MAGIC:
		return inspect_baseline(path, file);
	case US_MODULE_MAGIC:
		return inspect_module(path, file);
	case US_REVERT_MAGIC:
		return inspect_revert(path, file);
	}
	/* What is no bundle either gets the bundle reader's answer. */
	return inspect_bundle(path, file);
}

enum us_error cmd_inspect(int argc, char **argv)
{
	const char *path = NULL;
	struct buffer file;
	enum us_error error;

	error = parse_options(&argp, argc, argv, &path);
	if (error)
		return error;
	error = file_read(path, US_MAX_BASELINE, &file);
	if (!error)
		error = inspect(path, &file);
	buffer_free(&file);
	return error;
}
