/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One way to fail, for the programs that people run: the error's number goes up the
 * call chain, its specifics are kept here. Single-threaded.
 */
#ifndef UNDERSEAL_FAIL_H
#define UNDERSEAL_FAIL_H

#include <stdarg.h>

#include "errors.h"

/*
 * Record why something fails and return @code, so that callers can write
 * `return fail(...)`. @format gives the specifics (file, address, symbol); the
 * general sentence comes from the error table. A later call replaces an earlier.
 */
enum us_error fail(enum us_error code, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
enum us_error vfail(enum us_error code, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

/* What was recorded last: US_OK and "" at first. */
enum us_error fail_code(void);
const char *fail_detail(void);

/* Forget it. */
void fail_clear(void);

#endif
