/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel image as the boot loader lays it out in memory, on which the kernel's
 * own boot-time patching is carried out. Addresses are link addresses; fields that
 * KASLR changes keep their link-time content and are marked.
 */
#ifndef UNDERSEAL_KERNEL_MEMORY_H
#define UNDERSEAL_KERNEL_MEMORY_H

#include "baseline.h"
#include "kernel_image.h"

struct reloc_list;

struct kernel_memory {
	u64 base;		/* _text */
	u64 len;		/* to the end of the last section with content */
	u8 *bytes;		/* as patched now */
	u8 *marks;		/* at a field's first byte: US_RELOC_CODE() */
	u8 *linked;		/* the same as linked, never written */
	u8 *linked_marks;
	/* Of a module's, else NULL: the code of a 32-bit distance from its text to
	 * @address, 0 when both always move together. */
	u8 (*distance_code)(const void *context, u64 address);
	const void *context;
};

/* Lay out @image's sections; no marks yet. ELF_FORMAT (no address space of a kernel),
 * NO_MEMORY. memory_free() after success and failure alike. */
enum us_error memory_load(const struct kernel_image *image,
			  struct kernel_memory *memory);
void memory_free(struct kernel_memory *memory);

/* Mark the fields of @relocs, which were read from this memory. */
void memory_mark(struct kernel_memory *memory, const struct reloc_list *relocs);

/* Is [@address, @address + @len) inside? */
bool memory_has(const struct kernel_memory *memory, u64 address, u64 len);

/* As linked: the bytes at @address, or NULL when not all are inside. */
const u8 *memory_linked(const struct kernel_memory *memory, u64 address, u64 len);

/* For the following [@address, @address + @len) lies inside. */

/* As patched now. */
u8 *memory_at(const struct kernel_memory *memory, u64 address);
u8 *memory_marks(const struct kernel_memory *memory, u64 address);

/* Take patches back. */
void memory_restore(struct kernel_memory *memory, u64 address, u64 len);

/* Mark the distances in the instructions at [@address, @address + @len), as patched
 * now, by where they lead. For a module's memory; nothing for a kernel's. */
void memory_mark_distances(struct kernel_memory *memory, u64 address, u64 len);

/* Bytes of a field of @type, with or without a base. */
u32 field_size(u8 type);

#endif
