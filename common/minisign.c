/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sodium/crypto_sign.h>
#include <sodium/utils.h>
#include <string.h>

#include "minisign.h"

#define UNTRUSTED	"untrusted comment: "
#define TRUSTED		"trusted comment: "

static_assert(crypto_sign_BYTES == MINISIGN_SIGNATURE, "Ed25519 signature");
static_assert(crypto_sign_PUBLICKEYBYTES == 32, "Ed25519 key");

/* What is left of a text, taken line by line. */
struct lines {
	const char *at;
	u64 left;
};

struct line {
	const char *text;
	u64 len;
};

/* The next line without its end; false when nothing is left. */
static bool next_line(struct lines *lines, struct line *line)
{
	const char *end = NULL;
	u64 i, taken;

	if (!lines->left)
		return false;
	for (i = 0; i < lines->left && !end; i++)
		if (lines->at[i] == '\n')
			end = lines->at + i;
	taken = end ? (u64)(end - lines->at) + 1 : lines->left;
	line->text = lines->at;
	line->len = end ? taken - 1 : taken;
	if (line->len && line->text[line->len - 1] == '\r')
		line->len--;
	lines->at += taken;
	lines->left -= taken;
	return true;
}

/* Cut @prefix off @line; false when it is not there. */
static bool cut_prefix(struct line *line, const char *prefix, u64 len)
{
	if (line->len < len || memcmp(line->text, prefix, len))
		return false;
	line->text += len;
	line->len -= len;
	return true;
}

#define CUT(line, prefix)	cut_prefix(line, prefix, sizeof(prefix) - 1)

/* Exactly @len bytes of padded base64, and nothing else on the line. */
static bool decode(const struct line *line, void *out, u64 len)
{
	size_t got;

	return line->len == sodium_base64_ENCODED_LEN(len,
				sodium_base64_VARIANT_ORIGINAL) - 1 &&
	       !sodium_base642bin(out, len, line->text, line->len, NULL, &got,
				  NULL, sodium_base64_VARIANT_ORIGINAL) &&
	       got == len;
}

static enum us_error add_key(const struct minisign_key *key,
			     struct minisign_key *keys, u32 max, u32 *count)
{
	u32 i;

	for (i = 0; i < *count; i++)
		if (!memcmp(keys[i].id, key->id, sizeof(key->id)))
			return memcmp(keys[i].key, key->key, sizeof(key->key)) ?
			       US_E_KEY_FORMAT : US_OK;
	if (*count == max)
		return US_E_KEY_FORMAT;
	keys[(*count)++] = *key;
	return US_OK;
}

enum us_error minisign_parse_keys(const void *text, u64 len,
				  struct minisign_key *keys, u32 max, u32 *count)
{
	struct lines lines = { text, len };
	enum us_error error = US_OK;
	struct minisign_key key;
	struct line line;
	u8 raw[42];

	*count = 0;
	while (!error && next_line(&lines, &line)) {
		if (!line.len)
			continue;
		if (!CUT(&line, UNTRUSTED) || !next_line(&lines, &line) ||
		    !decode(&line, raw, sizeof(raw)) || memcmp(raw, "Ed", 2))
			return US_E_KEY_FORMAT;
		memcpy(key.id, raw + 2, sizeof(key.id));
		memcpy(key.key, raw + 10, sizeof(key.key));
		error = add_key(&key, keys, max, count);
	}
	return error;
}

enum us_error minisign_parse_signature(const void *text, u64 len,
				       struct minisign_signature *signature)
{
	struct lines lines = { text, len };
	struct line line;
	u8 raw[74];

	if (!len)
		return US_E_SIG_MISSING;
	if (!next_line(&lines, &line) || !CUT(&line, UNTRUSTED))
		return US_E_SIG_FORMAT;
	if (!next_line(&lines, &line) || !decode(&line, raw, sizeof(raw)) ||
	    memcmp(raw, "ED", 2))
		return US_E_SIG_FORMAT;
	memcpy(signature->key_id, raw + 2, MINISIGN_KEY_ID);
	memcpy(signature->signature, raw + 10, MINISIGN_SIGNATURE);
	if (!next_line(&lines, &line) || !CUT(&line, TRUSTED) ||
	    line.len > MINISIGN_COMMENT_MAX)
		return US_E_SIG_FORMAT;
	signature->comment = line.text;
	signature->comment_len = line.len;
	if (!next_line(&lines, &line) ||
	    !decode(&line, signature->global, MINISIGN_SIGNATURE) || lines.left)
		return US_E_SIG_FORMAT;
	return US_OK;
}

const struct minisign_key *
minisign_find_key(const struct minisign_signature *signature,
		  const struct minisign_key *keys, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++)
		if (!memcmp(keys[i].id, signature->key_id, MINISIGN_KEY_ID))
			return &keys[i];
	return NULL;
}

enum us_error minisign_verify(const struct minisign_signature *signature,
			      const struct minisign_key *key,
			      const u8 digest[MINISIGN_DIGEST])
{
	u8 signed_comment[MINISIGN_SIGNATURE + MINISIGN_COMMENT_MAX];

	if (crypto_sign_verify_detached(signature->signature, digest,
					MINISIGN_DIGEST, key->key))
		return US_E_SIG_INVALID;
	if (signature->comment_len > MINISIGN_COMMENT_MAX)
		return US_E_SIG_FORMAT;
	memcpy(signed_comment, signature->signature, MINISIGN_SIGNATURE);
	memcpy(signed_comment + MINISIGN_SIGNATURE, signature->comment,
	       signature->comment_len);
	if (crypto_sign_verify_detached(signature->global, signed_comment,
					MINISIGN_SIGNATURE +
					signature->comment_len, key->key))
		return US_E_SIG_COMMENT;
	return US_OK;
}
