/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <sodium/crypto_generichash.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle_id.h"

void bundle_id(const void *data, u64 len, u8 id[US_DIGEST_SIZE])
{
	crypto_generichash(id, US_DIGEST_SIZE, data, len, NULL, 0);
}

bool bundle_id_parse(const char *text, u8 id[US_DIGEST_SIZE])
{
	char digits[3] = "";
	u32 i;

	if (strlen(text) != BUNDLE_ID_TEXT - 1)
		return false;
	for (i = 0; text[i]; i++)
		if (!isxdigit((unsigned char)text[i]))
			return false;
	for (i = 0; i < US_DIGEST_SIZE; i++) {
		memcpy(digits, text + 2 * i, 2);
		id[i] = (u8)strtoul(digits, NULL, 16);
	}
	return true;
}

void bundle_id_text(const u8 id[US_DIGEST_SIZE], char text[BUNDLE_ID_TEXT])
{
	u32 i;

	for (i = 0; i < US_DIGEST_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", id[i]);
}
