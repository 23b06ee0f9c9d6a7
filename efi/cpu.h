/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The few instructions that the loader needs and C does not have. */
#ifndef UNDERSEAL_EFI_CPU_H
#define UNDERSEAL_EFI_CPU_H

#include "types.h"

struct cpuid {
	u32 eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(u32 leaf)
{
	struct cpuid r;

	asm volatile("cpuid" : "=a" (r.eax), "=b" (r.ebx), "=c" (r.ecx),
		     "=d" (r.edx) : "a" (leaf), "c" (0));
	return r;
}

/* Raises #GP when the processor does not know @msr: check CPUID first. */
static inline u64 rdmsr(u32 msr)
{
	u32 low, high;

	asm volatile("rdmsr" : "=a" (low), "=d" (high) : "c" (msr));
	return (u64)high << 32 | low;
}

static inline u64 read_cr3(void)
{
	u64 value;

	asm volatile("mov %%cr3, %0" : "=r" (value));
	return value;
}

static inline u64 read_cr4(void)
{
	u64 value;

	asm volatile("mov %%cr4, %0" : "=r" (value));
	return value;
}

static inline u64 rdtsc_ordered(void)
{
	u32 low, high;

	asm volatile("lfence; rdtsc" : "=a" (low), "=d" (high) : : "memory");
	return (u64)high << 32 | low;
}

static inline void outb(u16 port, u8 value)
{
	asm volatile("outb %0, %1" : : "a" (value), "Nd" (port));
}

static inline u8 inb(u16 port)
{
	u8 value;

	asm volatile("inb %1, %0" : "=a" (value) : "Nd" (port));
	return value;
}

static inline u64 interrupts_off(void)
{
	u64 flags;

	asm volatile("pushfq; popq %0; cli" : "=r" (flags) : : "memory");
	return flags;
}

/* @flags as interrupts_off() gave them. */
static inline void interrupts_restore(u64 flags)
{
	asm volatile("pushq %0; popfq" : : "r" (flags) : "memory", "cc");
}

static inline void __attribute__((noreturn)) stop_cpu(void)
{
	for (;;)
		asm volatile("cli; hlt" : : : "memory");
}

#endif
