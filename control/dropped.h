/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Patches of modules that are gone. Such a patch is dropped: its hunks went with the
 * module's text, and nothing is written there. Its code in the arena stays until all
 * vCPUs were held and none of them, and no stack, was in it: a seal also lapses when
 * somebody changes page tables, which says nothing of who runs where.
 *
 * When the module is sealed again the very same bundle may be installed again, though
 * its generation is not newer than the newest one's: nobody has reverted it. It may not once a
 * bundle of a newer generation has been installed in a module of that name. Private to
 * control/.
 */
#ifndef UNDERSEAL_DROPPED_H
#define UNDERSEAL_DROPPED_H

#include "abi.h"
#include "text_map.h"

/* Bundles that may come back; of more, those that were dropped last. */
#define DROPPED_MAX	US_MAX_PATCHES

void dropped_reset(void);

/* @text is about to be forgotten: drop its patches. May be called at any time. */
void dropped_with(const struct text_map *text);

/* May the bundle @id be installed whatever its generation? */
bool dropped_may_return(const u8 id[US_DIGEST_SIZE]);

/* A bundle of this generation was installed in @module: neither it nor any older one may
 * return, until it is dropped. */
void dropped_installed(const char *module, u64 generation);

/* Of control_tick(): stop, and if nobody is in the code of dropped patches, clear it and
 * remove them. Else later. Does nothing while a request is carried out, which knows
 * patches by their index. */
void dropped_collect(void);

#endif
