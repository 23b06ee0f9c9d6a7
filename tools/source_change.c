/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of a tree that a fix changes for a while; they come back whatever happens. */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive.h"
#include "cli.h"
#include "source_tree.h"

#define SAVED	".underseal-saved"

/* An ordinary file that is reached without symbolic links. */
static bool is_plain_file(const struct source_tree *tree, const char *path)
{
	char part[PATH_MAX];
	size_t len = strlen(tree->path);
	struct stat st;

	if (make_path(part, "%s/%s", tree->path, path))
		return false;
	do {
		len += 1 + strcspn(part + len + 1, "/");
		char next = part[len];

		part[len] = 0;
		if (lstat(part, &st))
			return false;
		part[len] = next;
		if (next && !S_ISDIR(st.st_mode))
			return false;
	} while (part[len]);
	return S_ISREG(st.st_mode);
}

enum us_error source_tree_read(const struct source_tree *tree,
			       const char *path, struct buffer *out)
{
	char full[PATH_MAX];
	enum us_error error = make_path(full, "%s/%s", tree->path, path);

	*out = (struct buffer){ 0 };
	if (!error && !is_plain_file(tree, path))
		error = fail(US_E_FIX_APPLY, "this kernel's source has no file "
			     "%s", path);
	return error ? error : file_read(full, FIX_SOURCE_MAX, out);
}

/* Keep what is there, under its path with '/' turned into ':'. */
static enum us_error save(const struct source_tree *tree, const char *path)
{
	char directory[PATH_MAX], copy[PATH_MAX];
	struct buffer old = { 0 };
	enum us_error error;

	error = make_path(directory, "%s/" SAVED, tree->path);
	if (!error && mkdir(directory, 0755) && errno != EEXIST)
		error = fail(US_E_FILE_WRITE, "%s: %s", directory,
			     strerror(errno));
	if (!error)
		error = object_copy_path(copy, directory, path);
	if (!error)
		error = source_tree_read(tree, path, &old);
	if (!error)
		error = file_write(copy, old.data, old.len, 0644);
	buffer_free(&old);
	return error;
}

enum us_error source_tree_replace(const struct source_tree *tree,
				  const char *path,
				  const struct buffer *contents)
{
	char full[PATH_MAX];
	enum us_error error = save(tree, path);

	if (!error)
		error = make_path(full, "%s/%s", tree->path, path);
	return error ? error :
	       file_write(full, contents->data, contents->len, 0644);
}

static enum us_error restore_file(const struct source_tree *tree,
				  const char *name)
{
	char saved[PATH_MAX], full[PATH_MAX];
	struct buffer old = { 0 };
	enum us_error error;
	size_t i;

	error = make_path(saved, "%s/" SAVED "/%s", tree->path, name);
	if (!error)
		error = make_path(full, "%s/%s", tree->path, name);
	for (i = strlen(tree->path); !error && full[i]; i++)
		if (full[i] == ':')
			full[i] = '/';
	if (!error)
		error = file_read(saved, FIX_SOURCE_MAX, &old);
	/* Written anew: newer than all that was made of the changed one. */
	if (!error)
		error = file_write(full, old.data, old.len, 0644);
	buffer_free(&old);
	if (!error && unlink(saved))
		error = fail(US_E_FILE_WRITE, "%s: %s", saved, strerror(errno));
	return error;
}

enum us_error source_tree_restore(const struct source_tree *tree)
{
	char directory[PATH_MAX];
	struct dirent *entry;
	enum us_error error;
	DIR *list;

	error = make_path(directory, "%s/" SAVED, tree->path);
	list = error ? NULL : opendir(directory);
	if (!list)
		return error;
	while (!error && (entry = readdir(list)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			error = restore_file(tree, entry->d_name);
	closedir(list);
	if (!error)
		rmdir(directory);
	return error;
}
