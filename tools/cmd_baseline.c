/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "baseline_write.h"
#include "cli.h"
#include "cmd.h"
#include "kernel_facts.h"
#include "kernel_probes.h"
#include "kernel_ranges.h"
#include "kernel_strings.h"
#include "module_command.h"
#include "policy.h"
#include "report.h"
#include "symbol_map.h"

struct options {
	const char *vmlinux, *output, *system_map, *image;
	/* For modules' baselines: */
	const char *kernel, *modules;
	u8 policy[POLICY_BYTES];
};

static const struct argp_option option_table[] = {
	{ "output", 'o', "FILE", 0, "write the baseline to FILE", 0 },
	{ "system-map", 'm', "FILE", 0,
	  "check that FILE is this build's System.map", 0 },
	{ "image", 'i', "VMLINUZ", 0, "take the relocations from the bootable "
	  "image of the same build; with a vmlinux that carries its own, both "
	  "must agree", 0 },
	{ "policy", 'p', "ROW=VALUE[,...]", 0, "what the sealed kernel may do: "
	  "jump-label, static-call, ftrace, trampoline, kprobe, smp-lock = deny, "
	  "allow or allow-log; module = open or as-found; mapping = report, "
	  "repair or halt; execute = any or sealed", 0 },
	{ "kernel", 'k', "VMLINUX", 0, "make the baseline of a module (.ko, "
	  ".ko.xz) of that kernel, or of all below --modules", 0 },
	{ "modules", 'M', "DIR", 0, "modules that the module may refer to, as in "
	  "/lib/modules/RELEASE; without MODULE.ko: make all of them, "
	  "NAME.umod in the directory that --output names", 0 },
	{ 0 }
};

static error_t check_options(const struct options *options)
{
	if (options->modules && !options->kernel)
		return usage_error("--modules goes with --kernel");
	if (options->kernel && (options->system_map || options->image))
		return usage_error("a module's baseline takes neither --image "
				   "nor --system-map");
	if (!options->output || (!options->vmlinux && !options->modules))
		return usage_error("VMLINUX, or --kernel with MODULE.ko or "
				   "--modules, and -o FILE are needed");
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;
	const char *problem;

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
	case 'p':
		if (!policy_parse(arg, options->policy, &problem))
			return usage_error("no such policy: '%s'", problem);
		return 0;
	case 'k':
		options->kernel = arg;
		return 0;
	case 'M':
		options->modules = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (options->vmlinux)
			return usage_error("one VMLINUX or MODULE only: '%s'",
					   arg);
		options->vmlinux = arg;
		return 0;
	case ARGP_KEY_END:
		return check_options(options);
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = option_table, .parser = parse, .args_doc = "VMLINUX\nMODULE.ko --kernel VMLINUX\n"
	"--kernel VMLINUX --modules DIR",
	.doc = "Make the baseline of one kernel build from its vmlinux with "
	"debug information, as Debian's -dbg packages have it, or the baselines "
	"of its modules.",
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
				    const struct kernel_memory *memory,
				    const char *path,
				    const struct reloc_list *relocs)
{
	struct reloc_list booted;
	enum us_error error;
	s64 difference;

	error = relocs_from_vmlinuz(image, memory, path, &booted);
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
				    const struct kernel_memory *memory,
				    const char *booted,
				    struct reloc_list *relocs)
{
	enum us_error error = relocs_from_vmlinux(image, memory, relocs);

	if (error == US_E_ELF_NO_RELOCATIONS && booted)
		return relocs_from_vmlinuz(image, memory, booted, relocs);
	if (!error && booted)
		error = compare_relocs(image, memory, booted, relocs);
	return error;
}

/* All that is read from the kernel, released together. */
struct sources {
	struct kernel_memory memory;
	struct reloc_list relocs;
	struct patch_table patches;
	struct entry_list entries;
	struct runtime_list runtime;
	struct value_list values;
	u8 *probes;
};

static void free_sources(struct sources *sources)
{
	memory_free(&sources->memory);
	relocs_free(&sources->relocs);
	patches_free(&sources->patches);
	entries_free(&sources->entries);
	runtime_free(&sources->runtime);
	values_free(&sources->values);
	free(sources->probes);
}

static enum us_error read_sources(const struct kernel_image *image,
				  const struct options *options,
				  struct sources *s)
{
	enum us_error error;

	error = memory_load(image, &s->memory);
	if (!error)
		error = collect_relocs(image, &s->memory, options->image,
				       &s->relocs);
	if (error)
		return error;
	memory_mark(&s->memory, &s->relocs);
	error = patches_collect(image, &s->memory, &s->patches);
	if (!error)
		error = entries_collect(image, &s->memory, &s->relocs,
					&s->entries);
	if (!error)
		error = runtime_collect(image, &s->memory, &s->patches,
					&s->entries, &s->runtime);
	if (!error)
		error = values_derive(image, &s->memory, &s->patches,
				      &s->runtime, &s->values);
	if (!error)
		error = probes_collect(image, &s->memory, &s->values,
				       &s->runtime, &s->probes);
	return error;
}

static enum us_error make(const struct kernel_image *image,
			  const struct options *options,
			  struct baseline_parts *parts, struct buffer *file)
{
	struct sources sources = { 0 };
	enum us_error error = US_OK;

	memcpy(parts->header.policy, options->policy, POLICY_BYTES);
	if (options->system_map)
		error = check_map(image, options->system_map);
	if (!error)
		error = facts_collect(image, &parts->header);
	if (!error)
		error = ranges_collect(image, &parts->header);
	if (!error)
		error = read_sources(image, options, &sources);
	if (!error)
		error = strings_derive(&sources.memory, &parts->header,
				       &sources.values);
	parts->memory = &sources.memory;
	parts->relocs = &sources.relocs;
	parts->values = &sources.values;
	parts->runtime = &sources.runtime;
	parts->entries = &sources.entries;
	parts->probes = sources.probes;
	if (!error)
		error = baseline_write(parts, file);
	free_sources(&sources);
	return error;
}

enum us_error cmd_baseline(int argc, char **argv)
{
	struct baseline_parts parts = { 0 };
	struct options options = { 0 };
	struct kernel_image image;
	struct buffer file = { 0 };
	enum us_error error;

	policy_default(options.policy);
	error = parse_options(&argp, argc, argv, &options);
	if (error)
		return error;
	if (options.kernel)
		return baseline_modules(&(struct module_command) {
			options.kernel, options.vmlinux, options.modules,
			options.output,
		});
	error = image_open(&image, options.vmlinux);
	if (!error)
		error = make(&image, &options, &parts, &file);
	image_close(&image);
	if (!error)
		error = check_baseline(options.vmlinux, file.data, file.len);
	if (!error)
		error = file_write(options.output, file.data, file.len, 0644);
	if (!error && cli_json)
		print_json(baseline_json(file.data));
	else if (!error)
		note("%s: baseline of %s, %llu bytes", options.output,
		     parts.header.kernel, (unsigned long long)file.len);
	buffer_free(&file);
	return error;
}
