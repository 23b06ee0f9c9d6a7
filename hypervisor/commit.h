/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes of guest memory that are done whole or not at all (HV_COMMIT). */
#ifndef HV_COMMIT_H
#define HV_COMMIT_H

#include "hv.h"

/*
 * Check all of @writes, then do them in order. All other CPUs are held, and this
 * one does not leave the hypervisor before it is done. BAD_REQUEST, GUEST_ADDRESS;
 * nothing is written then. @label is logged and kept.
 */
enum us_error commit_do(const struct us_commit_write *writes, u32 count,
			const char label[US_CHANGE_MAX]);

/* The last change's label, printable; "" before the first. */
const char *commit_last(void);

/* How many were done. */
u32 commit_count(void);

#endif
