/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's boot-time patching, carried out on a copy of its image as
 * arch/x86/kernel/alternative.c does it, for one set of decisions that the kernel
 * takes by the processor it finds and by its command line.
 */
#ifndef UNDERSEAL_KERNEL_PATCH_H
#define UNDERSEAL_KERNEL_PATCH_H

#include "kernel_tables.h"

/* asm/cpufeatures.h: the same numbers in 6.1 and 6.12. */
#define FEATURE_ALWAYS			(3 * 32 + 21)
#define FEATURE_RETPOLINE		(11 * 32 + 12)
#define FEATURE_RETPOLINE_LFENCE	(11 * 32 + 13)
#define FEATURE_XENPV			(8 * 32 + 16)

#define MAX_FEATURES	16	/* that matter to one place */
#define MAX_THUNKS	8

/* Symbols of the build that the patching refers to; 0 for one that is missing. */
struct patch_symbols {
	u64 pv_ops, pv_bug;	/* paravirt_BUG(), BUG_func() */
	u64 pv_nop;		/* _paravirt_nop(), nop_func() */
	u64 load_gs_index, lkgs; /* native_load_gs_index(), native_lkgs() */
	u64 indirect_thunks;	/* __x86_indirect_thunk_array */
	u64 return_thunk;	/* __x86_return_thunk, what the compiler used */
	u64 its_thunk;		/* its_return_thunk */
	u64 thunks[MAX_THUNKS];	/* that returns may be led to */
	u32 thunk_count;
};

struct patch_world {
	u16 features[MAX_FEATURES]; /* those that matter */
	u32 feature_count;
	u32 set;		/* bit i: features[i] is there */
	u64 return_thunk;	/* 0: RET itself */
	bool one_cpu;		/* LOCK prefixes are taken out */
	bool lkgs;		/* pv_ops.cpu.load_gs_index was replaced */
};

void patch_find_symbols(const struct kernel_image *image,
			const struct kernel_memory *memory,
			enum patch_rules rules, struct patch_symbols *out);

/*
 * Carry out @patch. False when the kernel cannot do so in this world: it would
 * stop (BUG()), or lead into code that it makes up while it boots.
 */
bool patch_apply(struct kernel_memory *memory, const struct patch_symbols *symbols,
		 enum patch_rules rules, const struct patch_world *world,
		 const struct patch *patch);

/* Is @feature there? Every feature asked for is in @world or fixed. */
bool world_has(const struct patch_world *world, u16 feature);

#endif
