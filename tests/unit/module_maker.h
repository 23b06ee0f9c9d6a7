/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Modules for the simulated machine: in its memory, in its list, and as baselines.
 * Two fit; each has three pages of text in scattered frames, every kind of field, a
 * boot-time site and runtime sites.
 */
#ifndef UNDERSEAL_MODULE_MAKER_H
#define UNDERSEAL_MODULE_MAKER_H

#include "maker.h"
#include "module_baseline.h"

#define MODULE_TEXT_LEN	0x2345u
#define MODULE_PAGES	3u

/* Offsets in the text. */
#define MODULE_FIELD	0x10u	/* distance to the kernel */
#define MODULE_FREED	0x60u	/* two addresses in memory that is gone */
#define MODULE_SITE	0x100u	/* 5 bytes, two values */
#define MODULE_FTRACE	0x200u
#define MODULE_JUMP	0x210u
#define MODULE_CALLS	0x90u	/* the second module's distance to the first */

#define MODULE_PATCHED	0x300u	/* what module_spec() replaces */
#define MODULE_PROBED	0x40u	/* bytes from there on that are instructions */

/* The module @index (0 or 1) is loaded; 1 calls 0. */
void module_load(u32 index);
/* From here on modules have several areas, as from Linux 6.4 on, and the second one
 * refers to one of its own and one of the first's; or they have not. The kernel's
 * baseline has to say so too. */
void module_use_areas(bool use);
#define MODULE_AREA_SIZE	24u	/* US_FACT_MODULE_AREA_SIZE then */
#define MODULE_OWN_AREA		2u
#define MODULE_OTHER_AREA	1u
u64 module_area_gva(u32 index, u32 area);
#define MODULE_PERCPU_AT	0x28000u
/* It is unloaded: off the list, its addresses lead nowhere. */
void module_unload(u32 index);

const char *module_name(u32 index);
u64 module_gva(u32 index);
u64 module_gpa(u32 index, u64 offset);	/* of a byte of its text */
u64 module_struct(u32 index);		/* GPA of its struct module */

/* Its good baseline. */
void make_module(u32 index, struct blob *blob);
struct us_module_header *module_header(struct blob *blob);
struct us_module_base *module_bases(struct blob *blob);
struct us_runtime_site *module_runtime(struct blob *blob);
struct us_block_ref *module_refs(struct blob *blob);
struct us_block_header *module_block(struct blob *blob);

/* A good bundle for module @index: redirects a function at MODULE_PATCHED. */
void module_spec(struct bundle_spec *spec, u32 index, u64 generation);

#endif
