/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * minisign's secret keys and the making of signatures; what only reads is in
 * common/minisign.h. Errors are recorded with fail().
 *
 * Secret key file: an "untrusted comment: " line, then one line of base64 over
 *	"Ed"; "Sc" (scrypt) or two zero bytes (not encrypted); "B2";
 *	salt (32), scrypt's opslimit (u64), memlimit (u64);
 *	then, XORed with scrypt(password, salt) when encrypted:
 *	key id (8), Ed25519 secret key (64), BLAKE2b-256 of "Ed" and these (32).
 */
#ifndef UNDERSEAL_SECRET_KEY_H
#define UNDERSEAL_SECRET_KEY_H

#include "file.h"
#include "minisign.h"

struct secret_key {
	u8 id[MINISIGN_KEY_ID];
	u8 key[64];
};

/*
 * Read @path. The password of an encrypted key is the first line of
 * @password_file, or asked for on the terminal when that is NULL. FILE_*,
 * KEY_FORMAT, KEY_PASSWORD, NO_MEMORY. secret_key_wipe() when done.
 */
enum us_error secret_key_read(const char *path, const char *password_file,
			      struct secret_key *key);
void secret_key_wipe(struct secret_key *key);

/* Sign @file: the text of a signature file with @comment as trusted comment (at
 * most MINISIGN_COMMENT_MAX bytes, one line) in @out. */
enum us_error secret_key_sign(const struct secret_key *key,
			      const struct buffer *file, const char *comment,
			      struct buffer *out);

#endif
