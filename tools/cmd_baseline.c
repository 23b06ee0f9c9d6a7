/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "baseline_write.h"
#include "cli.h"
#include "cmd.h"
#include "kernel_facts.h"
#include "report.h"
#include "symbol_map.h"

struct options {
	const char *vmlinux, *output, *system_map, *image;
};

static const struct argp_option option_table[] = {
	{ "output", 'o', "FILE", 0, "write the baseline to FILE", 0 },
	{ "system-map", 'm', "FILE", 0,
	  "check that FILE is this build's System.map", 0 },
	{ "image", 'i', "VMLINUZ", 0, "take the relocations from the bootable "
	  "image of the same build; with a vmlinux that carries its own, both "
	  "must agree", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'o':
		options->output = arg;
		return 0;
	case 'm':
		options->system_map = arg;
		return 0;
	case 'i':
		options->image = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (options->vmlinux)
			return usage_error("one VMLINUX only: '%s'", arg);
		options->vmlinux = arg;
		return 0;
	case ARGP_KEY_END:
		if (!options->vmlinux || !options->output)
			return usage_error("VMLINUX and -o FILE are needed");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = option_table, .parser = parse, .args_doc = "VMLINUX",
	.doc = "Make the baseline of one kernel build from its vmlinux with "
	"debug information, as Debian's -dbg packages have it.",
};

/* The map must name the same addresses as the image it is said to belong to. */
static enum us_error check_map(const struct kernel_image *image,
			       const char *path)
{
	static const char *const names[] = {
		"_text", "_etext", "entry_SYSCALL_64", "init_task", "_end",
	};
	enum us_error error = US_OK;
	struct symbol_map map;
	u64 in_map, in_image;
	size_t i;

	error = symbol_map_read(&map, path);
	for (i = 0; i < ARRAY_SIZE(names) && !error; i++) {
		error = symbol_map_find(&map, names[i], &in_map);
		if (!error)
			error = image_symbol(image, names[i], &in_image);
		if (!error && in_map != in_image)
			error = fail(US_E_SYMBOL_AMBIGUOUS,
				     "%s is at %#llx in %s and %#llx in %s",
				     names[i], (unsigned long long)in_map, path,
				     (unsigned long long)in_image, image->path);
	}
	symbol_map_free(&map);
	return error;
}

static enum us_error compare_relocs(const struct kernel_image *image,
				    const char *path,
				    const struct reloc_list *relocs)
{
	struct reloc_list booted;
	enum us_error error;
	s64 difference;

	error = relocs_from_vmlinuz(image, path, &booted);
	if (error)
		return error;
	difference = relocs_difference(relocs, &booted);
	relocs_free(&booted);
	if (difference >= 0)
		return fail(US_E_ELF_FORMAT, "%s and %s disagree on the "
			    "relocation at %#llx", image->path, path,
			    (unsigned long long)(image->text + difference));
	return US_OK;
}

static enum us_error collect_relocs(const struct kernel_image *image,
				    const char *booted,
				    struct reloc_list *relocs)
{
	enum us_error error = relocs_from_vmlinux(image, relocs);

	if (error == US_E_ELF_NO_RELOCATIONS && booted)
		return relocs_from_vmlinuz(image, booted, relocs);
	if (!error && booted)
		error = compare_relocs(image, booted, relocs);
	return error;
}

static enum us_error make(const struct kernel_image *image,
			  const struct options *options,
			  struct baseline_parts *parts, struct buffer *file)
{
	struct site_list sites = { 0 }, runtime = { 0 };
	struct reloc_list relocs = { 0 };
	enum us_error error = US_OK;

	parts->text = image->text_bytes;
	parts->text_len = image->text_len;
	parts->relocs = &relocs;
	parts->sites = &sites;
	parts->runtime = &runtime;
	if (options->system_map)
		error = check_map(image, options->system_map);
	if (!error)
		error = collect_relocs(image, options->image, &relocs);
	if (!error)
		error = facts_collect(image, &parts->header);
	if (!error)
		error = sites_collect(image, &sites);
	if (!error)
		error = sites_runtime(image, &sites, &runtime);
	if (!error)
		error = baseline_write(parts, file);
	relocs_free(&relocs);
	sites_free(&sites);
	sites_free(&runtime);
	return error;
}

enum us_error cmd_baseline(int argc, char **argv)
{
	struct baseline_parts parts = { 0 };
	struct options options = { 0 };
	struct kernel_image image;
	struct buffer file = { 0 };
	enum us_error error;

	error = parse_options(&argp, argc, argv, &options);
	if (error)
		return error;
	error = image_open(&image, options.vmlinux);
	if (!error)
		error = make(&image, &options, &parts, &file);
	image_close(&image);
	if (!error)
		error = check_baseline(options.vmlinux, file.data, file.len);
	if (!error)
		error = file_write(options.output, file.data, file.len, 0644);
	if (!error && cli_json)
		print_json(baseline_json(&parts.header));
	else if (!error)
		note("%s: baseline of %s, %llu bytes", options.output,
		     parts.header.kernel, (unsigned long long)file.len);
	buffer_free(&file);
	return error;
}
