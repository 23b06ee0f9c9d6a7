/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "module_command.h"
#include "module_make.h"
#include "report_module.h"

/* Sums over all modules. */
struct totals {
	struct module_shares shares;
	size_t made, without_code;
};

static void progress(size_t done, size_t all, const char *what)
{
	if (done % 50 == 0 || done == all)
		note("%s %zu of %zu modules", what, done, all);
}

static void add_up(struct totals *totals, const struct module_shares *shares)
{
	totals->made++;
	totals->shares.text += shares->text;
	totals->shares.exact += shares->exact;
	totals->shares.enumerated += shares->enumerated;
	totals->shares.masked += shares->masked;
	totals->shares.file += shares->file;
}

static enum us_error make_one(struct module_maker *maker, const char *path,
			      const char *output, char name[US_NAME_MAX],
			      struct totals *totals)
{
	struct module_shares shares;
	struct buffer file;
	enum us_error error;

	error = module_make(maker, path, name, &file, &shares);
	if (error)
		return error;
	error = check_module(path, file.data, file.len);
	if (!error)
		error = file_write(output, file.data, file.len, 0644);
	buffer_free(&file);
	if (!error)
		add_up(totals, &shares);
	return error;
}

/* A module that only holds tables needs no baseline. */
static bool has_code(const struct known_module *module)
{
	return module->text_len;
}

static enum us_error make_all(struct module_maker *maker, const char *directory,
			      struct totals *totals)
{
	const struct module_set *set = maker->set;
	char name[US_NAME_MAX], *output;
	enum us_error error = US_OK;
	size_t i;

	if (mkdir(directory, 0777) && errno != EEXIST)
		return fail(US_E_FILE_WRITE, "%s: %s", directory, strerror(errno));
	for (i = 0; i < set->count && !error; i++) {
		if (!has_code(&set->modules[i])) {
			totals->without_code++;
			continue;
		}
		if (asprintf(&output, "%s/%s.umod", directory,
			     set->modules[i].name) < 0)
			return fail(US_E_NO_MEMORY, "%s", directory);
		error = make_one(maker, set->modules[i].path, output, name,
				 totals);
		free(output);
		progress(i + 1, set->count, "made baselines of");
	}
	return error;
}

static void print_totals(const struct module_command *command,
			 const struct totals *totals)
{
	const struct module_shares *s = &totals->shares;

	if (cli_json)
		print_json(json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
			"output", command->output,
			"modules", (json_int_t)totals->made,
			"without_code", (json_int_t)totals->without_code,
			"text_bytes", (json_int_t)s->text,
			"bytes_exact", (json_int_t)s->exact,
			"bytes_enumerated", (json_int_t)s->enumerated,
			"bytes_masked", (json_int_t)s->masked,
			"baseline_bytes", (json_int_t)s->file));
	else
		note("%s: %zu modules, %llu bytes of code: %llu exact, %llu "
		     "enumerated, %llu masked; %llu bytes of baselines",
		     command->output, totals->made, (unsigned long long)s->text,
		     (unsigned long long)s->exact,
		     (unsigned long long)s->enumerated,
		     (unsigned long long)s->masked, (unsigned long long)s->file);
}

static enum us_error run(const struct module_command *command,
			 const struct kernel_image *kernel)
{
	struct module_maker maker = { 0 };
	struct totals totals = { 0 };
	char name[US_NAME_MAX];
	struct module_set set;
	enum us_error error;

	error = module_set_open(&set, kernel, command->directory, progress);
	if (!error)
		error = maker_open(&maker, &set);
	if (!error && command->module)
		error = make_one(&maker, command->module, command->output, name,
				 &totals);
	else if (!error)
		error = make_all(&maker, command->output, &totals);
	if (!error)
		print_totals(command, &totals);
	maker_close(&maker);
	module_set_close(&set);
	return error;
}

enum us_error baseline_modules(const struct module_command *command)
{
	struct kernel_image kernel;
	enum us_error error;

	error = image_open(&kernel, command->kernel);
	if (!error)
		error = run(command, &kernel);
	image_close(&kernel);
	return error;
}
