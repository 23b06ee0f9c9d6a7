/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive.h"
#include "cli.h"
#include "process.h"

#define PACKAGE_NAME	128

/* One release that is being fetched into @directory. */
struct fetch {
	const char *release;
	char version[PACKAGE_NAME];
	char directory[PATH_MAX];
	struct archive_kernel *kernel;
};

enum us_error make_path(char path[PATH_MAX], const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(path, PATH_MAX, format, args);
	va_end(args);
	return len >= 0 && len < PATH_MAX ? US_OK :
	       fail(US_E_FILE_OPEN, "a path is too long: %.60s...", path);
}

enum us_error remove_tree(const char *path)
{
	const char *const argv[] = { "rm", "-rf", "--", path, NULL };

	return process_must(&(struct process){ .argv = argv }, NULL);
}

static enum us_error make_directory(const char *path)
{
	if (!mkdir(path, 0755) || errno == EEXIST)
		return US_OK;
	return fail(US_E_FILE_WRITE, "%s: %s", path, strerror(errno));
}

/* Each directory on the way to @path, and @path. */
static enum us_error make_directories(const char *path)
{
	char part[PATH_MAX];
	enum us_error error = US_OK;
	size_t i;

	for (i = 1; path[i - 1] && !error; i++) {
		if (path[i] && path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = 0;
		error = make_directory(part);
	}
	return error;
}

enum us_error cache_directory(char path[PATH_MAX])
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	enum us_error error;

	if (cache && cache[0] == '/')
		error = make_path(path, "%s/underseal", cache);
	else if (home && home[0] == '/')
		error = make_path(path, "%s/.cache/underseal", home);
	else
		return fail(US_E_FILE_WRITE, "no cache directory: neither "
			    "XDG_CACHE_HOME nor HOME is set");
	return error ? error : make_directories(path);
}

bool release_valid(const char *release)
{
	size_t i;

	for (i = 0; release[i]; i++)
		if (!islower((unsigned char)release[i]) &&
		    !isdigit((unsigned char)release[i]) &&
		    !strchr(".+-_~", release[i]))
			return false;
	return isdigit((unsigned char)release[0]) && i < 64 &&
	       strchr(release, '.');
}

/* The newest version of @package that apt knows, into @version. */
static enum us_error newest_version(const char *package,
				    char version[PACKAGE_NAME])
{
	const char *const argv[] = { "apt-cache", "madison", package, NULL };
	struct buffer said = { 0 };
	enum us_error error;
	const char *bar = NULL;

	error = process_must(&(struct process){ .argv = argv }, &said);
	if (!error && said.data)
		bar = strchr((const char *)said.data, '|');
	if (!error && (!bar || sscanf(bar + 1, " %127[^ |]", version) != 1))
		error = fail(US_E_ARCHIVE, "the archive has no package %s; it "
			     "drops old kernels, and 'apt-get update' makes "
			     "new ones known", package);
	buffer_free(&said);
	return error;
}

/* "6.1.0-56-cloud-amd64" -> "linux-source-6.1" */
static enum us_error source_package(const char *release,
				    char package[PACKAGE_NAME])
{
	unsigned int major, minor;

	if (sscanf(release, "%u.%u", &major, &minor) != 2)
		return fail(US_E_USAGE, "'%s' is no kernel release", release);
	snprintf(package, PACKAGE_NAME, "linux-source-%u.%u", major, minor);
	return US_OK;
}

static enum us_error find_one(const char *directory, const char *pattern,
			      char path[PATH_MAX])
{
	char wanted[PATH_MAX];
	enum us_error error;
	glob_t found;

	error = make_path(wanted, "%s/%s", directory, pattern);
	if (error)
		return error;
	if (glob(wanted, 0, NULL, &found) || found.gl_pathc != 1)
		error = fail(US_E_ARCHIVE, "%s: not one file of this name",
			     wanted);
	else
		error = make_path(path, "%s", found.gl_pathv[0]);
	globfree(&found);
	return error;
}

/* Download @package into the fetch's directory; @path is the file. */
static enum us_error download(const struct fetch *fetch, const char *package,
			      char path[PATH_MAX])
{
	char wanted[2 * PACKAGE_NAME], pattern[PACKAGE_NAME + 8];
	const char *const argv[] = {
		"apt-get", "download", "-o", "Acquire::Retries=3", "-o",
		"APT::Sandbox::User=root", wanted, NULL,
	};
	const struct process process = {
		.argv = argv, .directory = fetch->directory, .show = true,
	};
	enum us_error error;

	snprintf(wanted, sizeof(wanted), "%s=%s", package, fetch->version);
	note("downloading %s", wanted);
	error = process_must(&process, NULL);
	if (error == US_E_PROGRAM) {
		char why[512];

		snprintf(why, sizeof(why), "%s", fail_detail());
		return fail(US_E_ARCHIVE, "%s: %s", wanted, why);
	}
	snprintf(pattern, sizeof(pattern), "%s_*.deb", package);
	return error ? error : find_one(fetch->directory, pattern, path);
}

/* Take @members (NULL-terminated; files, or one directory) out of the package @deb,
 * into @directory. */
static enum us_error extract(const char *deb, const char *directory,
			     const char *const *members)
{
	const char *dot = strrchr(members[0], '.');
	bool files = dot && dot != members[0];
	const char *const unpack[] = {
		"dpkg-deb", "--fsys-tarfile", deb, NULL
	};
	const char *take[12] = {
		/* For files: stop reading at the last one. */
		"tar", "-x", "--no-same-owner", files ? "--occurrence=1" :
		"--recursion", "-C", directory, "-f", "-",
	};
	size_t i, count = 8;

	for (i = 0; members[i] && count < ARRAY_SIZE(take) - 1; i++)
		take[count++] = members[i];
	note("unpacking %s", deb);
	return process_pipe(&(struct process){ .argv = unpack },
			    &(struct process){ .argv = take });
}

/* From the fetch's directory to where it stays; only what is whole gets there. */
static enum us_error keep(const struct fetch *fetch, const char *from,
			  const char *to)
{
	enum us_error error;
	char path[PATH_MAX];

	error = make_path(path, "%s/%s", fetch->directory, from);
	if (!error && rename(path, to))
		error = fail(US_E_FILE_WRITE, "%s: %s", to, strerror(errno));
	return error;
}

static enum us_error fetch_debug(const struct fetch *fetch)
{
	char package[PACKAGE_NAME], vmlinux[PATH_MAX], map[PATH_MAX];
	const char *const members[] = { vmlinux, map, NULL };
	struct archive_kernel *kernel = fetch->kernel;
	char deb[PATH_MAX], kept[PATH_MAX];
	enum us_error error;

	snprintf(package, sizeof(package), "linux-image-%s-dbg",
		 fetch->release);
	error = download(fetch, package, deb);
	if (!error)
		error = make_path(vmlinux, "./usr/lib/debug/boot/vmlinux-%s",
				  fetch->release);
	if (!error)
		error = make_path(map, "./usr/lib/debug/boot/System.map-%s",
				  fetch->release);
	if (!error)
		error = extract(deb, fetch->directory, members);
	/* Modules are taken out of it when they are needed. */
	if (!error)
		error = make_path(kept, "%s/debug.deb", kernel->directory);
	if (!error && rename(deb, kept))
		error = fail(US_E_FILE_WRITE, "%s: %s", kept, strerror(errno));
	if (!error)
		error = keep(fetch, map, kernel->system_map);
	return error ? error : keep(fetch, vmlinux, kernel->vmlinux);
}

static enum us_error fetch_headers(const struct fetch *fetch)
{
	const char *const members[] = { "./usr/src", NULL };
	char package[PACKAGE_NAME], deb[PATH_MAX], tree[PATH_MAX];
	enum us_error error;

	snprintf(package, sizeof(package), "linux-headers-%s", fetch->release);
	error = download(fetch, package, deb);
	if (!error)
		error = extract(deb, fetch->directory, members);
	if (!error)
		error = make_path(tree, "usr/src/%s", package);
	return error ? error : keep(fetch, tree, fetch->kernel->headers);
}

static enum us_error fetch_source(const struct fetch *fetch)
{
	const char *const members[] = { "./usr/src", NULL };
	char package[PACKAGE_NAME], deb[PATH_MAX], tarball[PATH_MAX];
	enum us_error error = source_package(fetch->release, package);

	if (!error)
		error = download(fetch, package, deb);
	if (!error)
		error = extract(deb, fetch->directory, members);
	if (!error)
		error = make_path(tarball, "usr/src/%s.tar.xz", package);
	return error ? error : keep(fetch, tarball, fetch->kernel->source);
}

/* In a directory of its own, which goes whatever happens. */
static enum us_error fetch_part(struct fetch *fetch,
				enum us_error (*part)(const struct fetch *))
{
	char package[PACKAGE_NAME], why[1024];
	enum us_error error;

	snprintf(package, sizeof(package), "linux-image-%s-dbg",
		 fetch->release);
	error = newest_version(package, fetch->version);
	if (!error)
		error = make_path(fetch->directory, "%s/part",
				  fetch->kernel->directory);
	if (!error)
		error = remove_tree(fetch->directory);
	if (!error)
		error = make_directories(fetch->directory);
	if (!error)
		error = part(fetch);
	snprintf(why, sizeof(why), "%s", fail_detail());
	if (fetch->directory[0] && remove_tree(fetch->directory))
		warning("%s is left over", fetch->directory);
	return error ? fail(error, "%s", why) : US_OK;
}

static enum us_error name_files(const char *release,
				struct archive_kernel *kernel)
{
	char cache[PATH_MAX];
	enum us_error error = cache_directory(cache);

	if (!error)
		error = make_path(kernel->directory, "%s/kernels/%s", cache,
				  release);
	if (!error)
		error = make_path(kernel->vmlinux, "%s/vmlinux",
				  kernel->directory);
	if (!error)
		error = make_path(kernel->system_map, "%s/System.map",
				  kernel->directory);
	if (!error)
		error = make_path(kernel->headers, "%s/headers",
				  kernel->directory);
	if (!error)
		error = make_path(kernel->source, "%s/source.tar.xz",
				  kernel->directory);
	return error;
}

static bool have(const char *path)
{
	return !access(path, R_OK);
}

/* Two at once would take each other's files away. */
static enum us_error take_lock(const struct archive_kernel *kernel, int *lock)
{
	enum us_error error = make_directories(kernel->directory);
	char path[PATH_MAX];

	if (!error)
		error = make_path(path, "%s/.lock", kernel->directory);
	*lock = error ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (!error && (*lock < 0 || flock(*lock, LOCK_EX)))
		error = fail(US_E_FILE_WRITE, "%s: %s", path, strerror(errno));
	return error;
}

enum us_error archive_fetch(const char *release, unsigned int parts,
			    struct archive_kernel *kernel)
{
	struct fetch fetch = { .release = release, .kernel = kernel };
	enum us_error error = name_files(release, kernel);
	int lock = -1;

	if (!error)
		error = take_lock(kernel, &lock);
	if (!error && parts & ARCHIVE_SOURCE && !have(kernel->source))
		error = fetch_part(&fetch, fetch_source);
	if (!error && parts & ARCHIVE_HEADERS && !have(kernel->headers))
		error = fetch_part(&fetch, fetch_headers);
	if (!error && parts & ARCHIVE_DEBUG && !have(kernel->vmlinux))
		error = fetch_part(&fetch, fetch_debug);
	if (lock >= 0)
		close(lock);
	return error;
}

enum us_error archive_module(const char *release, const char *name,
			     char path[PATH_MAX])
{
	char deb[PATH_MAX], member[PATH_MAX];
	const char *const members[] = { member, NULL };
	struct archive_kernel kernel;
	enum us_error error = name_files(release, &kernel);

	if (!error)
		error = make_path(deb, "%s/debug.deb", kernel.directory);
	if (!error)
		error = make_path(member, "./usr/lib/debug/lib/modules/%s/"
				  "kernel/%s.ko", release, name);
	if (!error)
		error = make_path(path, "%s/%s", kernel.directory, member);
	if (error || have(path))
		return error;
	if (!have(deb))
		error = archive_fetch(release, ARCHIVE_DEBUG, &kernel);
	if (!error && !have(deb))
		error = fail(US_E_ARCHIVE, "%s is missing; name the module's "
			     "file with --module", deb);
	return error ? error : extract(deb, kernel.directory, members);
}
