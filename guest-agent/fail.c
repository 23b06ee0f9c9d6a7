/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "fail.h"

static enum us_error failure;
static char detail[1024];

enum us_error vfail(enum us_error code, const char *format, va_list args)
{
	failure = code;
	vsnprintf(detail, sizeof(detail), format, args);
	return code;
}

enum us_error fail(enum us_error code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfail(code, format, args);
	va_end(args);
	return code;
}

enum us_error fail_code(void)
{
	return failure;
}

const char *fail_detail(void)
{
	return detail;
}

void fail_clear(void)
{
	failure = US_OK;
	detail[0] = 0;
}
