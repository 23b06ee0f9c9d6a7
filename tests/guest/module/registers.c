// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Changes of registers that a sealed kernel has pinned. Each try asks for another
 * value, reads the register again, and puts back what it finds changed.
 */
#include <linux/ktime.h>
#include <linux/smp.h>
#include <asm/desc.h>
#include <asm/msr.h>
#include <asm/processor-flags.h>

#include "attack.h"

#define MOV_TO_CR(cr)							\
static bool set_##cr(u64 value)						\
{									\
	bool fault = true;						\
									\
	asm volatile("1: mov %1, %%" #cr "\n\tmovb $0, %0\n2:\n"	\
		     _ASM_EXTABLE(1b, 2b)				\
		     : "+m"(fault) : "r"(value) : "memory");		\
	return fault;							\
}									\
static u64 get_##cr(void)						\
{									\
	u64 value;							\
									\
	asm volatile("mov %%" #cr ", %0" : "=r"(value));		\
	return value;							\
}
MOV_TO_CR(cr0)
MOV_TO_CR(cr4)

#define LOAD_TABLE(name)						\
static bool set_##name(const struct desc_ptr *table)			\
{									\
	bool fault = true;						\
									\
	asm volatile("1: l" #name " %1\n\tmovb $0, %0\n2:\n"		\
		     _ASM_EXTABLE(1b, 2b)				\
		     : "+m"(fault) : "m"(*table) : "memory");		\
	return fault;							\
}									\
static struct desc_ptr get_##name(void)					\
{									\
	struct desc_ptr table;						\
									\
	asm volatile("s" #name " %0" : "=m"(table));			\
	return table;							\
}
LOAD_TABLE(idt)
LOAD_TABLE(gdt)

enum kind { CR0, CR4, MSR, IDT, GDT };

/* What to flip in which register; the order is known to pin_checks.py. */
static const struct {
	enum kind kind;
	u32 msr;
	u64 flip;
} tries[] = {
	{ CR0, 0, X86_CR0_WP },
	{ CR4, 0, X86_CR4_SMEP },
	{ CR4, 0, X86_CR4_SMAP },
	{ CR4, 0, X86_CR4_UMIP },
	{ MSR, MSR_EFER, EFER_NX },
	{ MSR, MSR_EFER, EFER_SCE },
	{ MSR, MSR_LSTAR, 0x40 },
	{ MSR, MSR_STAR, 1ull << 48 },
	{ MSR, MSR_CSTAR, 0x40 },
	{ MSR, MSR_SYSCALL_MASK, X86_EFLAGS_IF },
	{ MSR, MSR_IA32_SYSENTER_CS, 0x8 },
	{ MSR, MSR_IA32_SYSENTER_ESP, 0x1000 },
	{ MSR, MSR_IA32_SYSENTER_EIP, 0x40 },
	{ IDT, 0, 0x10 },
	{ GDT, 0, 0x1000 },
	/* Not pinned: these have to succeed. */
	{ CR0, 0, X86_CR0_AM },
	{ CR4, 0, X86_CR4_TSD },
	{ CR4, 0, X86_CR4_PGE },
};

struct attempt {
	u32 index;
	bool fault;	/* with another value */
	bool changed;
	bool absent;	/* the bit was not set, so it cannot be cleared */
	bool same;	/* fault with the value that is there */
};

static void try_value(struct attempt *a, u64 (*get)(void), bool (*set)(u64),
		      u64 flip)
{
	u64 old = get();

	a->absent = !(old & flip);
	a->fault = set(old ^ flip);
	a->changed = get() != old;
	if (a->changed)
		set(old);
	a->same = set(old);
}

static void try_msr(struct attempt *a, u32 msr, u64 flip)
{
	u64 old = 0, now = 0;

	rdmsrl_safe(msr, &old);
	a->fault = wrmsrl_safe(msr, old ^ flip);
	rdmsrl_safe(msr, &now);
	a->changed = now != old;
	if (a->changed)
		wrmsrl_safe(msr, old);
	a->same = wrmsrl_safe(msr, old);
}

static void try_table(struct attempt *a, struct desc_ptr (*get)(void),
		      bool (*set)(const struct desc_ptr *), u64 flip)
{
	struct desc_ptr old = get(), other = old;

	other.address ^= flip;
	a->fault = set(&other);
	a->changed = get().address != old.address;
	if (a->changed)
		set(&old);
	a->same = set(&old);
}

/* On the CPU in question, interrupts off. */
static void try_here(void *arg)
{
	struct attempt *a = arg;
	u64 flip = tries[a->index].flip;

	switch (tries[a->index].kind) {
	case CR0: try_value(a, get_cr0, set_cr0, flip); break;
	case CR4: try_value(a, get_cr4, set_cr4, flip); break;
	case MSR: try_msr(a, tries[a->index].msr, flip); break;
	case IDT: try_table(a, get_idt, set_idt, flip); break;
	case GDT: try_table(a, get_gdt, set_gdt, flip); break;
	}
}

/* Try number @args[0] on CPU @args[1]. */
static void pin_try(const u64 *args)
{
	struct attempt a = { .index = args[0] };

	if (args[0] >= ARRAY_SIZE(tries) ||
	    smp_call_function_single(args[1], try_here, &a, true))
		return;
	answer("fault=%d changed=%d absent=%d same=%d", a.fault, a.changed,
	       a.absent, a.same);
}

/* Forms of the instructions: each loads the value that is there, or flips a bit that
 * may be flipped. Answer: `name=1` for those that went wrong. */
static void pin_forms(const u64 *args)
{
	unsigned long flags, cr0, cr4;
	struct desc_ptr idt, gdt;
	u16 word;
	bool r9, lmsw_reg, lmsw_mem, sib;

	local_irq_save(flags);
	cr0 = get_cr0();
	cr4 = get_cr4();
	idt = get_idt();
	gdt = get_gdt();
	asm volatile("mov %0, %%r9\n\tmov %%r9, %%cr4"
		     : : "r"(cr4 | X86_CR4_TSD) : "r9", "memory");
	r9 = get_cr4() != (cr4 | X86_CR4_TSD);
	set_cr4(cr4);
	asm volatile("lmsw %w0" : : "r"(cr0 ^ X86_CR0_EM) : "memory");
	lmsw_reg = get_cr0() != (cr0 ^ X86_CR0_EM);
	word = cr0;
	asm volatile("lmsw %0" : : "m"(word) : "memory");
	lmsw_mem = get_cr0() != cr0;
	asm volatile("lidt (%0,%1)\n\tlgdt 8(%2,%1,2)"
		     : : "r"(&idt), "r"(0l), "r"((char *)&gdt - 8) : "memory");
	sib = get_idt().address != idt.address ||
	      get_gdt().address != gdt.address;
	local_irq_restore(flags);
	answer("r9=%d lmsw_reg=%d lmsw_mem=%d sib=%d", r9, lmsw_reg, lmsw_mem,
	       sib);
}

/* Toggles CR4.PGE @args[0] times, as a kernel without INVPCID flushes global
 * translations. Answer: `faults=N ns=N` for one toggle. */
static void pin_global(const u64 *args)
{
	u64 count = args[0] ? args[0] : 1, faults = 0, i, start;
	unsigned long flags;
	u64 cr4;

	local_irq_save(flags);
	cr4 = get_cr4();
	start = ktime_get_ns();
	for (i = 0; i < count; i++) {
		faults += set_cr4(cr4 ^ X86_CR4_PGE);
		faults += set_cr4(cr4);
	}
	start = ktime_get_ns() - start;
	local_irq_restore(flags);
	answer("faults=%llu ns=%llu", faults, start / count);
}

/* What a kernel does that reboots by a triple fault. */
static void pin_triple_fault(const u64 *args)
{
	const struct desc_ptr none = { 0 };

	local_irq_disable();
	set_idt(&none);
	asm volatile("int3");
}

const struct command register_commands[] = {
	{ "pin_try", 2, pin_try },
	{ "pin_forms", 0, pin_forms },
	{ "pin_global", 1, pin_global },
	{ "pin_triple_fault", 0, pin_triple_fault },
	{ }
};
