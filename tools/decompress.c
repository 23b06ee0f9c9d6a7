/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <lz4.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "cli.h"
#include "decompress.h"
#include "kernel_image.h"

#define UNPACKED_MAX	(512ull << 20)
/* Boot protocol: offsets in the file. */
#define SETUP_SECTS	0x1f1
#define HEADER_MAGIC	0x202
#define PROTOCOL	0x206
#define PAYLOAD_OFFSET	0x248
#define PAYLOAD_LENGTH	0x24c
#define SECTOR		512

/* Legacy LZ4 frames: after the magic, blocks of u32 size and data, each of
 * which unpacks to 8 MiB but for the last. */
static bool unpack_lz4(const u8 *in, u64 len, u8 *out, u64 out_len)
{
	u64 done = 0, at = 4, room;
	u32 size;
	int got;

	while (at < len) {
		if (!span_inside(at, 4, len))
			return false;
		size = read_u32(in + at);
		at += 4;
		if (!span_inside(at, size, len) || size > INT32_MAX)
			return false;
		room = out_len - done;
		if (room > INT32_MAX)
			room = INT32_MAX;
		got = LZ4_decompress_safe((const char *)in + at,
					  (char *)out + done, size, room);
		if (got < 0)
			return false;
		done += got;
		at += size;
	}
	return done == out_len;
}

static bool unpack_zstd(const u8 *in, u64 len, u8 *out, u64 out_len)
{
	return ZSTD_decompress(out, out_len, in, len) == out_len;
}

static bool unpack_xz(const u8 *in, u64 len, u8 *out, u64 out_len)
{
	u64 memory = 256ull << 20;
	size_t in_at = 0, out_at = 0;

	return lzma_stream_buffer_decode(&memory, 0, NULL, in, &in_at, len,
					 out, &out_at, out_len) == LZMA_OK &&
	       out_at == out_len;
}

static const struct format {
	const char *magic;
	size_t magic_len;
	bool (*unpack)(const u8 *in, u64 len, u8 *out, u64 out_len);
} formats[] = {
	{ "\x02\x21\x4c\x18", 4, unpack_lz4 },
	{ "\x28\xb5\x2f\xfd", 4, unpack_zstd },
	{ "\xfd" "7zXZ", 5, unpack_xz },
};

static const struct format *find_format(const u8 *data, u64 len)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(formats); i++)
		if (len > formats[i].magic_len &&
		    !memcmp(data, formats[i].magic, formats[i].magic_len))
			return &formats[i];
	return NULL;
}

static enum us_error bad_image(const char *path, const char *why)
{
	return fail(US_E_ELF_FORMAT, "%s: %s", path, why);
}

static enum us_error find_payload(const char *path, const u8 *data, u64 len,
				  const u8 **payload, u64 *payload_len)
{
	u64 start;

	if (len < PAYLOAD_LENGTH + 4 || memcmp(data + HEADER_MAGIC, "HdrS", 4))
		return bad_image(path, "no bootable kernel image");
	/* 2.08 brought the payload fields. */
	if (read_u16(data + PROTOCOL) < 0x208)
		return bad_image(path, "boot protocol too old");
	start = ((u64)data[SETUP_SECTS] + 1) * SECTOR +
		read_u32(data + PAYLOAD_OFFSET);
	*payload_len = read_u32(data + PAYLOAD_LENGTH);
	if (!span_inside(start, *payload_len, len) || *payload_len < 8)
		return bad_image(path, "payload outside the file");
	*payload = data + start;
	return US_OK;
}

enum us_error bzimage_unpack(const char *path, const u8 *data, u64 len,
			     struct buffer *out)
{
	const struct format *format;
	const u8 *payload = NULL;
	u64 payload_len = 0;
	enum us_error error;

	*out = (struct buffer){ 0 };
	error = find_payload(path, data, len, &payload, &payload_len);
	if (error)
		return error;
	format = find_format(payload, payload_len);
	if (!format)
		return bad_image(path, "compressed in a way that is not known");
	/* The kernel's build appends the unpacked size. */
	payload_len -= 4;
	out->len = read_u32(payload + payload_len);
	if (!out->len || out->len > UNPACKED_MAX)
		return bad_image(path, "bad unpacked size");
	out->data = malloc(out->len);
	if (!out->data)
		return fail(US_E_NO_MEMORY, "%s", path);
	if (format->unpack(payload, payload_len, out->data, out->len))
		return US_OK;
	buffer_free(out);
	return bad_image(path, "the compressed kernel is damaged");
}

#define XZ_STEP		(1u << 20)

/* The stream's index would say how long it gets, but only a decoder may say what an
 * index means: grow instead. */
static lzma_ret xz_grow(lzma_stream *stream, u64 limit, struct buffer *out)
{
	lzma_ret result = LZMA_OK;
	u64 at;

	while (result == LZMA_OK && out->len < limit) {
		at = out->len;
		if (buffer_append(out, NULL, XZ_STEP))
			return LZMA_MEM_ERROR;
		stream->next_out = out->data + at;
		stream->avail_out = XZ_STEP;
		while (result == LZMA_OK && stream->avail_out)
			result = lzma_code(stream, LZMA_FINISH);
		out->len -= stream->avail_out;
	}
	return result;
}

enum us_error xz_unpack(const char *path, const u8 *data, u64 len, u64 limit,
			struct buffer *out)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	lzma_ret result;

	*out = (struct buffer){ 0 };
	if (lzma_stream_decoder(&stream, 256ull << 20, 0) != LZMA_OK)
		return fail(US_E_NO_MEMORY, "%s", path);
	stream.next_in = data;
	stream.avail_in = len;
	result = xz_grow(&stream, limit, out);
	lzma_end(&stream);
	if (result == LZMA_STREAM_END)
		return US_OK;
	buffer_free(out);
	if (result == LZMA_OK)
		return fail(US_E_TOO_LARGE, "%s: unpacks to more than %llu bytes",
			    path, (unsigned long long)limit);
	return fail(US_E_ELF_FORMAT, "%s: the compressed file is damaged", path);
}
