/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The highest generation that was ever installed since seal, for each text by itself: a
 * module may come long after the kernel's newest patch. A module's outlasts its seal, so
 * that unloading it does not bring older bundles back. Private to control/.
 */
#ifndef UNDERSEAL_GENERATIONS_H
#define UNDERSEAL_GENERATIONS_H

#include "types.h"

/* Modules that were ever patched. */
#define GENERATIONS_MAX	64u

void generations_reset(void);

/* Of @module, "" for the kernel; 0 when nothing was ever installed there. */
u64 generations_of(const char *module);

/* Can @module be kept track of? */
bool generations_have_room(const char *module);

/* A bundle of @generation was installed in @module, for which there is room. */
void generations_note(const char *module, u64 generation);

#endif
