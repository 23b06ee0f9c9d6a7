/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where patched branches and the gates of the IDT may lead: struct us_entry. */
#ifndef UNDERSEAL_KERNEL_ENTRIES_H
#define UNDERSEAL_KERNEL_ENTRIES_H

#include "baseline.h"
#include "kernel_image.h"
#include "kernel_memory.h"
#include "kernel_relocs.h"

struct entry_list {
	struct us_entry *list;	/* sorted by class, offset; no twins */
	size_t count;
	u16 tracer_class;	/* of what ftrace's entry code may call */
};

/*
 * Collect all entries of @image. ELF_FORMAT (tables of the IDT that make no sense),
 * TOO_LARGE, NO_MEMORY. entries_free() after success and failure alike.
 */
enum us_error entries_collect(const struct kernel_image *image,
			      const struct kernel_memory *memory,
			      const struct reloc_list *relocs,
			      struct entry_list *out);
void entries_free(struct entry_list *list);

/* The class of functions that the static call with its key at @key may lead to. */
u16 entries_class_of_key(const struct entry_list *list, u64 key);

/* For the collectors: append; entries outside the image are left out. */
enum us_error entries_add(const struct kernel_memory *memory,
			  struct entry_list *list, u64 address, u16 class);

/* What each vector of the IDT may hold (arch/x86/kernel/idt.c). SYMBOL_MISSING,
 * ELF_FORMAT, NO_MEMORY. */
enum us_error gates_collect(const struct kernel_image *image,
			    const struct kernel_memory *memory,
			    struct entry_list *out);

#endif
