/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sealed modules: their text is frozen, compared with a signed module baseline and
 * kept read-only, and their own sites join arbitration.
 *
 * Nobody tells when a module goes. A seal lapses when the module's addresses do not
 * lead to its frames any more: looked at before a write to one of the frames is
 * judged, by the audit, when modules or patches are listed, when a bundle is for the
 * module, and when another one wants the same name, addresses or frames. Then the
 * frames are opened, everything that was known of the module is forgotten and its
 * patches are dropped (dropped.h). An attacker can bring that about by changing page
 * tables; the module is then reported as gone, and no longer as sealed.
 */
#ifndef UNDERSEAL_MODULES_H
#define UNDERSEAL_MODULES_H

#include "state.h"
#include "text_map.h"

#define MODULES_MAX	192u

/* Forget all, without touching frames: control_init(). */
void modules_reset(void);

/* US_OP_SEAL_MODULE and US_OP_MODULES. */
enum us_error seal_module_request(const struct control_call *call);
enum us_error modules_request(const struct control_call *call);

/* The sealed module that holds all of [gpa, gpa + len), and where in it; or NULL. */
const struct text_map *modules_find(u64 gpa, u64 len, u64 *offset);

/* Does any sealed module touch [gpa, gpa + len)? */
bool modules_overlap(u64 gpa, u64 len);

/* A write came to @gpa in a sealed module. True: its seal has lapsed, the frames are
 * open and the write is the guest's own business. */
bool modules_lapsed(u64 gpa);

/* Let go what is gone. */
void modules_look(void);

/* How many are sealed; how many were asked for and are not. */
void modules_count(u32 *sealed, u32 *open);

#endif
