/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which module is an object part of? */
#include <stdio.h>
#include <string.h>

#include "archive.h"
#include "cli.h"
#include "source_tree.h"

#define COMMAND_MAX	(16u << 20)

/* A file of the tree, ending in a NUL. */
static enum us_error read_text(const char *path, struct buffer *text)
{
	enum us_error error = file_read(path, COMMAND_MAX, text);

	return error ? error : buffer_append(text, "", 1);
}

/* kbuild keeps each object's command line: "fs/xfs/.xfs_inode.o.cmd". */
static enum us_error read_command(const struct source_tree *tree,
				  const char *object, struct buffer *text)
{
	const char *slash = strrchr(object, '/');
	char path[PATH_MAX];
	enum us_error error;

	slash = slash ? slash + 1 : object;
	error = make_path(path, "%s/%.*s.%s.cmd", tree->path,
			  (int)(slash - object), object, slash);
	return error ? error : read_text(path, text);
}

/* In KBUILD_MODNAME every '-' of the file's name is a '_'. */
static bool same_name(const char *word, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (word[i] != name[i] && (word[i] != '-' || name[i] != '_'))
			return false;
	return true;
}

/* The word "NAME.o" of a makefile: what the module's file is called, or NULL. */
static const char *find_word(const char *text, const char *name, size_t len)
{
	const char *at;

	for (at = strstr(text, ".o"); at; at = strstr(at + 1, ".o"))
		if ((size_t)(at - text) > len &&
		    (!at[2] || strchr(" \t\n\\", at[2])) &&
		    strchr(" \t\n=", at[-(ptrdiff_t)len - 1]) &&
		    same_name(at - len, name, len))
			return at - len;
	return NULL;
}

/* The directory whose makefile speaks of the module, from the object's upwards:
 * modules may have parts in directories below. */
static enum us_error find_makefile(const struct source_tree *tree,
				   const char *object, const char *name,
				   size_t len, char module[PATH_MAX])
{
	static const char *const files[] = { "Kbuild", "Makefile" };
	size_t depth = strlen(object), i;
	struct buffer text = { 0 };
	char path[PATH_MAX];
	const char *word = NULL;

	while (depth && !word) {
		while (depth && object[--depth] != '/')
			;
		for (i = 0; depth && i < ARRAY_SIZE(files) && !word; i++) {
			if (make_path(path, "%s/%.*s/%s", tree->path,
				      (int)depth, object, files[i]) ||
			    read_text(path, &text))
				continue;
			word = find_word((const char *)text.data, name, len);
			if (word)
				snprintf(module, PATH_MAX, "%.*s/%.*s",
					 (int)depth, object, (int)len, word);
			buffer_free(&text);
		}
	}
	return word ? US_OK :
	       fail(US_E_BUILD_MISMATCH, "%s is part of module %.*s, of which no "
		    "makefile speaks", object, (int)len, name);
}

enum us_error source_tree_module(const struct source_tree *tree,
				 const char *object, char name[PATH_MAX])
{
	static const char modname[] = "-DKBUILD_MODNAME='\"";
	struct buffer text = { 0 };
	enum us_error error;
	const char *at;
	size_t len;

	name[0] = 0;
	error = read_command(tree, object, &text);
	if (!error && strstr((const char *)text.data, " -DMODULE ")) {
		at = strstr((const char *)text.data, modname);
		at = at ? at + strlen(modname) : "";
		len = strcspn(at, "\"' ");
		error = len && len < NAME_MAX ?
			find_makefile(tree, object, at, len, name) :
			fail(US_E_BUILD_MISMATCH, "%s: kbuild does not name "
			     "the module that it is part of", object);
	}
	buffer_free(&text);
	return error;
}
