/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * underseal.conf: its grammar and its parser. No UEFI in here: the parser is
 * plain C that touches nothing but its arguments, so that it is tested and
 * fuzzed on any host. efi/README.md describes the keys for administrators.
 *
 *	file	= { line }, at most US_CONFIG_FILE_MAX bytes
 *	line	= [ "#" anything | key "=" value ] end-of-line
 *
 * Lines end with LF or CR LF; the last one may end with the file. Blanks and tabs
 * around key and value do not count. A "#" inside a value is part of it. Outside
 * comments all bytes are printable ASCII or tab; nowhere is there a NUL.
 */
#ifndef UNDERSEAL_EFI_CONFIG_H
#define UNDERSEAL_EFI_CONFIG_H

#include "errors.h"
#include "types.h"

#define US_CONFIG_FILE_MAX	(64u << 10)	/* bytes in the file */
#define US_CONFIG_LINE_MAX	2200u		/* bytes in a line, without its end */
#define US_CONFIG_PATH_MAX	256u		/* bytes, with the final NUL */
#define US_CONFIG_ARGS_MAX	2048u		/* as Linux takes; with the NUL */
#define US_CONFIG_INITRDS	4u

enum us_on_failure {
	US_ON_FAILURE_HALT = 0,	/* also when nothing is said */
	US_ON_FAILURE_BOOT = 1,
};

struct us_config {
	char next[US_CONFIG_PATH_MAX];	/* starts with \, separated by \ */
	char args[US_CONFIG_ARGS_MAX];	/* "" when not given */
	char initrd[US_CONFIG_INITRDS][US_CONFIG_PATH_MAX]; /* as next */
	u32 initrds;			/* how many of them are given */
	enum us_on_failure on_failure;
};

struct us_config_error {
	u32 line;		/* counted from 1; for what is missing from the
				 * whole file: the number of its lines */
	const char *text;	/* what is wrong there, a phrase; never NULL */
};

/*
 * Parse the @len bytes at @text, which need no final NUL. Any bytes are safe input.
 *
 * Returns US_E_OK, or US_E_CONFIG_SYNTAX with the first mistake in *@error. *@config
 * is filled in either way: after a mistake it holds what the good lines say, so
 * that the policy on failures is known. on_failure is then US_ON_FAILURE_BOOT only if
 * the file has exactly one on-failure line and that one says boot; `next` is "" if
 * there was no good line for it.
 */
enum us_error us_config_parse(const void *text, size_t len,
			      struct us_config *config,
			      struct us_config_error *error);

#endif
