/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bundles that put code in front of functions of a kernel, and change nothing else. */
#ifndef UNDERSEAL_HOOK_BUNDLE_H
#define UNDERSEAL_HOOK_BUNDLE_H

#include "diff_compare.h"

struct hook {
	const char *function;
	struct code_prefix prefix;
};

struct hook_kind {
	const char *doc;		/* of the command */
	const char *name;		/* of the bundle, unless the user has one */
	const char *description;
	const struct hook *hooks;
	u32 count;
	/* Can it be made for this kernel? May complete the hooks. */
	enum us_error (*prepare)(const struct side *side);
};

/* The command: its options, the bundle and the answer. SYMBOL_MISSING when the kernel
 * has no such function; NOT_PATCHABLE when one cannot be carried. */
enum us_error hook_bundle(int argc, char **argv, const struct hook_kind *kind);

#endif
