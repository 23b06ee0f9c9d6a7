/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "cli.h"
#include "cmd.h"
#include "file.h"
#include "inspect.h"
#include "report.h"
#include "report_module.h"

enum { KEY_VMLINUX = 0x300, KEY_MODULE };

static const struct argp_option option_table[] = {
	{ "disassemble", 'D', NULL, 0, "show old and new code of a bundle side "
	  "by side", 0 },
	{ "vmlinux", KEY_VMLINUX, "FILE", 0, "the bundle's kernel, for its code "
	  "and names", 0 },
	{ "baseline", 'b', "FILE", 0, "its baseline, for its code", 0 },
	{ "module", KEY_MODULE, "FILE", 0, "the module that the bundle patches, "
	  "for its code and names; takes --vmlinux", 0 },
	{ "modules", 'M', "DIR", 0, "modules that it may refer to, as in "
	  "/lib/modules/RELEASE", 0 },
	{ "system-map", 'm', "FILE", 0, "its System.map, for its names", 0 },
	{ 0 }
};

static error_t check_options(const struct inspect_options *options)
{
	if (!options->file)
		return usage_error("FILE is needed");
	if (!inspect_code && (options->disassemble || options->vmlinux ||
			      options->baseline || options->system_map ||
			      options->module || options->modules))
		return usage_error("this program shows no code; 'underseal' "
				   "does");
	if (options->module && !options->vmlinux)
		return usage_error("--module takes --vmlinux");
	if (options->modules && !options->module)
		return usage_error("--modules goes with --module");
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct inspect_options *options = state->input;

	switch (key) {
	case 'D':
		options->disassemble = true;
		return 0;
	case KEY_VMLINUX:
		options->vmlinux = arg;
		return 0;
	case 'b':
		options->baseline = arg;
		return 0;
	case KEY_MODULE:
		options->module = arg;
		return 0;
	case 'M':
		options->modules = arg;
		return 0;
	case 'm':
		options->system_map = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (options->file)
			return usage_error("one FILE only: '%s'", arg);
		options->file = arg;
		return 0;
	case ARGP_KEY_END:
		return check_options(options);
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = option_table, .parser = parse, .args_doc = "FILE",
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

static enum us_error inspect_bundle(const struct inspect_options *options,
				    const struct buffer *file)
{
	struct us_bundle bundle;
	enum us_error error;
	json_t *object = NULL;

	error = check_bundle(options->file, file->data, file->len, &bundle);
	if (error)
		return error;
	if (cli_json)
		object = bundle_json(&bundle, file->data, file->len);
	else
		bundle_print(&bundle, file->data, file->len);
	if (inspect_code)
		error = inspect_code(options, &bundle, object);
	if (error)
		json_decref(object);
	else
		print_json(object);
	return error;
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

static enum us_error inspect(const struct inspect_options *options,
			     const struct buffer *file)
{
	const char *path = options->file;
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
	return inspect_bundle(options, file);
}

enum us_error cmd_inspect(int argc, char **argv)
{
	struct inspect_options options = { 0 };
	struct buffer file;
	enum us_error error;

	error = parse_options(&argp, argc, argv, &options);
	if (error)
		return error;
	error = file_read(options.file, US_MAX_BASELINE, &file);
	if (!error)
		error = inspect(&options, &file);
	buffer_free(&file);
	return error;
}
