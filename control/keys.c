/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "keys.h"
#include "state.h"

#define MAX_KEYS 16u

static struct minisign_key trusted[MAX_KEYS];
static u32 trusted_count;

enum us_error keys_init(void)
{
	const struct host_info *host = host_info();
	enum us_error error;

	error = minisign_parse_keys(host->keys, host->keys_len, trusted,
				    MAX_KEYS, &trusted_count);
	if (error)
		trusted_count = 0;
	return error;
}

/* minisign prints a key id as the little-endian number that it is. */
static u64 key_number(const u8 id[MINISIGN_KEY_ID])
{
	u64 number;

	memcpy(&number, id, sizeof(number));
	return number;
}

enum us_error keys_read_signature(const void *text, u64 len,
				  struct minisign_signature *signature,
				  const struct minisign_key **key)
{
	enum us_error error;

	error = minisign_parse_signature(text, len, signature);
	if (error)
		return control_fail(error, 0, 0, NULL);
	*key = minisign_find_key(signature, trusted, trusted_count);
	if (!*key)
		return control_fail(US_E_SIG_KEY_UNKNOWN,
				    key_number(signature->key_id), 0, NULL);
	return US_OK;
}
