/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's own list of loaded modules. Nothing in it is believed: it says where to
 * look, and what is found there is compared. Private to control/.
 */
#ifndef UNDERSEAL_MODULE_LIST_H
#define UNDERSEAL_MODULE_LIST_H

#include "kernel_map.h"
#include "module_baseline.h"

/* Nodes that are looked at before a list counts as endless. */
#define MODULE_LIST_MAX		1024u

/* enum module_state (include/linux/module.h): of a module that is being loaded and
 * whose text is in its final form, though none of it has run; other states are those
 * of modules that are not there yet, or no more. */
#define MODULE_LIST_LIVE	0u
#define MODULE_LIST_COMING	1u

struct listed_module {
	char name[US_NAME_MAX];
	u32 state;		/* MODULE_LIST_LIVE or _COMING */
	u64 percpu;
	struct {
		u64 gva;
		u32 len;
	} areas[US_MODULE_AREA_PERCPU]; /* as enum mod_mem_type; core: the first */
};

/* Are they the same name? Both end, with a NUL or their room. */
bool module_names_equal(const char *a, const char *b);

/* The module called @name, live or coming. False when it is not in the list, the list
 * cannot be read or does not end. */
bool module_list_find(const struct kernel *kernel, const char *name,
		      struct listed_module *out);

/* Does the baseline of the kernel say how to find modules, within reason? */
bool module_list_facts_ok(const struct kernel *kernel);

#endif
