/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes of variables, and counters to watch, as people describe them. Errors are
 * recorded with fail(). */
#ifndef UNDERSEAL_BUNDLE_WRITES_H
#define UNDERSEAL_BUNDLE_WRITES_H

#include "bundle_options.h"
#include "variable.h"

/*
 * Add the writes and watches of @options to @plan, whose functions and new variables
 * are known. SYMBOL_MISSING, SYMBOL_AMBIGUOUS, OBJECT_UNSUPPORTED, VARIABLE_SEALED,
 * VARIABLE_SIZE, HUNKS_OVERLAP (two writes of one byte), TOO_LARGE, NO_MEMORY.
 */
enum us_error bundle_plan_writes(struct bundle_plan *plan,
				 const struct bundle_options *options,
				 const struct variables *variables);

#endif
