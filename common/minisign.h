/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * minisign's public key and signature files, prehashed signatures only.
 *
 * Public key file: an "untrusted comment: " line, then one line of base64 over
 * "Ed", key id (8 bytes), Ed25519 public key (32 bytes).
 *
 * Signature file, four lines:
 *	untrusted comment: TEXT
 *	base64 over "ED", key id (8), Ed25519 signature of BLAKE2b-512(file) (64)
 *	trusted comment: TEXT
 *	base64 over the Ed25519 signature of (the 64 bytes above || TEXT) (64)
 *
 * Lines end with LF or CRLF. The legacy algorithm "Ed" (not prehashed) is
 * refused: it would need the whole file in one piece. All inputs must be
 * private to the caller. Uses libsodium for base64, Ed25519 and BLAKE2b.
 */
#ifndef UNDERSEAL_MINISIGN_H
#define UNDERSEAL_MINISIGN_H

#include "errors.h"
#include "types.h"

#define MINISIGN_KEY_ID		8u
#define MINISIGN_DIGEST		64u	/* BLAKE2b-512 */
#define MINISIGN_SIGNATURE	64u
#define MINISIGN_COMMENT_MAX	1024u	/* trusted comment, bytes */

struct minisign_key {
	u8 id[MINISIGN_KEY_ID];
	u8 key[32];
};

struct minisign_signature {
	u8 key_id[MINISIGN_KEY_ID];
	u8 signature[MINISIGN_SIGNATURE];
	u8 global[MINISIGN_SIGNATURE];	/* over signature || comment */
	const char *comment;		/* trusted; not NUL-terminated */
	u32 comment_len;
};

/*
 * Read concatenated public key files: @text of @len bytes. Fills @keys, which has
 * room for @max, and sets *@count. A key that is there twice counts once; empty
 * lines between files are skipped. KEY_FORMAT when a line is not as above, when
 * two different keys carry one id, or when there are more than @max keys.
 */
enum us_error minisign_parse_keys(const void *text, u64 len,
				  struct minisign_key *keys, u32 max, u32 *count);

/*
 * Read one signature file. @signature->comment points into @text. SIG_MISSING
 * when @len is 0, SIG_FORMAT when anything is not as above.
 */
enum us_error minisign_parse_signature(const void *text, u64 len,
				       struct minisign_signature *signature);

/* The key that @signature names, or NULL. */
const struct minisign_key *
minisign_find_key(const struct minisign_signature *signature,
		  const struct minisign_key *keys, u32 count);

/*
 * Check both signatures with @key against @digest, the file's BLAKE2b-512.
 * SIG_INVALID when the file's does not hold, SIG_COMMENT when only the trusted
 * comment's does not.
 */
enum us_error minisign_verify(const struct minisign_signature *signature,
			      const struct minisign_key *key,
			      const u8 digest[MINISIGN_DIGEST]);

#endif
