/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "patches.h"
#include "probes.h"
#include "site_rule.h"

#define INT3		0xcc
#define JMP		0xe9
#define JUMP_LEN	5u	/* of JMP rel32 */
#define REST_LEN	4u

struct probe {
	u64 gva;
	u8 original;		/* what the INT3 stands for */
	bool changed;		/* the four bytes behind are not the kernel's own */
	u8 rest[REST_LEN];	/* those, while changed */
	u8 unused[2];
};
static_assert(sizeof(struct probe) == 16, "4096 of them");

static struct probe probes[PROBES_MAX];	/* by gva */
static u32 count;

void probes_reset(void)
{
	count = 0;
}

u32 probes_count(void)
{
	return count;
}

/* The first probe at or after @gva. */
static u32 first_at(u64 gva)
{
	u32 low = 0, high = count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (probes[middle].gva >= gva)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

bool probes_at(u64 gva)
{
	u32 i = first_at(gva);

	return i < count && probes[i].gva == gva;
}

bool probes_touch(u64 gva, u64 len)
{
	u64 from = gva - (JUMP_LEN - 1);
	u32 i = first_at(from);

	return i < count && spans_overlap(gva, len, probes[i].gva, JUMP_LEN);
}

static void insert(u32 index, u64 gva, u8 original)
{
	memmove(probes + index + 1, probes + index,
		(count - index) * sizeof(*probes));
	probes[index] = (struct probe) { .gva = gva, .original = original };
	count++;
}

static void remove_at(u32 index, u32 how_many)
{
	memmove(probes + index, probes + index + how_many,
		(count - index - how_many) * sizeof(*probes));
	count -= how_many;
}

void probes_forget(u64 gva, u64 len)
{
	u32 first = first_at(gva);

	remove_at(first, first_at(gva + len) - first);
}

static bool touches_hunk(const struct text_map *map, u64 offset, u64 len)
{
	return patches_hunk_at(map, offset, len) != NULL;
}

/* Does JMP with the distance behind the first byte lead to generated code? */
static bool leads_outside(const struct probe *probe, const u8 *bytes)
{
	s32 distance;

	memcpy(&distance, bytes + 1, sizeof(distance));
	return site_rule_in_module_area(probe->gva + JUMP_LEN + (u64)distance);
}

/* A new probe: INT3 over the first byte of an instruction. */
static bool allow_arm(const struct placed_write *placed)
{
	const struct text_map *map = placed->map;
	u64 gva = map->gva + placed->offset;
	u8 before, after;

	if (count == PROBES_MAX || touches_hunk(map, placed->offset, 1) ||
	    !text_write_bytes(placed, placed->offset, 1, &before, &after) ||
	    before == INT3)
		return false;
	insert(first_at(gva), gva, before);
	return true;
}

static bool allow_first_byte(const struct placed_write *placed, u32 index)
{
	struct probe *probe = &probes[index];
	u8 before[JUMP_LEN], after[JUMP_LEN];
	u8 byte = placed->write->bytes[0];

	if (placed->write->len != 1)
		return false;
	if (byte == INT3)
		return true;
	/* Only where it has been changed do the bytes behind matter. */
	if (!text_write_bytes(placed, placed->offset,
			      probe->changed ? JUMP_LEN : 1, before, after))
		return false;
	if (before[0] == byte)
		return true;
	if (before[0] != INT3)
		return false;
	if (probe->changed)
		return byte == JMP && leads_outside(probe, after);
	if (byte != probe->original)
		return false;
	remove_at(index, 1);
	return true;
}

/* Nothing else may want the bytes that a jump takes. */
static bool has_room(const struct placed_write *placed, u32 index)
{
	const struct text_map *map = placed->map;
	u64 gva = probes[index].gva, offset = gva - map->gva;

	return span_inside(offset, JUMP_LEN, map->len) &&
	       !(index + 1 < count && probes[index + 1].gva - gva < JUMP_LEN) &&
	       !text_map_touches_site(map, offset, JUMP_LEN) &&
	       !touches_hunk(map, offset, JUMP_LEN);
}

/*
 * Half of the four bytes, because the other half is on another page? The first half
 * comes first, and says nothing yet about where the jump will lead.
 */
static bool is_first_half(const struct placed_write *placed,
			  const struct probe *probe)
{
	u64 start = placed->map->gva + placed->offset;

	return start == probe->gva + 1 &&
	       IS_ALIGNED(start + placed->write->len, PAGE_SIZE);
}

static bool is_second_half(const struct placed_write *placed,
			   const struct probe *probe)
{
	u64 start = placed->map->gva + placed->offset;

	return start + placed->write->len == probe->gva + JUMP_LEN &&
	       IS_ALIGNED(start, PAGE_SIZE);
}

static bool allow_rest(const struct placed_write *placed, u32 index)
{
	struct probe *probe = &probes[index];
	u64 offset = probe->gva - placed->map->gva;
	u8 before[JUMP_LEN], after[JUMP_LEN];
	const u8 *own = probe->changed ? probe->rest : before + 1;
	bool first = is_first_half(placed, probe), back;

	if (probe->gva < placed->map->gva ||
	    !span_inside(placed->offset - offset, placed->write->len, JUMP_LEN) ||
	    !text_write_bytes(placed, offset, JUMP_LEN, before, after) ||
	    before[0] != INT3)
		return false;
	if (placed->write->len != REST_LEN && !first &&
	    !is_second_half(placed, probe))
		return false;
	if (!probe->changed && !has_room(placed, index))
		return false;
	back = !memcmp(after + 1, own, REST_LEN);
	if (!back && !leads_outside(probe, after) &&
	    !(first && placed->write->len < REST_LEN))
		return false;
	memmove(probe->rest, own, REST_LEN);
	probe->changed = !back;
	return true;
}

/* The bytes behind an unchanged probe are instructions, and may be probed. */
static bool arms(const struct placed_write *placed)
{
	return placed->write->len == 1 && placed->write->bytes[0] == INT3 &&
	       text_map_may_probe(placed->map, placed->offset);
}

bool probes_allow(const struct placed_write *placed)
{
	u64 gva = placed->map->gva + placed->offset;
	u32 index = first_at(gva);

	if (index < count && probes[index].gva == gva)
		return allow_first_byte(placed, index);
	if (index && gva - probes[index - 1].gva < JUMP_LEN &&
	    (probes[index - 1].changed || !arms(placed)))
		return allow_rest(placed, index - 1);
	return arms(placed) && allow_arm(placed);
}
