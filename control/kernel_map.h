/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the running kernel is: its slide, its own page tables, and the physical
 * frames of all that is sealed of its image. Found once, at seal, from the syscall
 * entry that the processor holds and the baseline.
 */
#ifndef UNDERSEAL_KERNEL_MAP_H
#define UNDERSEAL_KERNEL_MAP_H

#include "baseline.h"
#include "frames.h"
#include "guest_memory.h"

/* arch/x86/include/asm/page_64_types.h: __START_KERNEL_map and the length of
 * the window that level2_kernel_pgt maps, with KASLR. */
#define KERNEL_WINDOW		0xffffffff80000000ull
#define KERNEL_WINDOW_LEN	SIZE_1G

/* arch/x86/include/asm/pgtable_64_types.h: MODULES_VADDR .. MODULES_END, which
 * also holds what BPF, ftrace and kprobes generate. */
#define MODULE_AREA		(KERNEL_WINDOW + KERNEL_WINDOW_LEN)
#define MODULE_AREA_END		0xffffffffff000000ull

#define KERNEL_MAX_RUNS		48u

/* Bytes of a task_struct from the first to the last member that is looked at. */
#define KERNEL_MAX_TASK_SPAN	(16u << 10)

struct kernel {
	struct address_space space;	/* init_top_pgt */
	u64 slide;
	u64 text_gva;		/* of _text, as it runs */
	u64 text_len;		/* up to _etext */
	u64 pages_len;		/* the same, whole pages: what is sealed */
	u64 image_len;		/* up to _end */
	struct frames frames;	/* of all ranges, by image offset */
	struct frame_run runs[KERNEL_MAX_RUNS];
	u64 facts[US_FACT_COUNT];
	u64 task_first;			/* offset of that first member */
	u64 task_span;
	u8 build_id[US_BUILD_ID_MAX];
	u32 build_id_len;
	u8 policy[16];		/* by enum us_policy_row */
	char name[US_NAME_MAX];
};

/*
 * Find the kernel that @header describes, as @who sees it: fills all but the
 * frames. BASELINE_FIELD when facts cannot be true, KERNEL_NOT_FOUND when no such
 * kernel is there, KERNEL_BUILD_ID when it is of another build, STOP_FAILED.
 */
enum us_error kernel_find(const struct control_caller *who,
			  const struct us_baseline_header *header,
			  struct kernel *kernel);

/*
 * Collect the frames of the ranges of @header. KERNEL_MAPPING unless every page is
 * mapped for the kernel alone, at one place for caller and kernel alike, once,
 * outside the arena; text executable, the others not, and not writable either.
 */
enum us_error kernel_map_image(const struct control_caller *who,
			       const struct us_baseline_header *header,
			       struct kernel *kernel);

/* Run-time linear address of the symbol behind a fact that is an image offset. */
u64 kernel_symbol(const struct kernel *kernel, enum us_fact fact);

/* Does [gpa, gpa + len) touch frames sealed for @kernel? */
bool kernel_overlaps(const struct kernel *kernel, u64 gpa, u64 len);

/* Copy sealed bytes by image offset from memory; see frames.h. */
enum us_error kernel_read(const struct kernel *kernel, u64 offset, void *dst,
			  u64 len);

#endif
