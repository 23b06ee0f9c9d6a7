/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The trusted public keys. */
#ifndef UNDERSEAL_KEYS_H
#define UNDERSEAL_KEYS_H

#include "minisign.h"

/* Read the host's keys. KEY_FORMAT: none is trusted then. */
enum us_error keys_init(void);

/*
 * Read the signature file @text (private memory) and find its key. SIG_MISSING,
 * SIG_FORMAT, or SIG_KEY_UNKNOWN with the key id as detail. Says nothing yet
 * about the signed file: minisign_verify() does.
 */
enum us_error keys_read_signature(const void *text, u64 len,
				  struct minisign_signature *signature,
				  const struct minisign_key **key);

#endif
