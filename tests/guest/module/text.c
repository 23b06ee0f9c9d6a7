// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Writes to kernel text, by each way a kernel has. All take the address of a byte
 * in the running kernel's image, put its complement there and look whether it
 * arrived; if it did it is put back, since this is a test and not an attack.
 * Answer: `changed=0|1 error=ERRNO`.
 */
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <asm/io.h>
#include <asm/pgtable.h>
#include <asm/processor-flags.h>
#include <asm/tlbflush.h>

#include "attack.h"

/* Write through @alias and judge by the kernel's own view @text. */
static void try_write(u8 *alias, const u8 *text)
{
	u8 before = *(volatile const u8 *)text;
	int error = poke_u8(alias, ~before);
	bool changed = *(volatile const u8 *)text != before;

	if (changed)
		poke_u8(alias, before);
	answer("changed=%d error=%d", changed, error);
}

static u8 *map_writable(u64 address)
{
	struct page *page = address >= MODULES_VADDR ?
			    vmalloc_to_page((void *)address) :
			    pfn_to_page(__pa(address) >> PAGE_SHIFT);
	u8 *base = vmap(&page, 1, VM_MAP, PAGE_KERNEL);

	return base ? base + offset_in_page(address) : NULL;
}

/* A second, writable mapping of the frame, as text_poke has one. */
static void text_alias(const u64 *args)
{
	u8 *alias = map_writable(args[0]);

	if (!alias) {
		answer("no mapping");
		return;
	}
	try_write(alias, (u8 *)args[0]);
	vunmap((void *)((unsigned long)alias & PAGE_MASK));
}

/* Not write_cr0(), which keeps WP pinned. A hypervisor may, too: it may fault. */
static void set_cr0(unsigned long value)
{
	asm volatile("1: mov %0, %%cr0\n2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : : "r"(value) : "memory");
}

/* The text's own mapping, with write protection switched off in CR0. */
static void text_wp(const u64 *args)
{
	unsigned long cr0;

	preempt_disable();
	cr0 = read_cr0();
	set_cr0(cr0 & ~X86_CR0_WP);
	try_write((u8 *)args[0], (u8 *)args[0]);
	set_cr0(cr0);
	preempt_enable();
}

/* The text's own mapping, made writable in the kernel's page tables. */
static void text_pte(const u64 *args)
{
	unsigned int level;
	pte_t *pte = lookup_address(args[0], &level);
	pte_t old;

	if (!pte) {
		answer("no mapping");
		return;
	}
	old = *pte;
	set_pte(pte, __pte(pte_val(old) | _PAGE_RW | _PAGE_DIRTY));
	asm volatile("invlpg (%0)" : : "r"(args[0]) : "memory");
	try_write((u8 *)args[0], (u8 *)args[0]);
	set_pte(pte, old);
	asm volatile("invlpg (%0)" : : "r"(args[0]) : "memory");
}

/* The direct map of all memory, made writable. */
static void text_direct(const u64 *args)
{
	unsigned long address = (unsigned long)__va(__pa(args[0]));
	unsigned int level;
	pte_t *pte = lookup_address(address, &level);
	pte_t old;

	if (!pte) {
		answer("no mapping");
		return;
	}
	old = *pte;
	set_pte(pte, __pte(pte_val(old) | _PAGE_RW | _PAGE_DIRTY));
	asm volatile("invlpg (%0)" : : "r"(address) : "memory");
	try_write((u8 *)address, (u8 *)args[0]);
	set_pte(pte, old);
	asm volatile("invlpg (%0)" : : "r"(address) : "memory");
}

/* Sixteen bytes by a string instruction, as text_poke stores them. */
static void text_string(const u64 *args)
{
	u8 *alias = map_writable(args[0]);
	const u8 *text = (u8 *)args[0];
	u8 before[16], value[16];
	unsigned long count = sizeof(value);
	u8 *from = value, *to = alias;

	if (!alias || offset_in_page(args[0]) > PAGE_SIZE - sizeof(before)) {
		answer("no mapping");
		return;
	}
	memcpy(before, text, sizeof(before));
	memset(value, 0x90, sizeof(value));
	asm volatile("1: rep movsb\n2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : "+c"(count), "+S"(from), "+D"(to) : : "memory");
	answer("changed=%d left=%lu",
	       memcmp(before, text, sizeof(before)) != 0, count);
	if (memcmp(before, text, sizeof(before)))
		memcpy(alias, before, sizeof(before));
	vunmap((void *)((unsigned long)alias & PAGE_MASK));
}

/* A store over the end of each of @args[1] pages from @args[0] on: INT3 in front, as a
 * kprobe would, and what nobody may put there behind. Answer: `changed=PAGES`. */
static void text_crossing(const u64 *args)
{
	unsigned long i, changed = 0;

	for (i = 1; i <= args[1]; i++) {
		const u8 *text = (u8 *)(args[0] & PAGE_MASK) + i * PAGE_SIZE - 1;
		struct page *pages[] = {
			pfn_to_page(__pa(text) >> PAGE_SHIFT),
			pfn_to_page(__pa(text + 1) >> PAGE_SHIFT),
		};
		u8 *base = vmap(pages, 2, VM_MAP, PAGE_KERNEL);
		u8 before[2] = { text[0], text[1] };
		u16 value = 0xcc | (u8)~before[1] << 8;

		if (!base)
			break;
		asm volatile("1: movw %w0, %1\n2:\n"
			     _ASM_EXTABLE(1b, 2b)
			     : : "r"(value), "m"(base[PAGE_SIZE - 1])
			     : "memory");
		if (memcmp(before, text, 2)) {
			changed++;
			poke_u8(base + PAGE_SIZE - 1, before[0]);
			poke_u8(base + PAGE_SIZE, before[1]);
		}
		vunmap(base);
	}
	answer("changed=%lu pages=%lu", changed, i - 1);
}

/* Puts byte @args[1] at @args[0] for good. Answer: `was=BYTE`. */
static void text_poke_byte(const u64 *args)
{
	u8 *alias = map_writable(args[0]);

	if (!alias) {
		answer("no mapping");
		return;
	}
	answer("was=%u", *(u8 *)args[0]);
	poke_u8(alias, args[1]);
	vunmap((void *)((unsigned long)alias & PAGE_MASK));
}

/* Answer: the physical address of @args[0], for a look from outside. */
static void text_physical(const u64 *args)
{
	answer("%#lx", (unsigned long)__pa(args[0]));
}

/* Answer: @args[1] bytes of text as hex, at most 64. */
static void text_read(const u64 *args)
{
	answer("%*phN", (int)min_t(u64, args[1], 64), (u8 *)args[0]);
}

/* Answer: where @args[0] maps: physical address, page table entry, level. */
static void text_mapping(const u64 *args)
{
	unsigned int level = 0;
	pte_t *pte = lookup_address(args[0], &level);

	answer("%#lx level=%u", pte ? pte_val(*pte) : 0, level);
}

const struct command text_commands[] = {
	{ "text_alias", 1, text_alias },
	{ "text_wp", 1, text_wp },
	{ "text_pte", 1, text_pte },
	{ "text_direct", 1, text_direct },
	{ "text_string", 1, text_string },
	{ "text_crossing", 2, text_crossing },
	{ "text_poke", 2, text_poke_byte },
	{ "physical", 1, text_physical },
	{ "read", 2, text_read },
	{ "mapping", 1, text_mapping },
	{ }
};
