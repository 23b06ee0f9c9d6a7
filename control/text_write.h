/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A write to sealed text on its way through arbitration. Private to control/. */
#ifndef UNDERSEAL_TEXT_WRITE_H
#define UNDERSEAL_TEXT_WRITE_H

#include "core.h"
#include "text_map.h"

struct placed_write {
	const struct text_write *write;
	const struct text_map *map;
	u64 offset;		/* in the map's text */
};

/*
 * The bytes [offset, offset + len) of the text, which need not hold the whole
 * write: @before as memory has them, @after as they would be. False when they
 * cannot be read. Costs nothing where the host has sent them along.
 */
bool text_write_bytes(const struct placed_write *placed, u64 offset, u32 len,
		      u8 *before, u8 *after);

#endif
