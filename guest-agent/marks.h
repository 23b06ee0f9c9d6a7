/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Marks of bundles that are on probation: files called like the bundle's id in one
 * directory. The agent leaves one before it installs such a bundle and takes it away
 * when health is confirmed, so one that another boot has left says that the server went
 * down in between. All that a mark can bring about is that a bundle is not installed;
 * whoever forges one keeps himself from being patched. Errors are recorded with fail().
 */
#ifndef UNDERSEAL_MARKS_H
#define UNDERSEAL_MARKS_H

#include "abi.h"
#include "errors.h"

#define MARKS_DIRECTORY	"/var/lib/underseal/marks"

enum mark_state {
	MARK_NONE = 0,
	MARK_OURS,	/* of this boot */
	MARK_LEFT,	/* of another one, or not to be read */
};

struct mark {
	u8 bundle_id[US_DIGEST_SIZE];
	enum mark_state state;
	char name[US_NAME_MAX];	/* of the bundle, "" if it is not to be read */
};

/* What there is for the bundle @id. */
enum mark_state marks_find(const char *directory,
			   const u8 id[US_DIGEST_SIZE]);

/*
 * Leave one of this boot in place of any other. After success it outlasts a power
 * cut; a power cut in between leaves either the old state or the new one. FILE_WRITE.
 */
enum us_error marks_leave(const char *directory,
			  const u8 id[US_DIGEST_SIZE], const char *name);

/* Take it away, for good after success. None is no error. FILE_WRITE. */
enum us_error marks_remove(const char *directory,
			   const u8 id[US_DIGEST_SIZE]);

/* All there are, at most @room of them; *@count is how many were found. A directory
 * that does not exist is empty. FILE_READ. */
enum us_error marks_list(const char *directory, struct mark *marks, u32 room,
			 u32 *count);

#endif
