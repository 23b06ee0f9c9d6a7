/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A bundle as a reviewer reads it. Errors are recorded with fail(). */
#ifndef UNDERSEAL_INSPECT_H
#define UNDERSEAL_INSPECT_H

#include "baseline_read.h"
#include "bundle.h"
#include "cli.h"

struct inspect_options {
	const char *file;
	const char *baseline;		/* the old code, or NULL */
	const char *vmlinux;		/* old code and names, or NULL */
	const char *system_map;		/* names, or NULL */
	const char *module;		/* the module that is patched, or NULL */
	const char *modules;		/* directory of those it refers to, or NULL */
	bool disassemble;
};

/*
 * Show @bundle as @options ask beyond bundle_print(); with --json add to @object.
 * Each program that can disassemble sets this; NULL in those that cannot.
 * FILE_*, ELF_FORMAT, BASELINE_*, WRONG_BUILD_ID (the files are of another kernel),
 * NO_MEMORY.
 */
extern enum us_error (*const inspect_code)(const struct inspect_options *options,
					   const struct us_bundle *bundle,
					   json_t *object);

#endif
