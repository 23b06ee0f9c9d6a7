/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Carry signed files to the control domain. */
#ifndef UNDERSEAL_CARRY_H
#define UNDERSEAL_CARRY_H

#include "ring.h"

struct carry {
	enum us_op op;		/* US_OP_SEAL, _APPLY or _REVERT */
	const char *path;
	const char *signature;	/* NULL: @path with .minisig appended */
	u64 arg;		/* as in struct us_request */
	u32 timeout_ms;		/* 0: RING_TIMEOUT_MS */
};

/*
 * Read both files and hand them over. A signature file that does not exist is
 * handed over as nothing, for the control domain to refuse. Any error of
 * file_read() and ring(). ring_open() comes first, ring_release(@request) last.
 */
enum us_error carry(const struct carry *carry, struct ring_request *request);

/* The answer as a structure of exactly @len bytes (a string is terminated by the
 * reader's care), or NULL with PROTOCOL recorded. */
const void *carry_answer(const struct ring_request *request, u64 len);

#endif
