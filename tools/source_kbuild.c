/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive.h"
#include "cli.h"
#include "process.h"
#include "source_kbuild.h"

#define TEXT_VERSION	"CONFIG_CC_VERSION_TEXT=\""
#define PAHOLE		".underseal-pahole"
#define SECTIONS	"KCFLAGS=" KBUILD_FLAGS
#define MAKE_FIXED	12

/* make's arguments, with what has to be the same in every call. */
struct make {
	char compiler[80], release[80], pahole[PATH_MAX], jobs[16];
	const char **argv;
	size_t count;
};

static enum us_error make_start(struct make *make,
				const struct source_tree *tree,
				const char *flags, size_t targets)
{
	make->argv = calloc(MAKE_FIXED + targets + 1, sizeof(*make->argv));
	if (!make->argv)
		return fail(US_E_NO_MEMORY, "make");
	snprintf(make->compiler, sizeof(make->compiler), "CC=%s",
		 tree->compiler);
	snprintf(make->release, sizeof(make->release), "KERNELRELEASE=%s",
		 tree->params->release);
	snprintf(make->jobs, sizeof(make->jobs), "-j%u", tree->params->jobs);
	make->argv[make->count++] = "make";
	make->argv[make->count++] = "-s";
	make->argv[make->count++] = make->jobs;
	make->argv[make->count++] = "ARCH=x86";
	make->argv[make->count++] = make->compiler;
	make->argv[make->count++] = make->release;
	make->argv[make->count++] = flags;
	make->argv[make->count++] = make->pahole;
	return make_path(make->pahole, "PAHOLE=%s/" PAHOLE, tree->path);
}

static enum us_error run_make(const struct source_tree *tree,
			      const struct make *make, int *status,
			      struct buffer *said)
{
	const struct process process = {
		.argv = make->argv, .directory = tree->path,
	};
	enum us_error error = process_run(&process, status, said);

	/* So that what was said is text. */
	if (!error)
		error = buffer_append(said, "", 1);
	if (!error)
		said->len--;
	return error;
}

/* The value of CONFIG_CC_VERSION_TEXT: program, version. */
static bool config_compiler(const struct buffer *config, char text[256])
{
	const char *at = strstr((const char *)config->data, TEXT_VERSION);
	size_t len;

	if (!at)
		return false;
	at += strlen(TEXT_VERSION);
	len = strcspn(at, "\"\n");
	if (at[len] != '"' || len >= 256)
		return false;
	memcpy(text, at, len);
	text[len] = 0;
	return true;
}

static bool program_name(const char *text, char name[64])
{
	size_t i;

	for (i = 0; text[i] && text[i] != ' '; i++) {
		if (i == 63 || (!isalnum((unsigned char)text[i]) &&
				!strchr("-+._", text[i])))
			return false;
		name[i] = text[i];
	}
	name[i] = 0;
	return i && name[0] != '-' && text[i] == ' ';
}

/* Does vmlinux's own word, "GCC: (Debian 12.2.0-14) 12.2.0", name the compiler that
 * the configuration calls "gcc-12 (Debian 12.2.0-14) 12.2.0"? */
static bool same_compiler(const char *vmlinux, const char *text)
{
	const char *a = strchr(vmlinux, '('), *b = strchr(text, '(');

	return !strncmp(vmlinux, "GCC: ", 5) && a && b && !strcmp(a, b);
}

static enum us_error ask_version(const char *compiler, char version[256])
{
	const char *const argv[] = { compiler, "--version", NULL };
	struct buffer said = { 0 };
	enum us_error error;

	error = process_must(&(struct process){ .argv = argv }, &said);
	if (!error && said.data)
		snprintf(version, 256, "%.*s", (int)
			 strcspn((const char *)said.data, "\n"), said.data);
	buffer_free(&said);
	return error;
}

enum us_error kbuild_compiler(struct source_tree *tree,
			      const struct buffer *config)
{
	const char *made_by = tree->params->vmlinux_compiler;
	char wanted[256], found[256] = "";

	if (!config_compiler(config, wanted) ||
	    !program_name(wanted, tree->compiler))
		return fail(US_E_FILE_READ, "%s names no compiler: is it a "
			    "kernel's configuration?", tree->params->config);
	if (!same_compiler(made_by, wanted))
		return fail(US_E_COMPILER, "vmlinux was made by '%s', the "
			    "configuration speaks of '%s': they do not belong "
			    "together, or it was no gcc", made_by, wanted);
	if (ask_version(tree->compiler, found))
		return fail(US_E_COMPILER, "'%s' is needed; install it", wanted);
	if (strcmp(wanted, found))
		return fail(US_E_COMPILER, "'%s' is needed and '%s' is "
			    "installed", wanted, found);
	return US_OK;
}

/* pahole comes in when a kernel is linked, which never happens here; but the
 * configuration asks for its version. So a stand-in gives the vendor's. */
static enum us_error put_pahole(const struct source_tree *tree)
{
	char path[PATH_MAX], text[64];
	unsigned int version = 0;
	struct buffer config;
	const char *at;
	enum us_error error;

	error = file_read(tree->params->config, 1u << 20, &config);
	if (!error)
		error = buffer_append(&config, "", 1);
	if (!error) {
		at = strstr((const char *)config.data, "CONFIG_PAHOLE_VERSION=");
		if (at)
			sscanf(at, "CONFIG_PAHOLE_VERSION=%u", &version);
		snprintf(text, sizeof(text), "#!/bin/sh\necho v%u.%02u\n",
			 version / 100 % 100, version % 100);
		error = make_path(path, "%s/" PAHOLE, tree->path);
	}
	if (!error)
		error = file_write(path, text, strlen(text), 0755);
	buffer_free(&config);
	return error;
}

static enum us_error make_target(const struct source_tree *tree,
				 const char *target)
{
	struct make make = { .count = 0 };
	struct buffer said = { 0 };
	enum us_error error;
	int status = 0;

	error = make_start(&make, tree, SECTIONS, 1);
	if (!error) {
		make.argv[make.count++] = target;
		error = run_make(tree, &make, &status, &said);
	}
	if (!error && status)
		error = fail(US_E_PROGRAM, "make %s failed (a kernel's build "
			     "needs gcc, make, flex, bison, bc, libelf-dev and "
			     "libssl-dev): %s", target, last_words(&said, 600));
	free(make.argv);
	buffer_free(&said);
	return error;
}

enum us_error kbuild_configure(const struct source_tree *tree)
{
	enum us_error error = put_pahole(tree);

	note("configuring %s", tree->path);
	if (!error)
		error = make_target(tree, "olddefconfig");
	if (!error)
		note("preparing the kernel's build (once)");
	return error ? error : make_target(tree, "prepare");
}

/* Is the line at @line, up to its end, a line of @text? */
static bool has_line(const char *text, const char *line)
{
	size_t len = strcspn(line, "\n");
	const char *at = text;

	while (*at) {
		if (!strncmp(at, line, len) && (at[len] == '\n' || !at[len]))
			return true;
		at += strcspn(at, "\n");
		at += *at == '\n';
	}
	return false;
}

/* The first CONFIG_ line of @a that @b lacks, or NULL. */
static const char *missing_line(const char *a, const char *b)
{
	const char *line = a;

	while (*line) {
		if (!strncmp(line, "CONFIG_", 7) && !has_line(b, line))
			return line;
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return NULL;
}

static enum us_error compare_config(const struct source_tree *tree,
				    const char *in, const char *out)
{
	const char *line = missing_line(in, out);
	const char *why = "is lost";

	if (!line) {
		line = missing_line(out, in);
		why = "appears";
	}
	if (!line)
		return US_OK;
	return fail(US_E_BUILD_MISMATCH, "%s does not fit this source or this "
		    "machine's tools: %.*s %s", tree->params->config,
		    (int)strcspn(line, "\n"), line, why);
}

static enum us_error compare_header(const struct source_tree *tree,
				    const char *name)
{
	char ours[PATH_MAX], theirs[PATH_MAX];
	struct buffer a = { 0 }, b = { 0 };
	enum us_error error;

	error = make_path(ours, "%s/include/generated/%s", tree->path, name);
	if (!error)
		error = make_path(theirs, "%s/include/generated/%s",
				  tree->params->headers, name);
	if (!error)
		error = file_read(ours, 16u << 20, &a);
	if (!error)
		error = file_read(theirs, 16u << 20, &b);
	if (!error && (a.len != b.len || memcmp(a.data, b.data, a.len)))
		error = fail(US_E_BUILD_MISMATCH, "%s differs from the "
			     "vendor's, %s", ours, theirs);
	buffer_free(&a);
	buffer_free(&b);
	return error;
}

/* Who built it and when: as the vendor's package says. */
static enum us_error take_compile_h(const struct source_tree *tree)
{
	char ours[PATH_MAX], theirs[PATH_MAX];
	struct buffer text = { 0 };
	enum us_error error;

	error = make_path(ours, "%s/include/generated/compile.h", tree->path);
	if (!error)
		error = make_path(theirs, "%s/include/generated/compile.h",
				  tree->params->headers);
	if (error || access(theirs, R_OK))
		return error;
	error = file_read(theirs, 1u << 16, &text);
	if (!error)
		error = file_write(ours, text.data, text.len, 0644);
	buffer_free(&text);
	return error;
}

static enum us_error check_headers(const struct source_tree *tree)
{
	static const char *const names[] = {
		"autoconf.h", "asm-offsets.h", "bounds.h", "utsrelease.h",
	};
	enum us_error error = US_OK;
	size_t i;

	if (!tree->params->headers)
		return US_OK;
	for (i = 0; i < ARRAY_SIZE(names) && !error; i++)
		error = compare_header(tree, names[i]);
	return error ? error : take_compile_h(tree);
}

enum us_error kbuild_check_config(const struct source_tree *tree,
				  const struct buffer *config)
{
	struct buffer out = { 0 };
	char path[PATH_MAX];
	enum us_error error = make_path(path, "%s/.config", tree->path);

	if (!error)
		error = file_read(path, 1u << 20, &out);
	if (!error)
		error = buffer_append(&out, "", 1);
	if (!error)
		error = compare_config(tree, (const char *)config->data,
				       (const char *)out.data);
	buffer_free(&out);
	return error ? error : check_headers(tree);
}

/* The compiler's words: from its first error on, without make's. */
static void compile_words(struct buffer *said, char words[768])
{
	const char *text = said->len ? (const char *)said->data : "";
	const char *at = strstr(text, "error:"), *end;

	while (at && at > text && at[-1] != '\n')
		at--;
	if (!at)
		at = last_words(said, 700);
	end = strstr(at, "\nmake");
	snprintf(words, 768, "%.*s", end ? (int)(end - at) : 700, at);
}

enum us_error object_copy_path(char path[PATH_MAX], const char *directory,
			       const char *object)
{
	enum us_error error = make_path(path, "%s/%s", directory, object);
	char *at;

	for (at = path + strlen(directory) + 1; !error && *at; at++)
		if (*at == '/')
			*at = ':';
	return error;
}

/* A copy; and the object goes, so that it is made anew next time. */
static enum us_error take_object(const struct source_tree *tree,
				 const char *object, const char *into)
{
	char from[PATH_MAX], to[PATH_MAX];
	struct buffer file = { 0 };
	enum us_error error;

	error = make_path(from, "%s/%s", tree->path, object);
	if (!error)
		error = object_copy_path(to, into, object);
	if (!error)
		error = file_read(from, 256u << 20, &file);
	if (!error)
		error = file_write(to, file.data, file.len, 0644);
	buffer_free(&file);
	if (!error)
		unlink(from);
	return error;
}

static enum us_error drop_objects(const struct source_tree *tree,
				  char *const *objects, size_t count)
{
	enum us_error error = US_OK;
	char path[PATH_MAX];
	size_t i;

	for (i = 0; i < count && !error; i++) {
		error = make_path(path, "%s/%s", tree->path, objects[i]);
		if (!error)
			unlink(path);
	}
	return error;
}

static enum us_error build(const struct source_tree *tree, const char *flags,
			   char *const *objects, size_t count,
			   const char *into)
{
	struct make make = { .count = 0 };
	struct buffer said = { 0 };
	char words[768];
	enum us_error error;
	int status = 0;
	size_t i;

	error = drop_objects(tree, objects, count);
	if (!error)
		error = make_start(&make, tree, flags, count);
	for (i = 0; i < count && !error; i++)
		make.argv[make.count++] = objects[i];
	if (!error)
		error = run_make(tree, &make, &status, &said);
	if (!error && status) {
		compile_words(&said, words);
		error = fail(US_E_COMPILE, "%s", words);
	}
	for (i = 0; i < count && !error; i++)
		error = take_object(tree, objects[i], into);
	free(make.argv);
	buffer_free(&said);
	return error;
}

static bool was_made(const struct source_tree *tree, const char *object)
{
	char path[PATH_MAX];

	return !make_path(path, "%s/%s", tree->path, object) &&
	       !access(path, R_OK);
}

enum us_error source_tree_try(const struct source_tree *tree,
			      char *const *objects, size_t count,
			      const char *into)
{
	struct make make = { .count = 0 };
	struct buffer said = { 0 };
	enum us_error error;
	int status = 0;
	size_t i;

	if (mkdir(into, 0755))
		return fail(US_E_FILE_WRITE, "%s: %s", into, strerror(errno));
	error = drop_objects(tree, objects, count);
	if (!error)
		error = make_start(&make, tree, SECTIONS, count + 1);
	if (!error)
		make.argv[make.count++] = "-k";
	for (i = 0; i < count && !error; i++)
		make.argv[make.count++] = objects[i];
	if (!error)
		error = run_make(tree, &make, &status, &said);
	for (i = 0; i < count && !error; i++)
		if (was_made(tree, objects[i]))
			error = take_object(tree, objects[i], into);
	free(make.argv);
	buffer_free(&said);
	return error;
}

enum us_error source_tree_build(const struct source_tree *tree,
				char *const *objects, size_t count,
				const char *into)
{
	return build(tree, SECTIONS, objects, count, into);
}

enum us_error source_tree_build_plain(const struct source_tree *tree,
				      char *const *objects, size_t count,
				      const char *into)
{
	if (mkdir(into, 0755))
		return fail(US_E_FILE_WRITE, "%s: %s", into, strerror(errno));
	return build(tree, "KCFLAGS=", objects, count, into);
}
