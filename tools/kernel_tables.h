/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables by which the kernel patches its own instructions once, while it
 * boots. What it may go on patching afterwards is in kernel_runtime.h.
 */
#ifndef UNDERSEAL_KERNEL_TABLES_H
#define UNDERSEAL_KERNEL_TABLES_H

#include "kernel_image.h"
#include "kernel_memory.h"

/* In the order in which alternative_instructions() goes through the tables. */
enum patch_kind {
	PATCH_PARAVIRT,
	PATCH_RETPOLINE,
	PATCH_RETURN,
	PATCH_ALTERNATIVE,
	PATCH_ENDBR,
	PATCH_LOCK,
	PATCH_CONSTANT,
};

struct patch {
	u64 address;
	u64 replacement;	/* ALTERNATIVE: address of the other code */
	u32 index;		/* its place in its table */
	u16 feature;		/* ALTERNATIVE: X86_FEATURE_* */
	u8 kind;		/* enum patch_kind */
	u8 len;			/* bytes at @address */
	u8 replacement_len;
	u8 flags;		/* ALTERNATIVE: PATCH_NOT, PATCH_DIRECT_CALL */
	u8 type;		/* PARAVIRT: index into pv_ops */
	const char *constant;	/* CONSTANT: section name */
};
#define PATCH_NOT		1u	/* when the feature is missing */
#define PATCH_DIRECT_CALL	2u	/* the call's target is in pv_ops */

/* How the kernel's patching works; it was written anew for 6.8. */
enum patch_rules {
	RULES_6_1,	/* paravirt sites apart; replacements with one branch */
	RULES_6_8,	/* paravirt as alternatives; relocated replacements */
};

struct patch_table {
	struct patch *list;	/* sorted by address, kind, index */
	size_t count;
	enum patch_rules rules;
};

/*
 * Read all tables of @image. ELF_FORMAT (an entry that makes no sense, or tables of
 * a form that is not known), ELF_NO_DEBUG, SYMBOL_MISSING, NO_MEMORY.
 * patches_free() after success only.
 */
enum us_error patches_collect(const struct kernel_image *image,
			      const struct kernel_memory *memory,
			      struct patch_table *out);
void patches_free(struct patch_table *table);

/* First of @table's patches that begins at @address or later. */
size_t patches_from(const struct patch_table *table, u64 address);

/* The bounds of a table in @memory by the symbols around it: @len 0 when the build
 * has no such table. ELF_FORMAT. */
enum us_error table_bounds(const struct kernel_image *image,
			   const struct kernel_memory *memory,
			   const char *start_name, const char *end_name,
			   u64 *start, u64 *len);

/* What a 32-bit field at @address holds as a distance from itself. */
u64 table_pointer(const u8 *field, u64 address);

#endif
