/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sodium/crypto_generichash.h>
#include <string.h>

#include "baseline_file.h"
#include "input.h"

#define CHUNK		(64u << 10)
#define MAX_CHUNKS	(US_MAX_BASELINE / CHUNK)
#define NO_CHUNK	(~0ull)

static u8 digests[MAX_CHUNKS][US_DIGEST_SIZE];
static u8 chunk[CHUNK] __attribute__((aligned(8)));
static u64 chunk_index;	/* whose verified copy is in chunk, or NO_CHUNK */

static u64 chunk_len(const struct control_call *call, u64 index)
{
	u64 left = call->request.in[0].len - index * CHUNK;

	return left < CHUNK ? left : CHUNK;
}

/* Copy a chunk and compute its digest. */
static enum us_error copy_chunk(const struct control_call *call, u64 index,
				u8 digest[US_DIGEST_SIZE])
{
	u64 gva = call->request.in[0].gva + index * CHUNK;
	u64 len = chunk_len(call, index);
	enum us_error error;

	chunk_index = NO_CHUNK;
	error = caller_read(call->who, gva, chunk, len);
	if (error)
		return control_fail(error, gva, len, NULL);
	if (crypto_generichash(digest, US_DIGEST_SIZE, chunk, len, NULL, 0))
		return control_fail(US_E_HOST_FAILED, 0, 0, NULL);
	return US_OK;
}

static enum us_error hash_all(const struct control_call *call,
			      u8 digest[MINISIGN_DIGEST])
{
	crypto_generichash_state state;
	enum us_error error;
	u64 i;

	crypto_generichash_init(&state, NULL, 0, MINISIGN_DIGEST);
	for (i = 0; i * CHUNK < call->request.in[0].len; i++) {
		error = copy_chunk(call, i, digests[i]);
		if (error)
			return error;
		crypto_generichash_update(&state, chunk, chunk_len(call, i));
	}
	crypto_generichash_final(&state, digest, MINISIGN_DIGEST);
	return US_OK;
}

enum us_error baseline_file_open(const struct control_call *call)
{
	const struct us_span *span = &call->request.in[0];
	struct minisign_signature signature;
	const struct minisign_key *key;
	u8 digest[MINISIGN_DIGEST];
	enum us_error error;

	if (span->len > US_MAX_BASELINE)
		return control_fail(US_E_TOO_LARGE, span->len, US_MAX_BASELINE,
				    NULL);
	if (!span_valid(span->gva, span->len))
		return control_fail(US_E_GUEST_ADDRESS, span->gva, span->len,
				    NULL);
	error = input_load_signature(call, &signature, &key);
	if (!error)
		error = hash_all(call, digest);
	if (error)
		return error;
	error = minisign_verify(&signature, key, digest);
	return error ? control_fail(error, 0, 0, NULL) : US_OK;
}

static enum us_error need_chunk(const struct control_call *call, u64 index)
{
	u8 digest[US_DIGEST_SIZE];
	enum us_error error;

	if (chunk_index == index)
		return US_OK;
	error = copy_chunk(call, index, digest);
	if (error)
		return error;
	if (memcmp(digest, digests[index], sizeof(digest)))
		return control_fail(US_E_SIG_INVALID, index * CHUNK, 0, NULL);
	chunk_index = index;
	return US_OK;
}

enum us_error baseline_file_read(const struct control_call *call, u64 offset,
				 void *dst, u64 len)
{
	enum us_error error;
	u64 inside, part;
	u8 *at = dst;

	if (!span_inside(offset, len, call->request.in[0].len))
		return control_fail(US_E_BASELINE_TRUNCATED, offset, len, NULL);
	for (; len; offset += part, at += part, len -= part) {
		error = need_chunk(call, offset / CHUNK);
		if (error)
			return error;
		inside = offset % CHUNK;
		part = len < CHUNK - inside ? len : CHUNK - inside;
		memcpy(at, chunk + inside, part);
	}
	return US_OK;
}
