/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "descriptors.h"

#include <string.h>

#include "nmi.h"
#include "panic.h"
#include "vmm.h"

#define SELECTOR_CODE	0x08
#define SELECTOR_DATA	0x10
#define SELECTOR_TSS	0x18
#define GDT_CODE	0x00af9b000000ffffull
#define GDT_DATA	0x00cf93000000ffffull
#define GATE_INTERRUPT	0x8e00u
#define EXCEPTIONS	32
#define VECTORS		256
#define FAULT_STACK	PAGE_SIZE

struct gate {
	u16 offset_low, selector, flags_ist, offset_mid;
	u32 offset_high, reserved;
};
static_assert(sizeof(struct gate) == 16, "IDT gate, APM volume 2, 4.8.4");

struct tss {
	u32 reserved1;
	u64 rsp[3];
	u64 reserved2;
	u64 ist[7];
	u64 reserved3;
	u16 reserved4, io_map;
} __attribute__((packed));
static_assert(sizeof(struct tss) == 104, "TSS, APM volume 2, 12.2.5");

struct table_pointer {
	u16 limit;
	u64 base;
} __attribute__((packed));

static u64 gdt[MAX_CPUS][5];
static struct tss tss[MAX_CPUS];
static struct gate idt[VECTORS];
static u8 fault_stack[MAX_CPUS][FAULT_STACK] __attribute__((aligned(16)));
static union {
	struct cpu *cpu;
	u8 bytes[HOST_STACK];
} stack[MAX_CPUS] __attribute__((aligned(HOST_STACK)));

extern u8 exception_stubs[];
void load_cs(u16 selector);
void handle_exception(struct exception_frame *frame);

u64 host_stack_top(struct cpu *cpu)
{
	stack[cpu->index].cpu = cpu;
	return (u64)&stack[cpu->index] + HOST_STACK;
}

static void set_gate(u32 vector)
{
	u32 index = vector < EXCEPTIONS ? vector : EXCEPTIONS;
	u64 stub = (u64)exception_stubs + index * 16;
	/* A double fault may be a bad stack; the others run where they happen. */
	u16 ist = vector == VECTOR_DF ? 1 : 0;

	idt[vector] = (struct gate) {
		.offset_low = (u16)stub, .selector = SELECTOR_CODE,
		.flags_ist = GATE_INTERRUPT | ist,
		.offset_mid = (u16)(stub >> 16),
		.offset_high = (u32)(stub >> 32),
	};
}

static void set_tss_descriptor(u64 *entry, u64 base)
{
	entry[0] = (sizeof(struct tss) - 1) | (base & 0xffffff) << 16 |
		0x89ull << 40 | (base >> 24 & 0xff) << 56;
	entry[1] = base >> 32;
}

void descriptors_load(struct cpu *cpu)
{
	u32 i = cpu->index;
	struct table_pointer gdtr = { sizeof(gdt[i]) - 1, (u64)gdt[i] };
	struct table_pointer idtr = { sizeof(idt) - 1, (u64)idt };

	for (u32 vector = 0; vector < VECTORS; vector++)
		set_gate(vector);
	tss[i].ist[0] = (u64)fault_stack[i] + FAULT_STACK;
	tss[i].io_map = sizeof(struct tss);
	gdt[i][1] = GDT_CODE;
	gdt[i][2] = GDT_DATA;
	set_tss_descriptor(&gdt[i][3], (u64)&tss[i]);
	asm volatile("lgdt %0" :: "m"(gdtr));
	asm volatile("lidt %0" :: "m"(idtr));
	asm volatile("mov %0, %%ds\n\tmov %0, %%es\n\tmov %0, %%ss\n\t"
		     "mov %1, %%fs\n\tmov %1, %%gs"
		     :: "r"(SELECTOR_DATA), "r"(0) : "memory");
	load_cs(SELECTOR_CODE);
	asm volatile("lldt %w0" :: "r"(0));
	asm volatile("ltr %w0" :: "r"(SELECTOR_TSS));
}

void handle_exception(struct exception_frame *frame)
{
	u64 rip;

	switch (frame->vector) {
	case VECTOR_NMI:
		/* Nobody asks any more, and this may be the stack of a double fault. */
		if (panicking())
			return;
		nmi_arrived(this_cpu());
		frame->rip = hv.ops->nmi_came(this_cpu(), frame->rip);
		return;
	case VECTOR_SX:		/* an INIT was redirected: APM volume 2, 15.30.1 */
		this_cpu()->guest->pending_init = 1;
		return;
	case EXCEPTIONS:
		return;		/* whoever called accept_interrupts ends it */
	}
	rip = hv.ops->fault_exit(frame->rip);
	if (!rip)
		panic_exception(frame);
	frame->rip = rip;
}
