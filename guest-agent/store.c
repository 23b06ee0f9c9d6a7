/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "baseline.h"
#include "bundle_id.h"
#include "fail.h"
#include "file.h"
#include "journal.h"
#include "store.h"

static bool has_suffix(const char *name, const char *suffix)
{
	size_t len = strlen(name), suffix_len = strlen(suffix);

	return len > suffix_len && !strcmp(name + len - suffix_len, suffix);
}

static bool join(char path[STORE_PATH_MAX], const char *directory,
		 const char *name, const char *suffix)
{
	return snprintf(path, STORE_PATH_MAX, "%s/%s%s", directory, name,
			suffix) < STORE_PATH_MAX;
}

/* Does the file's header say so? The control domain checks the rest. */
static bool is_baseline_of(const char *path, const char *release)
{
	struct us_baseline_header header;
	FILE *file = fopen(path, "re");
	bool whole;

	if (!file)
		return false;
	whole = fread(&header, sizeof(header), 1, file) == 1;
	fclose(file);
	return whole && header.magic == US_BASELINE_MAGIC &&
	       !strncmp(header.kernel, release, sizeof(header.kernel));
}

enum us_error store_find_baseline(const char *directory, const char *release,
				  char path[STORE_PATH_MAX])
{
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	if (join(path, directory, release, ".ubase") && !access(path, F_OK))
		return US_OK;
	dir = opendir(directory);
	if (!dir)
		return fail(US_E_FILE_OPEN, "%s: %s", directory,
			    strerror(errno));
	while (!found && (entry = readdir(dir)))
		found = has_suffix(entry->d_name, ".ubase") &&
			join(path, directory, entry->d_name, "") &&
			is_baseline_of(path, release);
	closedir(dir);
	return found ? US_OK : fail(US_E_FILE_OPEN, "%s: no baseline of "
				    "kernel %s", directory, release);
}

struct wanted {
	const u8 *build_id;
	u32 build_id_len;
	u64 above;
	bool modules;
};

static bool is_for_module(const struct us_bundle *bundle)
{
	return bundle->header->module[0];
}

/* Does the header say that @bundle is wanted? The control domain checks the rest. */
static bool is_wanted(const struct us_bundle *bundle,
		      const struct wanted *wanted)
{
	const struct us_bundle_header *header = bundle->header;

	return (is_for_module(bundle) ? wanted->modules :
		header->generation > wanted->above) &&
	       header->build_id_len == wanted->build_id_len &&
	       !memcmp(header->build_id, wanted->build_id,
		       wanted->build_id_len);
}

/* What is remembered of the bundle in @file. */
static void describe(const struct us_bundle *bundle, const struct buffer *file,
		     struct store_bundle *entry)
{
	const struct us_bundle_header *header = bundle->header;
	u32 i;

	bundle_id(file->data, file->len, entry->id);
	entry->generation = header->generation;
	memcpy(entry->name, header->name, sizeof(entry->name));
	memcpy(entry->module, header->module, sizeof(entry->module));
	entry->probation_s = header->probation_s;
	entry->need_count = 0;
	for (i = 0; i < header->links; i++)
		if (bundle->links[i].kind == US_LINK_NEEDS)
			entry->needs[entry->need_count++] = bundle->links[i];
}

/* Add @path to @out, where there is room for it, if it is wanted. */
static void add_bundle(const char *path, const struct wanted *wanted,
		       struct store_list *out)
{
	struct store_bundle *entry = &out->bundles[out->count];
	struct us_bundle bundle;
	struct buffer file;
	enum us_error error;

	error = file_read(path, US_MAX_BUNDLE, &file);
	if (!error) {
		error = us_bundle_parse(file.data, file.len, &bundle);
		if (error)
			fail(error, "passed over");
	}
	if (error) {
		journal_failure(PRIORITY_ERROR, path);
		if (!out->damaged)
			out->damaged = error;
		buffer_free(&file);
		return;
	}
	out->for_modules = out->for_modules || is_for_module(&bundle);
	if (is_wanted(&bundle, wanted)) {
		snprintf(entry->path, sizeof(entry->path), "%s", path);
		describe(&bundle, &file, entry);
		out->count++;
	}
	buffer_free(&file);
}

/* Is @other what @link asks for? */
static bool is_meant(const struct us_bundle_link *link,
		     const struct store_bundle *other)
{
	static const u8 any[US_DIGEST_SIZE];

	return !strcmp(link->name, other->name) &&
	       (!memcmp(link->bundle_id, any, sizeof(any)) ||
		!memcmp(link->bundle_id, other->id, sizeof(other->id)));
}

/* Does @bundle need one of the @count others at @rest? */
static bool needs_any(const struct store_bundle *bundle,
		      const struct store_bundle *rest, size_t count)
{
	size_t i;
	u32 k;

	for (i = 0; i < count; i++)
		for (k = 0; k < bundle->need_count && &rest[i] != bundle; k++)
			if (is_meant(&bundle->needs[k], &rest[i]))
				return true;
	return false;
}

/* From the front: the first of the rest that needs none of the rest. Bundles that need
 * each other stay where they are, for the control domain to refuse. */
static void order_by_needs(struct store_list *list)
{
	struct store_bundle moved, *rest;
	size_t placed, left, i;

	for (placed = 0; placed < list->count; placed++) {
		rest = list->bundles + placed;
		left = list->count - placed;
		for (i = 0; i < left && needs_any(&rest[i], rest, left); i++)
			;
		if (!i || i == left)
			continue;
		moved = rest[i];
		memmove(rest + 1, rest, i * sizeof(*rest));
		rest[0] = moved;
	}
}

static int compare_generations(const void *a, const void *b)
{
	const struct store_bundle *x = a, *y = b;

	return (x->generation > y->generation) -
	       (x->generation < y->generation);
}

static enum us_error gather(DIR *dir, const char *directory,
			    const struct wanted *wanted,
			    struct store_list *out)
{
	struct store_bundle *grown;
	struct dirent *entry;
	char path[STORE_PATH_MAX];

	while ((errno = 0, entry = readdir(dir))) {
		if (!has_suffix(entry->d_name, ".upatch") ||
		    !join(path, directory, entry->d_name, ""))
			continue;
		grown = reallocarray(out->bundles, out->count + 1,
				     sizeof(*grown));
		if (!grown)
			return fail(US_E_NO_MEMORY, "%s", directory);
		out->bundles = grown;
		add_bundle(path, wanted, out);
	}
	return errno ? fail(US_E_FILE_READ, "%s: %s", directory,
			    strerror(errno)) : US_OK;
}

enum us_error store_list_bundles(const char *directory, const u8 *build_id,
				 u32 build_id_len, u64 above, bool modules,
				 struct store_list *out)
{
	const struct wanted wanted = { build_id, build_id_len, above, modules };
	DIR *dir = opendir(directory);
	enum us_error error;

	*out = (struct store_list){ 0 };
	if (!dir && errno == ENOENT)
		return US_OK;
	if (!dir)
		return fail(US_E_FILE_READ, "%s: %s", directory,
			    strerror(errno));
	error = gather(dir, directory, &wanted, out);
	closedir(dir);
	if (error) {
		free(out->bundles);
		*out = (struct store_list){ 0 };
	} else if (out->count) {
		qsort(out->bundles, out->count, sizeof(*out->bundles),
		      compare_generations);
		order_by_needs(out);
	}
	return error;
}
