/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "maker.h"
#include "minisign.h"
#include "suites.h"

static const char message[] = "the message";
static struct keypair key;
static char text[2048];
static u64 len;

static void start(void)
{
	make_key(&key, 7);
	len = make_signature(&key, message, sizeof(message), "a comment", text,
			     sizeof(text));
}

/* Check @text as it is now against the message and the key. */
static enum us_error check(void)
{
	struct minisign_signature signature;
	struct minisign_key trusted;
	enum us_error error;
	u8 digest[64];
	char *copy = malloc(len ? len : 1);

	memcpy(copy, text, len);
	memcpy(trusted.id, key.id, 8);
	memcpy(trusted.key, key.public, 32);
	crypto_generichash(digest, 64, (const u8 *)message, sizeof(message),
			   NULL, 0);
	error = minisign_parse_signature(copy, len, &signature);
	if (!error && !minisign_find_key(&signature, &trusted, 1))
		error = US_E_SIG_KEY_UNKNOWN;
	if (!error)
		error = minisign_verify(&signature, &trusted, digest);
	free(copy);
	return error;
}

static void good(void)
{
	start();
	CU_ASSERT_EQUAL(check(), US_OK);
	len--;	/* the last line's end may be missing */
	CU_ASSERT_EQUAL(check(), US_OK);
}

static void crlf(void)
{
	char unix_text[2048];
	u64 i, old = 0;

	start();
	memcpy(unix_text, text, len);
	for (i = 0, old = len, len = 0; i < old; i++) {
		if (unix_text[i] == '\n')
			text[len++] = '\r';
		text[len++] = unix_text[i];
	}
	CU_ASSERT_EQUAL(check(), US_OK);
}

static void truncated(void)
{
	u64 whole;

	start();
	whole = len;
	for (len = 1; len < whole - 1; len++)
		CU_ASSERT_EQUAL(check(), US_E_SIG_FORMAT);
	len = 0;
	CU_ASSERT_EQUAL(check(), US_E_SIG_MISSING);
}

static void trailing(void)
{
	start();
	text[len++] = '\n';
	CU_ASSERT_EQUAL(check(), US_E_SIG_FORMAT);
}

/* Every single byte flipped: nothing but the untrusted comment may change. */
static void altered(void)
{
	enum us_error error;
	u64 i, comment;

	start();
	comment = strcspn(text, "\n");
	for (i = 0; i < len - 1; i++) {
		text[i] ^= 1;
		error = check();
		text[i] ^= 1;
		if (i >= strlen("untrusted comment: ") && i < comment) {
			CU_ASSERT_EQUAL(error, US_OK);
		} else {
			CU_ASSERT_NOT_EQUAL(error, US_OK);
		}
	}
	CU_ASSERT_EQUAL(check(), US_OK);
}

static void comment_altered(void)
{
	start();
	*strstr(text, "a comment") = 'b';
	CU_ASSERT_EQUAL(check(), US_E_SIG_COMMENT);
}

static void comment_too_long(void)
{
	char comment[MINISIGN_COMMENT_MAX + 2];

	memset(comment, 'c', sizeof(comment));
	comment[MINISIGN_COMMENT_MAX] = '\0';
	make_key(&key, 7);
	len = make_signature(&key, message, sizeof(message), comment, text,
			     sizeof(text));
	CU_ASSERT_EQUAL(check(), US_OK);
	/* One byte more, signed or not, is refused before it is copied. */
	memmove(strstr(text, "ccc") + 1, strstr(text, "ccc"),
		len - (strstr(text, "ccc") - text));
	len++;
	CU_ASSERT_EQUAL(check(), US_E_SIG_FORMAT);
}

static void other_message(void)
{
	start();
	len = make_signature(&key, message, sizeof(message) - 1, "c", text,
			     sizeof(text));
	CU_ASSERT_EQUAL(check(), US_E_SIG_INVALID);
}

static void other_key(void)
{
	struct keypair other;

	start();
	make_key(&other, 8);
	len = make_signature(&other, message, sizeof(message), "c", text,
			     sizeof(text));
	CU_ASSERT_EQUAL(check(), US_E_SIG_KEY_UNKNOWN);
	memcpy(other.id, key.id, 8);
	len = make_signature(&other, message, sizeof(message), "c", text,
			     sizeof(text));
	CU_ASSERT_EQUAL(check(), US_E_SIG_INVALID);
}

/* Not prehashed: the algorithm's letters are in the first base64 group. */
static void legacy(void)
{
	start();
	CU_ASSERT_FALSE(strncmp(strchr(text, '\n') + 1, "RU", 2));
	strchr(text, '\n')[2] = 'W';
	CU_ASSERT_EQUAL(check(), US_E_SIG_FORMAT);
}

static u32 count;

static enum us_error parse_keys(void)
{
	struct minisign_key keys[2];
	char *copy = malloc(len ? len : 1);
	enum us_error error;

	memcpy(copy, text, len);
	error = minisign_parse_keys(copy, len, keys, 2, &count);
	free(copy);
	if (!error && count)
		CU_ASSERT_FALSE(memcmp(keys[0].key, key.public, 32));
	return error;
}

static void keys(void)
{
	struct keypair other, third;

	make_key(&key, 7);
	make_key(&other, 8);
	make_key(&third, 9);
	len = make_public_file(&key, text, sizeof(text));
	CU_ASSERT_EQUAL(parse_keys(), US_OK);
	CU_ASSERT_EQUAL(count, 1);
	text[len++] = '\n';
	len += make_public_file(&other, text + len, sizeof(text) - len);
	CU_ASSERT_EQUAL(parse_keys(), US_OK);
	CU_ASSERT_EQUAL(count, 2);
	/* The same one again does not count; a third one has no room. */
	len += make_public_file(&key, text + len, sizeof(text) - len);
	CU_ASSERT_EQUAL(parse_keys(), US_OK);
	CU_ASSERT_EQUAL(count, 2);
	len += make_public_file(&third, text + len, sizeof(text) - len);
	CU_ASSERT_EQUAL(parse_keys(), US_E_KEY_FORMAT);
	len = 0;
	CU_ASSERT_EQUAL(parse_keys(), US_OK);
	CU_ASSERT_EQUAL(count, 0);
}

static void bad_keys(void)
{
	struct keypair other;
	u64 whole;

	make_key(&key, 7);
	make_key(&other, 8);
	whole = make_public_file(&key, text, sizeof(text));
	for (len = 1; len < whole - 1; len++)
		CU_ASSERT_EQUAL(parse_keys(), US_E_KEY_FORMAT);
	/* Two keys with one id. */
	memcpy(other.id, key.id, 8);
	len = whole + make_public_file(&other, text + whole,
				       sizeof(text) - whole);
	CU_ASSERT_EQUAL(parse_keys(), US_E_KEY_FORMAT);
	len = whole;
	strchr(text, '\n')[1] = '!';
	CU_ASSERT_EQUAL(parse_keys(), US_E_KEY_FORMAT);
}

static u64 read_file(const char *dir, const char *name, char *out, u64 room)
{
	char path[128];
	FILE *file;
	u64 got = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	got = fread(out, 1, room, file);
	fclose(file);
	return got;
}

/* What the real tool signs is accepted here. */
static void real_tool(void)
{
	char dir[] = "/tmp/underseal-unit-XXXXXX", command[512];
	struct minisign_signature signature;
	struct minisign_key trusted;
	u8 digest[64];

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(command, sizeof(command),
		 "cd %s && printf 'the message\\0' > m && "
		 "minisign -G -W -p k.pub -s k.key > /dev/null && "
		 "minisign -S -H -s k.key -m m -t 'signed by the tool' > /dev/null",
		 dir);
	CU_ASSERT_EQUAL_FATAL(system(command), 0);
	len = read_file(dir, "k.pub", text, sizeof(text));
	CU_ASSERT_EQUAL(minisign_parse_keys(text, len, &trusted, 1, &count), US_OK);
	CU_ASSERT_EQUAL(count, 1);
	len = read_file(dir, "m.minisig", text, sizeof(text));
	CU_ASSERT_EQUAL(minisign_parse_signature(text, len, &signature), US_OK);
	CU_ASSERT_PTR_NOT_NULL(minisign_find_key(&signature, &trusted, 1));
	CU_ASSERT_EQUAL(signature.comment_len, strlen("signed by the tool"));
	crypto_generichash(digest, 64, (const u8 *)message, sizeof(message),
			   NULL, 0);
	CU_ASSERT_EQUAL(minisign_verify(&signature, &trusted, digest), US_OK);
	digest[0] ^= 1;
	CU_ASSERT_EQUAL(minisign_verify(&signature, &trusted, digest),
			US_E_SIG_INVALID);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	CU_ASSERT_EQUAL(system(command), 0);
}

/* What our own maker signs is accepted by the real tool, so that all tests which
 * use it speak of minisign's format. */
static void real_tool_reverse(void)
{
	char dir[] = "/tmp/underseal-unit-XXXXXX", command[512], path[64];
	FILE *file;

	start();
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/m.minisig", dir);
	file = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fwrite(text, 1, len, file);
	fclose(file);
	make_public_file(&key, text, sizeof(text));
	snprintf(path, sizeof(path), "%s/k.pub", dir);
	file = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(text, file);
	fclose(file);
	snprintf(command, sizeof(command), "cd %s && printf 'the message\\0' > m && "
		 "minisign -V -p k.pub -m m > /dev/null", dir);
	CU_ASSERT_EQUAL(system(command), 0);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	CU_ASSERT_EQUAL(system(command), 0);
}

const struct test minisign_tests[] = {
	{ "good signature", good },
	{ "lines that end in CRLF", crlf },
	{ "truncated at every length", truncated },
	{ "trailing line", trailing },
	{ "every byte altered", altered },
	{ "trusted comment altered", comment_altered },
	{ "trusted comment too long", comment_too_long },
	{ "signature of another message", other_message },
	{ "signature by another key", other_key },
	{ "legacy algorithm", legacy },
	{ "key files", keys },
	{ "bad key files", bad_keys },
	{ "what minisign signs", real_tool },
	{ "what minisign accepts", real_tool_reverse },
	{ 0 },
};
