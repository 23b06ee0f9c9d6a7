/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The baseline: the signed description of one exact kernel build, extension
 * .ubase. This header is the format's definition.
 *
 * It is larger than the control domain's memory, so it is made to be read as a
 * stream: a head that is kept (header, runtime sites, entries, block table), then
 * blocks of the image, each with all that is needed to check it. Parts follow each
 * other directly, each padded with zero bytes to a multiple of 8; the file ends
 * with the last block's padding. Little-endian.
 *
 *	struct us_baseline_header
 *	struct us_runtime_site[runtime_sites]	what the running kernel may write
 *	struct us_entry[entries]		where its branches may lead
 *	struct us_block_ref[blocks]
 *	block 0, block 1, ...
 *
 * Blocks cover the ranges of kind TEXT and RODATA, in order, each range cut into
 * pieces of US_BLOCK_BYTES (its last one less):
 *
 *	struct us_block_header
 *	u8 bytes[len]			as linked, before KASLR
 *	struct us_text_reloc[relocs]	sorted by offset
 *	struct us_site[sites]		all boot-time sites that touch this block
 *	u8 values[values_len]		what may stand there
 *	u8 probes[(len + 7) / 8]	TEXT only: bit i set: an instruction on
 *					which a kprobe may be set begins at i
 *
 * Offsets are image offsets: link address less the link address of _text.
 * The signature is a separate file: minisign's, prehashed, over the whole file.
 *
 * Version 2. A reader refuses any other version.
 */
#ifndef UNDERSEAL_BASELINE_H
#define UNDERSEAL_BASELINE_H

#include "abi.h"
#include "errors.h"

#define US_BASELINE_MAGIC	0x454e494c45534255ull	/* "UBSELINE" */
#define US_BASELINE_VERSION	2u
#define US_BLOCK_BYTES		(64u << 10)

/* Bounds that a reader enforces. */
#define US_BASELINE_MAX_RUNTIME	(96u << 10)	/* runtime sites */
#define US_BASELINE_MAX_ENTRIES	(64u << 10)
#define US_BASELINE_MAX_RANGES	8u
#define US_BASELINE_MAX_TEXT	(24u << 20)	/* the one TEXT range */
#define US_BASELINE_MAX_IMAGE	(64u << 20)	/* end of any range */
#define US_BLOCK_MAX		(320u << 10)	/* whole block, bytes */
#define US_BASELINE_MAX_BLOCKS	(US_BASELINE_MAX_IMAGE / US_BLOCK_BYTES)
#define US_SITE_MAX_LEN		1024u
#define US_SITE_MAX_VALUES	4096u	/* of one site */

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
	/* The list of loaded modules (kernel/module/main.c). An area is a pointer and,
	 * 8 bytes on, its length in 32 bits. */
	US_FACT_MODULES,		/* modules: the list's head */
	US_FACT_MODULE_LIST,		/* struct module.list */
	US_FACT_MODULE_STATE,
	US_FACT_MODULE_NAME,
	US_FACT_MODULE_PERCPU,
	US_FACT_MODULE_AREAS,		/* module.mem, or core_layout to 6.3 */
	US_FACT_MODULE_AREA_SIZE,	/* bytes from one area to the next; absent
					 * with core_layout, which is the only one */
	US_FACT_LEVEL3_KERNEL_PGT,
	US_FACT_IDT_TABLE,
	US_FACT_PANIC_CPU,		/* panic_cpu: the CPU that panics, or -1 */
	/* What tells that a task has run since it was last looked at (control/
	 * remembered.h). Absent on kernels for one CPU: on_cpu. */
	US_FACT_TASK_ON_CPU,
	US_FACT_TASK_NVCSW,
	US_FACT_TASK_NIVCSW,
	US_FACT_TASK_START_TIME,
	US_FACT_PERCPU_RUNQUEUES,	/* runqueues: a struct rq */
	US_FACT_RQ_NR_SWITCHES,
	US_FACT_RQ_IDLE,		/* the CPU's idle task */
	US_FACT_PERCPU_EXCEPTION_STACKS, /* cea_exception_stacks: a pointer */
	US_FACT_EXCEPTION_STACKS_SIZE,	/* struct cea_exception_stacks, with guards */
	US_FACT_COUNT,
};
#define US_FACT_ABSENT	(~0ull)		/* this build has no such thing */

/* A part of the image that is sealed. */
enum us_range_kind {
	US_RANGE_TEXT = 1,	/* _text .. _etext: R-X, verified. Exactly one,
				 * the first, at offset 0 */
	US_RANGE_RODATA = 2,	/* constants: R--, verified */
	US_RANGE_AFTER_INIT = 3, /* written while booting, then read-only: R-X (the
				 * vDSO lies there, programs run it), as
				 * found, no blocks */
	US_RANGE_IDT = 4,	/* idt_table: R--, every gate verified against
				 * the entries of class US_CLASS_GATE + vector */
};

struct us_range {
	u32 offset;		/* page-aligned for all kinds but TEXT's end */
	u32 len;		/* TEXT: up to _etext; others whole pages */
	u32 kind;		/* enum us_range_kind */
	u32 reserved;		/* 0 */
};

/*
 * What the administrator who signs the baseline allows the running kernel. The
 * table with reasons and costs is in control/POLICY.md.
 */
enum us_policy_row {
	US_POLICY_JUMP_LABEL = 0,
	US_POLICY_STATIC_CALL = 1,
	US_POLICY_FTRACE = 2,
	US_POLICY_TRAMPOLINE = 3,	/* a listed branch may lead to code outside
					 * the image: ftrace's and BPF's
					 * trampolines, functions of modules */
	US_POLICY_KPROBE = 4,
	US_POLICY_SMP_LOCK = 5,
	US_POLICY_MODULE = 6,		/* module without a baseline */
	US_POLICY_MAPPING = 7,		/* a changed mapping of sealed pages */
	US_POLICY_EXECUTE = 8,		/* what the kernel may execute */
	US_POLICY_ROWS = 9,
};

enum us_policy_value {
	US_DENY = 0,
	US_ALLOW = 1,
	US_ALLOW_LOG = 2,	/* allow, with a line in the log for each */
	/* US_POLICY_MODULE: */
	US_MODULE_OPEN = 0,	/* not protected, status says so */
	US_MODULE_AS_FOUND = 1,	/* sealed as found, marked unverified */
	/* US_POLICY_MAPPING: */
	US_MAPPING_REPORT = 0,
	US_MAPPING_REPAIR = 1,
	US_MAPPING_HALT = 2,
	/* US_POLICY_EXECUTE: */
	US_EXECUTE_ANY = 0,
	US_EXECUTE_SEALED = 1,	/* sealed frames alone, where the processor can tell
				 * the kernel's execution from that of programs */
};

struct us_baseline_header {
	u64 magic;		/* US_BASELINE_MAGIC */
	u32 version;		/* US_BASELINE_VERSION */
	u32 header_size;	/* sizeof(struct us_baseline_header) */
	u64 total_size;		/* of the file */
	u64 text_len;		/* bytes of text from _text to _etext */
	u8 build_id[US_BUILD_ID_MAX]; /* zero past build_id_len */
	u32 build_id_len;	/* 8 .. US_BUILD_ID_MAX */
	u32 runtime_sites;
	u32 entries;
	u32 blocks;
	u32 fact_count;		/* US_FACT_COUNT */
	u32 range_count;	/* 1 .. US_BASELINE_MAX_RANGES */
	struct us_range ranges[US_BASELINE_MAX_RANGES]; /* sorted, disjoint */
	u32 site_counts[16];	/* per enum us_site_kind, in the whole text */
	u8 policy[16];		/* by enum us_policy_row: enum us_policy_value */
	char kernel[US_NAME_MAX]; /* release, e.g. "6.1.0-56-cloud-amd64" */
	u64 facts[64];		/* by enum us_fact; unused ones 0 */
};
static_assert(sizeof(struct us_baseline_header) == 872, "baseline header");

/*
 * A place that the running kernel patches, and the values that may stand there. A
 * branch may lead to @target and to every entry of @class; with
 * US_POLICY_TRAMPOLINE also to executable memory outside the image.
 * Source of each: arch/x86/kernel/{alternative,jump_label,static_call,ftrace}.c.
 */
enum us_runtime_kind {
	US_RUN_LOCK = 1,	/* 1 byte: F0 or 3E */
	US_RUN_JUMP = 2,	/* 2 or 5: NOP, or JMP to @target */
	US_RUN_FTRACE = 3,	/* 5: NOP, or CALL to @class or a trampoline */
	US_RUN_CALL = 4,	/* 5: CALL to @target, @class or a trampoline, the
				 * 5-byte NOP, or CS CS CS XOR EAX, EAX */
	US_RUN_TAIL = 5,	/* 5: JMP as for CALL, or RET INT3 INT3 INT3 INT3, or
				 * JMP to a return thunk (US_CLASS_THUNK) */
	US_RUN_JCC = 6,		/* 6: Jcc rel32 as linked, to @target, @class, a
				 * trampoline or a return thunk; @jcc is its
				 * second opcode byte */
	US_RUN_TRACER = 7,	/* 5: CALL to @class or a trampoline, or NOP */
	US_RUN_GRAPH = 8,	/* 5: JMP to @class, or NOP */
};

#define US_NO_TARGET	(~0u)

struct us_runtime_site {
	u32 offset;
	u32 target;		/* image offset, or US_NO_TARGET */
	u16 class;		/* of us_entry; 0: none */
	u8 kind_len;		/* enum us_runtime_kind << 4 | length */
	u8 jcc;			/* JCC only: 0x80 .. 0x8f; else 0 */
};
static_assert(sizeof(struct us_runtime_site) == 12, "runtime site");

static inline u8 us_runtime_kind(const struct us_runtime_site *site)
{
	return site->kind_len >> 4;
}

static inline u8 us_runtime_len(const struct us_runtime_site *site)
{
	return site->kind_len & 15;
}

/*
 * A place where a branch or gate may lead, sorted by class, then offset. Class 1
 * holds every function whose address the kernel takes; static calls whose
 * prototype is known have a class of their own with the functions of that type.
 */
#define US_CLASS_ANY		1u
#define US_CLASS_THUNK		2u	/* return thunks */
#define US_CLASS_FTRACE		3u	/* ftrace_caller, ftrace_regs_caller, ... */
#define US_CLASS_FREE		16u	/* first one for the tool to choose */
#define US_CLASS_GATE		0xff00u	/* + vector: what the IDT may hold */

struct us_entry {
	u32 offset;
	u16 class;
	u16 reserved;		/* 0 */
};
static_assert(sizeof(struct us_entry) == 8, "entry");

/*
 * Boot-time sites: [offset, offset + len) holds one of @values values, derived from
 * the kernel's own tables (alternatives, paravirt, retpolines, return thunks, lock
 * prefixes inside them, ...). Sites that overlap each other are one site. Sorted,
 * disjoint. One that runs over into the next block is in both; it is compared
 * where it begins, whole. With no value at all it is masked; the kind says why
 * (US_SITE_CONSTANT: an address or size that is known at run time only).
 * Where a runtime site lies inside a boot-time site the latter's values hold at
 * seal, the former's afterwards.
 */
struct us_site {
	u32 offset;
	u16 len;		/* 1 .. US_SITE_MAX_LEN */
	u8 kind;		/* enum us_site_kind: the first of those merged */
	u8 reserved;		/* 0 */
	u32 values;		/* how many; 0: masked */
	u32 first;		/* of its values, offset in values[] */
};
static_assert(sizeof(struct us_site) == 16, "site");

/*
 * A value: u8 relocs, then @relocs pairs { u8 position; u8 type } (position of the
 * field in the site, below 256 and the field inside the site; enum
 * us_text_reloc_type; sorted, disjoint), then the site's len bytes as linked. Values
 * of a site follow each other; sites may share them. A masked site has first 0.
 */

/* Where a block lies in the file. */
struct us_block_ref {
	u64 file_offset;
	u32 len;		/* with padding */
	u32 reserved;		/* 0 */
};

struct us_block_header {
	u32 offset;		/* image offset */
	u32 len;		/* US_BLOCK_BYTES but for a range's last block */
	u32 relocs;
	u32 sites;
	u32 values_len;		/* bytes */
	u32 probes_len;		/* bytes; 0 in RODATA */
};

enum us_text_reloc_type {
	US_TEXT_ADD64 = 1,	/* 8 bytes: + slide */
	US_TEXT_ADD32 = 2,	/* 4 bytes: + slide */
	US_TEXT_SUB32 = 3,	/* 4 bytes: - slide (RIP-relative to what stays, like
				 * per-CPU offsets); with a base other than 0:
				 * + what that moved by */
};

/* A field that KASLR changes. It may run over into the next block; then both
 * blocks list it, and each applies the bytes that are its own. The full link-time
 * value is therefore carried here. None lies in a site, not even in part. */
struct us_text_reloc {
	u32 offset;		/* of the field, image offset */
	u8 type;		/* enum us_text_reloc_type */
	u8 base;		/* what it follows; 0: the image itself. Others only
				 * in module baselines */
	u8 reserved[2];		/* 0 */
	u64 value;		/* link-time content of the field */
};
static_assert(sizeof(struct us_text_reloc) == 16, "text reloc");

/* The second byte of a value's pair: type and base. */
#define US_RELOC_CODE(type, base)	((u8)((type) | (base) << 2))
#define US_RELOC_CODE_TYPE(code)	((code) & 3u)
#define US_RELOC_CODE_BASE(code)	((code) >> 2)
#define US_RELOC_MAX_BASES		63u

/* A checked head: pointers into the caller's buffer. */
struct us_baseline_head {
	const struct us_baseline_header *header;
	const struct us_runtime_site *runtime;
	const struct us_entry *entries;
	const struct us_block_ref *blocks;
};

/* Bytes from the file's start to the end of the block table, from a header that
 * has been read but not checked. 0 when the header's counts are out of bounds. */
u64 us_baseline_head_len(const struct us_baseline_header *header);

/*
 * Check the head in @data (8-byte aligned, private to the caller, @len bytes as
 * computed by us_baseline_head_len) of a file that is @file_len bytes long.
 * After success ranges, runtime sites and entries are sorted, disjoint, of known
 * kinds and in bounds, policy values are known, block refs are contiguous and fill
 * the file to its end.
 * BASELINE_TRUNCATED, _MAGIC, _VERSION, _TRAILING, _FIELD, _POLICY, _SITES or OK.
 */
enum us_error us_baseline_parse_head(const void *data, u64 len, u64 file_len,
				     struct us_baseline_head *head);

/* The parts of that check that other formats share. Runtime sites of a text of
 * @text_len bytes: sorted, disjoint, inside it, each as its kind wants it. Entries:
 * sorted, none twice. Block refs: contiguous from @start in the file to @total.
 * BASELINE_FIELD, _SITES or OK. */
enum us_error us_baseline_check_runtime(const struct us_runtime_site *sites,
					u32 count, u64 text_len);
enum us_error us_baseline_check_entries(const struct us_entry *entries, u32 count);
enum us_error us_baseline_check_blocks(const struct us_block_ref *blocks,
				       u32 count, u64 start, u64 total);

/* The range of which block @index is a piece, and the block's image offset and
 * length. NULL past the last block. @header is of a checked head. */
const struct us_range *us_baseline_block_range(const struct us_baseline_header *header,
					       u32 index, u64 *offset, u64 *len);

struct us_block {
	const struct us_block_header *header;
	const u8 *bytes;
	const struct us_text_reloc *relocs;
	const struct us_site *sites;
	const u8 *values;
	const u8 *probes;
};

/* Check block @index in @data (8-byte aligned, private, @len bytes as in its ref),
 * values included. BASELINE_TRUNCATED, _FIELD, _SITES, _VALUES or OK. */
enum us_error us_baseline_parse_block(const struct us_baseline_head *head,
				      u32 index, const void *data, u64 len,
				      struct us_block *block);

/* The same for the @piece bytes at @offset of @range, of a format that has blocks
 * but another head. Fields may name bases below @bases (<= US_RELOC_MAX_BASES). */
enum us_error us_baseline_parse_piece(const struct us_range *range, u32 bases,
				      u64 offset, u64 piece, const void *data,
				      u64 len, struct us_block *block);

/* Turn @block's bytes into what memory should hold outside sites at KASLR slide
 * @slide. @bytes has room for header->len. Adds the relocations applied to
 * *@relocs. */
void us_baseline_expect(const struct us_block *block, u64 slide, u8 *bytes,
			u64 *relocs);

/* Is @found (the site's len bytes) one of the values of @site at @slide? @site is
 * of this block, and has values. */
bool us_baseline_site_ok(const struct us_block *block,
			 const struct us_site *site, u64 slide, const u8 *found);

/* Both for blocks with bases: @moves[base] is what each base moved by. */
void us_block_expect(const struct us_block *block, const u64 *moves, u8 *bytes,
		     u64 *relocs);
bool us_block_site_ok(const struct us_block *block, const struct us_site *site,
		      const u64 *moves, const u8 *found);

#endif
