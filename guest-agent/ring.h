/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ring Underseal's doorbell from a program in the guest (common/abi.h).
 * All calls record errors with fail(); not thread-safe.
 */
#ifndef UNDERSEAL_RING_H
#define UNDERSEAL_RING_H

#include "abi.h"
#include "errors.h"

#define RING_TIMEOUT_MS	120000u	/* default patience for one request */

/*
 * Is there an Underseal below us that speaks our interface, and may this process
 * ring it? NO_HYPERVISOR, PROTOCOL (another interface version), NO_PRIVILEGE
 * (ioperm(2) needs CAP_SYS_RAWIO, and kernel lockdown forbids it).
 */
enum us_error ring_open(void);

/* A request in memory that stays where it is while the control domain uses it. */
struct ring_request {
	enum us_op op;
	u64 arg;
	const void *in[2];	/* what is handed over; NULL for none */
	u64 in_len[2];		/* bytes */
	u32 timeout_ms;		/* 0: RING_TIMEOUT_MS */
	/* The answer, valid after US_OK until ring_release(). */
	const void *out;
	u32 out_len;
	/* What Underseal said, valid after every return. */
	u64 detail[2];
	char text[US_NAME_MAX];	/* NUL-terminated */
	void *memory;		/* private */
	u64 memory_len;		/* private */
};

/*
 * Carry out @request, waiting for as long as Underseal says AGAIN. Returns
 * Underseal's own answer, or TIMEOUT, NO_MEMORY, PROTOCOL (an answer that makes
 * no sense). ring_release() after success and failure alike.
 */
enum us_error ring(struct ring_request *request);
void ring_release(struct ring_request *request);

#endif
