/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tree's way from a package to one that is ready to compile. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive.h"
#include "cli.h"
#include "process.h"
#include "source_kbuild.h"

#define STAMP		".underseal-prepared"
#define CONFIG_MAX	(1u << 20)

/* "release" for fetched sources; with a digest of the path for others, so that two
 * directories never share a tree. */
static enum us_error name_tree(struct source_tree *tree)
{
	const struct source_params *params = tree->params;
	char cache[PATH_MAX], real[PATH_MAX];
	enum us_error error = cache_directory(cache);
	u8 digest[16];

	if (error)
		return error;
	if (!realpath(params->source, real))
		return fail(US_E_FILE_OPEN, "%s: %s", params->source,
			    strerror(errno));
	crypto_generichash(digest, sizeof(digest), (const u8 *)real,
			   strlen(real), NULL, 0);
	if (mkdir(strcat(cache, "/trees"), 0755) && errno != EEXIST)
		return fail(US_E_FILE_WRITE, "%s: %s", cache, strerror(errno));
	return make_path(tree->path, "%s/%s-%s", cache, params->release,
			 hex(digest, 4));
}

static enum us_error take_lock(struct source_tree *tree)
{
	char path[PATH_MAX];
	enum us_error error = make_path(path, "%s.lock", tree->path);

	if (error)
		return error;
	tree->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (tree->lock < 0)
		return fail(US_E_FILE_WRITE, "%s: %s", path, strerror(errno));
	if (!flock(tree->lock, LOCK_EX | LOCK_NB))
		return US_OK;
	note("waiting for another build in %s", tree->path);
	while (flock(tree->lock, LOCK_EX))
		if (errno != EINTR)
			return fail(US_E_FILE_WRITE, "%s: %s", path,
				    strerror(errno));
	return US_OK;
}

static enum us_error unpack_tar(const char *tarball, const char *into)
{
	const char *const argv[] = {
		"tar", "-x", "--no-same-owner", "--strip-components=1", "-C",
		into, "-f", tarball, NULL,
	};

	note("unpacking %s", tarball);
	return process_must(&(struct process){ .argv = argv }, NULL);
}

static enum us_error copy_tree(const char *source, const char *into)
{
	char from[PATH_MAX];
	const char *const argv[] = {
		"cp", "-R", "-P", "-u", "--preserve=mode,timestamps", "--",
		from, into, NULL,
	};
	enum us_error error = make_path(from, "%s/.", source);

	note("copying %s", source);
	return error ? error :
	       process_must(&(struct process){ .argv = argv }, NULL);
}

static bool is_directory(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static enum us_error check_source(const char *directory)
{
	char path[PATH_MAX];
	enum us_error error = make_path(path, "%s/Kbuild", directory);

	if (!error && access(path, R_OK))
		return fail(US_E_FILE_OPEN, "%s is no kernel source",
			    directory);
	return error;
}

/* Only a whole tree gets the tree's name. */
static enum us_error unpack(const struct source_tree *tree)
{
	const char *source = tree->params->source;
	char part[PATH_MAX];
	enum us_error error = make_path(part, "%s.part", tree->path);

	if (!error)
		error = remove_tree(part);
	if (!error && mkdir(part, 0755))
		error = fail(US_E_FILE_WRITE, "%s: %s", part, strerror(errno));
	if (!error)
		error = is_directory(source) ? copy_tree(source, part) :
			unpack_tar(source, part);
	if (!error)
		error = check_source(part);
	if (!error && rename(part, tree->path))
		error = fail(US_E_FILE_WRITE, "%s: %s", tree->path,
			     strerror(errno));
	return error;
}

/* A directory may have changed since it was copied. */
static enum us_error bring_source(const struct source_tree *tree)
{
	const char *source = tree->params->source;

	if (is_directory(source)) {
		enum us_error error = check_source(source);

		if (error)
			return error;
	}
	if (!is_directory(tree->path))
		return unpack(tree);
	return is_directory(source) ? copy_tree(source, tree->path) : US_OK;
}

/* What a prepared tree depends on besides its source. */
static void digest_of(const struct source_tree *tree,
		      const struct buffer *config, char text[65])
{
	crypto_generichash_state state;
	u8 digest[32];

	crypto_generichash_init(&state, NULL, 0, sizeof(digest));
	crypto_generichash_update(&state, config->data, config->len);
	crypto_generichash_update(&state, (const u8 *)KBUILD_FLAGS,
				  sizeof(KBUILD_FLAGS));
	crypto_generichash_update(&state, (const u8 *)tree->params->release,
				  strlen(tree->params->release));
	crypto_generichash_final(&state, digest, sizeof(digest));
	strcpy(text, hex(digest, sizeof(digest)));
}

static bool is_prepared(const char *stamp, const char *digest)
{
	struct buffer found;
	bool same;

	if (access(stamp, R_OK) || file_read(stamp, 65, &found))
		return false;
	same = found.len == strlen(digest) &&
	       !memcmp(found.data, digest, found.len);
	buffer_free(&found);
	return same;
}

static enum us_error prepare(const struct source_tree *tree,
			     const struct buffer *config)
{
	char path[PATH_MAX];
	enum us_error error = make_path(path, "%s/.config", tree->path);

	if (!error)
		error = file_write(path, config->data, config->len, 0644);
	if (!error)
		error = kbuild_configure(tree);
	if (!error)
		error = kbuild_check_config(tree, config);
	return error;
}

static enum us_error prepare_once(const struct source_tree *tree,
				  const struct buffer *config)
{
	char stamp[PATH_MAX], digest[65];
	enum us_error error = make_path(stamp, "%s/" STAMP, tree->path);

	digest_of(tree, config, digest);
	if (error || is_prepared(stamp, digest))
		return error;
	unlink(stamp);
	error = prepare(tree, config);
	return error ? error : file_write(stamp, digest, strlen(digest), 0644);
}

enum us_error source_tree_open(struct source_tree *tree,
			       const struct source_params *params)
{
	struct buffer config = { 0 };
	enum us_error error;

	*tree = (struct source_tree){ .params = params, .lock = -1 };
	error = file_read(params->config, CONFIG_MAX, &config);
	if (!error)
		error = buffer_append(&config, "", 1);
	if (!error)
		config.len--;
	if (!error)
		error = kbuild_compiler(tree, &config);
	if (!error)
		error = name_tree(tree);
	if (!error)
		error = take_lock(tree);
	if (!error)
		error = bring_source(tree);
	if (!error)
		error = source_tree_restore(tree);
	if (!error)
		error = prepare_once(tree, &config);
	buffer_free(&config);
	return error;
}

void source_tree_close(struct source_tree *tree)
{
	if (tree->lock >= 0)
		close(tree->lock);
	tree->lock = -1;
}
