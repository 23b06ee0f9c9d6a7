/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bundle id: BLAKE2b-256 of the whole file (common/bundle.h). */
#ifndef UNDERSEAL_BUNDLE_ID_H
#define UNDERSEAL_BUNDLE_ID_H

#include "abi.h"

void bundle_id(const void *data, u64 len, u8 id[US_DIGEST_SIZE]);

/* 64 hexadecimal digits and nothing else; false when @text is something else. */
bool bundle_id_parse(const char *text, u8 id[US_DIGEST_SIZE]);

#define BUNDLE_ID_TEXT	(2 * US_DIGEST_SIZE + 1)

/* The same as text. */
void bundle_id_text(const u8 id[US_DIGEST_SIZE], char text[BUNDLE_ID_TEXT]);

#endif
