/* SPDX-License-Identifier: GPL-2.0-or-later */
/* underseal build: from a source fix to a bundle. */
#include <string.h>
#include <sys/sysinfo.h>

#include "archive.h"
#include "build.h"
#include "cli.h"
#include "cmd.h"
#include "report.h"

enum { KEY_SOURCE = 0x300, KEY_CONFIG, KEY_VMLINUX, KEY_HEADERS, KEY_MODULE,
       KEY_FETCH, KEY_PARTIAL };

static const struct argp_option option_table[] = {
	{ "patch", 'p', "FILE", 0, "the fix, a unified diff", 0 },
	{ "release", 'r', "RELEASE", 0, "the kernel, as uname -r calls it; what "
	  "is not named by another option is fetched from the archive", 0 },
	{ "source", KEY_SOURCE, "PATH", 0, "the kernel's source, a directory or "
	  "a compressed tar file", 0 },
	{ "config", KEY_CONFIG, "FILE", 0, "its configuration", 0 },
	{ "headers", KEY_HEADERS, "DIR", 0, "its headers package, unpacked; "
	  "holds the configuration too", 0 },
	{ "vmlinux", KEY_VMLINUX, "FILE", 0, "the kernel with symbols and debug "
	  "information", 0 },
	{ "system-map", 'm', "FILE", 0, "its System.map, to compare with", 0 },
	{ "module", KEY_MODULE, "FILE", 0, "the module that is to be patched, "
	  "with symbols", 0 },
	{ "modules", 'M', "DIR", 0, "modules that it may refer to, as in "
	  "/lib/modules/RELEASE", 0 },
	{ "output", 'o', "FILE", 0, "write the bundle to FILE", 0 },
	{ "jobs", 'J', "NUMBER", 0, "compilers that run at once", 0 },
	{ "partial", KEY_PARTIAL, NULL, 0, "leave out what the fix changes in "
	  "other modules", 0 },
	{ "fetch-only", KEY_FETCH, NULL, 0, "fetch what --release needs, "
	  "and end", 0 },
	{ 0 }
};

static error_t check_options(const struct build_options *options)
{
	if (options->release && !release_valid(options->release))
		return usage_error("'%s' is no kernel release",
				   options->release);
	if (options->fetch_only)
		return options->release ? 0 :
		       usage_error("--fetch-only needs --release");
	if (!options->patch || !options->output || !options->bundle.name ||
	    !options->bundle.generation)
		return usage_error("--patch, --generation, --name and -o are "
				   "needed");
	if (!options->release &&
	    (!options->source || !options->vmlinux ||
	     (!options->config && !options->headers)))
		return usage_error("--release is needed, or --source, --vmlinux "
				   "and --config or --headers");
	return 0;
}

/* Options that are just kept. */
static const char **text_option(struct build_options *options, int key)
{
	switch (key) {
	case 'p':
		return &options->patch;
	case 'r':
		return &options->release;
	case KEY_SOURCE:
		return &options->source;
	case KEY_CONFIG:
		return &options->config;
	case KEY_HEADERS:
		return &options->headers;
	case KEY_VMLINUX:
		return &options->vmlinux;
	case KEY_MODULE:
		return &options->module;
	case 'M':
		return &options->modules;
	case 'm':
		return &options->system_map;
	case 'o':
		return &options->output;
	}
	return NULL;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct build_options *options = state->input;
	const char **text = text_option(options, key);

	if (text) {
		*text = arg;
		return 0;
	}
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->bundle;
		return 0;
	case 'J':
		if (!parse_number(arg, 1, 1024, &options->jobs))
			return usage_error("'%s' is no number of jobs", arg);
		return 0;
	case KEY_FETCH:
		options->fetch_only = true;
		return 0;
	case KEY_PARTIAL:
		options->partial = true;
		return 0;
	case ARGP_KEY_ARG:
		return usage_error("'%s' is no option", arg);
	case ARGP_KEY_END:
		return check_options(options);
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = option_table, .parser = parse, .children = bundle_children,
	.doc = "Make a bundle from a source fix: compile the objects that it "
	"touches as the vendor did, without it and with it; make sure that what "
	"comes out without it is the vendor's kernel; and take the functions "
	"that it changes.",
};

enum us_error cmd_build(int argc, char **argv)
{
	struct build_options options = { 0 };
	struct archive_kernel kernel;
	struct buffer file = { 0 };
	struct us_bundle bundle;
	enum us_error error;

	error = parse_options(&argp, argc, argv, &options);
	if (error)
		return error;
	if (!options.jobs)
		options.jobs = get_nprocs();
	if (options.fetch_only)
		return archive_fetch(options.release, ARCHIVE_ALL, &kernel);
	error = build_bundle(&options, &file);
	if (!error)
		error = check_bundle(options.output, file.data, file.len,
				     &bundle);
	if (!error)
		error = file_write(options.output, file.data, file.len, 0644);
	if (!error && cli_json)
		print_json(bundle_json(&bundle, file.data, file.len));
	else if (!error)
		bundle_print(&bundle, file.data, file.len);
	buffer_free(&file);
	return error;
}
