/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "audit_walk.h"

#define IGNORED		(PTE_ACCESSED | PTE_DIRTY)
#define LARGE_PAT	(1ull << 12)	/* where a PTE has its lowest frame bit */

/* Where a walk is, and what the entries so far allow. */
struct walk {
	const struct address_space *space;
	const struct audit_span *span;
	const struct audit_slot *slot;
	bool own;
	u32 level;		/* of the table at hand */
	u64 table;
	u64 granted, denied;
	u64 path[AUDIT_LEVELS + 1];
	u64 at[AUDIT_LEVELS + 1];
};

static u64 level_span(u32 level)
{
	return 1ull << (PAGE_SHIFT + 9 * (level - 1));
}

/* The same, and how many bytes from there on lie in frames that follow each other. */
static u64 span_frames(const struct audit_span *span, u64 gva, u64 *len)
{
	u64 offset = ALIGN_DOWN(gva, PAGE_SIZE) - span->gva, gpa;

	*len = span->len - offset;
	if (!span->frames)
		return span->gpa + offset;
	if (frames_locate(span->frames, offset, &gpa, len))
		return gpa;
	*len = PAGE_SIZE;
	return ~0ull;
}

u64 audit_span_frame(const struct audit_span *span, u64 gva)
{
	u64 len;

	return span_frames(span, gva, &len);
}

bool audit_entry_alike(u64 a, u64 b)
{
	return !((a ^ b) & ~IGNORED);
}

u64 audit_span_entry(const struct audit_span *span, u64 gva)
{
	return audit_span_frame(span, gva) | span->flags | PTE_PRESENT | IGNORED;
}

/* The entry to blame for @gva: the topmost that is not as noted, else
 * @level's. */
static bool differs(const struct walk *walk, u64 gva, u32 level,
		    struct audit_difference *difference)
{
	u32 i;

	for (i = walk->space->levels; i > level; i--)
		if (!audit_entry_alike(walk->path[i], walk->slot->path[i]))
			break;
	*difference = (struct audit_difference) {
		.gva = gva,
		.at = walk->at[i],
		.found = walk->path[i],
		.wanted = i > 1 ? walk->slot->path[i] :
				  audit_span_entry(walk->span, gva) |
				  (walk->path[1] & PTE_GLOBAL),
		.level = i,
	};
	return false;
}

static bool rights_ok(const struct walk *walk, u64 flags)
{
	u64 noted = walk->span->flags;

	if (walk->own)
		return flags == noted;
	return !(flags & ~noted & (PTE_WRITE | PTE_USER)) &&
	       !(noted & ~flags & PTE_NX);
}

/* Is the page at @gva, mapped by @entry at walk->level to @frame, as noted? If so, then
 * that is true of *@len bytes from there on, when they are mapped in one piece. */
static bool pages_ok(const struct walk *walk, u64 gva, u64 entry, u64 frame, u64 *len)
{
	u64 flags = (walk->granted & entry & (PTE_WRITE | PTE_USER)) |
		    ((walk->denied | entry) & PTE_NX);

	return frame == span_frames(walk->span, gva, len) &&
	       rights_ok(walk, flags);
}

/* Pages mapped by one large page, whose entry is the last of the path. Bits
 * that it must not have count for its address, and so make it differ. */
static bool large_ok(const struct walk *walk, u64 gva, u64 end,
		     struct audit_difference *difference)
{
	u64 entry = walk->path[walk->level], size = level_span(walk->level);
	u64 base = entry & PTE_ADDRESS & ~LARGE_PAT, len;

	for (; gva < end; gva += len)
		if (!pages_ok(walk, gva, entry, base + (gva & (size - 1)), &len))
			return differs(walk, gva, walk->level, difference);
	return true;
}

static bool table_ok(struct walk *walk, u64 gva, u64 end,
		     struct audit_difference *difference)
{
	static u64 entries[512];
	u64 at = walk->table + 8 * (gva / PAGE_SIZE & 511), entry, len;
	u32 i, count = (u32)(ALIGN_UP(end - gva, PAGE_SIZE) / PAGE_SIZE);

	/* At once: one by one they would be most of a stop. */
	if (guest_read_entries(at, entries, count))
		memset(entries, 0, count * sizeof(*entries));
	for (i = 0; i < count; i++, at += 8, gva += PAGE_SIZE) {
		entry = entries[i];
		walk->at[1] = at;
		walk->path[1] = entry;
		if (!(entry & PTE_PRESENT) ? walk->own :
		    !pages_ok(walk, gva, entry, entry & PTE_ADDRESS, &len))
			return differs(walk, gva, 1, difference);
	}
	return true;
}

enum step { STEP_DOWN, STEP_LARGE, STEP_ABSENT, STEP_KNOWN };

/* Read the entry for @gva in the table at hand. */
static enum step step_down(struct walk *walk, u64 gva)
{
	u64 entry, at = walk->table +
			8 * (gva / level_span(walk->level) & 511);

	/* Tables outside of memory hold nothing. */
	if (guest_read_entry(at, &entry))
		entry = 0;
	walk->at[walk->level] = at;
	walk->path[walk->level] = entry;
	if (!walk->own && walk->level == walk->space->levels &&
	    audit_entry_alike(entry, walk->slot->path[walk->level]))
		return STEP_KNOWN;
	if (!(entry & PTE_PRESENT))
		return STEP_ABSENT;
	if (walk->level < 4 && (entry & PTE_LARGE))
		return STEP_LARGE;
	walk->granted &= entry;
	walk->denied |= entry & PTE_NX;
	walk->table = entry & PTE_ADDRESS;
	return STEP_DOWN;
}

static bool look(struct walk *walk, u64 gva, u64 end,
		 struct audit_difference *difference)
{
	for (; walk->level > 1; walk->level--) {
		switch (step_down(walk, gva)) {
		case STEP_DOWN:
			break;
		case STEP_LARGE:
			return large_ok(walk, gva, end, difference);
		case STEP_ABSENT:
			return !walk->own || differs(walk, gva, walk->level,
						     difference);
		case STEP_KNOWN:
			return true;
		}
	}
	return table_ok(walk, gva, end, difference);
}

bool audit_walk(const struct address_space *space, bool own,
		const struct audit_span *span, struct audit_slot *slot, u64 gva,
		u64 end, struct audit_difference *difference)
{
	struct walk walk = {
		.space = space,
		.span = span,
		.slot = slot,
		.own = own,
		.level = space->levels,
		.table = space->cr3 & PTE_ADDRESS,
		.granted = PTE_WRITE | PTE_USER,
	};

	if (!look(&walk, gva, end, difference))
		return false;
	if (own)
		memcpy(slot->path, walk.path, sizeof(slot->path));
	return true;
}
