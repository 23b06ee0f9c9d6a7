// SPDX-License-Identifier: GPL-2.0-or-later
/* Memory that belongs to somebody else: the hypervisor and the control domain. */
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "attack.h"

/* Reads @args[1] bytes at physical @args[0]. Answer: `read=N nonzero=N faults=N`. */
static void hidden_read(const u64 *args)
{
	u64 done = 0, nonzero = 0, faults = 0, offset;
	u8 *page = (u8 *)__get_free_page(GFP_KERNEL);
	int i;

	if (!page)
		return;
	for (offset = 0; offset < args[1]; offset += PAGE_SIZE) {
		void *map = memremap(args[0] + offset, PAGE_SIZE, MEMREMAP_WB);

		if (!map)
			break;
		if (copy_from_kernel_nofault(page, map, PAGE_SIZE)) {
			faults++;
		} else {
			for (i = 0; i < PAGE_SIZE; i++)
				nonzero += page[i] != 0;
			done += PAGE_SIZE;
		}
		memunmap(map);
	}
	free_page((unsigned long)page);
	answer("read=%llu nonzero=%llu faults=%llu", done, nonzero, faults);
}

/* Writes a byte to every page. Answer: `written=N faults=N`. */
static void hidden_write(const u64 *args)
{
	u64 written = 0, faults = 0, offset;

	for (offset = 0; offset < args[1]; offset += PAGE_SIZE) {
		void *map = memremap(args[0] + offset, PAGE_SIZE, MEMREMAP_WB);

		if (!map)
			break;
		if (poke_u8(map + 0x100, 0x5a))
			faults++;
		else
			written++;
		memunmap(map);
	}
	answer("written=%llu faults=%llu", written, faults);
}

/* A locked read-modify-write, which no store emulation may let slip through. */
static void hidden_locked(const u64 *args)
{
	void *map = memremap(args[0], PAGE_SIZE, MEMREMAP_WB);
	u64 old = 1;
	bool fault = true;

	if (!map) {
		answer("no mapping");
		return;
	}
	asm volatile("1: lock xaddq %0, (%2)\n\tmovb $0, %1\n2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : "+r"(old), "+m"(fault) : "r"(map + 0x200) : "memory");
	answer("fault=%d", fault);
	memunmap(map);
}

const struct command hidden_commands[] = {
	{ "hidden_read", 2, hidden_read },
	{ "hidden_write", 2, hidden_write },
	{ "hidden_locked", 1, hidden_locked },
	{ }
};
