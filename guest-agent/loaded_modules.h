/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hands over the baselines of loaded modules, as they come. */
#ifndef UNDERSEAL_LOADED_MODULES_H
#define UNDERSEAL_LOADED_MODULES_H

#include "errors.h"
#include "types.h"

/*
 * Look at /proc/modules: for each module that was not there before, hand over
 * @directory/NAME.umod with its signature, or the name alone when there is no such
 * file, for the policy to decide. Reports successes and failures once for each
 * module; the kernel has to be sealed. The first error, when one should be looked
 * at: a module that has no baseline is none. *@changed becomes true when one was sealed,
 * or is gone.
 */
enum us_error modules_look(const char *directory, bool *changed);

/* Is there one of that name, in whatever state? */
bool modules_is_loaded(const char *name);

/* Was one on its way in at the last look of any kind? */
bool modules_are_loading(void);

/* Is one on its way in, or has one come or gone since modules_look()? */
bool modules_have_changed(void);

#endif
