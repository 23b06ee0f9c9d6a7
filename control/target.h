/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a bundle patches: the kernel's text or that of a sealed module. Private to
 * control/. */
#ifndef UNDERSEAL_TARGET_H
#define UNDERSEAL_TARGET_H

#include "bundle.h"
#include "text_map.h"

struct target {
	const struct text_map *text;
	const struct module *module;	/* NULL: the kernel */
	u64 bases[US_BUNDLE_MAX_BASES];	/* what each of the bundle's counts from */
};

/*
 * Find the text of @bundle, and its bases by those of the module's own baseline.
 * MODULE_NOT_SEALED when the module is not sealed and verified, or gone;
 * MODULE_BUILD_ID; MODULE_BASE with the index and kind of a base that the baseline
 * does not have; MODULE_DEPENDS as target_check().
 */
enum us_error target_find(const struct us_bundle *bundle, struct target *target);

/*
 * Is all of it still there? Only after OK may @target->text be used: to be asked
 * again whenever modules may have gone meanwhile. MODULE_NOT_SEALED, or MODULE_DEPENDS
 * when a module that the new code calls is not sealed, verified and in its place.
 */
enum us_error target_check(const struct us_bundle *bundle,
			   const struct target *target);

#endif
