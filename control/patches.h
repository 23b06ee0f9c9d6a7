/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of installed patches, oldest first, with all that reverting needs. A patch
 * whose module is gone is dropped: it is installed no more, but keeps its part of the
 * arena until it is removed (dropped.h). Only removing moves other entries.
 */
#ifndef UNDERSEAL_PATCHES_H
#define UNDERSEAL_PATCHES_H

#include "abi.h"
#include "arena.h"
#include "bundle.h"
#include "errors.h"
#include "text_map.h"

/* Bounds over all installed patches together; TOO_MANY_PATCHES past them. */
#define PATCHES_MAX_FUNCTIONS	2048u
#define PATCHES_MAX_HUNKS	4096u
#define PATCHES_MAX_WRITES	512u
#define PATCHES_MAX_LINKS	256u

struct installed_function {
	u32 text_offset;	/* of the old body */
	u32 old_size;
	u32 arena_offset;	/* of the new body, from the arena's start */
	u32 new_size;
	char name[US_NAME_MAX];
};

/* Sorted by text_offset. */
struct installed_hunk {
	u32 text_offset;
	u32 len;
	u8 before[US_HUNK_MAX];	/* what memory held */
	u8 after[US_HUNK_MAX];	/* what it holds now */
};

/* A variable that gets back what it held: neither one that is kept, nor shadow memory. */
struct installed_write {
	u64 gva;
	u32 len;
	u32 reserved;
	u8 before[US_HUNK_MAX];
	u8 after[US_HUNK_MAX];
	char name[US_NAME_MAX];	/* of the variable */
};

/* The pointers are valid until the list changes. */
struct installed_patch {
	struct us_patch_info info;
	const struct text_map *text;	/* that it changes; NULL: dropped */
	const struct installed_function *functions;
	const struct installed_hunk *hunks;
	const struct installed_write *writes;
	const struct us_bundle_link *links;
	u32 function_count;
	u32 hunk_count;
	u32 write_count;
	u32 link_count;
};

void patches_reset(void);

/* All entries, and those that are not dropped. */
u32 patches_count(void);
u32 patches_installed(void);

/* Patch @index, below patches_count(). */
void patches_get(u32 index, struct installed_patch *patch);

/* Room for one more patch with as much of everything as @more counts, once those are
 * gone that @out (of US_MAX_PATCHES) names? */
bool patches_have_room(const struct installed_patch *more, const bool *out);

/* Append; the caller has asked patches_have_room(). */
void patches_add(const struct installed_patch *patch);
void patches_remove(u32 index);

/* Its text is gone. */
void patches_drop(u32 index);

/* The installed patch with this id and generation; false when there is none. */
bool patches_find(const u8 id[US_DIGEST_SIZE], u64 generation, u32 *index);

/* The same by its id alone. */
bool patches_find_id(const u8 id[US_DIGEST_SIZE], u32 *index);

/* Name of the patch that has a hunk in [offset, offset + len) of @text, or NULL. */
const char *patches_hunk_at(const struct text_map *text, u64 offset, u64 len);

/* Name of the newest patch after @index, not among @out, that replaces a function which
 * shares a byte with one of patch @index, or NULL. */
const char *patches_newer_over(u32 index, const bool *out);

/* Of both parts of the arena, dropped patches still have what was theirs. */
u64 patches_room_end(u32 index, enum arena_part part);
bool patches_use_room(enum arena_part part, u64 offset, u64 len);
u64 patches_room_used(enum arena_part part);

#endif
