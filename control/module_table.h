/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of modules, as the parts that look into it see it. */
#ifndef UNDERSEAL_MODULE_TABLE_H
#define UNDERSEAL_MODULE_TABLE_H

#include "abi.h"
#include "module_baseline.h"
#include "modules.h"

struct module {
	struct us_module_info info;	/* state 0: a free entry */
	struct text_map map;
	struct frames frames;
	/* Of a verified one, in its part of the room (module_room.h): */
	const struct us_module_header *header;
	const struct us_module_base *bases;
	u64 *moves;		/* of each base, from its link address */
	u64 room_at, room_len;
};

extern struct module module_table[MODULES_MAX];

bool module_is_sealed(const struct module *module);

/* Is it gone? Then it is forgotten, and @module a free entry. */
bool module_lapse(struct module *module);

/* The same for the module with its text at @gva, for the audit. */
bool module_gone_at(u64 gva);

/* Let go what was called @name or lay at [gva, gva + len) and is gone. MODULE_SEALED
 * when it is still there. */
enum us_error module_make_way(const char *name, u64 gva, u64 len);

/* The module @name, which is sealed and verified and was there just now; or NULL. */
const struct module *module_verified(const char *name);

/* Is @name sealed, verified, with its text at @gva? */
bool module_sealed_at(const char *name, u64 gva);

/* An entry for @name: the one it has, a free one, or that of a module which is not
 * protected. NULL when all are taken. */
struct module *module_slot(const char *name);

/* Open all frames; false when some stay sealed. */
bool module_open_frames(const struct module *module);

#endif
