/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the kernel sees the memory for patches. */
#include <string.h>

#include "arena.h"
#include "arena_map.h"
#include "audit.h"
#include "modules.h"
#include "patches.h"
#include "state.h"

#define ENTRIES		512u

/* The entry that maps a part. */
static struct window {
	u32 slot;		/* in level2_kernel_pgt */
	bool chosen;		/* slot is valid */
	bool watched;		/* by the audit */
} windows[ARENA_PARTS];

static u64 table_gpa;		/* of level2_kernel_pgt */

/* Of what the page's mapping may be; the audit looks at these. */
static const u64 rights[ARENA_PARTS] = {
	[ARENA_CODE] = 0,
	[ARENA_SHADOW] = PTE_WRITE | PTE_NX,
};

void arena_map_reset(void)
{
	memset(windows, 0, sizeof(windows));
	table_gpa = 0;
}

/* Present, 2 MiB, global; accessed and dirty set so that the processor has no reason
 * to write to the table. */
static u64 wanted_entry(enum arena_part part)
{
	return arena_gpa(part) | rights[part] | PTE_PRESENT | PTE_ACCESSED |
	       PTE_DIRTY | PTE_LARGE | PTE_GLOBAL;
}

/* Accessed and dirty may differ: the guest may clear them. */
static bool is_wanted(enum arena_part part, u64 entry)
{
	u64 ignored = PTE_ACCESSED | PTE_DIRTY;

	return (entry | ignored) == (wanted_entry(part) | ignored);
}

u64 arena_address(enum arena_part part)
{
	return KERNEL_WINDOW + windows[part].slot * SIZE_2M;
}

static bool is_free(const u64 *table, u32 slot)
{
	u32 i;

	for (i = 0; i < ARENA_PARTS; i++)
		if (windows[i].chosen && windows[i].slot == slot)
			return false;
	return !table[slot];
}

/* The free entry nearest to the image: above its end first, else below. */
static bool free_slot(const struct kernel *kernel, const u64 *table, u32 *slot)
{
	u32 first = (kernel->text_gva - KERNEL_WINDOW) / SIZE_2M;
	u64 end = kernel_symbol(kernel, US_FACT_IMAGE_END) - KERNEL_WINDOW;
	u32 i;

	for (i = ALIGN_UP(end, SIZE_2M) / SIZE_2M; i < ENTRIES; i++) {
		if (is_free(table, i)) {
			*slot = i;
			return true;
		}
	}
	for (i = first; i-- > 0;) {
		if (is_free(table, i)) {
			*slot = i;
			return true;
		}
	}
	return false;
}

static enum us_error mapping_failed(u64 detail0, u64 detail1)
{
	return control_fail(US_E_ARENA_MAPPING, detail0, detail1, NULL);
}

/* Sealed text and the arena: what the guest cannot write must not be written for it
 * because its page tables say that its page tables are there. */
static bool not_for_tables(const struct kernel *kernel, u64 gpa)
{
	return arena_overlaps(gpa, PAGE_SIZE) ||
	       kernel_overlaps(kernel, gpa, PAGE_SIZE) ||
	       modules_overlap(gpa, PAGE_SIZE);
}

static bool in_use(enum arena_part part)
{
	return part == ARENA_CODE ? patches_count() > 0 :
				    patches_room_used(part) > 0;
}

static enum us_error choose(const struct kernel *kernel, const u64 *table,
			    enum arena_part part)
{
	struct window *window = &windows[part];
	u64 entry = window->chosen ? table[window->slot] : 0;

	/* Installed patches lead to the address that they were linked for. */
	if (window->chosen && in_use(part))
		return !entry || is_wanted(part, entry) ? US_OK :
			mapping_failed(arena_address(part), entry);
	if (window->chosen && is_wanted(part, entry))
		return US_OK;
	if (window->watched)
		audit_remove(arena_address(part));
	memset(window, 0, sizeof(*window));
	if (!free_slot(kernel, table, &window->slot))
		return mapping_failed(kernel_symbol(kernel,
					US_FACT_LEVEL2_KERNEL_PGT), 0);
	window->chosen = true;
	return US_OK;
}

enum us_error arena_choose_addresses(const struct kernel *kernel, bool shadow)
{
	u64 table_gva = kernel_symbol(kernel, US_FACT_LEVEL2_KERNEL_PGT);
	struct page_mapping found;
	u64 table[ENTRIES];
	enum us_error error;

	error = audit_now();
	if (error)
		return error;
	if (guest_translate(&kernel->space, table_gva, &found) ||
	    not_for_tables(kernel, found.gpa) ||
	    host_read(found.gpa, table, sizeof(table)))
		return mapping_failed(table_gva, 0);
	table_gpa = found.gpa;
	error = choose(kernel, table, ARENA_CODE);
	return error || !shadow ? error : choose(kernel, table, ARENA_SHADOW);
}

/* Does the kernel's own walk of @gva come through the table that is to be written,
 * with no right less than @part needs, and none more that counts? */
static bool leads_to_table(const struct kernel *kernel, enum arena_part part)
{
	u64 gva = arena_address(part), table = kernel->space.cr3 & PTE_ADDRESS;
	u64 lacking = 0, entry;
	u32 level;

	for (level = kernel->space.levels; level > 2; level--) {
		if (guest_read_entry(table + 8 * (gva >> (12 + 9 * (level - 1)) &
						  511), &entry) ||
		    !(entry & PTE_PRESENT) || (entry & PTE_LARGE))
			return false;
		lacking |= (entry ^ PTE_WRITE) & (PTE_WRITE | PTE_NX);
		table = entry & PTE_ADDRESS;
	}
	return table == table_gpa &&
	       !(lacking & (part == ARENA_CODE ? PTE_NX : PTE_WRITE));
}

enum us_error arena_plan_mapping(const struct kernel *kernel, enum arena_part part,
				 struct us_commit_write *write, u32 *count)
{
	u64 at = table_gpa + 8 * windows[part].slot, entry = wanted_entry(part);
	u64 gva = arena_address(part), old;

	*count = 0;
	if (host_read(at, &old, sizeof(old)))
		return mapping_failed(gva, 0);
	if ((old && !is_wanted(part, old)) || not_for_tables(kernel, table_gpa) ||
	    !leads_to_table(kernel, part))
		return mapping_failed(gva, old);
	if (!windows[part].watched && !audit_has_room(gva))
		return control_fail(US_E_MODULE_ROOM, 0, 0, NULL);
	if (old)
		return US_OK;
	*write = (struct us_commit_write) { .gpa = at, .len = sizeof(entry) };
	memcpy(write->bytes, &entry, sizeof(entry));
	*count = 1;
	return US_OK;
}

void arena_mapped(enum arena_part part)
{
	if (windows[part].watched)
		return;
	guest_forget_tables();
	if (audit_add_run(arena_address(part), SIZE_2M, arena_gpa(part),
			  rights[part]))
		host_log(US_LOG_ERROR, "arena: its mapping is not audited");
	else
		windows[part].watched = true;
}
