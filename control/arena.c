/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lies where in the memory for patches; arena_map.c maps it. */
#include <string.h>

#include "arena.h"
#include "arena_map.h"
#include "patches.h"
#include "state.h"

static const struct {
	u8 fill;
	enum us_error full;
} parts[ARENA_PARTS] = {
	[ARENA_CODE] = { 0xcc, US_E_ARENA_FULL },	/* int3 */
	[ARENA_SHADOW] = { 0, US_E_SHADOW_FULL },
};

u64 arena_gpa(enum arena_part part)
{
	const struct host_info *host = host_info();

	return part == ARENA_CODE ? host->arena_gpa : host->shadow_gpa;
}

static u64 part_len(enum arena_part part)
{
	const struct host_info *host = host_info();

	return part == ARENA_CODE ? host->arena_len : host->shadow_len;
}

bool arena_overlaps(u64 gpa, u64 len)
{
	return spans_overlap(gpa, len, arena_gpa(ARENA_CODE),
			     part_len(ARENA_CODE)) ||
	       spans_overlap(gpa, len, arena_gpa(ARENA_SHADOW),
			     part_len(ARENA_SHADOW));
}

enum us_error arena_wipe(enum arena_part part, u64 offset, u64 len)
{
	u8 fill[PAGE_SIZE];
	enum us_error error;
	u64 count;

	if (!span_inside(offset, len, part_len(part)))
		return US_E_GUEST_ADDRESS;
	memset(fill, parts[part].fill, sizeof(fill));
	for (; len; offset += count, len -= count) {
		count = len < sizeof(fill) ? len : sizeof(fill);
		error = host_write(arena_gpa(part) + offset, fill, count);
		if (error)
			return error;
	}
	return US_OK;
}

enum us_error arena_write(u64 offset, const void *src, u64 len)
{
	if (!span_inside(offset, len, part_len(ARENA_CODE)))
		return US_E_GUEST_ADDRESS;
	return host_write(arena_gpa(ARENA_CODE) + offset, src, len);
}

enum us_error arena_init(void)
{
	enum us_error error;

	arena_map_reset();
	error = arena_wipe(ARENA_CODE, 0, part_len(ARENA_CODE));
	return error ? error : arena_wipe(ARENA_SHADOW, 0,
					  part_len(ARENA_SHADOW));
}

/* The lowest place that no patch uses: bodies are few, so look at the start and
 * behind every installed patch. */
enum us_error arena_find_room(enum arena_part part, u64 len, u64 *offset)
{
	u64 best = ~0ull, at, limit = part_len(part);
	u32 i;

	*offset = 0;
	if (!len)
		return US_OK;
	for (i = 0; i <= patches_count(); i++) {
		at = i ? patches_room_end(i - 1, part) : 0;
		at = ALIGN_UP(at, ARENA_ALIGN);
		if (at < best && span_inside(at, len, limit) &&
		    !patches_use_room(part, at, len))
			best = at;
	}
	if (best == ~0ull)
		return control_fail(parts[part].full, len,
				    limit - patches_room_used(part), NULL);
	*offset = best;
	return US_OK;
}
