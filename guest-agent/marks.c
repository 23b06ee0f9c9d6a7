/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundle_id.h"
#include "fail.h"
#include "file.h"
#include "marks.h"

#define BOOT_DIGITS	36u	/* of a UUID as the kernel writes it */
#define BOOT_ID_FILE	"/proc/sys/kernel/random/boot_id"
#define MARK_MAX	256u	/* "boot UUID\nname NAME\n" */
#define MARK_PATH_MAX	1024u

static bool path_of(const char *directory, const u8 *id,
		    char path[MARK_PATH_MAX])
{
	char digits[BUNDLE_ID_TEXT];

	bundle_id_text(id, digits);
	return snprintf(path, MARK_PATH_MAX, "%s/%s", directory, digits) <
	       (int)MARK_PATH_MAX;
}

/* false when the kernel does not say: then no mark counts as ours. */
static bool this_boot(char boot[BOOT_DIGITS + 1])
{
	FILE *file = fopen(BOOT_ID_FILE, "re");
	bool whole = file && fgets(boot, BOOT_DIGITS + 1, file) &&
		     strlen(boot) == BOOT_DIGITS;

	if (file)
		fclose(file);
	return whole;
}

/* One that is damaged is of another boot and has no name. */
static void read_mark(const char *path, struct mark *mark)
{
	char text[MARK_MAX] = "", boot[BOOT_DIGITS + 1] = "";
	char ours[BOOT_DIGITS + 1];
	FILE *file = fopen(path, "re");

	mark->state = MARK_LEFT;
	mark->name[0] = 0;
	if (!file)
		return;
	if (fread(text, 1, sizeof(text) - 1, file) &&
	    sscanf(text, "boot %36s\nname %63[^\n]", boot, mark->name) == 2 &&
	    this_boot(ours) && !strcmp(boot, ours))
		mark->state = MARK_OURS;
	fclose(file);
}

enum mark_state marks_find(const char *directory,
			   const u8 id[US_DIGEST_SIZE])
{
	char path[MARK_PATH_MAX];
	struct stat status;
	struct mark mark;

	if (!path_of(directory, id, path))
		return MARK_LEFT;
	if (lstat(path, &status))
		return errno == ENOENT || errno == ENOTDIR ? MARK_NONE :
							     MARK_LEFT;
	read_mark(path, &mark);
	return mark.state;
}

/* What became of names in it has to outlast a power cut. */
static enum us_error sync_directory(const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum us_error error = US_OK;

	if (fd < 0 || fsync(fd))
		error = fail(US_E_FILE_WRITE, "%s: %s", directory,
			     strerror(errno));
	if (fd >= 0)
		close(fd);
	return error;
}

enum us_error marks_leave(const char *directory,
			  const u8 id[US_DIGEST_SIZE], const char *name)
{
	char path[MARK_PATH_MAX], text[MARK_MAX], boot[BOOT_DIGITS + 1];
	enum us_error error;
	int len;

	if (!path_of(directory, id, path))
		return fail(US_E_FILE_WRITE, "%s: name too long", directory);
	if (!this_boot(boot))
		return fail(US_E_FILE_READ, "%s", BOOT_ID_FILE);
	len = snprintf(text, sizeof(text), "boot %s\nname %.*s\n", boot,
		       US_NAME_MAX - 1, name);
	error = file_write(path, text, (u64)len, 0644);
	return error ? error : sync_directory(directory);
}

enum us_error marks_remove(const char *directory,
			   const u8 id[US_DIGEST_SIZE])
{
	char path[MARK_PATH_MAX];

	if (!path_of(directory, id, path))
		return fail(US_E_FILE_WRITE, "%s: name too long", directory);
	if (!unlink(path))
		return sync_directory(directory);
	return errno == ENOENT ? US_OK :
	       fail(US_E_FILE_WRITE, "%s: %s", path, strerror(errno));
}

enum us_error marks_list(const char *directory, struct mark *marks, u32 room,
			 u32 *count)
{
	DIR *dir = opendir(directory);
	char path[MARK_PATH_MAX];
	struct dirent *entry;
	struct mark *mark;

	*count = 0;
	if (!dir)
		return errno == ENOENT ? US_OK :
		       fail(US_E_FILE_READ, "%s: %s", directory,
			    strerror(errno));
	while (*count < room && (entry = readdir(dir))) {
		mark = &marks[*count];
		if (!bundle_id_parse(entry->d_name, mark->bundle_id) ||
		    !path_of(directory, mark->bundle_id, path))
			continue;
		read_mark(path, mark);
		++*count;
	}
	closedir(dir);
	return US_OK;
}
