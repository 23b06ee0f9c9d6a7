/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every subcommand shares: options common to all, one way to fail, one way
 * to print. The tools are single-threaded; the state below is the process's.
 */
#ifndef UNDERSEAL_CLI_H
#define UNDERSEAL_CLI_H

#include <argp.h>
#include <jansson.h>
#include <stdio.h>

#include "fail.h"
#include "types.h"
#include "version.h"

#define EXIT_REFUSED	1	/* refused or failed */
#define EXIT_USAGE	2	/* the command line is not understood */

struct command {
	const char *name;
	const char *summary;	/* one line for `underseal --help` */
	/* argv[0] is "underseal NAME". US_OK, or what fail() returned. */
	enum us_error (*run)(int argc, char **argv);
};

/* The program's commands, ended by a NULL name; each program defines its own. */
extern const struct command commands[];

/* --json was given: results and errors are one JSON object on stdout. */
extern bool cli_json;

/* Runs the command that argv names; returns the process's exit status. Part of
 * programs with commands only (dispatch.c). */
int cli_main(int argc, char **argv);

/* The line for --version. */
void print_version(FILE *stream);

/* Print what fail() recorded: the line on stderr, or the object with --json. */
void fail_print(void);

/* A progress note on stderr; only when stderr is a terminal and not --json. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Are progress notes shown at all? */
bool notes_shown(void);

/* A warning on stderr, always. */
void warning(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Print @object with --json, and release it in any case. */
void print_json(json_t *object);

/*
 * Parse options with @argp's parser into @input. --json and the standard options
 * are taken care of. US_OK, US_E_USAGE, or what a parser recorded (an option's file
 * cannot be read); --help and --version end the program.
 */
enum us_error parse_options(const struct argp *argp, int argc, char **argv,
			    void *input);

/* For use inside an argp parser: record a usage error and return EINVAL. */
error_t usage_error(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* Decimal or 0x number in [@min, @max] into *@out; false when @text is none. */
bool parse_number(const char *text, u64 min, u64 max, u64 *out);

/* For argp parsers too: does a bundle have room for these, and are they printable
 * ASCII? Either may be NULL. 0, or what usage_error() returned. */
error_t check_labels(const char *name, const char *description);

/* @len bytes as lower-case hex in a static ring of buffers (4 deep, 64 bytes). */
const char *hex(const u8 *bytes, size_t len);

/* The same as a JSON string. */
json_t *json_hex(const u8 *bytes, size_t len);

/* A JSON string of a fixed-size name that may lack its NUL; what is not UTF-8
 * becomes '?'. */
json_t *json_name(const char *name, size_t size);

#endif
