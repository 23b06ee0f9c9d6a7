/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bundle: one signed patch file, extension .upatch. This header is the
 * format's definition; nothing else in the project knows a byte of it.
 *
 * A bundle is a header, eight tables and a payload, in this order, each right
 * after the one before, every part padded with zero bytes to a multiple of 8.
 * The file ends with the payload's padding. All numbers are little-endian.
 *
 *	struct us_bundle_header
 *	struct us_bundle_function[functions]
 *	struct us_bundle_hunk[hunks]
 *	struct us_bundle_reloc[relocs]
 *	struct us_bundle_base[bases]
 *	struct us_bundle_link[links]
 *	struct us_bundle_write[writes]
 *	struct us_bundle_watch[watches]
 *	strings		string_bytes of NUL-terminated names, ASCII
 *	payload		payload_bytes: new code and data for the arena
 *
 * A bundle patches one text: the kernel's, or that of one module, which the header
 * then names. "Text offset" counts from the first byte of it: in the kernel's image
 * from the link address of _text, as in the baseline; in a module from the start
 * of what its loader lays out first, as in the module baseline. Neither needs to know
 * where the text runs.
 *
 * The signature is a separate file: minisign's, prehashed, over the whole bundle.
 * The bundle's identity (bundle id) is the BLAKE2b-256 digest of the whole file.
 *
 * Version 3. A reader refuses any other version.
 */
#ifndef UNDERSEAL_BUNDLE_H
#define UNDERSEAL_BUNDLE_H

#include "abi.h"
#include "errors.h"

#define US_BUNDLE_MAGIC		0x4843544150535531ull	/* "1USPATCH" */
#define US_BUNDLE_VERSION	3u

/* Bounds that a reader enforces. */
#define US_BUNDLE_MAX_FUNCTIONS	256u
#define US_BUNDLE_MAX_HUNKS	1024u
#define US_BUNDLE_MAX_RELOCS	16384u
#define US_BUNDLE_MAX_STRINGS	(64u << 10)
#define US_BUNDLE_MAX_BASES	64u
#define US_BUNDLE_MAX_LINKS	16u
#define US_BUNDLE_MAX_WRITES	64u
#define US_BUNDLE_MAX_WATCHES	8u
#define US_BUNDLE_MAX_SHADOW	(256u << 10)
#define US_BUNDLE_MAX_PROBATION	86400u	/* seconds */
#define US_HUNK_MAX		16u

/* flags */
#define US_BUNDLE_CUMULATIVE	(1u << 0) /* takes the place of all that is installed
				 * in the same text */

/* When may the change be made? */
enum us_consistency {
	US_CONSISTENCY_STACK = 1, /* no task and no vCPU is inside the functions */
	US_CONSISTENCY_NONE = 2,  /* nobody goes on inside the very bytes that change;
				 * old and new bodies may run side by side, and the
				 * header says why that is sound */
};

struct us_bundle_header {
	u64 magic;		/* US_BUNDLE_MAGIC */
	u32 version;		/* US_BUNDLE_VERSION */
	u32 header_size;	/* sizeof(struct us_bundle_header) */
	u64 total_size;		/* of the file */
	u64 generation;		/* >= 1; must exceed all installed in the same text
				 * before it */
	u8 build_id[US_BUILD_ID_MAX]; /* target kernel; zero past build_id_len */
	u32 build_id_len;	/* 8 .. US_BUILD_ID_MAX */
	u32 functions;		/* entries, >= 1 */
	u32 hunks;		/* entries, >= 1 */
	u32 relocs;		/* entries */
	u32 string_bytes;
	u32 payload_bytes;	/* <= US_MAX_BUNDLE */
	u32 flags;		/* US_BUNDLE_CUMULATIVE, or 0 */
	u32 bases;		/* entries; 0 unless a module is patched */
	char name[US_NAME_MAX];	/* short name of the patch, NUL-terminated */
	char description[US_NAME_MAX * 2]; /* NUL-terminated */
	char module[US_NAME_MAX]; /* as in /proc/modules; "": the kernel's text */
	u8 module_build_id[US_BUILD_ID_MAX]; /* as in the module baseline; zero past
				 * its length */
	u32 module_build_id_len; /* 0, or 8 .. US_BUILD_ID_MAX; 0 without a module */
	u32 consistency;	/* enum us_consistency */
	u32 links;		/* entries */
	u32 writes;		/* entries */
	u32 watches;		/* entries; 0 without probation */
	u32 shadow_bytes;	/* zeroed memory that the new code may write */
	u32 probation_s;	/* seconds in which health has to be confirmed, or
				 * the patch is taken back; 0: none */
	u32 reserved;		/* 0 */
	char reason[US_NAME_MAX * 2]; /* for US_CONSISTENCY_NONE; else "" */
};
static_assert(sizeof(struct us_bundle_header) == 544, "bundle header");

/* A function that is replaced: what must not be running during the commit. */
struct us_bundle_function {
	u32 text_offset;	/* first byte of the old body */
	u32 old_size;		/* bytes of the old body, >= 1 */
	u32 arena_offset;	/* of the new body, in the payload */
	u32 new_size;		/* bytes of the new body, >= 1 */
	u32 name;		/* offset into strings */
	u32 reserved;		/* 0 */
};
static_assert(sizeof(struct us_bundle_function) == 24, "bundle function");

/* A place in the kernel's text that is written. Sorted by text_offset. */
struct us_bundle_hunk {
	u32 text_offset;
	u32 len;		/* 1 .. US_HUNK_MAX */
	u8 expected[US_HUNK_MAX]; /* what is there before; zero past len. Link-time
				 * values: a field that KASLR changes is turned back
				 * to its link-time value before it is compared */
	u8 replacement[US_HUNK_MAX]; /* what is there after, before relocation;
				 * zero past len */
};
static_assert(sizeof(struct us_bundle_hunk) == 40, "bundle hunk");

enum us_reloc_type {
	US_RELOC_ABS64 = 1,	/* 8 bytes: S + A */
	US_RELOC_ABS32S = 2,	/* 4 bytes, sign-extended: S + A */
	US_RELOC_PC32 = 3,	/* 4 bytes, signed: S + A - P */
};

enum us_reloc_space {
	US_SPACE_IMAGE = 1,	/* offsets count from _text */
	US_SPACE_PAYLOAD = 2,	/* offsets count from the payload's first byte */
	US_SPACE_HUNK = 3,	/* where only: index << 8 | byte in the hunk */
	US_SPACE_ABSOLUTE = 4,	/* target only: a number that KASLR does not move,
				 * such as a per-CPU offset */
	US_SPACE_BASE = 5,	/* offsets count from bases[base]; target of a
				 * relocation, place of a write */
	US_SPACE_SHADOW = 6,	/* offsets count from the bundle's shadow memory; the
				 * same two */
	US_SPACE_WRITE = 7,	/* where only: index << 8 | byte: 0 .. 15 in the
				 * write's replacement, 16 .. 31 in what it expects */
};

/* Sorted by where_space, then where. */
struct us_bundle_reloc {
	u32 where;		/* place that is written, in where_space */
	u8 where_space;		/* US_SPACE_PAYLOAD, _HUNK or _WRITE */
	u8 type;		/* enum us_reloc_type */
	u8 target_space;	/* US_SPACE_IMAGE, _PAYLOAD, _ABSOLUTE, _BASE or
				 * _SHADOW */
	u8 base;		/* index, of _BASE; else 0 */
	s64 target;		/* S + A as an offset in target_space */
};
static_assert(sizeof(struct us_bundle_reloc) == 16, "bundle reloc");

/*
 * What code of a module refers to besides the kernel, and where it is only the
 * module's seal knows: kind (US_BASE_TEXT, _AREA, _PERCPU, _MODULE or _CODE), area and
 * module are those of an entry of the sealed module's baseline. No two are equal.
 */
struct us_bundle_base {
	u32 kind;		/* enum us_module_base_kind */
	u32 area;		/* of AREA, MODULE, CODE; else 0 */
	char module[US_NAME_MAX]; /* of MODULE and CODE; else "" */
};
static_assert(sizeof(struct us_bundle_base) == 72, "bundle base");

enum us_link_kind {
	US_LINK_NEEDS = 1,	/* has to be installed before, and stays as long */
	US_LINK_CONFLICTS = 2,	/* the two are never installed together */
	US_LINK_REPLACES = 3,	/* is taken out in the same stop, if it is there */
};

/*
 * How the bundle goes with another one, in whichever text that is installed. A place in
 * the text, or a variable, that an installed bundle has changed can be changed by one that
 * replaces it, or, the same bytes, by one that needs the newest bundle there.
 */
struct us_bundle_link {
	u32 kind;		/* enum us_link_kind */
	u32 reserved;		/* 0 */
	u8 bundle_id[US_DIGEST_SIZE]; /* all zero: any bundle of the name */
	char name[US_NAME_MAX];	/* of the other bundle; not "" */
};
static_assert(sizeof(struct us_bundle_link) == 104, "bundle link");

enum us_write_when {
	US_WRITE_PRE_APPLY = 1,	/* before the text changes */
	US_WRITE_POST_APPLY = 2, /* after that; both in the same stop */
};

/* Reverting leaves the variable as it is. Without this flag it gets back what it held,
 * and holding anything else than the replacement then is a refusal. */
#define US_WRITE_KEEP	(1u << 0)

/* A change of a variable, checked as a hunk is, but in memory that is not sealed. In
 * the order of the file; those of PRE_APPLY first. What is expected is what the variable
 * holds once the bundles are out that this one replaces. No two share a byte. */
struct us_bundle_write {
	u8 when;		/* enum us_write_when */
	u8 flags;		/* US_WRITE_KEEP, or 0 */
	u8 space;		/* US_SPACE_IMAGE, _BASE or _SHADOW */
	u8 base;		/* index, of _BASE; else 0 */
	u32 len;		/* 1 .. US_HUNK_MAX */
	u64 offset;		/* in @space */
	u32 name;		/* of the variable: offset into strings */
	u32 reserved;		/* 0 */
	u8 expected[US_HUNK_MAX]; /* what it holds before; zero past len */
	u8 replacement[US_HUNK_MAX]; /* what it holds after; zero past len */
};
static_assert(sizeof(struct us_bundle_write) == 56, "bundle write");

/* A counter of the kernel's that tells of trouble: a variable that may rise by
 * @allowed at most while the patch is on probation. */
struct us_bundle_watch {
	u64 offset;		/* from the kernel's _text; multiple of @len */
	u64 allowed;
	u32 len;		/* 4 or 8 */
	u32 name;		/* of the variable: offset into strings */
};
static_assert(sizeof(struct us_bundle_watch) == 24, "bundle watch");

/* A checked bundle: pointers into the caller's buffer, nothing is copied. */
struct us_bundle {
	const struct us_bundle_header *header;
	const struct us_bundle_function *functions;
	const struct us_bundle_hunk *hunks;
	const struct us_bundle_reloc *relocs;
	const struct us_bundle_base *bases;
	const struct us_bundle_link *links;
	const struct us_bundle_write *writes;
	const struct us_bundle_watch *watches;
	const char *strings;
	const u8 *payload;
};

/*
 * Check every field of the bundle in @data (8-byte aligned, @len bytes, which
 * nobody else can change) and fill @bundle. After success all counts, offsets
 * and names are inside the buffer, hunks are sorted and disjoint, every hunk lies
 * in one of the functions, and every relocation's place lies in the payload,
 * in a hunk or in a write and overlaps no other relocation's place; bases are named
 * by bundles for modules only; writes to shadow memory lie inside it.
 * Returns BUNDLE_TRUNCATED, _MAGIC, _VERSION, _TRAILING, _FIELD, _BOUNDS,
 * HUNKS_OVERLAP or OK. May be called anywhere; allocates nothing.
 */
enum us_error us_bundle_parse(const void *data, u64 len, struct us_bundle *bundle);

/*
 * The revert authorisation: a file of exactly this content, signed as a bundle is.
 * It can be used once, because the bundle it names cannot be installed again.
 */
#define US_REVERT_MAGIC		0x5452455652535531ull	/* "1USRVERT" */

struct us_revert {
	u64 magic;		/* US_REVERT_MAGIC */
	u32 version;		/* US_BUNDLE_VERSION */
	u32 build_id_len;
	u8 build_id[US_BUILD_ID_MAX];
	u8 bundle_id[US_DIGEST_SIZE];
	u64 generation;		/* of the bundle that is taken back */
};
static_assert(sizeof(struct us_revert) == 88, "revert authorisation");

/* REVERT_FORMAT or OK; *@revert points into @data. */
enum us_error us_revert_parse(const void *data, u64 len,
			      const struct us_revert **revert);

#endif
