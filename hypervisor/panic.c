/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panic.h"

#include <stdarg.h>

#include "apic.h"
#include "print.h"
#include "vmm.h"

static volatile u32 in_panic;

bool panicking(void)
{
	return in_panic;
}

/* Stop this CPU for good; the others are called in and stop in stop_poll(). */
static void __attribute__((noreturn)) stop_machine(void)
{
	for (u32 i = 0; i < hv.boot.cpus; i++)
		if (hv.cpu[i].online && hv.cpu[i].apic_id != apic_own_id())
			apic_kick(&hv.cpu[i]);
	print("underseal: the machine is stopped\n");
	for (;;)
		asm volatile("cli; hlt");
}

static void enter_panic(void)
{
	/* One panic speaks; a second CPU, or a fault while speaking, is silent. */
	if (__atomic_exchange_n(&in_panic, 1, __ATOMIC_SEQ_CST))
		for (;;)
			asm volatile("cli; hlt");
}

void halt_machine(const char *why)
{
	enter_panic();
	print("\nunderseal: HALT: %s\n", why);
	stop_machine();
}

static void print_guest(const struct cpu *cpu)
{
	const struct vcpu *vcpu = cpu->guest;
	struct guest_system s;

	if (!vcpu || !vcpu->vendor)
		return;
	hv.ops->get_system(vcpu, &s);
	print("guest vCPU %u: rip %lx rsp %lx rflags %lx cpl %u\n", vcpu->index,
	      vcpu->regs.rip, vcpu->regs.gpr[GPR_RSP], vcpu->regs.rflags, s.cpl);
	print("  cr0 %lx cr2 %lx cr3 %lx cr4 %lx efer %lx\n", s.cr0, s.cr2, s.cr3,
	      s.cr4, s.efer);
}

static void print_gprs(const u64 *gpr)
{
	static const char names[GPR_COUNT][4] = {
		"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
		"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"
	};

	for (u32 i = 0; i < GPR_COUNT; i++)
		print("  %s %016lx%s", names[i], gpr[i], i % 4 == 3 ? "\n" : "");
}

static void print_stack(u64 rsp)
{
	u64 low = rsp & ~(u64)(HOST_STACK - 1);

	print("stack:\n");
	for (u32 i = 0; i < 16 && rsp + i * 8 < low + HOST_STACK; i++)
		print("  %016lx%s", *(u64 *)(rsp + i * 8),
		      i % 4 == 3 ? "\n" : "");
}

void panic(const char *format, ...)
{
	va_list args;
	char text[160];

	enter_panic();
	va_start(args, format);
	format_text_va(text, sizeof(text), format, args);
	va_end(args);
	print("\nunderseal: PANIC on CPU %u: %s\n", this_cpu()->index, text);
	print_guest(this_cpu());
	stop_machine();
}

void panic_exception(const struct exception_frame *frame)
{
	enter_panic();
	print("\nunderseal: PANIC: exception %lu, error %lx, at rip %lx "
	      "(image + %lx)\n", frame->vector, frame->error, frame->rip,
	      frame->rip - (u64)hv_image_start);
	print("  rsp %lx rflags %lx cs %lx cr0 %lx cr2 %lx cr3 %lx cr4 %lx "
	      "efer %lx\n", frame->rsp, frame->rflags, frame->cs, read_cr0(),
	      read_cr2(), read_cr3(), read_cr4(), rdmsr(MSR_EFER));
	print_gprs(frame->gpr);
	/* After a double fault this runs on another stack. */
	if (frame->vector != VECTOR_DF) {
		print_stack(frame->rsp);
		print_guest(this_cpu());
	}
	stop_machine();
}
