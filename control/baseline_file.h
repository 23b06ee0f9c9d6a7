/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A baseline is larger than the core's memory, so it stays in the caller's,
 * where it can change at any time. Opening reads all of it once, for the
 * signature, and keeps a digest of every chunk; every later read copies whole
 * chunks, checks them against those digests and hands out the copy alone.
 */
#ifndef UNDERSEAL_BASELINE_FILE_H
#define UNDERSEAL_BASELINE_FILE_H

#include "state.h"

/* Verify the signature of @call's in[0]. TOO_LARGE, GUEST_ADDRESS, SIG_*. */
enum us_error baseline_file_open(const struct control_call *call);

/* Copy [offset, offset + len), inside the file, to @dst. SIG_INVALID when the
 * bytes are not those that were signed any more, GUEST_ADDRESS. */
enum us_error baseline_file_read(const struct control_call *call, u64 offset,
				 void *dst, u64 len);

#endif
