/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The baseline: the signed description of one exact kernel build, extension
 * .ubase. This header is the format's definition.
 *
 * It is larger than the control domain's memory, so it is made to be read as a
 * stream: a head that is kept (header, runtime sites, block table), then blocks of
 * text, each with all that is needed to check it. Parts follow each other
 * directly, each padded with zero bytes to a multiple of 8; the file ends with
 * the last block's padding. Little-endian.
 *
 *	struct us_baseline_header
 *	struct us_site[runtime_sites]	sites the running kernel may write
 *	struct us_block_ref[blocks]
 *	block 0, block 1, ...
 *
 * A block covers US_BLOCK_TEXT bytes of text (the last one less):
 *
 *	struct us_block_header
 *	u8 text[text_len]		as linked, before KASLR
 *	struct us_text_reloc[relocs]	sorted by offset
 *	struct us_site[sites]		all sites that touch this block, sorted
 *
 * Offsets are image offsets: link address less the link address of _text.
 * The signature is a separate file: minisign's, prehashed, over the whole file.
 *
 * Version 1. A reader refuses any other version.
 */
#ifndef UNDERSEAL_BASELINE_H
#define UNDERSEAL_BASELINE_H

#include "abi.h"
#include "errors.h"

#define US_BASELINE_MAGIC	0x454e494c45534255ull	/* "UBSELINE" */
#define US_BASELINE_VERSION	1u
#define US_BLOCK_TEXT		(64u << 10)

/* Bounds that a reader enforces. */
#define US_BASELINE_MAX_SITES	(256u << 10)
#define US_BASELINE_MAX_TEXT	(48u << 20)
#define US_BLOCK_MAX		(256u << 10)	/* whole block, bytes */

/*
 * Facts about the build that the control domain needs to find its way. Those
 * named "offset of symbol" are image offsets; percpu ones are offsets from the start
 * of a CPU's per-CPU area; the others are byte offsets in the C type.
 */
enum us_fact {
	US_FACT_LINK_BASE = 0,		/* link address of _text */
	US_FACT_ENTRY_SYSCALL,		/* entry_SYSCALL_64: what LSTAR holds */
	US_FACT_BUILD_ID_NOTE,		/* the note's description bytes */
	US_FACT_IMAGE_END,		/* _end */
	US_FACT_LEVEL2_KERNEL_PGT,
	US_FACT_INIT_TOP_PGT,
	US_FACT_INIT_TASK,
	US_FACT_PER_CPU_OFFSET,		/* __per_cpu_offset[] */
	US_FACT_NR_CPU_IDS,
	US_FACT_PERCPU_CURRENT_TASK,	/* current_task, or pcpu_hot + member */
	US_FACT_PERCPU_HARDIRQ_STACK,	/* hardirq_stack_ptr: top of the stack */
	US_FACT_TASK_TASKS,		/* task_struct.tasks */
	US_FACT_TASK_THREAD_NODE,
	US_FACT_TASK_SIGNAL,
	US_FACT_TASK_STACK,
	US_FACT_TASK_THREAD_SP,		/* task_struct.thread.sp */
	US_FACT_TASK_COMM,
	US_FACT_TASK_PID,
	US_FACT_SIGNAL_THREAD_HEAD,
	US_FACT_THREAD_SIZE,		/* bytes of a kernel stack */
	US_FACT_IRQ_STACK_SIZE,
	US_FACT_RETURN_TO_HANDLER,	/* what function_graph puts in place of */
	US_FACT_RETHOOK_TRAMPOLINE,	/* and kretprobes: return addresses */
	US_FACT_COUNT,
};
#define US_FACT_ABSENT	(~0ull)		/* this build has no such thing */

struct us_baseline_header {
	u64 magic;		/* US_BASELINE_MAGIC */
	u32 version;		/* US_BASELINE_VERSION */
	u32 header_size;	/* sizeof(struct us_baseline_header) */
	u64 total_size;		/* of the file */
	u64 text_len;		/* bytes of text from _text to _etext */
	u8 build_id[US_BUILD_ID_MAX]; /* zero past build_id_len */
	u32 build_id_len;	/* 8 .. US_BUILD_ID_MAX */
	u32 runtime_sites;
	u32 blocks;		/* ceil(text_len / US_BLOCK_TEXT) */
	u32 fact_count;		/* US_FACT_COUNT */
	u32 site_counts[16];	/* per enum us_site_kind, in the whole text */
	char kernel[US_NAME_MAX]; /* release, e.g. "6.1.0-56-cloud-amd64" */
	u64 facts[32];		/* by enum us_fact; unused ones 0 */
};
static_assert(sizeof(struct us_baseline_header) == 464, "baseline header");

/* [offset, offset + len) may hold other bytes than the linked ones. */
struct us_site {
	u32 offset;
	u8 len;			/* >= 1 */
	u8 kind;		/* enum us_site_kind */
	u16 reserved;		/* 0 */
};
static_assert(sizeof(struct us_site) == 8, "site");

/* Where a block lies in the file. */
struct us_block_ref {
	u64 file_offset;
	u32 len;		/* with padding */
	u32 reserved;		/* 0 */
};

struct us_block_header {
	u32 text_offset;	/* multiple of US_BLOCK_TEXT */
	u32 text_len;		/* US_BLOCK_TEXT but for the last block */
	u32 relocs;
	u32 sites;
};

enum us_text_reloc_type {
	US_TEXT_ADD64 = 1,	/* 8 bytes: + slide */
	US_TEXT_ADD32 = 2,	/* 4 bytes: + slide */
	US_TEXT_SUB32 = 3,	/* 4 bytes: - slide (per-CPU, RIP-relative) */
};

/* A field that KASLR changes. It may run over into the next block; then both
 * blocks list it, and each applies the bytes that are its own. The full link-time
 * value is therefore carried here. */
struct us_text_reloc {
	u32 offset;		/* of the field, image offset */
	u8 type;		/* enum us_text_reloc_type */
	u8 reserved[3];		/* 0 */
	u64 value;		/* link-time content of the field */
};
static_assert(sizeof(struct us_text_reloc) == 16, "text reloc");

/* A checked head: pointers into the caller's buffer. */
struct us_baseline_head {
	const struct us_baseline_header *header;
	const struct us_site *sites;		/* runtime_sites of them */
	const struct us_block_ref *blocks;
};

/* Bytes from the file's start to the end of the block table, from a header that
 * has been read but not checked. 0 when the header's counts are out of bounds. */
u64 us_baseline_head_len(const struct us_baseline_header *header);

/*
 * Check the head in @data (8-byte aligned, private to the caller, @len bytes as
 * computed by us_baseline_head_len) of a file that is @file_len bytes long.
 * After success runtime sites are sorted, disjoint and inside the text, block
 * refs are contiguous and fill the file to its end.
 * BASELINE_TRUNCATED, _MAGIC, _VERSION, _TRAILING, _FIELD, _SITES or OK.
 */
enum us_error us_baseline_parse_head(const void *data, u64 len, u64 file_len,
				     struct us_baseline_head *head);

struct us_block {
	const struct us_block_header *header;
	const u8 *text;
	const struct us_text_reloc *relocs;
	const struct us_site *sites;	/* sorted; may overlap each other */
};

/* Check block @index in @data (8-byte aligned, private, @len bytes as in its ref).
 * BASELINE_TRUNCATED, _FIELD, _SITES or OK. */
enum us_error us_baseline_parse_block(const struct us_baseline_head *head,
				      u32 index, const void *data, u64 len,
				      struct us_block *block);

/*
 * Turn @block's text into what memory should hold at KASLR slide @slide, and mark
 * the bytes inside sites. @text and @masked have room for text_len bytes;
 * masked[i] is 1 inside a site, else 0. Adds the relocations applied to *@relocs.
 */
void us_baseline_expect(const struct us_block *block, u64 slide, u8 *text,
			u8 *masked, u64 *relocs);

#endif
