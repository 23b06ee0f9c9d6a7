/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a module that is patched has around it: the kernel that it runs in, and the
 * places that its loader gives it, by the code that makes its baseline. Errors are
 * recorded with fail().
 */
#ifndef UNDERSEAL_DIFF_MODULE_H
#define UNDERSEAL_DIFF_MODULE_H

#include "diff_side.h"
#include "module_link.h"

struct home_files {
	const char *module;		/* the running one */
	const char *kernel;		/* vmlinux that it runs in */
	const char *new_kernel;		/* of the new module, or NULL */
	const char *modules;		/* directory of its neighbours, or NULL */
};

struct module_home {
	struct kernel_image image;
	struct side kernel;		/* the same file */
	struct side new_kernel;		/* fd -1: none was named */
	struct module_set set;
	struct linked_module module;
	bool named[US_RELOC_MAX_BASES];	/* by base: the module baseline has it */
};

/*
 * FILE_*, ELF_FORMAT, ELF_NO_DEBUG, SYMBOL_MISSING, WRONG_BUILD_ID (a module of
 * another kernel), OBJECT_UNSUPPORTED, NO_MEMORY. home_close() after success and
 * failure alike; for it, a home is empty when it is all zero.
 */
enum us_error home_open(struct module_home *home, const struct home_files *files);
void home_close(struct module_home *home);

/* WRONG_BUILD_ID unless @module says that it was made for the kernel @kernel. */
enum us_error home_check_release(const struct side *module,
				 const struct side *kernel);

/* Something in the running kernel, in the terms of a bundle. */
struct home_place {
	enum {
		HOME_UNKNOWN,	/* @why says why, for people */
		HOME_KERNEL,	/* @value: offset from _text */
		HOME_NUMBER,	/* @value does not move */
		HOME_BASE,	/* @value: offset from module.bases[@base] */
	} kind;
	u32 base;
	s64 value;
	const char *why;
};

/* Where the loader puts @address of @side, which has been read from the module. */
struct home_place home_address(const struct module_home *home,
			       const struct side *side, u64 address);

/* What the loader gives a module that asks for @name. @from says which version of it
 * that one was compiled with, when it is a module. */
struct home_place home_import(const struct module_home *home,
			      const struct side *from, const char *name);

/* The bytes of the module's text at @offset as they are linked, or NULL. */
const u8 *home_text(const struct module_home *home, u64 offset, u64 len);

#endif
