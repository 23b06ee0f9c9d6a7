/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whole files in and out. Errors are recorded with fail(). */
#ifndef UNDERSEAL_FILE_H
#define UNDERSEAL_FILE_H

#include "errors.h"
#include "types.h"

struct buffer {
	u8 *data;	/* malloc'ed, so aligned for any type; NULL when empty */
	u64 len;	/* bytes */
};

/* Read all of @path, at most @limit bytes. FILE_OPEN, FILE_READ, TOO_LARGE,
 * NO_MEMORY. The caller releases it with buffer_free(). */
enum us_error file_read(const char *path, u64 limit, struct buffer *out);

/* Write @path as a whole or not at all (temporary file, rename).
 * @mode as for open(2). FILE_WRITE. */
enum us_error file_write(const char *path, const void *data, u64 len,
			 unsigned int mode);

void buffer_free(struct buffer *buffer);

/* Append @len bytes (of zeros when @data is NULL). NO_MEMORY. */
enum us_error buffer_append(struct buffer *buffer, const void *data, u64 len);

/* Append zeros up to a multiple of 8. */
enum us_error buffer_pad8(struct buffer *buffer);

#endif
