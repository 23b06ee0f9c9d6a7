/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fail.h"
#include "file.h"

void buffer_free(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){ 0 };
}

/* Room doubles: the size of the allocation is the next power of two of len. */
static u64 room_for(u64 len)
{
	u64 room = 64;

	while (room < len)
		room *= 2;
	return room;
}

enum us_error buffer_append(struct buffer *buffer, const void *data, u64 len)
{
	u64 need = buffer->len + len;
	u8 *grown;

	if (!span_valid(buffer->len, len) || need > 1ull << 40)
		return fail(US_E_NO_MEMORY, "%llu bytes",
			    (unsigned long long)len);
	if (!buffer->data || room_for(need) > room_for(buffer->len)) {
		grown = realloc(buffer->data, room_for(need));
		if (!grown)
			return fail(US_E_NO_MEMORY, "%llu bytes",
				    (unsigned long long)need);
		buffer->data = grown;
	}
	if (data && len)
		memcpy(buffer->data + buffer->len, data, len);
	else
		memset(buffer->data + buffer->len, 0, len);
	buffer->len = need;
	return US_OK;
}

enum us_error buffer_pad8(struct buffer *buffer)
{
	return buffer_append(buffer, NULL,
			     ALIGN_UP(buffer->len, 8) - buffer->len);
}

static enum us_error read_all(int fd, const char *path, u64 limit,
			      struct buffer *out)
{
	u8 chunk[65536];
	ssize_t got;
	enum us_error error;

	for (;;) {
		got = read(fd, chunk, sizeof(chunk));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail(US_E_FILE_READ, "%s: %s", path,
				    strerror(errno));
		if (!got)
			return US_OK;
		if (out->len + (u64)got > limit)
			return fail(US_E_TOO_LARGE, "%s: more than %llu bytes",
				    path, (unsigned long long)limit);
		error = buffer_append(out, chunk, got);
		if (error)
			return error;
	}
}

enum us_error file_read(const char *path, u64 limit, struct buffer *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum us_error error;

	*out = (struct buffer){ 0 };
	if (fd < 0)
		return fail(US_E_FILE_OPEN, "%s: %s", path, strerror(errno));
	error = read_all(fd, path, limit, out);
	close(fd);
	if (error)
		buffer_free(out);
	return error;
}

static bool write_all(int fd, const u8 *data, u64 len)
{
	ssize_t put;

	while (len) {
		put = write(fd, data, len);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return false;
		data += put;
		len -= put;
	}
	return true;
}

/* A device or pipe cannot be replaced by rename: write into it. */
static bool is_special(const char *path)
{
	struct stat st;

	return !stat(path, &st) && !S_ISREG(st.st_mode);
}

static enum us_error write_failed(const char *path)
{
	return fail(US_E_FILE_WRITE, "%s: %s", path, strerror(errno));
}

static enum us_error write_special(const char *path, const void *data, u64 len)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool written;

	if (fd < 0)
		return write_failed(path);
	written = write_all(fd, data, len);
	if (close(fd) || !written)
		return write_failed(path);
	return US_OK;
}

enum us_error file_write(const char *path, const void *data, u64 len,
			 unsigned int mode)
{
	char temporary[4096];
	int fd, saved;
	bool written;

	if (is_special(path))
		return write_special(path, data, len);
	if (snprintf(temporary, sizeof(temporary), "%s.%d.tmp", path,
		     (int)getpid()) >= (int)sizeof(temporary)) {
		errno = ENAMETOOLONG;
		return write_failed(path);
	}
	/* Of a process of this number that was cut off. */
	unlink(temporary);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return write_failed(path);
	written = write_all(fd, data, len) && !fsync(fd);
	if (close(fd))
		written = false;
	if (written && !rename(temporary, path))
		return US_OK;
	saved = errno;
	unlink(temporary);
	errno = saved;
	return write_failed(path);
}
