/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Room for what is kept of all sealed modules together. A module's part is one piece:
 * head of its baseline, what its bases moved by, probe bits, frames, fields. How many
 * of the last two there are shows when they have been collected; what is left over then
 * is given back. Private to what seals modules.
 */
#ifndef UNDERSEAL_MODULE_ROOM_H
#define UNDERSEAL_MODULE_ROOM_H

#include "module_table.h"

#define MODULE_ROOM	(1152u << 10)	/* bytes */

struct module_room_wants {
	u64 head_len;		/* of the baseline; 0: there is none, and of the
				 * following only frames are kept */
	u64 text_len;
	u64 fields;		/* at most */
	u32 bases;
};

/* Take a part for @module and point into it: moves, map.probes (cleared),
 * frames.runs. MODULE_ROOM. */
enum us_error module_room_take(struct module *module,
			       const struct module_room_wants *wants);

/* Where the head of @module's baseline goes. */
u8 *module_room_head(const struct module *module);

/* All frames are there: map.fields begin behind them. */
void module_room_end_frames(struct module *module);

/* All fields are there: the rest is free again. */
void module_room_end_fields(struct module *module);

#endif
