/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where patched branches and the gates of the IDT may lead: struct us_entry. */
#ifndef UNDERSEAL_KERNEL_ENTRIES_H
#define UNDERSEAL_KERNEL_ENTRIES_H

#include "baseline.h"
#include "kernel_image.h"
#include "kernel_memory.h"
#include "kernel_relocs.h"

/* A static call's key and the class of what it may lead to. */
struct key_class {
	u64 key;
	u16 class;
};

struct entry_list {
	struct us_entry *list;	/* sorted by class, offset; no twins */
	size_t count;
	struct key_class *keys;	/* sorted by key */
	size_t key_count;
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

/* The class of functions that the static call with its key at @key may lead to:
 * US_CLASS_ANY when its prototype is not known. */
u16 entries_class_of_key(const struct entry_list *list, u64 key);

/* For the collectors: append; entries outside the image are left out. */
enum us_error entries_add(const struct kernel_memory *memory,
			  struct entry_list *list, u64 address, u16 class);

/* Sort, and drop twins. */
void entries_sort(struct entry_list *list);

/*
 * Classes of functions by their parameters, one for each sort of static call and
 * one for tracers, with those of class US_CLASS_ANY that fit. @out is sorted and
 * has no other entries yet. ELF_NO_DEBUG, TOO_LARGE, NO_MEMORY.
 */
enum us_error classes_collect(const struct kernel_image *image,
			      const struct kernel_memory *memory,
			      struct entry_list *out);

/* What each vector of the IDT may hold (arch/x86/kernel/idt.c). SYMBOL_MISSING,
 * ELF_FORMAT, NO_MEMORY. */
enum us_error gates_collect(const struct kernel_image *image,
			    const struct kernel_memory *memory,
			    struct entry_list *out);

#endif
