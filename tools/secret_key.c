/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli.h"
#include "kernel_image.h"
#include "secret_key.h"

#define KEY_FILE_MAX	4096
#define PASSWORD_MAX	1024

/* The decoded key file. */
struct raw_key {
	u8 algorithm[2], kdf[2], checksum[2];
	u8 salt[crypto_pwhash_scryptsalsa208sha256_SALTBYTES];
	u8 opslimit[8], memlimit[8];
	struct raw_secret {
		u8 id[MINISIGN_KEY_ID];
		u8 key[64];
		u8 check[32];
	} secret;
};
static_assert(sizeof(struct raw_key) == 158, "minisign's secret key");

static enum us_error bad_key(const char *path)
{
	return fail(US_E_KEY_FORMAT, "%s", path);
}

static enum us_error decode_key(const char *path, const struct buffer *file,
				struct raw_key *raw)
{
	static const char comment[] = "untrusted comment: ";
	const char *text = (const char *)file->data, *line, *end;
	size_t got;

	if (file->len < sizeof(comment) ||
	    memcmp(text, comment, sizeof(comment) - 1))
		return bad_key(path);
	line = memchr(text, '\n', file->len);
	if (!line++)
		return bad_key(path);
	end = text + file->len;
	while (end > line && (end[-1] == '\n' || end[-1] == '\r'))
		end--;
	if (sodium_base642bin((u8 *)raw, sizeof(*raw), line, end - line, NULL,
			      &got, NULL, sodium_base64_VARIANT_ORIGINAL) ||
	    got != sizeof(*raw))
		return bad_key(path);
	return memcmp(raw->algorithm, "Ed", 2) ||
	       memcmp(raw->checksum, "B2", 2) ? bad_key(path) : US_OK;
}

/* One line from @fd without its end. */
static bool read_line(int fd, char *line, size_t room)
{
	size_t len = 0;

	while (len + 1 < room && read(fd, line + len, 1) == 1) {
		if (line[len] == '\n') {
			line[len] = 0;
			return true;
		}
		len++;
	}
	line[len] = 0;
	return len > 0 && len + 1 < room;
}

static enum us_error ask_password(const char *path, char *password)
{
	struct termios echo, silent;
	bool got;
	int fd;

	fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || tcgetattr(fd, &echo)) {
		if (fd >= 0)
			close(fd);
		return fail(US_E_KEY_PASSWORD, "%s is encrypted, and there is "
			    "no terminal to ask on; use --password-file", path);
	}
	silent = echo;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(fd, TCSAFLUSH, &silent);
	dprintf(fd, "Password for %s: ", path);
	got = read_line(fd, password, PASSWORD_MAX);
	tcsetattr(fd, TCSAFLUSH, &echo);
	dprintf(fd, "\n");
	close(fd);
	return got ? US_OK : fail(US_E_KEY_PASSWORD, "%s", path);
}

static enum us_error get_password(const char *path, const char *password_file,
				  char *password)
{
	bool got;
	int fd;

	if (!password_file)
		return ask_password(path, password);
	fd = open(password_file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(US_E_FILE_OPEN, "%s: %m", password_file);
	got = read_line(fd, password, PASSWORD_MAX);
	close(fd);
	return got ? US_OK : fail(US_E_KEY_PASSWORD, "%s: no password",
				  password_file);
}

static enum us_error decrypt(const char *path, const char *password,
			     struct raw_key *raw)
{
	u8 stream[sizeof(raw->secret)], *secret = (u8 *)&raw->secret;
	size_t i;

	/* Fails for want of memory, or on limits that nobody would choose. */
	if (crypto_pwhash_scryptsalsa208sha256(stream, sizeof(stream), password,
					       strlen(password), raw->salt,
					       read_u64(raw->opslimit),
					       read_u64(raw->memlimit)))
		return fail(US_E_NO_MEMORY, "%s: scrypt", path);
	for (i = 0; i < sizeof(stream); i++)
		secret[i] ^= stream[i];
	sodium_memzero(stream, sizeof(stream));
	return US_OK;
}

static bool check_holds(const struct raw_key *raw)
{
	crypto_generichash_state state;
	u8 check[sizeof(raw->secret.check)];

	crypto_generichash_init(&state, NULL, 0, sizeof(check));
	crypto_generichash_update(&state, raw->algorithm, 2);
	crypto_generichash_update(&state, raw->secret.id,
				  sizeof(raw->secret.id));
	crypto_generichash_update(&state, raw->secret.key,
				  sizeof(raw->secret.key));
	crypto_generichash_final(&state, check, sizeof(check));
	return !sodium_memcmp(check, raw->secret.check, sizeof(check));
}

static enum us_error open_key(const char *path, const char *password_file,
			      struct raw_key *raw)
{
	static const u8 none[2];
	char password[PASSWORD_MAX];
	enum us_error error;

	if (!memcmp(raw->kdf, none, 2)) {
		/* minisign leaves the checksum of such keys at zero. */
		if (sodium_is_zero(raw->secret.check,
				   sizeof(raw->secret.check)) ||
		    check_holds(raw))
			return US_OK;
		return bad_key(path);
	}
	if (memcmp(raw->kdf, "Sc", 2))
		return bad_key(path);
	error = get_password(path, password_file, password);
	if (!error)
		error = decrypt(path, password, raw);
	sodium_memzero(password, sizeof(password));
	if (!error && !check_holds(raw))
		error = fail(US_E_KEY_PASSWORD, "%s", path);
	return error;
}

enum us_error secret_key_read(const char *path, const char *password_file,
			      struct secret_key *key)
{
	struct raw_key raw = { 0 };
	struct buffer file;
	enum us_error error;

	if (sodium_init() < 0)
		return fail(US_E_NO_MEMORY, "libsodium");
	error = file_read(path, KEY_FILE_MAX, &file);
	/* A longer file is no key, not too large a one. */
	if (error == US_E_TOO_LARGE)
		return bad_key(path);
	if (error)
		return error;
	error = decode_key(path, &file, &raw);
	sodium_memzero(file.data, file.len);
	buffer_free(&file);
	if (!error)
		error = open_key(path, password_file, &raw);
	if (!error) {
		memcpy(key->id, raw.secret.id, sizeof(key->id));
		memcpy(key->key, raw.secret.key, sizeof(key->key));
	}
	sodium_memzero(&raw, sizeof(raw));
	return error;
}

void secret_key_wipe(struct secret_key *key)
{
	sodium_memzero(key, sizeof(*key));
}

static enum us_error append_base64(struct buffer *out, const void *data,
				   size_t len)
{
	char text[256];

	sodium_bin2base64(text, sizeof(text), data, len,
			  sodium_base64_VARIANT_ORIGINAL);
	return buffer_append(out, text, strlen(text));
}

static enum us_error append_text(struct buffer *out, const char *text)
{
	return buffer_append(out, text, strlen(text));
}

enum us_error secret_key_sign(const struct secret_key *key,
			      const struct buffer *file, const char *comment,
			      struct buffer *out)
{
	u8 raw[2 + MINISIGN_KEY_ID + MINISIGN_SIGNATURE] = "ED";
	u8 covered[MINISIGN_SIGNATURE + MINISIGN_COMMENT_MAX];
	u8 digest[MINISIGN_DIGEST], global[MINISIGN_SIGNATURE];
	u8 *signature = raw + 2 + MINISIGN_KEY_ID;
	size_t len = strlen(comment);
	enum us_error error;

	*out = (struct buffer){ 0 };
	if (len > MINISIGN_COMMENT_MAX || strpbrk(comment, "\r\n"))
		return fail(US_E_USAGE, "the trusted comment is too long or "
			    "more than a line");
	crypto_generichash(digest, sizeof(digest), file->data, file->len,
			   NULL, 0);
	memcpy(raw + 2, key->id, MINISIGN_KEY_ID);
	crypto_sign_detached(signature, NULL, digest, sizeof(digest), key->key);
	memcpy(covered, signature, MINISIGN_SIGNATURE);
	memcpy(covered + MINISIGN_SIGNATURE, comment, len);
	crypto_sign_detached(global, NULL, covered, MINISIGN_SIGNATURE + len,
			     key->key);
	error = append_text(out, "untrusted comment: signature made by "
			    "underseal\n");
	if (!error)
		error = append_base64(out, raw, sizeof(raw));
	if (!error)
		error = append_text(out, "\ntrusted comment: ");
	if (!error)
		error = append_text(out, comment);
	if (!error)
		error = append_text(out, "\n");
	if (!error)
		error = append_base64(out, global, sizeof(global));
	if (!error)
		error = append_text(out, "\n");
	return error;
}
