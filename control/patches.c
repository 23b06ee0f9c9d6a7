/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "patches.h"

/* Each patch's functions and hunks follow those of the patch before it. */
struct entry {
	struct us_patch_info info;
	const struct text_map *text;
	u32 first_function, functions;
	u32 first_hunk, hunks;
};

static struct entry entries[US_MAX_PATCHES];
static struct installed_function functions[PATCHES_MAX_FUNCTIONS];
static struct installed_hunk hunks[PATCHES_MAX_HUNKS];
static u32 entry_count, function_count, hunk_count;

void patches_reset(void)
{
	entry_count = 0;
	function_count = 0;
	hunk_count = 0;
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

	patch->info = entry->info;
	patch->text = entry->text;
	patch->functions = functions + entry->first_function;
	patch->function_count = entry->functions;
	patch->hunks = hunks + entry->first_hunk;
	patch->hunk_count = entry->hunks;
}

bool patches_have_room(u32 more_functions, u32 more_hunks)
{
	return entry_count < US_MAX_PATCHES &&
	       more_functions <= PATCHES_MAX_FUNCTIONS - function_count &&
	       more_hunks <= PATCHES_MAX_HUNKS - hunk_count;
}

void patches_add(const struct installed_patch *patch)
{
	struct entry *entry = &entries[entry_count++];

	entry->info = patch->info;
	entry->text = patch->text;
	entry->first_function = function_count;
	entry->functions = patch->function_count;
	entry->first_hunk = hunk_count;
	entry->hunks = patch->hunk_count;
	memcpy(functions + function_count, patch->functions,
	       patch->function_count * sizeof(*functions));
	memcpy(hunks + hunk_count, patch->hunks,
	       patch->hunk_count * sizeof(*hunks));
	function_count += patch->function_count;
	hunk_count += patch->hunk_count;
}

void patches_remove(u32 index)
{
	const struct entry gone = entries[index];
	u32 function_end = gone.first_function + gone.functions;
	u32 hunk_end = gone.first_hunk + gone.hunks;
	u32 i;

	memmove(functions + gone.first_function, functions + function_end,
		(function_count - function_end) * sizeof(*functions));
	memmove(hunks + gone.first_hunk, hunks + hunk_end,
		(hunk_count - hunk_end) * sizeof(*hunks));
	function_count -= gone.functions;
	hunk_count -= gone.hunks;
	entry_count--;
	for (i = index; i < entry_count; i++) {
		entries[i] = entries[i + 1];
		entries[i].first_function -= gone.functions;
		entries[i].first_hunk -= gone.hunks;
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

		for (k = 0; entry->text == text && k < entry->hunks; k++) {
			const struct installed_hunk *hunk =
				&hunks[entry->first_hunk + k];

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

	if (a->text != b->text)
		return false;
	for (i = 0; i < a->functions; i++) {
		const struct installed_function *f =
			&functions[a->first_function + i];

		for (k = 0; k < b->functions; k++) {
			const struct installed_function *g =
				&functions[b->first_function + k];

			if (spans_overlap(f->text_offset, f->old_size,
					  g->text_offset, g->old_size))
				return true;
		}
	}
	return false;
}

const char *patches_newer_over(u32 index)
{
	u32 i;

	for (i = entry_count; i-- > index + 1;)
		if (same_code(&entries[index], &entries[i]))
			return entries[i].info.receipt.name;
	return NULL;
}

u64 patches_arena_end(u32 index)
{
	const struct us_receipt *receipt = &entries[index].info.receipt;

	return receipt->arena_offset + receipt->arena_bytes;
}

bool patches_use_arena(u64 offset, u64 len)
{
	u32 i;

	for (i = 0; i < entry_count; i++) {
		const struct us_receipt *receipt = &entries[i].info.receipt;

		if (spans_overlap(offset, len, receipt->arena_offset,
				  receipt->arena_bytes))
			return true;
	}
	return false;
}

u64 patches_arena_used(void)
{
	u64 used = 0;
	u32 i;

	for (i = 0; i < entry_count; i++)
		used += entries[i].info.receipt.arena_bytes;
	return used;
}
