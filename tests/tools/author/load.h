/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Modules in a program, as the loader of 6.1 puts them into a kernel. */
#ifndef AUTHOR_LOAD_H
#define AUTHOR_LOAD_H

#include "bundle.h"
#include "module_baseline.h"

void die(const char *why) __attribute__((noreturn));
void *slurp(const char *path, size_t *len);
void *map_at(u64 address, u64 len);

/* What the kernel at @file, which stays, exports to modules. */
void load_names(const u8 *file);
void load_module(const char *path);

/* Where @base of @module lies; its own when the base names none. */
u64 module_base(const char *module, const struct us_bundle_base *base);
u64 module_symbol(const char *name);
/* Did the loader write a part of an address there? */
bool module_moved(const u8 *at);

#endif
