/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "cmd.h"
#include "file.h"
#include "minisign.h"
#include "report.h"

#define SIGNED_MAX	(256ull << 20)
#define KEYS_MAX	16u

struct options {
	const char *file, *key, *signature;
};

static const struct argp_option option_table[] = {
	{ "public-key", 'p', "FILE", 0, "trusted public keys: minisign's .pub "
	  "files, one or several concatenated", 0 },
	{ "signature", 'x', "FILE", 0, "the signature, instead of the file's "
	  "name with .minisig", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'p':
		options->key = arg;
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
			return usage_error("FILE and -p PUBLIC are needed");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = option_table, .parser = parse, .args_doc = "FILE",
	.doc = "Check a file's signature exactly as the control domain does.",
};

static enum us_error read_keys(const char *path, struct minisign_key *keys,
			       u32 *count)
{
	struct buffer file;
	enum us_error error = file_read(path, 64u << 10, &file);

	if (error)
		return error;
	if (minisign_parse_keys(file.data, file.len, keys, KEYS_MAX, count) ||
	    !*count)
		error = fail(US_E_KEY_FORMAT, "%s", path);
	buffer_free(&file);
	return error;
}

static enum us_error read_signature(const char *path, struct buffer *text,
				    struct minisign_signature *signature)
{
	enum us_error error;

	*text = (struct buffer){ 0 };
	if (access(path, F_OK))
		return fail(US_E_SIG_MISSING, "%s: %m", path);
	error = file_read(path, 64u << 10, text);
	if (error)
		return error;
	error = text->len > US_MAX_SIGNATURE ? US_E_SIG_FORMAT :
		minisign_parse_signature(text->data, text->len, signature);
	return error ? fail(error, "%s", path) : US_OK;
}

static enum us_error check(const struct options *options,
			   const struct minisign_signature *signature)
{
	struct minisign_key keys[KEYS_MAX];
	const struct minisign_key *key;
	u8 digest[MINISIGN_DIGEST];
	struct buffer file;
	enum us_error error;
	u32 count;

	error = read_keys(options->key, keys, &count);
	if (error)
		return error;
	key = minisign_find_key(signature, keys, count);
	if (!key)
		return fail(US_E_SIG_KEY_UNKNOWN, "key id %s",
			    key_name(signature->key_id));
	error = file_read(options->file, SIGNED_MAX, &file);
	if (error)
		return error;
	crypto_generichash(digest, sizeof(digest), file.data, file.len, NULL,
			   0);
	buffer_free(&file);
	error = minisign_verify(signature, key, digest);
	return error ? fail(error, "%s", options->file) : US_OK;
}

static void show(const struct options *options,
		 const struct minisign_signature *signature)
{
	if (cli_json)
		print_json(json_pack("{s:s, s:s, s:o}", "file", options->file,
				     "key_id", key_name(signature->key_id),
				     "trusted_comment",
				     json_name(signature->comment,
					       signature->comment_len)));
	else
		printf("%s: good signature by key %s\n  trusted comment: "
		       "%.*s\n", options->file,
		       key_name(signature->key_id),
		       (int)signature->comment_len, signature->comment);
}

enum us_error cmd_verify(int argc, char **argv)
{
	struct minisign_signature signature;
	struct options options = { 0 };
	struct buffer text;
	char beside[4096];
	enum us_error error;

	error = parse_options(&argp, argc, argv, &options);
	if (error)
		return error;
	if (sodium_init() < 0)
		return fail(US_E_NO_MEMORY, "libsodium");
	snprintf(beside, sizeof(beside), "%s.minisig", options.file);
	if (!options.signature)
		options.signature = beside;
	error = read_signature(options.signature, &text, &signature);
	if (!error)
		error = check(&options, &signature);
	if (!error)
		show(&options, &signature);
	buffer_free(&text);
	return error;
}
