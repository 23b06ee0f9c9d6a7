/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>

#include "bundle_writes.h"
#include "cli.h"
#include "cmd.h"
#include "report.h"

struct options {
	const char *object, *baseline, *system_map, *output;
	struct bundle_options bundle;
};

static const struct argp_option option_table[] = {
	{ "baseline", 'b', "FILE", 0, "the target kernel's baseline", 0 },
	{ "system-map", 'm', "FILE", 0, "the target kernel's System.map", 0 },
	{ "output", 'o', "FILE", 0, "write the bundle to FILE", 0 },
	{ 0 }
};

static error_t check_options(const struct options *options)
{
	if (!options->object || !options->baseline || !options->system_map ||
	    !options->output || !options->bundle.name ||
	    !options->bundle.generation)
		return usage_error("OBJECT, --baseline, --system-map, "
				   "--generation, --name and -o are needed");
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->bundle;
		return 0;
	case 'b':
		options->baseline = arg;
		return 0;
	case 'm':
		options->system_map = arg;
		return 0;
	case 'o':
		options->output = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (options->object)
			return usage_error("one OBJECT only: '%s'", arg);
		options->object = arg;
		return 0;
	case ARGP_KEY_END:
		return check_options(options);
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = option_table, .parser = parse, .args_doc = "OBJECT",
	.children = bundle_children,
	.doc = "Make a bundle from a relocatable object: each of its functions "
	"that the kernel has too replaces the kernel's. The object is compiled "
	"as the kernel is, for example by its own build system.",
};

/* Addresses from the map are only good for the baseline's kernel. */
static enum us_error check_map(const struct symbol_map *map,
			       const struct baseline *baseline)
{
	static const struct {
		const char *name;
		enum us_fact fact;
	} known[] = {
		{ "entry_SYSCALL_64", US_FACT_ENTRY_SYSCALL },
		{ "init_task", US_FACT_INIT_TASK },
		{ "level2_kernel_pgt", US_FACT_LEVEL2_KERNEL_PGT },
		{ "_end", US_FACT_IMAGE_END },
	};
	const u64 *facts = baseline->head.header->facts;
	enum us_error error;
	u64 address;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(known); i++) {
		error = symbol_map_find(map, known[i].name, &address);
		if (error)
			return error;
		if (address != facts[US_FACT_LINK_BASE] + facts[known[i].fact])
			return fail(US_E_SYMBOL_AMBIGUOUS, "%s is elsewhere in "
				    "%s than in %s: different builds",
				    known[i].name, map->path, baseline->path);
	}
	return US_OK;
}

static enum us_error plan_and_write(struct bundle_plan *plan,
				    const struct options *options,
				    struct buffer *file)
{
	const struct variables variables = {
		.baseline = plan->baseline, .map = plan->map,
	};
	enum us_error error;

	plan->link_base = plan->baseline->head.header->facts[US_FACT_LINK_BASE];
	bundle_plan_options(plan, &options->bundle);
	error = check_map(plan->map, plan->baseline);
	if (!error)
		error = bundle_plan_functions(plan);
	if (!error)
		error = bundle_plan_payload(plan);
	if (!error)
		error = bundle_plan_data(plan);
	if (!error)
		error = bundle_plan_writes(plan, &options->bundle, &variables);
	if (!error)
		error = bundle_plan_write(plan, file);
	return error;
}

static enum us_error make(const struct options *options, struct buffer *file)
{
	struct baseline baseline = { 0 };
	struct symbol_map map = { 0 };
	struct object_file object;
	struct bundle_plan *plan;
	enum us_error error;

	plan = calloc(1, sizeof(*plan));
	if (!plan)
		return fail(US_E_NO_MEMORY, "bundle");
	plan->baseline = &baseline;
	plan->map = &map;
	plan->object = &object;
	error = object_open(&object, options->object);
	if (!error)
		error = baseline_open(&baseline, options->baseline);
	if (!error)
		error = symbol_map_read(&map, options->system_map);
	if (!error)
		error = plan_and_write(plan, options, file);
	bundle_plan_free(plan);
	free(plan);
	object_close(&object);
	baseline_close(&baseline);
	symbol_map_free(&map);
	return error;
}

static void note_functions(const char *path, const struct us_bundle *bundle)
{
	u32 i;

	for (i = 0; i < bundle->header->functions; i++)
		note("%s: replaces %s", path,
		     bundle->strings + bundle->functions[i].name);
}

enum us_error cmd_bundle(int argc, char **argv)
{
	struct options options = { 0 };
	struct buffer file = { 0 };
	struct us_bundle bundle;
	enum us_error error;

	error = parse_options(&argp, argc, argv, &options);
	if (!error)
		error = make(&options, &file);
	if (!error)
		error = check_bundle(options.output, file.data, file.len,
				     &bundle);
	if (!error)
		error = file_write(options.output, file.data, file.len, 0644);
	if (!error && cli_json)
		print_json(bundle_json(&bundle, file.data, file.len));
	else if (!error)
		note_functions(options.output, &bundle);
	buffer_free(&file);
	return error;
}
