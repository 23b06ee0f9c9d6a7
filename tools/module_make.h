/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a module's file to its baseline. Errors are recorded with fail(). */
#ifndef UNDERSEAL_MODULE_MAKE_H
#define UNDERSEAL_MODULE_MAKE_H

#include "kernel_memory.h"
#include "kernel_tables.h"
#include "module_link.h"

/* What the modules of one kernel have in common. */
struct module_maker {
	const struct module_set *set;
	/* A window for a module's areas, then the kernel. */
	struct kernel_memory memory;
	u64 used;		/* bytes of the window that the last module used */
	enum patch_rules rules;
	struct us_baseline_header kernel; /* build id and release */
};

/* How a module's bytes are described. */
struct module_shares {
	u64 text, exact, enumerated, masked;
	u64 file;		/* bytes of the baseline */
};

/* ELF_FORMAT, ELF_NO_DEBUG, SYMBOL_MISSING, NO_MEMORY. maker_close() after success
 * and failure alike. */
enum us_error maker_open(struct module_maker *maker, const struct module_set *set);
void maker_close(struct module_maker *maker);

/*
 * Make the baseline of the module in @path. As module_link() and values_derive(); a
 * module without code is OBJECT_UNSUPPORTED. @name gets the module's name.
 */
enum us_error module_make(struct module_maker *maker, const char *path,
			  char name[US_NAME_MAX], struct buffer *out,
			  struct module_shares *shares);

#endif
