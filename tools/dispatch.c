/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A program of subcommands: from argv to the one that is meant. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

static void print_help(FILE *stream)
{
	const struct command *command;

	fputs("Usage: underseal COMMAND [OPTION...]\n"
	      "Patch the kernel of a running server from underneath it.\n\n",
	      stream);
	for (command = commands; command->name; command++)
		fprintf(stream, "  %-18s%s\n", command->name,
			command->summary);
	fputs("\nEvery command takes --help and --json. Exit status: 0 done, "
	      "1 refused or failed,\n2 command line not understood.\n", stream);
}

static const struct command *find_command(const char *name)
{
	const struct command *command;

	for (command = commands; command->name; command++)
		if (!strcmp(command->name, name))
			return command;
	return NULL;
}

static enum us_error run_command(int argc, char **argv)
{
	const struct command *command = find_command(argv[1]);
	char name[64];

	if (!command)
		return fail(US_E_USAGE, "'%s' is no command; see 'underseal "
			    "--help'", argv[1]);
	snprintf(name, sizeof(name), "underseal %s", command->name);
	argv[1] = name;
	return command->run(argc - 1, argv + 1);
}

/* --json has to be known before the options are parsed, for usage errors. */
static void find_json_option(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (!strcmp(argv[i], "--json") || !strcmp(argv[i], "-j"))
			cli_json = true;
}

/* `underseal --json status` is as good as `underseal status --json`. */
static void skip_json_option(int *argc, char ***argv)
{
	while (*argc >= 2 && (!strcmp((*argv)[1], "--json") ||
			      !strcmp((*argv)[1], "-j"))) {
		(*argv)[1] = (*argv)[0];
		++*argv;
		--*argc;
	}
}

static enum us_error dispatch(int argc, char **argv)
{
	if (argc < 2)
		return fail(US_E_USAGE, "no command; see 'underseal --help'");
	if (!strcmp(argv[1], "--version"))
		print_version(stdout);
	else if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-?"))
		print_help(stdout);
	else
		return run_command(argc, argv);
	return US_OK;
}

int cli_main(int argc, char **argv)
{
	enum us_error error;

	find_json_option(argc, argv);
	skip_json_option(&argc, &argv);
	error = dispatch(argc, argv);
	if (error == US_OK && fflush(stdout))
		error = fail(US_E_FILE_WRITE, "standard output: %s",
			     strerror(errno));
	if (error == US_OK)
		return 0;
	fail_print();
	return error == US_E_USAGE ? EXIT_USAGE : EXIT_REFUSED;
}
