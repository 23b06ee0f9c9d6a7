/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "segments.h"

#include <string.h>

#define EMPTY_TSS_LIMIT 0x67

static void read_segment(struct segment *seg, u16 selector, const u64 *gdt)
{
	u64 low = gdt[selector >> 3];

	seg->selector = selector;
	if (!(selector & ~3u))
		return;
	seg->attributes = low >> 40 & 0xf0ff;
	seg->limit = (low & 0xffff) | (low >> 32 & 0xf0000);
	if (low >> 55 & 1)
		seg->limit = seg->limit << 12 | 0xfff;
	seg->base = (low >> 16 & 0xffffff) | (low >> 32 & 0xff000000);
	if (seg->attributes & SEG_NOT_SYSTEM)
		seg->attributes |= SEG_ACCESSED;	/* it is loaded */
	else	/* 16 bytes in long mode */
		seg->base |= gdt[(selector >> 3) + 1] << 32;
}

#define READ_SELECTOR(name) ({					\
	u16 sel_;						\
	asm volatile("mov %%" #name ", %0" : "=r"(sel_));	\
	sel_; })

void segments_read(struct segments *all)
{
	const u64 *gdt;
	u16 tr, ldt;

	memset(all, 0, sizeof(*all));
	asm volatile("sgdt %0" : "=m"(all->gdtr));
	asm volatile("sidt %0" : "=m"(all->idtr));
	asm volatile("str %0" : "=r"(tr));
	asm volatile("sldt %0" : "=r"(ldt));
	gdt = (const u64 *)all->gdtr.base;
	read_segment(&all->seg[SEG_ES], READ_SELECTOR(es), gdt);
	read_segment(&all->seg[SEG_CS], READ_SELECTOR(cs), gdt);
	read_segment(&all->seg[SEG_SS], READ_SELECTOR(ss), gdt);
	read_segment(&all->seg[SEG_DS], READ_SELECTOR(ds), gdt);
	read_segment(&all->seg[SEG_FS], READ_SELECTOR(fs), gdt);
	read_segment(&all->seg[SEG_GS], READ_SELECTOR(gs), gdt);
	read_segment(&all->seg[SEG_LDTR], ldt, gdt);
	read_segment(&all->seg[SEG_TR], tr, gdt);
	if (!(tr & ~3u)) {
		all->seg[SEG_TR].attributes = SEG_TSS64;
		all->seg[SEG_TR].limit = EMPTY_TSS_LIMIT;
	}
	all->seg[SEG_FS].base = rdmsr(MSR_FS_BASE);
	all->seg[SEG_GS].base = rdmsr(MSR_GS_BASE);
}

static struct segment segment(u16 selector, u16 attributes, u32 limit, u64 base)
{
	return (struct segment) { selector, attributes, limit, base };
}

static void fill_data(struct segments *all, struct segment with)
{
	for (u32 i = SEG_ES; i <= SEG_GS; i++)
		all->seg[i] = with;
}

void segments_sipi(struct segments *all, u8 vector)
{
	fill_data(all, segment(0, SEG_DATA, 0xffff, 0));
	all->seg[SEG_CS] = segment((u16)(vector << 8), SEG_CODE16, 0xffff,
				   (u64)vector << 12);
	all->seg[SEG_TR] = segment(0, SEG_TSS64, 0xffff, 0);
	all->seg[SEG_LDTR] = segment(0, SEG_LDT, 0xffff, 0);
	all->gdtr = all->idtr = (struct table) { 0xffff, 0 };
}

void segments_control(struct segments *all)
{
	fill_data(all, segment(0x10, SEG_DATA32, ~0u, 0));
	all->seg[SEG_CS] = segment(0x08, SEG_CODE64, ~0u, 0);
	all->seg[SEG_TR] = segment(0, SEG_TSS64, EMPTY_TSS_LIMIT, 0);
	all->seg[SEG_LDTR] = segment(0, 0, 0, 0);
	all->gdtr = all->idtr = (struct table) { 0, 0 };
}
