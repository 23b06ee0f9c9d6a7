/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel files by release, from the distribution's package archive, by way of its own
 * tools (apt, dpkg), which check the packages' signatures. What was fetched is kept
 * in the cache and not fetched again. Errors are recorded with fail().
 */
#ifndef UNDERSEAL_ARCHIVE_H
#define UNDERSEAL_ARCHIVE_H

#include <limits.h>

#include "errors.h"
#include "types.h"

/* Where one release's files lie; all absolute paths. */
struct archive_kernel {
	char directory[PATH_MAX];	/* all of them */
	char vmlinux[PATH_MAX];		/* with symbols and DWARF */
	char system_map[PATH_MAX];
	char headers[PATH_MAX];		/* directory with .config and include/ */
	char source[PATH_MAX];		/* compressed source, as packaged */
};

/* The user's cache directory for this program, made if it is missing:
 * $XDG_CACHE_HOME/underseal or $HOME/.cache/underseal. FILE_WRITE. */
enum us_error cache_directory(char path[PATH_MAX]);

/* Is @release like "6.1.0-56-cloud-amd64", safe in file and package names? */
bool release_valid(const char *release);

enum archive_part {
	ARCHIVE_SOURCE = 1,	/* 140 MB for Debian's 6.1 */
	ARCHIVE_HEADERS = 2,	/* 2 MB */
	ARCHIVE_DEBUG = 4,	/* 280 MB: vmlinux, System.map, modules */
	ARCHIVE_ALL = 7,
};

/* Find or fetch @parts (enum archive_part) of @release. ARCHIVE when the archive does
 * not have them (any more) or cannot be reached, PROGRAM, FILE_WRITE. */
enum us_error archive_fetch(const char *release, unsigned int parts,
			    struct archive_kernel *kernel);

/* The module @name ("fs/xfs/xfs") as the debug package of @release has it, with
 * symbols and DWARF: @path. ARCHIVE, PROGRAM when there is none. */
enum us_error archive_module(const char *release, const char *name,
			     char path[PATH_MAX]);

/* snprintf() of a path; FILE_OPEN when it gets too long. */
enum us_error make_path(char path[PATH_MAX], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Remove @path and all below it. */
enum us_error remove_tree(const char *path);

#endif
