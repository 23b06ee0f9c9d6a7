/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What people say of a bundle whatever it is made from: the options that `bundle`,
 * `build` and `diff` share. Errors are recorded with fail().
 */
#ifndef UNDERSEAL_BUNDLE_OPTIONS_H
#define UNDERSEAL_BUNDLE_OPTIONS_H

#include <argp.h>

#include "bundle_make.h"
#include "write_spec.h"

struct bundle_options {
	const char *name, *description;
	u64 generation;
	struct us_bundle_link links[US_BUNDLE_MAX_LINKS];
	u32 link_count;
	bool cumulative;
	bool unchecked;			/* US_CONSISTENCY_NONE */
	const char *reason;		/* for that */
	u64 probation_s;
	struct write_spec writes[US_BUNDLE_MAX_WRITES];
	u32 write_count;
	struct watch_spec watches[US_BUNDLE_MAX_WATCHES];
	u32 watch_count;
};

/*
 * The child parser; its input is a struct bundle_options. A command's own parser hands
 * that over at ARGP_KEY_INIT:
 *
 *	state->child_inputs[0] = &options->bundle;
 */
extern const struct argp_child bundle_children[];

/*
 * Put into @plan what @options say, but for writes and watches: the header's fields
 * and the links. Nothing can fail: all was checked when it was parsed.
 */
void bundle_plan_options(struct bundle_plan *plan,
			 const struct bundle_options *options);

#endif
