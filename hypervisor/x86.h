/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The processor's own constants and instructions. No policy, no state. */
#ifndef HV_X86_H
#define HV_X86_H

#include "page_walk.h"
#include "types.h"

/* CR0, CR4, RFLAGS, EFER: APM volume 2, chapter 3. */
#define CR0_PE		(1u << 0)
#define CR0_MP		(1u << 1)
#define CR0_ET		(1u << 4)
#define CR0_NE		(1u << 5)
#define CR0_WP		(1u << 16)
#define CR0_NW		(1u << 29)
#define CR0_CD		(1u << 30)
#define CR0_PG		(1u << 31)

#define CR4_PSE		(1u << 4)
#define CR4_PAE		(1u << 5)
#define CR4_MCE		(1u << 6)
#define CR4_PGE		(1u << 7)
#define CR4_OSFXSR	(1u << 9)
#define CR4_OSXMMEXCPT	(1u << 10)
#define CR4_UMIP	(1u << 11)
#define CR4_FSGSBASE	(1u << 16)
#define CR4_PCIDE	(1u << 17)
#define CR4_OSXSAVE	(1u << 18)
#define CR4_SMEP	(1u << 20)
#define CR4_SMAP	(1u << 21)
#define CR4_PKE		(1u << 22)
#define CR4_CET		(1u << 23)
/* VME PVI TSD DE PSE PAE MCE PGE PCE OSFXSR OSXMMEXCPT: all 64-bit processors. */
#define CR4_ALWAYS	0x7ffu
/* What a change of these does not leave in the TLB: APM volume 2, 5.5.2. */
#define CR4_FLUSHING	(CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCIDE | CR4_SMEP | \
			 CR4_PKE)

#define RFLAGS_FIXED	(1u << 1)
#define RFLAGS_TF	(1u << 8)
#define RFLAGS_IF	(1u << 9)
#define RFLAGS_DF	(1u << 10)
#define RFLAGS_RF	(1u << 16)

#define EFER_SCE	(1u << 0)
#define EFER_LME	(1u << 8)
#define EFER_LMA	(1u << 10)
#define EFER_SVME	(1u << 12)
#define EFER_FFXSR	(1u << 14)
#define EFER_TCE	(1u << 15)
#define EFER_AUTOIBRS	(1u << 21)

#define PAT_RESET	0x0007040600070406ull
#define DR7_RESET	0x400u
#define DR6_RESET	0xffff0ff0u

#define MSR_TSC			0x00000010u
#define MSR_APIC_BASE		0x0000001bu
#define MSR_TSC_ADJUST		0x0000003bu
#define MSR_DEBUGCTL		0x000001d9u
#define MSR_PAT			0x00000277u
#define MSR_TSC_DEADLINE	0x000006e0u
#define MSR_X2APIC_BASE		0x00000800u
#define MSR_EFER		0xc0000080u
#define MSR_SYSENTER_CS		0x00000174u
#define MSR_SYSENTER_ESP	0x00000175u
#define MSR_SYSENTER_EIP	0x00000176u
#define MSR_STAR		0xc0000081u
#define MSR_LSTAR		0xc0000082u
#define MSR_CSTAR		0xc0000083u
#define MSR_SFMASK		0xc0000084u
#define MSR_FS_BASE		0xc0000100u
#define MSR_GS_BASE		0xc0000101u
#define MSR_KERNEL_GS_BASE	0xc0000102u

#define APIC_BASE_X2APIC	(1u << 10)
#define APIC_BASE_ENABLE	(1u << 11)

/* Exception vectors. */
#define VECTOR_DE	0
#define VECTOR_DB	1
#define VECTOR_NMI	2
#define VECTOR_BP	3
#define VECTOR_OF	4
#define VECTOR_UD	6
#define VECTOR_DF	8
#define VECTOR_TS	10
#define VECTOR_NP	11
#define VECTOR_SS	12
#define VECTOR_GP	13
#define VECTOR_PF	14
#define VECTOR_AC	17
#define VECTOR_MC	18
#define VECTOR_SX	30

/* Page-fault error code bits. */
#define PF_PRESENT	(1u << 0)
#define PF_WRITE	(1u << 1)
#define PF_USER		(1u << 2)
#define PF_RESERVED	(1u << 3)
#define PF_FETCH	(1u << 4)

/* Order of general registers as the instruction encoding numbers them. */
enum gpr {
	GPR_RAX, GPR_RCX, GPR_RDX, GPR_RBX, GPR_RSP, GPR_RBP, GPR_RSI, GPR_RDI,
	GPR_R8, GPR_R9, GPR_R10, GPR_R11, GPR_R12, GPR_R13, GPR_R14, GPR_R15,
	GPR_COUNT
};

/* CPUID feature bits. */
#define CPUID_1_ECX_PCID	(1u << 17)
#define CPUID_1_ECX_XSAVE	(1u << 26)
#define CPUID_7_EBX_FSGSBASE	(1u << 0)
#define CPUID_7_EBX_SMEP	(1u << 7)
#define CPUID_7_EBX_SMAP	(1u << 20)
#define CPUID_7_ECX_UMIP	(1u << 2)
#define CPUID_7_ECX_PKU		(1u << 3)
#define CPUID_7_ECX_CET		(1u << 7)
#define CPUID_7_ECX_LA57	(1u << 16)

struct cpuid_regs {
	u32 eax, ebx, ecx, edx;
};

static inline struct cpuid_regs cpuid(u32 leaf, u32 subleaf)
{
	struct cpuid_regs r;

	asm volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
		     : "0"(leaf), "2"(subleaf));
	return r;
}

static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (u64)hi << 32 | lo;
}

static inline void wrmsr(u32 msr, u64 value)
{
	asm volatile("wrmsr" :: "c"(msr), "a"((u32)value), "d"((u32)(value >> 32))
		     : "memory");
}

static inline u64 rdtsc(void)
{
	u32 lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (u64)hi << 32 | lo;
}

static inline void outb(u16 port, u8 value)
{
	asm volatile("outb %0, %1" :: "a"(value), "Nd"(port));
}

static inline u8 inb(u16 port)
{
	u8 value;

	asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void cpu_pause(void)
{
	asm volatile("pause" ::: "memory");
}

#define READ_CR(n)						\
static inline u64 read_cr##n(void)				\
{								\
	u64 value;						\
	asm volatile("mov %%cr" #n ", %0" : "=r"(value));	\
	return value;						\
}
READ_CR(0)
READ_CR(2)
READ_CR(3)
READ_CR(4)
READ_CR(8)

static inline void write_cr0(u64 value)
{
	asm volatile("mov %0, %%cr0" :: "r"(value) : "memory");
}

static inline void write_cr3(u64 value)
{
	asm volatile("mov %0, %%cr3" :: "r"(value) : "memory");
}

static inline void write_cr8(u64 value)
{
	asm volatile("mov %0, %%cr8" :: "r"(value) : "memory");
}

static inline void write_cr4(u64 value)
{
	asm volatile("mov %0, %%cr4" :: "r"(value) : "memory");
}

static inline void write_cr2(u64 value)
{
	asm volatile("mov %0, %%cr2" :: "r"(value) : "memory");
}

static inline void write_dr6(u64 value)
{
	asm volatile("mov %0, %%dr6" :: "r"(value));
}

static inline u64 read_dr6(void)
{
	u64 value;

	asm volatile("mov %%dr6, %0" : "=r"(value));
	return value;
}

static inline u64 read_dr7(void)
{
	u64 value;

	asm volatile("mov %%dr7, %0" : "=r"(value));
	return value;
}

#endif
