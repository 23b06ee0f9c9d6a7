/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel's source, unpacked in the cache and configured so that kbuild compiles single
 * objects there as the vendor did. Everything that kbuild writes stays in the cache. Errors
 * are recorded with fail().
 */
#ifndef UNDERSEAL_SOURCE_TREE_H
#define UNDERSEAL_SOURCE_TREE_H

#include <limits.h>

#include "fix_file.h"

/* What a tree is made from. */
struct source_params {
	const char *release;		/* of the kernel, as uname -r says */
	const char *source;		/* directory, or compressed tar file */
	const char *config;		/* the kernel's configuration */
	const char *headers;		/* its headers package, or NULL */
	const char *vmlinux_compiler;	/* what vmlinux says of its compiler */
	unsigned int jobs;		/* for make */
};

struct source_tree {
	const struct source_params *params;
	char path[PATH_MAX];
	char compiler[64];		/* the program's name */
	int lock;			/* held while the tree is in use, or -1 */
};

/*
 * Unpack and prepare the tree unless that has been done, and take its lock.
 * COMPILER when this machine's compiler is not the vendor's, BUILD_MISMATCH when the
 * configuration comes out differently, PROGRAM (what is missing is said), FILE_*,
 * ELF_FORMAT. source_tree_close() after success and failure alike.
 */
enum us_error source_tree_open(struct source_tree *tree,
			       const struct source_params *params);
void source_tree_close(struct source_tree *tree);

/* Read the tree's file @path (relative, checked by fix_read()). FIX_APPLY when the
 * tree has no such ordinary file. */
enum us_error source_tree_read(const struct source_tree *tree,
			       const char *path, struct buffer *out);

/*
 * Put @contents in place of the file @path. What was there is kept and comes back
 * with source_tree_restore(); also when the program is killed, at the next
 * source_tree_open(). FILE_WRITE.
 */
enum us_error source_tree_replace(const struct source_tree *tree,
				  const char *path,
				  const struct buffer *contents);
enum us_error source_tree_restore(const struct source_tree *tree);

/*
 * Compile @objects (paths like "fs/ext4/mballoc.o", @count of them) and copy them to
 * the directory @into, under their paths with '/' turned into ':'. COMPILE with the
 * compiler's words.
 */
enum us_error source_tree_build(const struct source_tree *tree,
				char *const *objects, size_t count,
				const char *into);

/* The same, as far as it goes: what does not compile is not there. Makes the
 * directory @into. */
enum us_error source_tree_try(const struct source_tree *tree,
			      char *const *objects, size_t count,
			      const char *into);

/* The same with the vendor's flags alone; makes the directory @into. */
enum us_error source_tree_build_plain(const struct source_tree *tree,
				      char *const *objects, size_t count,
				      const char *into);

/* The module that @object, which has been compiled, is part of: "fs/xfs/xfs"; ""
 * for the kernel itself. FILE_*, BUILD_MISMATCH (kbuild does not say). */
enum us_error source_tree_module(const struct source_tree *tree,
				 const char *object, char name[PATH_MAX]);

/* The name that an object has in the directory it is copied to. */
enum us_error object_copy_path(char path[PATH_MAX], const char *directory,
			       const char *object);

#endif
