/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stages of a build up to the compiled objects. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "build.h"
#include "cli.h"
#include "kernel_image.h"
#include "symbol_map.h"

/* What an option names goes before what the archive has. */
static enum us_error choose(char path[PATH_MAX], const char *named)
{
	return named ? make_path(path, "%s", named) : US_OK;
}

static unsigned int parts_needed(const struct build_options *options)
{
	return (options->source ? 0 : ARCHIVE_SOURCE) |
	       (options->headers || options->config ? 0 : ARCHIVE_HEADERS) |
	       (options->vmlinux ? 0 : ARCHIVE_DEBUG);
}

static enum us_error find_inputs(struct build *build)
{
	const struct build_options *options = build->options;
	struct archive_kernel *kernel = &build->kernel;
	enum us_error error = US_OK;

	if (options->release)
		error = archive_fetch(options->release, parts_needed(options),
				      kernel);
	if (!error)
		error = choose(kernel->source, options->source);
	if (!error)
		error = choose(kernel->headers, options->headers);
	/* The fetched map goes with the fetched kernel only. */
	if (!error && options->vmlinux)
		kernel->system_map[0] = 0;
	if (!error)
		error = choose(kernel->system_map, options->system_map);
	if (!error)
		error = choose(kernel->vmlinux, options->vmlinux);
	/* Another configuration is not the one that the headers belong to. */
	if (!error && (options->headers || !options->config))
		build->headers = kernel->headers;
	if (!error && options->config)
		return choose(build->config, options->config);
	return error ? error : make_path(build->config, "%s/.config",
					 build->headers);
}

/* The compiler that vmlinux says it comes from. */
static enum us_error read_compiler(struct build *build,
				   const struct kernel_image *image)
{
	const struct image_section *comment = image_section(image, ".comment");
	size_t len = comment && comment->data ? comment->header.sh_size : 0;

	if (!len || len > sizeof(build->compiler) || comment->data[len - 1])
		return fail(US_E_COMPILER, "%s does not say by which compiler "
			    "it was made", image->path);
	memcpy(build->compiler, comment->data, len);
	/* Two compilers: two strings. */
	if (strlen(build->compiler) + 1 != len)
		return fail(US_E_COMPILER, "%s was made by more than one "
			    "compiler", image->path);
	return US_OK;
}

/* "Linux version 6.1.0-56-cloud-amd64 (...", what /proc/version begins with. */
static enum us_error read_release(struct build *build,
				  const struct kernel_image *image)
{
	static const char start[] = "Linux version ";
	const size_t skip = strlen(start);
	const u8 *text;
	enum us_error error;
	u64 address = 0;
	size_t len = 0;

	error = image_symbol(image, "linux_banner", &address);
	if (error)
		return error;
	text = image_bytes(image, address, skip);
	if (!text || memcmp(text, start, skip))
		return fail(US_E_ELF_FORMAT, "%s: no kernel release in "
			    "linux_banner", image->path);
	while (len + 1 < sizeof(build->release) &&
	       (text = image_bytes(image, address + skip + len, 1)) &&
	       *text && *text != ' ')
		build->release[len++] = *text;
	build->release[len] = 0;
	if (!release_valid(build->release))
		return fail(US_E_ELF_FORMAT, "%s: '%s' is no kernel release",
			    image->path, build->release);
	if (build->options->release &&
	    strcmp(build->options->release, build->release))
		return fail(US_E_WRONG_BUILD_ID, "%s is of kernel %s, not %s",
			    image->path, build->release,
			    build->options->release);
	return US_OK;
}

/* A map of another build shows that something was mixed up. */
static enum us_error check_map(const struct build *build,
			       const struct kernel_image *image)
{
	static const char *const names[] = {
		"_text", "_etext", "entry_SYSCALL_64", "linux_banner", "_end",
	};
	enum us_error error = US_OK;
	struct symbol_map map;
	u64 ours, theirs;
	size_t i;

	if (!build->kernel.system_map[0])
		return US_OK;
	error = symbol_map_read(&map, build->kernel.system_map);
	for (i = 0; i < ARRAY_SIZE(names) && !error; i++) {
		error = symbol_map_find(&map, names[i], &ours);
		if (!error)
			error = image_symbol(image, names[i], &theirs);
		if (!error && ours != theirs)
			error = fail(US_E_SYMBOL_AMBIGUOUS, "%s is elsewhere "
				     "in %s than in %s: different builds",
				     names[i], map.path, image->path);
	}
	symbol_map_free(&map);
	return error;
}

static enum us_error read_vmlinux(struct build *build)
{
	struct kernel_image image;
	enum us_error error = image_open(&image, build->kernel.vmlinux);

	if (!error)
		error = read_compiler(build, &image);
	if (!error)
		error = read_release(build, &image);
	if (!error)
		error = check_map(build, &image);
	image_close(&image);
	return error;
}

static enum us_error make_work(struct build *build)
{
	char cache[PATH_MAX];
	enum us_error error = cache_directory(cache);

	if (!error)
		error = make_path(build->work, "%s/work.XXXXXX", cache);
	if (!error && !mkdtemp(build->work)) {
		error = fail(US_E_FILE_WRITE, "%s: %s", build->work,
			     strerror(errno));
		build->work[0] = 0;
	}
	if (!error)
		error = make_path(build->before, "%s/before", build->work);
	if (!error)
		error = make_path(build->after, "%s/after", build->work);
	if (!error && (mkdir(build->before, 0755) || mkdir(build->after, 0755)))
		error = fail(US_E_FILE_WRITE, "%s: %s", build->work,
			     strerror(errno));
	return error;
}

static enum us_error open_tree(struct build *build)
{
	build->params = (struct source_params){
		.release = build->release,
		.source = build->kernel.source,
		.config = build->config,
		.headers = build->headers,
		.vmlinux_compiler = build->compiler,
		.jobs = build->options->jobs,
	};
	return source_tree_open(&build->tree, &build->params);
}

/* In memory, all of it, before anything is written. */
static enum us_error apply_fix(struct build *build)
{
	struct buffer old = { 0 };
	enum us_error error = US_OK;
	size_t i;

	build->changed = calloc(build->fix.target_count,
				sizeof(*build->changed));
	if (!build->changed)
		return fail(US_E_NO_MEMORY, "%s", build->options->patch);
	for (i = 0; i < build->fix.target_count && !error; i++) {
		error = source_tree_read(&build->tree,
					 build->fix.targets[i].path, &old);
		if (!error)
			error = fix_apply(&build->fix, &build->fix.targets[i],
					  &old, &build->changed[i]);
		buffer_free(&old);
	}
	return error;
}

static enum us_error put_fix(struct build *build)
{
	enum us_error error = US_OK;
	size_t i;

	for (i = 0; i < build->fix.target_count && !error; i++)
		error = source_tree_replace(&build->tree,
					    build->fix.targets[i].path,
					    &build->changed[i]);
	return error;
}

/* The tree is left without the fix in any case. */
static enum us_error compile_after(struct build *build)
{
	enum us_error error = put_fix(build), undone;

	if (!error)
		error = source_tree_build(&build->tree, build->objects.paths,
					  build->objects.count, build->after);
	if (!error)
		error = others_after(build);
	undone = source_tree_restore(&build->tree);
	return error ? error : undone;
}

/* The vendor's binary that the objects went into: the kernel, or one module. */
static enum us_error find_vendor(struct build *build)
{
	const struct build_options *options = build->options;
	char module[PATH_MAX];
	enum us_error error = US_OK;
	size_t i;

	for (i = 0; i < build->objects.count && !error; i++) {
		error = source_tree_module(&build->tree,
					   build->objects.paths[i], module);
		if (!i)
			strcpy(build->module, module);
		else if (!error && strcmp(build->module, module))
			error = fail(US_E_NOT_PATCHABLE, "the fix touches both "
				     "%s and %s; a bundle is for one of them",
				     build->module[0] ? build->module :
				     "the kernel", module[0] ? module :
				     "the kernel");
	}
	if (error)
		return error;
	if (!build->module[0])
		return make_path(build->vendor, "%s", build->kernel.vmlinux);
	if (options->module)
		return make_path(build->vendor, "%s", options->module);
	if (options->vmlinux)
		return fail(US_E_ARCHIVE, "%s is part of module %s; name the "
			    "module's file with --module",
			    build->objects.paths[0], build->module);
	return archive_module(build->release, build->module, build->vendor);
}

static enum us_error compile(struct build *build)
{
	enum us_error error = others_before(build);
	bool joined = false;

	if (error)
		return error;
	note("compiling %zu objects without the fix", build->objects.count);
	error = source_tree_build(&build->tree, build->objects.paths,
				  build->objects.count, build->before);
	if (!error)
		error = find_vendor(build);
	if (!error)
		error = others_join(build, &joined);
	if (!error && joined)
		error = source_tree_build(&build->tree, build->objects.paths,
					  build->objects.count, build->before);
	if (error)
		return error;
	note("compiling them with the fix");
	return compile_after(build);
}

static enum us_error run(struct build *build, struct buffer *file)
{
	enum us_error error = fix_read(&build->fix, build->options->patch);

	if (!error)
		error = find_inputs(build);
	if (!error)
		error = read_vmlinux(build);
	if (!error)
		error = make_work(build);
	if (!error)
		error = units_read(&build->units, build->kernel.vmlinux);
	if (!error)
		error = open_tree(build);
	if (!error)
		error = apply_fix(build);
	if (!error)
		error = objects_of_fix(&build->tree, &build->fix,
				       &build->units, &build->objects,
				       &build->others);
	if (!error)
		error = compile(build);
	if (!error)
		error = others_judge(build);
	return error ? error : build_judge(build, file);
}

static void release(struct build *build)
{
	size_t i;

	source_tree_close(&build->tree);
	for (i = 0; build->changed && i < build->fix.target_count; i++)
		buffer_free(&build->changed[i]);
	free(build->changed);
	fix_free(&build->fix);
	units_free(&build->units);
	objects_free(&build->objects);
	objects_free(&build->others);
}

enum us_error build_bundle(const struct build_options *options,
			   struct buffer *file)
{
	struct build build = { .options = options, .tree = { .lock = -1 } };
	enum us_error error = run(&build, file);
	char why[1024];

	release(&build);
	if (!build.work[0])
		return error;
	/* Cleaning up must not hide why the build failed. */
	snprintf(why, sizeof(why), "%s", fail_detail());
	if (remove_tree(build.work))
		warning("%s is left over", build.work);
	return error ? fail(error, "%s", why) : US_OK;
}
