/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "patches.h"

/* What patches have many of. Each patch's items follow those of the patch before it. */
enum { FUNCTIONS, HUNKS, WRITES, LINKS, KINDS };

struct entry {
	struct us_patch_info info;
	const struct text_map *text;
	u32 first[KINDS], count[KINDS];
};

static struct entry entries[US_MAX_PATCHES];
static u32 entry_count;

static struct installed_function functions[PATCHES_MAX_FUNCTIONS];
static struct installed_hunk hunks[PATCHES_MAX_HUNKS];
static struct installed_write writes[PATCHES_MAX_WRITES];
static struct us_bundle_link links[PATCHES_MAX_LINKS];

static struct pool {
	void *items;
	u32 size;		/* of an item */
	u32 room;		/* items */
	u32 used;
} pools[KINDS] = {
	[FUNCTIONS] = { functions, sizeof(*functions), PATCHES_MAX_FUNCTIONS, 0 },
	[HUNKS] = { hunks, sizeof(*hunks), PATCHES_MAX_HUNKS, 0 },
	[WRITES] = { writes, sizeof(*writes), PATCHES_MAX_WRITES, 0 },
	[LINKS] = { links, sizeof(*links), PATCHES_MAX_LINKS, 0 },
};

void patches_reset(void)
{
	u32 kind;

	entry_count = 0;
	for (kind = 0; kind < KINDS; kind++)
		pools[kind].used = 0;
}

u32 patches_count(void)
{
	return entry_count;
}

u32 patches_installed(void)
{
	u32 i, count = 0;

	for (i = 0; i < entry_count; i++)
		count += entries[i].text != NULL;
	return count;
}

void patches_get(u32 index, struct installed_patch *patch)
{
	const struct entry *entry = &entries[index];

	*patch = (struct installed_patch) {
		.info = entry->info,
		.text = entry->text,
		.functions = functions + entry->first[FUNCTIONS],
		.hunks = hunks + entry->first[HUNKS],
		.writes = writes + entry->first[WRITES],
		.links = links + entry->first[LINKS],
		.function_count = entry->count[FUNCTIONS],
		.hunk_count = entry->count[HUNKS],
		.write_count = entry->count[WRITES],
		.link_count = entry->count[LINKS],
	};
}

static void counts_of(const struct installed_patch *patch, u32 counts[KINDS])
{
	counts[FUNCTIONS] = patch->function_count;
	counts[HUNKS] = patch->hunk_count;
	counts[WRITES] = patch->write_count;
	counts[LINKS] = patch->link_count;
}

bool patches_have_room(const struct installed_patch *more, const bool *out)
{
	u32 want[KINDS], i, kind, staying = 0;

	counts_of(more, want);
	for (i = 0; i < entry_count; i++) {
		staying += !out[i];
		for (kind = 0; kind < KINDS && !out[i]; kind++)
			want[kind] += entries[i].count[kind];
	}
	for (kind = 0; kind < KINDS; kind++)
		if (want[kind] > pools[kind].room)
			return false;
	return staying < US_MAX_PATCHES;
}

static u8 *item(u32 kind, u32 index)
{
	return (u8 *)pools[kind].items + (u64)index * pools[kind].size;
}

void patches_add(const struct installed_patch *patch)
{
	struct entry *entry = &entries[entry_count++];
	const void *from[KINDS] = {
		[FUNCTIONS] = patch->functions, [HUNKS] = patch->hunks,
		[WRITES] = patch->writes, [LINKS] = patch->links,
	};
	u32 kind;

	entry->info = patch->info;
	entry->text = patch->text;
	counts_of(patch, entry->count);
	for (kind = 0; kind < KINDS; kind++) {
		struct pool *pool = &pools[kind];

		entry->first[kind] = pool->used;
		if (entry->count[kind])
			memcpy(item(kind, pool->used), from[kind],
			       (u64)entry->count[kind] * pool->size);
		pool->used += entry->count[kind];
	}
}

static void remove_items(u32 kind, u32 first, u32 count)
{
	struct pool *pool = &pools[kind];
	u32 end = first + count;

	memmove(item(kind, first), item(kind, end),
		(u64)(pool->used - end) * pool->size);
	pool->used -= count;
}

void patches_remove(u32 index)
{
	const struct entry gone = entries[index];
	u32 i, kind;

	for (kind = 0; kind < KINDS; kind++)
		remove_items(kind, gone.first[kind], gone.count[kind]);
	entry_count--;
	for (i = index; i < entry_count; i++) {
		entries[i] = entries[i + 1];
		for (kind = 0; kind < KINDS; kind++)
			entries[i].first[kind] -= gone.count[kind];
	}
}

void patches_drop(u32 index)
{
	entries[index].text = NULL;
}

bool patches_find(const u8 id[US_DIGEST_SIZE], u64 generation, u32 *index)
{
	u32 i;

	for (i = 0; i < entry_count; i++) {
		const struct us_receipt *receipt = &entries[i].info.receipt;

		if (entries[i].text && receipt->generation == generation &&
		    !memcmp(receipt->bundle_id, id, US_DIGEST_SIZE)) {
			*index = i;
			return true;
		}
	}
	return false;
}

bool patches_find_id(const u8 id[US_DIGEST_SIZE], u32 *index)
{
	u32 i;

	for (i = 0; i < entry_count; i++) {
		if (!entries[i].text ||
		    memcmp(entries[i].info.receipt.bundle_id, id,
			   US_DIGEST_SIZE))
			continue;
		*index = i;
		return true;
	}
	return false;
}

const char *patches_hunk_at(const struct text_map *text, u64 offset, u64 len)
{
	u32 i, k;

	for (i = 0; i < entry_count; i++) {
		const struct entry *entry = &entries[i];

		for (k = 0; entry->text == text && k < entry->count[HUNKS]; k++) {
			const struct installed_hunk *hunk =
				&hunks[entry->first[HUNKS] + k];

			if (spans_overlap(offset, len, hunk->text_offset,
					  hunk->len))
				return entry->info.receipt.name;
		}
	}
	return NULL;
}

static bool same_code(const struct entry *a, const struct entry *b)
{
	u32 i, k;

	if (!a->text || a->text != b->text)
		return false;
	for (i = 0; i < a->count[FUNCTIONS]; i++) {
		const struct installed_function *f =
			&functions[a->first[FUNCTIONS] + i];

		for (k = 0; k < b->count[FUNCTIONS]; k++) {
			const struct installed_function *g =
				&functions[b->first[FUNCTIONS] + k];

			if (spans_overlap(f->text_offset, f->old_size,
					  g->text_offset, g->old_size))
				return true;
		}
	}
	return false;
}

const char *patches_newer_over(u32 index, const bool *out)
{
	u32 i;

	for (i = entry_count; i-- > index + 1;)
		if (!out[i] && same_code(&entries[index], &entries[i]))
			return entries[i].info.receipt.name;
	return NULL;
}

static void room_of(u32 index, enum arena_part part, u64 *offset, u64 *len)
{
	const struct us_receipt *receipt = &entries[index].info.receipt;
	bool code = part == ARENA_CODE;

	*offset = code ? receipt->arena_offset : receipt->shadow_offset;
	*len = code ? receipt->arena_bytes : receipt->shadow_bytes;
}

u64 patches_room_end(u32 index, enum arena_part part)
{
	u64 offset, len;

	room_of(index, part, &offset, &len);
	return offset + len;
}

bool patches_use_room(enum arena_part part, u64 offset, u64 len)
{
	u64 at, used;
	u32 i;

	for (i = 0; i < entry_count; i++) {
		room_of(i, part, &at, &used);
		if (spans_overlap(offset, len, at, used))
			return true;
	}
	return false;
}

u64 patches_room_used(enum arena_part part)
{
	u64 used = 0, offset, len;
	u32 i;

	for (i = 0; i < entry_count; i++) {
		room_of(i, part, &offset, &len);
		used += len;
	}
	return used;
}
