// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Attacks on the mapping of sealed pages: the page tables are pointed at copies, so
 * that the kernel goes on whether anybody notices or not.
 */
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <asm/pgtable.h>
#include <asm/processor-flags.h>

#include "attack.h"

#define ENTRIES		512
#define FRAME(entry)	((entry) & 0x000ffffffffff000ull)

/* The entry that was changed last, for map_back. */
static u64 *changed;
static u64 before;

static void invalidate(void *address)
{
	asm volatile("invlpg (%0)" : : "r"(address) : "memory");
}

static void change(u64 *entry, u64 value, u64 address)
{
	changed = entry;
	before = *entry;
	WRITE_ONCE(*entry, value);
	on_each_cpu(invalidate, (void *)address, 1);
}

static void *copy_of(const void *page)
{
	void *copy = (void *)__get_free_page(GFP_KERNEL);

	if (copy)
		memcpy(copy, page, PAGE_SIZE);
	return copy;
}

/* The 4 KiB pages of a large one, but for one that is @copy. */
static u64 *split(u64 entry, u64 address, void *copy)
{
	u64 flags = entry & ~FRAME(entry) & ~(u64)_PAGE_PSE;
	u64 *table = (u64 *)get_zeroed_page(GFP_KERNEL);
	int i;

	for (i = 0; table && i < ENTRIES; i++)
		table[i] = (FRAME(entry) + i * PAGE_SIZE) | flags;
	if (table)
		table[address / PAGE_SIZE % ENTRIES] = __pa(copy) | flags;
	return table;
}

/* The page at @args[0] is a copy from now on. Answer: `level=N`. */
static void map_copy(const u64 *args)
{
	u64 address = args[0] & PAGE_MASK;
	unsigned int level = 0;
	u64 *entry = (u64 *)lookup_address(address, &level), *table;
	void *copy = entry ? copy_of((void *)address) : NULL;

	if (!copy) {
		answer("no mapping");
	} else if (level == PG_LEVEL_4K) {
		change(entry, __pa(copy) | (*entry & ~FRAME(*entry)), address);
		answer("level=1");
	} else if (level == PG_LEVEL_2M) {
		table = split(*entry, address, copy);
		if (table)
			change(entry, __pa(table) | _KERNPG_TABLE, address);
		answer("level=2");
	}
}

/* The 2 MiB around @args[0], mapped by one entry, are a copy. Answer: `level=2`. */
static void map_large(const u64 *args)
{
	u64 address = args[0] & ~(u64)(PMD_SIZE - 1);
	unsigned int level = 0;
	u64 *entry = (u64 *)lookup_address(address, &level);
	struct page *copy;

	if (!entry || level != PG_LEVEL_2M) {
		answer("level=%u", level);
		return;
	}
	copy = alloc_pages(GFP_KERNEL, PMD_SHIFT - PAGE_SHIFT);
	if (!copy) {
		answer("no memory");
		return;
	}
	memcpy(page_address(copy), (void *)address, PMD_SIZE);
	change(entry, __pa(page_address(copy)) | (*entry & ~FRAME(*entry)),
	       address);
	answer("level=2");
}

/* Sets the bits @args[1] in the entry that maps @args[0], and clears @args[2]. */
static void map_flags(const u64 *args)
{
	unsigned int level = 0;
	u64 *entry = (u64 *)lookup_address(args[0], &level);

	if (entry)
		change(entry, (*entry | args[1]) & ~args[2], args[0]);
	answer("level=%u", level);
}

/* Puts back what was changed last. Answer: `kept=1` if it was still there. */
static void map_back(const u64 *args)
{
	u64 after = changed ? *changed : 0;

	if (changed)
		WRITE_ONCE(*changed, before);
	answer("kept=%d", ((after ^ before) & ~0x60ull) != 0);
	changed = NULL;
}

static u64 *slot_in(u64 *table, u64 address, int shift)
{
	return &table[address >> shift & (ENTRIES - 1)];
}

static bool five_levels(void)
{
	unsigned long cr4;

	asm volatile("mov %%cr4, %0" : "=r"(cr4));
	return cr4 & X86_CR4_LA57;
}

/* Copies of the tables below @entry, down to one in which the page at @address is
 * @copy. Returns what to put in place of @entry, or 0. */
static u64 own_tables(u64 entry, u64 address, int shift, void *copy)
{
	u64 *table, *slot, below;

	if (shift == PMD_SHIFT && (entry & _PAGE_PSE)) {
		table = split(entry, address, copy);
		return table ? __pa(table) | _KERNPG_TABLE : 0;
	}
	table = copy_of(__va(FRAME(entry)));
	if (!table)
		return 0;
	slot = slot_in(table, address, shift - 9);
	if (shift == PMD_SHIFT)
		below = __pa(copy) | (*slot & ~FRAME(*slot));
	else
		below = own_tables(*slot, address, shift - 9, copy);
	*slot = below;
	return below ? __pa(table) | _KERNPG_TABLE : 0;
}

/* The calling process maps a copy at @args[0] for @args[1] ms, on its CPU all the
 * time. Answer: `kept=1` if nobody has put its entry back. */
static void map_own(const u64 *args)
{
	int shift = five_levels() ? 48 : 39;
	u64 address = args[0] & PAGE_MASK, value, old;
	u64 *entry = slot_in((u64 *)current->mm->pgd, address, shift);
	void *copy = copy_of((void *)address);
	unsigned long end;

	old = *entry;
	value = copy ? own_tables(old, address, shift, copy) : 0;
	if (!value) {
		answer("no memory");
		return;
	}
	preempt_disable();
	end = jiffies + msecs_to_jiffies(args[1]);
	WRITE_ONCE(*entry, value);
	while (time_before(jiffies, end))
		cpu_relax();
	value ^= READ_ONCE(*entry);
	WRITE_ONCE(*entry, old);
	preempt_enable();
	answer("kept=%d", !(value & ~0x60ull));
}

/* Answer: the IDTR's base. */
static void idt_base(const u64 *args)
{
	struct { u16 limit; u64 base; } __packed idtr;

	asm volatile("sidt %0" : "=m"(idtr));
	answer("base=%#llx", idtr.base);
}

const struct command mapping_commands[] = {
	{ "map_copy", 1, map_copy },
	{ "map_large", 1, map_large },
	{ "map_flags", 3, map_flags },
	{ "map_back", 0, map_back },
	{ "map_own", 2, map_own },
	{ "idt_base", 0, idt_base },
	{ }
};
