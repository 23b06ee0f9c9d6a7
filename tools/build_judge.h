/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of build_judge(). Errors are recorded with fail(). */
#ifndef UNDERSEAL_BUILD_JUDGE_H
#define UNDERSEAL_BUILD_JUDGE_H

#include "build.h"
#include "diff_compare.h"

struct judge {
	struct build *build;
	struct side vendor;		/* the running kernel */
	struct side before, after;	/* the objects without and with the fix */
	char before_path[PATH_MAX], after_path[PATH_MAX];
	struct match fixed;		/* before, after */
	struct match carried;		/* vendor, after */
	struct changes found;		/* of fixed */
	struct changes changes;		/* the same, of carried */
};

/* What the fix changes. NOTHING_TO_REPLACE, NO_MEMORY, ELF_FORMAT. */
enum us_error judge_changes(struct judge *judge);

/* NOT_PATCHABLE when the fix changes the layout of a structure, ELF_NO_DEBUG,
 * NO_MEMORY. */
enum us_error judge_types(struct judge *judge);

/* Make the bundle. NOT_PATCHABLE names what cannot be carried, and why. */
enum us_error judge_carry(struct judge *judge, struct buffer *file);

#endif
