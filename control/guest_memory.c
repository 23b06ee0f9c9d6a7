/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "arena.h"
#include "guest_memory.h"
#include "modules.h"
#include "state.h"

#define CR0_PG		(1ull << 31)
#define CR4_PAE		(1ull << 5)
#define EFER_LMA	(1ull << 10)

/*
 * Page tables that were read since guest_note_tables(), as whole pages, so that it can be
 * told later whether what was read is still so.
 */
#define TABLE_SLOTS	64u

static struct {
	bool noting;
	bool lost;		/* more were read than there is room for */
	u64 gpa[TABLE_SLOTS];	/* NO_TABLE: empty */
	u16 first[TABLE_SLOTS], last[TABLE_SLOTS];	/* entries that were read */
	u64 entries[TABLE_SLOTS][512];
} tables;

#define NO_TABLE	(~0ull)

void guest_forget_tables(void)
{
	tables.noting = false;
}

void guest_note_tables(void)
{
	u32 i;

	tables.noting = true;
	tables.lost = false;
	for (i = 0; i < TABLE_SLOTS; i++)
		tables.gpa[i] = NO_TABLE;
}

static bool same_entries(u32 slot)
{
	static u64 now[512];
	u32 first = tables.first[slot], count = tables.last[slot] - first + 1, i;

	if (host_read(tables.gpa[slot] + 8 * first, now, 8 * count))
		return false;
	for (i = 0; i < count; i++)
		if (now[i] != tables.entries[slot][first + i])
			return false;
	return true;
}

bool guest_tables_same(void)
{
	u32 i;

	if (!tables.noting || tables.lost)
		return false;
	for (i = 0; i < TABLE_SLOTS; i++)
		if (tables.gpa[i] != NO_TABLE && !same_entries(i))
			return false;
	return true;
}

/* The slot of the table at @page, read if it is not there. */
static enum us_error note_table(u64 page, u32 slot)
{
	enum us_error error;

	if (tables.gpa[slot] == page)
		return US_OK;
	if (tables.gpa[slot] != NO_TABLE)
		tables.lost = true;
	tables.gpa[slot] = NO_TABLE;
	error = host_read(page, tables.entries[slot], PAGE_SIZE);
	if (error)
		return error;
	tables.gpa[slot] = page;
	tables.first[slot] = 511;
	tables.last[slot] = 0;
	return US_OK;
}

enum us_error guest_read_entries(u64 gpa, u64 *entries, u32 count)
{
	u64 page = ALIGN_DOWN(gpa, PAGE_SIZE);
	u32 slot = (page >> PAGE_SHIFT) % TABLE_SLOTS;
	u16 first = (u16)((gpa - page) / 8), last = (u16)(first + count - 1);
	enum us_error error;

	if (!tables.noting)
		return host_read(gpa, entries, count * sizeof(*entries));
	error = note_table(page, slot);
	if (error)
		return error;
	if (first < tables.first[slot])
		tables.first[slot] = first;
	if (last > tables.last[slot])
		tables.last[slot] = last;
	memcpy(entries, &tables.entries[slot][first], count * sizeof(*entries));
	return US_OK;
}

enum us_error guest_read_entry(u64 gpa, u64 *entry)
{
	return guest_read_entries(gpa, entry, 1);
}

static enum us_error read_entry(void *ctx, u64 gpa, u64 *entry)
{
	(void)ctx;
	return guest_read_entry(gpa, entry);
}

enum us_error guest_caller_space(const struct control_caller *who,
				 struct address_space *space)
{
	if (!(who->cr0 & CR0_PG) || !(who->cr4 & CR4_PAE) ||
	    !(who->efer & EFER_LMA))
		return US_E_GUEST_ADDRESS;
	space->cr3 = who->cr3;
	space->levels = who->cr4 & CR4_LA57 ? 5 : 4;
	space->nxe = who->efer & EFER_NXE;
	return US_OK;
}

enum us_error guest_translate(const struct address_space *space, u64 gva,
			      struct page_mapping *out)
{
	struct page_walker walker = {
		.read = read_entry,
		.cr3 = space->cr3,
		.levels = space->levels,
		.phys_bits = host_info()->guest_phys_bits,
		.nxe = space->nxe,
	};

	return page_walk(&walker, gva, out);
}

#define MAX_COPY	(1ull << 20)	/* of one host_read() or host_write() */

/* Bytes of [gva, gva + len) that lie in the page of @gva, as one copy. */
static u64 part_in_page(u64 gva, u64 len, u64 page_size)
{
	u64 room = page_size - (gva & (page_size - 1));

	if (room > MAX_COPY)
		room = MAX_COPY;
	return len < room ? len : room;
}

/* What a caller's access needs of the pages it goes through. */
struct access {
	u64 flags;		/* PTE_USER, PTE_WRITE */
	enum us_error (*each)(u64 gpa, void *data, u64 len);
};

static enum us_error read_part(u64 gpa, void *data, u64 len)
{
	return host_read(gpa, data, len);
}

static bool writable_for_guests(u64 gpa, u64 len)
{
	const struct host_info *host = host_info();

	if (spans_overlap(gpa, len, host->arena_gpa, host->arena_len))
		return false;
	return !control.sealed || (!kernel_overlaps(&control.kernel, gpa, len) &&
				   !modules_overlap(gpa, len));
}

static enum us_error check_part(u64 gpa, void *data, u64 len)
{
	u64 at, step;
	u8 byte;

	(void)data;
	if (!writable_for_guests(gpa, len))
		return US_E_GUEST_ADDRESS;
	/* Says whether the host takes each frame for ordinary memory. */
	for (at = gpa; at < gpa + len; at += step) {
		if (host_read(at, &byte, 1))
			return US_E_GUEST_ADDRESS;
		step = PAGE_SIZE - (at & (PAGE_SIZE - 1));
	}
	return US_OK;
}

static enum us_error write_part(u64 gpa, void *data, u64 len)
{
	if (!writable_for_guests(gpa, len))
		return US_E_GUEST_ADDRESS;
	return host_write(gpa, data, len);
}

static enum us_error walk_pages(const struct address_space *space, u64 gva,
				void *data, u64 len, const struct access *access)
{
	struct page_mapping mapping;
	enum us_error error;
	u8 *at = data;
	u64 part;

	if (!span_valid(gva, len))
		return US_E_GUEST_ADDRESS;
	for (; len; gva += part, len -= part) {
		error = guest_translate(space, gva, &mapping);
		if (error)
			return error;
		part = part_in_page(gva, len, mapping.page_size);
		if ((mapping.flags & access->flags) != access->flags)
			return US_E_GUEST_ADDRESS;
		error = access->each(mapping.gpa, at, part);
		if (error)
			return error;
		if (at)
			at += part;
	}
	return US_OK;
}

enum us_error guest_read(const struct address_space *space, u64 gva, void *dst,
			 u64 len)
{
	const struct access access = { .each = read_part };

	return walk_pages(space, gva, dst, len, &access);
}

static enum us_error caller_access(const struct control_caller *who, u64 gva,
				   void *data, u64 len, struct access access)
{
	struct address_space space;
	enum us_error error;

	error = guest_caller_space(who, &space);
	if (error)
		return error;
	if (who->cpl == 3)
		access.flags |= PTE_USER;
	return walk_pages(&space, gva, data, len, &access);
}

enum us_error caller_read(const struct control_caller *who, u64 gva, void *dst,
			  u64 len)
{
	const struct access access = { .each = read_part };

	return caller_access(who, gva, dst, len, access);
}

enum us_error caller_check_write(const struct control_caller *who, u64 gva,
				 u64 len)
{
	const struct access access = { PTE_WRITE, check_part };

	return caller_access(who, gva, NULL, len, access);
}

enum us_error caller_write(const struct control_caller *who, u64 gva,
			   const void *src, u64 len)
{
	const struct access access = { PTE_WRITE, write_part };

	/* write_part only reads from it. */
	return caller_access(who, gva, (void *)(uintptr_t)src, len, access);
}
