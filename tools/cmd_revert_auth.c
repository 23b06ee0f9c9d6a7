/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "cli.h"
#include "cmd.h"
#include "file.h"
#include "report.h"

struct options {
	const char *bundle, *output;
};

static const struct argp_option option_table[] = {
	{ "output", 'o', "FILE", 0, "write the authorisation to FILE", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'o':
		options->output = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (options->bundle)
			return usage_error("one BUNDLE only: '%s'", arg);
		options->bundle = arg;
		return 0;
	case ARGP_KEY_END:
		if (!options->bundle || !options->output)
			return usage_error("BUNDLE and -o FILE are needed");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = option_table, .parser = parse, .args_doc = "BUNDLE",
	.doc = "Make the authorisation that lets BUNDLE be taken back. It has to "
	"be signed as a bundle is, and can be used once.",
};

static void fill(struct us_revert *revert, const struct us_bundle *bundle,
		 const struct buffer *file)
{
	const struct us_bundle_header *header = bundle->header;

	*revert = (struct us_revert){
		.magic = US_REVERT_MAGIC, .version = US_BUNDLE_VERSION,
		.build_id_len = header->build_id_len,
		.generation = header->generation,
	};
	memcpy(revert->build_id, header->build_id, sizeof(revert->build_id));
	bundle_id(file->data, file->len, revert->bundle_id);
}

enum us_error cmd_revert_auth(int argc, char **argv)
{
	struct options options = { 0 };
	struct us_bundle bundle;
	struct us_revert revert;
	struct buffer file;
	enum us_error error;

	error = parse_options(&argp, argc, argv, &options);
	if (error)
		return error;
	error = file_read(options.bundle, US_MAX_BASELINE, &file);
	if (!error)
		error = check_bundle(options.bundle, file.data, file.len,
				     &bundle);
	if (!error) {
		fill(&revert, &bundle, &file);
		error = file_write(options.output, &revert, sizeof(revert),
				   0644);
	}
	buffer_free(&file);
	if (error)
		return error;
	print_json(revert_json(&revert));
	note("%s: allows %s to be taken back", options.output, options.bundle);
	return US_OK;
}
