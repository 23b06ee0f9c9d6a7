/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A module linked as the kernel's loader does it (arch/x86/kernel/module.c,
 * apply_relocate_add()), at addresses in front of the kernel's own link addresses,
 * and shaped like a kernel image, so that what reads a kernel's tables reads a
 * module's.
 * Errors are recorded with fail().
 */
#ifndef UNDERSEAL_MODULE_LINK_H
#define UNDERSEAL_MODULE_LINK_H

#include "kernel_relocs.h"
#include "module_set.h"

/* The text is linked this far in front of the kernel; all own areas fit between. */
#define MODULE_WINDOW	(64ull << 20)

struct linked_module {
	const struct module_set *set;
	struct module_file file;
	/* Sections have addresses and relocated content, symbols addresses. text is the
	 * module's; symbols that it lacks are the kernel's. Closed with the rest. */
	struct kernel_image image;
	u64 link[AREA_COUNT];		/* address of each area */
	u8 *content[AREA_COUNT];	/* area_len bytes */
	u64 end;			/* of the module's own areas */
	struct us_module_base bases[US_RELOC_MAX_BASES];
	u32 base_count;
	struct reloc_list relocs;	/* of the text, by offset */
};

/*
 * Open @path and link it. FILE_*, ELF_FORMAT, SYMBOL_MISSING (nothing exports it),
 * OBJECT_UNSUPPORTED (a relocation that the format cannot express), NO_MEMORY.
 * module_unlink() after success and failure alike.
 */
enum us_error module_link(struct linked_module *module,
			  const struct module_set *set, const char *path);
void module_unlink(struct linked_module *module);

/*
 * What a distance from the module's text to @address follows: US_RELOC_CODE() of the
 * field that holds it, or 0 when it never changes.
 */
u8 module_distance_code(const struct linked_module *module, u64 address);

#endif
