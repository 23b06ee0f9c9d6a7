/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi.h"
#include "cli.h"

bool cli_json;

error_t usage_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfail(US_E_USAGE, format, args);
	va_end(args);
	return EINVAL;
}

void fail_print(void)
{
	const char *name = us_error_name(fail_code());
	const char *text = us_error_text(fail_code());

	if (cli_json) {
		print_json(json_pack("{s:{s:i, s:s, s:s, s:o}}", "error",
				     "code", (int)fail_code(), "name", name,
				     "message", text, "detail",
				     json_name(fail_detail(),
					       strlen(fail_detail()) + 1)));
		return;
	}
	fprintf(stderr, "underseal: %s (%u): %s\n", name,
		(unsigned int)fail_code(), text);
	if (fail_detail()[0])
		fprintf(stderr, "underseal: %s\n", fail_detail());
}

static void vmessage(const char *prefix, const char *format, va_list args)
{
	fputs(prefix, stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

bool notes_shown(void)
{
	return !cli_json && isatty(STDERR_FILENO);
}

void note(const char *format, ...)
{
	va_list args;

	if (!notes_shown())
		return;
	va_start(args, format);
	vmessage("", format, args);
	va_end(args);
}

void warning(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vmessage("underseal: warning: ", format, args);
	va_end(args);
}

void print_json(json_t *object)
{
	if (cli_json && object) {
		json_dumpf(object, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(object);
}

bool parse_number(const char *text, u64 min, u64 max, u64 *out)
{
	char *end;
	u64 value;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || *end || value < min || value > max)
		return false;
	*out = value;
	return true;
}

const char *hex(const u8 *bytes, size_t len)
{
	static char ring[4][129];
	static unsigned int next;
	char *out = ring[next++ % 4];
	size_t i;

	if (len > 64)
		len = 64;
	for (i = 0; i < len; i++)
		sprintf(out + 2 * i, "%02x", bytes[i]);
	out[2 * len] = 0;
	return out;
}

json_t *json_hex(const u8 *bytes, size_t len)
{
	return json_string(hex(bytes, len));
}

json_t *json_name(const char *name, size_t size)
{
	size_t len = strnlen(name, size);
	json_t *string = json_stringn(name, len);
	char *copy;
	size_t i;

	if (string)
		return string;
	copy = strndup(name, len);
	if (!copy)
		return NULL;
	for (i = 0; i < len; i++)
		if (!isprint((unsigned char)copy[i]))
			copy[i] = '?';
	string = json_string(copy);
	free(copy);
	return string;
}

void print_version(FILE *stream)
{
	fprintf(stream, "underseal %s\n", US_VERSION_STRING);
}

/*
 * Options of every command, through a child parser. --help and --version are ours
 * too: argp's own stay silent together with its error messages.
 */
enum { KEY_VERSION = 0x200, KEY_USAGE };

static const struct argp_option common_options[] = {
	{ "json", 'j', NULL, 0, "print results and errors as JSON", -1 },
	{ "help", '?', NULL, 0, "print this help", -1 },
	{ "usage", KEY_USAGE, NULL, 0, "print a short usage message", -1 },
	{ "version", KEY_VERSION, NULL, 0, "print the version", -1 },
	{ 0 }
};

static const struct argp *whole_argp;

static void help_and_exit(const struct argp_state *state, unsigned int flags)
{
	argp_help(whole_argp, stdout, flags, state->argv[0]);
	exit(0);
}

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	switch (key) {
	case 'j':
		cli_json = true;
		return 0;
	case '?':
		help_and_exit(state, ARGP_HELP_SHORT_USAGE | ARGP_HELP_LONG |
			      ARGP_HELP_DOC);
		return 0;
	case KEY_USAGE:
		help_and_exit(state, ARGP_HELP_USAGE);
		return 0;
	case KEY_VERSION:
		print_version(stdout);
		exit(0);
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp common_argp = {
	.options = common_options, .parser = parse_common,
};

enum us_error parse_options(const struct argp *argp, int argc, char **argv,
			    void *input)
{
	/* Without its texts: help would print them for parent and child. */
	const struct argp child = {
		.options = argp->options, .parser = argp->parser,
		.children = argp->children,
	};
	const struct argp_child children[] = {
		{ &child, 0, NULL, 0 }, { &common_argp, 0, NULL, 0 }, { 0 }
	};
	const struct argp whole = {
		.children = children, .args_doc = argp->args_doc,
		.doc = argp->doc,
	};

	fail_clear();
	whole_argp = &whole;
	/* The parent has no parser: argp hands @input to the first child. */
	if (!argp_parse(&whole, argc, argv, ARGP_NO_ERRS | ARGP_NO_HELP, NULL,
			input))
		return US_OK;
	if (fail_code() == US_OK)
		fail(US_E_USAGE, "an option is not known or lacks its value; "
		     "see '%s --help'", argv[0]);
	return fail_code();
}

/* 1 to @room - 1 printable ASCII characters? */
static bool is_label(const char *text, size_t room)
{
	size_t len = strlen(text);
	size_t i;

	for (i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return false;
	return len && len < room;
}

error_t check_labels(const char *name, const char *description)
{
	if (name && !is_label(name, US_NAME_MAX))
		return usage_error("the name must be 1 to %u printable ASCII "
				   "characters", US_NAME_MAX - 1);
	if (description && !is_label(description, US_NAME_MAX * 2))
		return usage_error("the description must be 1 to %u printable "
				   "ASCII characters", US_NAME_MAX * 2 - 1);
	return 0;
}
