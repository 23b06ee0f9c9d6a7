/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which fields of the kernel's image KASLR changes. Two sources, which must agree:
 * the relocation sections of vmlinux (kept by the linker with --emit-relocs), and the
 * table at the end of the compressed image that boots, which the kernel's own
 * decompressor applies (arch/x86/boot/compressed/misc.c, handle_relocations()).
 */
#ifndef UNDERSEAL_KERNEL_RELOCS_H
#define UNDERSEAL_KERNEL_RELOCS_H

#include "baseline.h"
#include "kernel_image.h"
#include "kernel_memory.h"

struct reloc_list {
	struct us_text_reloc *list;	/* sorted by offset, disjoint */
	size_t count;
};

/* From vmlinux. ELF_NO_RELOCATIONS, ELF_FORMAT, NO_MEMORY. */
enum us_error relocs_from_vmlinux(const struct kernel_image *image,
				  const struct kernel_memory *memory,
				  struct reloc_list *out);

/* From the bootable image @path (vmlinuz) of the same build, whose text is compared
 * with @image's. FILE_*, ELF_FORMAT (also: another build), NO_MEMORY. */
enum us_error relocs_from_vmlinuz(const struct kernel_image *image,
				  const struct kernel_memory *memory,
				  const char *path, struct reloc_list *out);

/* The first offset at which the two lists differ, or -1. */
s64 relocs_difference(const struct reloc_list *a, const struct reloc_list *b);

/* For the sources: append, then sort and check. */
enum us_error relocs_add(const struct kernel_image *image,
			 const struct kernel_memory *memory,
			 struct reloc_list *list, u64 address,
			 enum us_text_reloc_type type);
enum us_error relocs_finish(const struct kernel_image *image,
			    struct reloc_list *list);

void relocs_free(struct reloc_list *list);

#endif
