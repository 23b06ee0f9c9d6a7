/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the running kernel is: its slide, its own page tables, and the physical
 * frames of its text. Found once, at seal, from the syscall entry that the
 * processor holds and the baseline.
 */
#ifndef UNDERSEAL_KERNEL_MAP_H
#define UNDERSEAL_KERNEL_MAP_H

#include "baseline.h"
#include "guest_memory.h"

/* arch/x86/include/asm/page_64_types.h: __START_KERNEL_map and the length of
 * the window that level2_kernel_pgt maps, with KASLR. */
#define KERNEL_WINDOW		0xffffffff80000000ull
#define KERNEL_WINDOW_LEN	SIZE_1G

#define KERNEL_MAX_RANGES	32u

/* Bytes of a task_struct from the first to the last member that is looked at. */
#define KERNEL_MAX_TASK_SPAN	(16u << 10)

/* A run of text that is contiguous in guest-physical memory. */
struct text_range {
	u64 offset;		/* image offset */
	u64 gpa;
	u64 len;
};

struct kernel {
	struct address_space space;	/* init_top_pgt */
	u64 slide;
	u64 text_gva;		/* of _text, as it runs */
	u64 text_len;		/* up to _etext */
	u64 pages_len;		/* the same, whole pages: what is sealed */
	u32 range_count;
	struct text_range ranges[KERNEL_MAX_RANGES]; /* by offset, no gaps */
	u64 facts[US_FACT_COUNT];
	u64 task_first;			/* offset of that first member */
	u64 task_span;
	u8 build_id[US_BUILD_ID_MAX];
	u32 build_id_len;
	char name[US_NAME_MAX];
};

/*
 * Find the kernel that @header describes, as @who sees it: fills all but the
 * ranges. BASELINE_FIELD when facts cannot be true, KERNEL_NOT_FOUND when no such
 * kernel is there, KERNEL_BUILD_ID when it is of another build, STOP_FAILED.
 */
enum us_error kernel_find(const struct control_caller *who,
			  const struct us_baseline_header *header,
			  struct kernel *kernel);

/*
 * Collect the physical ranges of the text. KERNEL_MAPPING unless every page is
 * mapped executable for the kernel alone, at one place for caller and kernel
 * alike, once, outside the arena.
 */
enum us_error kernel_map_text(const struct control_caller *who,
			      struct kernel *kernel);

/* Run-time linear address of the symbol behind a fact that is an image offset. */
u64 kernel_symbol(const struct kernel *kernel, enum us_fact fact);

/* Does [gpa, gpa + len) touch sealed frames? */
bool kernel_text_overlaps(const struct kernel *kernel, u64 gpa, u64 len);

/* Image offset of [gpa, gpa + len) when all of it lies in one range. */
bool kernel_text_offset(const struct kernel *kernel, u64 gpa, u64 len,
			u64 *offset);

/* Copy text by image offset, inside pages_len, from or to memory. The write is
 * not atomic over ranges: on an error bytes before the failing range are written.
 * GUEST_ADDRESS. */
enum us_error kernel_text_read(const struct kernel *kernel, u64 offset,
			       void *dst, u64 len);
enum us_error kernel_text_write(const struct kernel *kernel, u64 offset,
				const void *src, u64 len);

#endif
