/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "cmd.h"
#include "report.h"
#include "secret_key.h"

#define SIGNED_MAX	(256ull << 20)

struct options {
	const char *file, *key, *password_file, *comment, *signature;
};

static const struct argp_option option_table[] = {
	{ "key", 's', "FILE", 0, "the secret key, as minisign makes it", 0 },
	{ "password-file", 'p', "FILE", 0, "take the key's password from the "
	  "first line of FILE instead of the terminal", 0 },
	{ "comment", 't', "TEXT", 0, "the trusted comment, instead of time "
	  "and file name", 0 },
	{ "signature", 'x', "FILE", 0, "write the signature to FILE instead "
	  "of the file's name with .minisig", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 's':
		options->key = arg;
		return 0;
	case 'p':
		options->password_file = arg;
		return 0;
	case 't':
		options->comment = arg;
		return 0;
	case 'x':
		options->signature = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (options->file)
			return usage_error("one FILE only: '%s'", arg);
		options->file = arg;
		return 0;
	case ARGP_KEY_END:
		if (!options->file || !options->key)
			return usage_error("FILE and -s SECRET are needed");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = option_table, .parser = parse, .args_doc = "FILE",
	.doc = "Sign a bundle, baseline or revert authorisation. The signature "
	"is minisign's (prehashed); 'minisign -V' checks it as well.",
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The same words as minisign's own. */
static void default_comment(const char *path, char *comment, size_t room)
{
	snprintf(comment, room, "timestamp:%lld\tfile:%s\thashed",
		 (long long)time(NULL), base_name(path));
}

static enum us_error sign(const struct options *options,
			  const struct secret_key *key, const char *target)
{
	struct buffer file, signature = { 0 };
	char comment[MINISIGN_COMMENT_MAX];
	enum us_error error;

	error = file_read(options->file, SIGNED_MAX, &file);
	if (error)
		return error;
	default_comment(options->file, comment, sizeof(comment));
	error = secret_key_sign(key, &file, options->comment ?
				options->comment : comment, &signature);
	if (!error)
		error = file_write(target, signature.data, signature.len, 0644);
	buffer_free(&file);
	buffer_free(&signature);
	return error;
}

enum us_error cmd_sign(int argc, char **argv)
{
	struct options options = { 0 };
	struct secret_key key = { 0 };
	const char *target;
	char beside[4096];
	enum us_error error;

	error = parse_options(&argp, argc, argv, &options);
	if (error)
		return error;
	snprintf(beside, sizeof(beside), "%s.minisig", options.file);
	target = options.signature ? options.signature : beside;
	error = secret_key_read(options.key, options.password_file, &key);
	if (!error)
		error = sign(&options, &key, target);
	if (!error) {
		print_json(json_pack("{s:s, s:s, s:s}", "file", options.file,
				     "signature", target, "key_id",
				     key_name(key.id)));
		note("%s: signed by key %s", target,
		     key_name(key.id));
	}
	secret_key_wipe(&key);
	return error;
}
