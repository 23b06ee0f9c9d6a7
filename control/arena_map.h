/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNDERSEAL_ARENA_MAP_H
#define UNDERSEAL_ARENA_MAP_H

/* Forget where the parts of the arena were mapped. */
void arena_map_reset(void);

#endif
