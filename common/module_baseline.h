/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The module baseline: the signed description of one kernel module's code, for one
 * exact kernel build, extension .umod. This header is the format's definition.
 *
 * It follows common/baseline.h and is read as a stream like a baseline. What differs:
 * a module is not linked when it is signed, the kernel's loader does that, and each
 * part of it may end up anywhere. So the tool links it at addresses of its own
 * choice, and the file lists as "bases" what moves: the module's own areas, its
 * per-CPU variables, the kernel, areas of other modules. A field of the text says
 * which base it follows (struct us_text_reloc.base, US_RELOC_CODE_BASE).
 *
 *	struct us_module_header
 *	struct us_module_base[bases]
 *	struct us_runtime_site[runtime_sites]	targets: offsets in the text; classes:
 *						the kernel baseline's, below
 *						US_CLASS_FREE
 *	struct us_block_ref[blocks]
 *	block 0, block 1, ...			as in a baseline, kind TEXT
 *
 * The text is what the loader lays out first: all executable sections that outlive
 * initialisation, in file order (kernel/module/main.c, layout_sections(); to 6.3 the
 * start of the one core area, later an area of its own). It is filled up to whole
 * pages with zero bytes, which are not in the file.
 *
 * The signature is a separate file: minisign's, prehashed, over the whole file.
 * Version 1. A reader refuses any other version.
 */
#ifndef UNDERSEAL_MODULE_BASELINE_H
#define UNDERSEAL_MODULE_BASELINE_H

#include "baseline.h"

#define US_MODULE_MAGIC		0x454c55444f4d4255ull	/* "UBMODULE" */
#define US_MODULE_VERSION	1u

/* Bounds that a reader enforces. */
#define US_MODULE_MAX_TEXT	(16u << 20)
#define US_MODULE_MAX_RUNTIME	(64u << 10)
#define US_MODULE_MAX_BLOCKS	(US_MODULE_MAX_TEXT / US_BLOCK_BYTES)

enum us_module_base_kind {
	US_BASE_TEXT = 1,	/* own text, base 0 and no other. To 6.3 all of the
				 * core area */
	US_BASE_AREA = 2,	/* another own area */
	US_BASE_PERCPU = 3,	/* own per-CPU variables: struct module.percpu */
	US_BASE_FREED = 4,	/* own init area, gone when the module is sealed: the
				 * first field that follows it tells where it was, all
				 * others have to agree. Code behind such a field
				 * does not run any more */
	US_BASE_KERNEL = 5,	/* the kernel image: moves by its slide */
	US_BASE_MODULE = 6,	/* an area of another module */
	US_BASE_CODE = 7,	/* the same, and code there is called: that module has
				 * to be sealed before this one */
};

/* @area counts as the kernel does in struct module.mem (enum mod_mem_type); of kernels
 * that have core_layout that is 0 and init_layout 4. 7 are the module's per-CPU
 * variables. */
#define US_MODULE_AREAS		8u
#define US_MODULE_AREA_PERCPU	7u

struct us_module_base {
	u64 link;		/* address at which the tool linked it */
	u64 len;		/* bytes that the text may refer to; not 0 */
	u32 kind;		/* enum us_module_base_kind */
	u32 area;		/* of AREA, FREED, MODULE, CODE; else 0 */
	char module[US_NAME_MAX]; /* of MODULE and CODE; else "" */
};
static_assert(sizeof(struct us_module_base) == 88, "module base");

struct us_module_header {
	u64 magic;		/* US_MODULE_MAGIC */
	u32 version;		/* US_MODULE_VERSION */
	u32 header_size;	/* sizeof(struct us_module_header) */
	u64 total_size;		/* of the file */
	u32 text_len;		/* bytes of text before it is filled up */
	u32 bases;		/* 1 .. US_RELOC_MAX_BASES */
	u32 runtime_sites;
	u32 blocks;
	u32 build_id_len;	/* 0, or 8 .. US_BUILD_ID_MAX */
	u32 kernel_build_id_len; /* 8 .. US_BUILD_ID_MAX */
	u8 build_id[US_BUILD_ID_MAX];	/* the module's; bundles name it */
	u8 kernel_build_id[US_BUILD_ID_MAX];
	u32 site_counts[16];	/* per enum us_site_kind */
	char name[US_NAME_MAX];	/* as in /proc/modules */
	char kernel[US_NAME_MAX]; /* release */
};
static_assert(sizeof(struct us_module_header) == 304, "module header");

/* A checked head: pointers into the caller's buffer. */
struct us_module_head {
	const struct us_module_header *header;
	const struct us_module_base *bases;
	const struct us_runtime_site *runtime;
	const struct us_block_ref *blocks;
};

/* Bytes from the file's start to the end of the block table, from a header that
 * has been read but not checked. 0 when the header's counts are out of bounds. */
u64 us_module_head_len(const struct us_module_header *header);

/*
 * Check the head in @data (8-byte aligned, private to the caller, @len bytes as
 * computed by us_module_head_len) of a file that is @file_len bytes long. After
 * success names are printable and end, bases are of known kinds and base 0 is the
 * text, runtime sites are as in a checked baseline with targets in the text and classes
 * that every kernel has, block refs are contiguous and fill the file.
 * BASELINE_TRUNCATED, _MAGIC, _VERSION, _TRAILING, _FIELD, _SITES or OK.
 */
enum us_error us_module_parse_head(const void *data, u64 len, u64 file_len,
				   struct us_module_head *head);

/* Check block @index in @data (8-byte aligned, private, @len bytes as in its ref),
 * values included. BASELINE_TRUNCATED, _FIELD, _SITES, _VALUES or OK. */
enum us_error us_module_parse_block(const struct us_module_head *head, u32 index,
				    const void *data, u64 len,
				    struct us_block *block);

#endif
