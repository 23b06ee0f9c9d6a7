/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What may stand at a runtime site, and how one value may become another: the
 * steps of text_poke_bp_batch() and text_poke() in arch/x86/kernel/alternative.c.
 *
 * Steady values are those of the site's kind (common/baseline.h). In transit the
 * first byte is INT3 and what follows is the rest of a steady value. Legal steps:
 * steady to steady; steady to INT3 with the same rest; INT3 with one rest to INT3
 * with another; INT3 with a rest to the steady value with that rest.
 *
 * text_poke() stores the rest with memcpy(), and where that comes in two stores that
 * the processor, or the host, carries out one after the other the rest is torn in
 * between: at a site that lies on two pages, and at one of 6 bytes, whose rest of 5
 * is stored as two words that overlap. Then INT3 holds until the rest is whole, and
 * each piece has to be that of some steady value.
 */
#ifndef UNDERSEAL_SITE_RULE_H
#define UNDERSEAL_SITE_RULE_H

#include "text_map.h"

enum site_verdict {
	SITE_REFUSED = 0,
	SITE_LISTED,		/* leads to a value of the baseline's */
	SITE_OUTSIDE,		/* leads to a branch out of the image */
};

/* Bytes of the longest site. */
#define SITE_MAX	6u

/* May @bytes (the site's length) stand at @site for good? */
enum site_verdict site_rule_steady(const struct text_map *map,
				   const struct us_runtime_site *site,
				   const u8 *bytes);

/* May a store to the bytes [@at, @at + @len) of @site turn @before into @after? */
enum site_verdict site_rule_step(const struct text_map *map,
				 const struct us_runtime_site *site,
				 const u8 *before, const u8 *after,
				 u32 at, u32 len);

/* Who decides whether it may be written at all. */
enum us_policy_row site_rule_row(const struct us_runtime_site *site);

/* Is @gva where modules and generated code live? */
bool site_rule_in_module_area(u64 gva);

#endif
