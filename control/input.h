/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small signed files: copied into the core's memory whole, then verified. */
#ifndef UNDERSEAL_INPUT_H
#define UNDERSEAL_INPUT_H

#include "minisign.h"
#include "state.h"

struct input {
	u8 *data;		/* 8-byte aligned; the core's own copy */
	u64 len;
	u8 id[US_DIGEST_SIZE];	/* BLAKE2b-256 of it */
	const struct minisign_key *key;	/* that signed it */
};

/*
 * Copy @call's in[0] and in[1] and check the signature. The one buffer is used
 * again by the next call. TOO_LARGE, GUEST_ADDRESS, SIG_*.
 */
enum us_error input_load(const struct control_call *call, struct input *input);

/* Copy @call's in[1], a signature file, and find its key. As above; the text is
 * valid until the next call of either function. */
enum us_error input_load_signature(const struct control_call *call,
				   struct minisign_signature *signature,
				   const struct minisign_key **key);

#endif
