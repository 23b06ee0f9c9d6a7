/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "arena.h"
#include "audit.h"
#include "patches.h"
#include "state.h"

#define INT3		0xcc
#define ENTRIES		512u

static struct {
	u64 table_gpa;		/* of level2_kernel_pgt */
	u32 slot;		/* in it */
	bool chosen;		/* slot is valid */
	bool written;		/* the last arena_map() wrote the entry */
} mapping;

/* Present, 2 MiB, global, executable, not writable; accessed and dirty set so
 * that the processor has no reason to write to the table. */
static u64 arena_entry(void)
{
	return host_info()->arena_gpa | PTE_PRESENT | PTE_ACCESSED | PTE_DIRTY |
	       PTE_LARGE | PTE_GLOBAL;
}

enum us_error arena_wipe(u64 offset, u64 len)
{
	u8 fill[PAGE_SIZE];
	enum us_error error;
	u64 part;

	memset(fill, INT3, sizeof(fill));
	for (; len; offset += part, len -= part) {
		part = len < sizeof(fill) ? len : sizeof(fill);
		error = arena_write(offset, fill, part);
		if (error)
			return error;
	}
	return US_OK;
}

enum us_error arena_write(u64 offset, const void *src, u64 len)
{
	const struct host_info *host = host_info();

	if (!span_inside(offset, len, host->arena_len))
		return US_E_GUEST_ADDRESS;
	return host_write(host->arena_gpa + offset, src, len);
}

enum us_error arena_init(void)
{
	memset(&mapping, 0, sizeof(mapping));
	return arena_wipe(0, host_info()->arena_len);
}

/* The lowest place that no patch uses: bodies are few, so look at the start and
 * behind every installed patch. */
enum us_error arena_find_room(u64 len, u64 *offset)
{
	u64 best = ~0ull, at, limit = host_info()->arena_len;
	u32 i;

	for (i = 0; i <= patches_count(); i++) {
		at = i ? patches_arena_end(i - 1) : 0;
		at = ALIGN_UP(at, ARENA_ALIGN);
		if (at < best && span_inside(at, len, limit) &&
		    !patches_use_arena(at, len))
			best = at;
	}
	if (best == ~0ull)
		return control_fail(US_E_ARENA_FULL, len,
				    limit - patches_arena_used(), NULL);
	*offset = best;
	return US_OK;
}

static u64 slot_gva(u32 slot)
{
	return KERNEL_WINDOW + slot * SIZE_2M;
}

u64 arena_address(void)
{
	return slot_gva(mapping.slot);
}

/* The free entry nearest to the image: above its end first, else below. */
static bool free_slot(const struct kernel *kernel, const u64 *table, u32 *slot)
{
	u32 first = (kernel->text_gva - KERNEL_WINDOW) / SIZE_2M;
	u64 end = kernel_symbol(kernel, US_FACT_IMAGE_END) - KERNEL_WINDOW;
	u32 i;

	for (i = ALIGN_UP(end, SIZE_2M) / SIZE_2M; i < ENTRIES; i++) {
		if (!table[i]) {
			*slot = i;
			return true;
		}
	}
	for (i = first; i-- > 0;) {
		if (!table[i]) {
			*slot = i;
			return true;
		}
	}
	return false;
}

/* Accessed and dirty may differ: the guest may clear them. */
static bool is_arena_entry(u64 entry)
{
	u64 ignored = PTE_ACCESSED | PTE_DIRTY;

	return (entry | ignored) == (arena_entry() | ignored);
}

static enum us_error mapping_failed(u64 detail0, u64 detail1)
{
	return control_fail(US_E_ARENA_MAPPING, detail0, detail1, NULL);
}

/* Sealed text and the arena: what the guest cannot write must not be written for it
 * because its page tables say that its page tables are there. */
static bool not_for_tables(const struct kernel *kernel, u64 gpa)
{
	const struct host_info *host = host_info();

	return spans_overlap(gpa, PAGE_SIZE, host->arena_gpa, host->arena_len) ||
	       kernel_overlaps(kernel, gpa, PAGE_SIZE);
}

enum us_error arena_choose_address(const struct kernel *kernel, u64 *gva)
{
	u64 table_gva = kernel_symbol(kernel, US_FACT_LEVEL2_KERNEL_PGT);
	u64 table[ENTRIES];
	struct page_mapping found;
	enum us_error error;

	error = audit_now();
	if (error)
		return error;
	if (guest_translate(&kernel->space, table_gva, &found) ||
	    not_for_tables(kernel, found.gpa) ||
	    host_read(found.gpa, table, sizeof(table)))
		return mapping_failed(table_gva, 0);
	/* Installed patches jump to the slot that they were linked for. */
	if (!mapping.chosen || !patches_count()) {
		if (!mapping.chosen || !is_arena_entry(table[mapping.slot])) {
			if (mapping.chosen)
				audit_remove(slot_gva(mapping.slot));
			mapping.chosen = false;
			if (!free_slot(kernel, table, &mapping.slot))
				return mapping_failed(table_gva, 0);
		}
	} else if (table[mapping.slot] && !is_arena_entry(table[mapping.slot])) {
		return mapping_failed(slot_gva(mapping.slot), table[mapping.slot]);
	}
	mapping.table_gpa = found.gpa;
	mapping.chosen = true;
	*gva = slot_gva(mapping.slot);
	return US_OK;
}

/* Does the kernel's own walk of the arena's address end where it should? */
static bool reaches_arena(const struct kernel *kernel)
{
	struct page_mapping found;

	guest_forget_tables();
	return !guest_translate(&kernel->space, slot_gva(mapping.slot), &found) &&
	       found.gpa == host_info()->arena_gpa &&
	       found.page_size == SIZE_2M && !(found.flags & (PTE_NX | PTE_USER));
}

/* From now on the arena's mapping is audited as the image's is. */
static enum us_error watch_arena(void)
{
	const struct host_info *host = host_info();

	audit_remove(slot_gva(mapping.slot));
	return audit_add_run(slot_gva(mapping.slot), host->arena_len,
			     host->arena_gpa, 0);
}

enum us_error arena_map(const struct kernel *kernel)
{
	u64 at = mapping.table_gpa + 8 * mapping.slot;
	u64 entry = arena_entry(), old;

	mapping.written = false;
	if (host_read(at, &old, sizeof(old)))
		return mapping_failed(slot_gva(mapping.slot), 0);
	if (old && !is_arena_entry(old))
		return mapping_failed(slot_gva(mapping.slot), old);
	if (!old) {
		if (host_write(at, &entry, sizeof(entry)))
			return mapping_failed(slot_gva(mapping.slot), 0);
		mapping.written = true;
	}
	if (reaches_arena(kernel) && !watch_arena())
		return US_OK;
	arena_unmap();
	return mapping_failed(slot_gva(mapping.slot), old);
}

void arena_unmap(void)
{
	u64 none = 0;

	if (mapping.written &&
	    host_write(mapping.table_gpa + 8 * mapping.slot, &none, sizeof(none)))
		host_log(US_LOG_ERROR, "arena: its page table entry stays");
	if (mapping.written)
		audit_remove(slot_gva(mapping.slot));
	mapping.written = false;
}
