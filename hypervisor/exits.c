/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's exits, one function a kind. */
#include <string.h>

#include "apic.h"
#include "commit.h"
#include "control_domain.h"
#include "decode.h"
#include "hpet.h"
#include "hypercall.h"
#include "ioapic.h"
#include "memory.h"
#include "pin.h"
#include "reset.h"
#include "slat.h"
#include "text_write.h"
#include "tick.h"
#include "vcpu.h"
#include "version.h"

#define CPUID_1_ECX_X2APIC	(1u << 21)
#define CPUID_1_ECX_OSXSAVE	(1u << 27)
#define CPUID_1_ECX_HYPERVISOR	(1u << 31)
#define CPUID_7_ECX_OSPKE	(1u << 4)
#define CPUID_7_EBX_TSC_ADJUST	(1u << 1)
#define CPUID_80000001_ECX_TCE	(1u << 17)
#define CPUID_80000001_EDX_FFXSR (1u << 25)
#define CPUID_80000021_EAX_AUTOIBRS (1u << 8)

#define MAX_HIDDEN_REPORTS 16

/* The control domain's health, and what it did last: true also when nobody else is
 * left to say so. */
static void health_leaf(u32 subleaf, struct cpuid_regs *r)
{
	if (!subleaf) {
		r->eax = control.health;
		r->ebx = commit_count();
	} else if (control.state == CONTROL_DEAD &&
		   subleaf <= US_CHANGE_MAX / sizeof(*r)) {
		memcpy(r, commit_last() + (subleaf - 1) * sizeof(*r), sizeof(*r));
	}
}

static void own_leaf(u32 leaf, u32 subleaf, struct cpuid_regs *r)
{
	static const char signature[12] = US_CPUID_SIGNATURE;
	const u32 *words = (const u32 *)signature;

	*r = (struct cpuid_regs) { 0 };
	if (leaf == US_CPUID_BASE) {
		r->eax = US_CPUID_MAX;
		r->ebx = words[0];
		r->ecx = words[1];
		r->edx = words[2];
	} else if (leaf == US_CPUID_BASE + 1) {
		r->eax = US_ABI_VERSION;
		r->ebx = US_PRODUCT_VERSION;
		r->ecx = hv.boot.cpus;
	} else if (leaf == US_CPUID_BASE + 2) {
		health_leaf(subleaf, r);
	}
}

/* CPUID runs under the host's CR4; two bits mirror the guest's. What belongs to the
 * vendor's virtualisation is taken out by the backend. */
static void mend_leaf(const struct vcpu *vcpu, u32 leaf, u32 subleaf,
		      struct cpuid_regs *r)
{
	struct guest_system system;

	hv.ops->get_system(vcpu, &system);
	switch (leaf) {
	case 1:
		r->ecx |= CPUID_1_ECX_HYPERVISOR;
		r->ecx &= ~CPUID_1_ECX_OSXSAVE;
		if (system.cr4 & CR4_OSXSAVE)
			r->ecx |= CPUID_1_ECX_OSXSAVE;
		/* At most 8 CPUs: nobody needs it, and xAPIC is what we trap. */
		if (!(rdmsr(MSR_APIC_BASE) & APIC_BASE_X2APIC))
			r->ecx &= ~CPUID_1_ECX_X2APIC;
		break;
	case 7:
		if (subleaf)
			break;
		r->ebx &= ~CPUID_7_EBX_TSC_ADJUST;	/* its MSR is hidden */
		r->ecx &= ~CPUID_7_ECX_OSPKE;
		if (system.cr4 & CR4_PKE)
			r->ecx |= CPUID_7_ECX_OSPKE;
		break;
	}
	hv.ops->mend_cpuid(leaf, subleaf, r);
}

static void exit_cpuid(struct vcpu *vcpu)
{
	u64 *gpr = vcpu->regs.gpr;
	u32 leaf = (u32)gpr[GPR_RAX], subleaf = (u32)gpr[GPR_RCX];
	struct cpuid_regs r;

	if (leaf >= US_CPUID_BASE && leaf < US_CPUID_BASE + 0x100) {
		own_leaf(leaf, subleaf, &r);
	} else {
		r = cpuid(leaf, subleaf);
		mend_leaf(vcpu, leaf, subleaf, &r);
	}
	gpr[GPR_RAX] = r.eax;
	gpr[GPR_RBX] = r.ebx;
	gpr[GPR_RCX] = r.ecx;
	gpr[GPR_RDX] = r.edx;
	vcpu->regs.rip = decode_skip(vcpu, 2);
}

static void exit_rdmsr(struct cpu *cpu, struct vcpu *vcpu)
{
	u64 *gpr = vcpu->regs.gpr;
	u64 value;

	if ((u32)gpr[GPR_RCX] == US_DOORBELL_MSR) {
		struct call call = call_from_rdmsr(vcpu, decode_skip(vcpu, 2));

		vcpu->exits[US_EXIT_DOORBELL]++;
		hypercall(cpu, vcpu, &call);
		return;
	}
	vcpu->exits[US_EXIT_MSR]++;
	if (!hv.ops->read_msr(vcpu, (u32)gpr[GPR_RCX], &value)) {
		inject_gp(vcpu);
		return;
	}
	gpr[GPR_RAX] = (u32)value;
	gpr[GPR_RDX] = value >> 32;
	vcpu->regs.rip = decode_skip(vcpu, 2);
}

/* What the processor knows, and no more: an entry with another bit set would fail,
 * and a mitigation that is refused (automatic IBRS) would silently be missing. */
static u64 efer_guest_bits(void)
{
	struct cpuid_regs extended = cpuid(0x80000001, 0);
	u64 bits = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;

	if (extended.edx & CPUID_80000001_EDX_FFXSR)
		bits |= EFER_FFXSR;
	if (extended.ecx & CPUID_80000001_ECX_TCE)
		bits |= EFER_TCE;
	if (cpuid(0x80000000, 0).eax >= 0x80000021 &&
	    (cpuid(0x80000021, 0).eax & CPUID_80000021_EAX_AUTOIBRS))
		bits |= EFER_AUTOIBRS;
	return bits;
}

static bool write_efer(struct vcpu *vcpu, u64 value)
{
	struct guest_system system;

	hv.ops->get_system(vcpu, &system);
	if ((value & ~efer_guest_bits()) ||
	    ((system.cr0 & CR0_PG) && ((value ^ system.efer) & EFER_LME)))
		return false;
	/* LMA is the processor's to set. */
	value = (value & ~(u64)EFER_LMA) | (system.efer & EFER_LMA);
	if (!pin_allows_efer(vcpu, value))
		return false;
	hv.ops->set_efer(vcpu, value);
	vcpu->flush = 1;	/* what is cached was checked with the old NXE */
	return true;
}

/* The APIC stays where it is, in the mode in which it is, and on: the hypervisor
 * needs it, too. Switching it off is let pass without effect. */
static bool write_apic_base(u64 value)
{
	return !((value ^ rdmsr(MSR_APIC_BASE)) & ~(u64)APIC_BASE_ENABLE);
}

static void exit_wrmsr(struct vcpu *vcpu)
{
	const u64 *gpr = vcpu->regs.gpr;
	u64 value = gpr[GPR_RDX] << 32 | (u32)gpr[GPR_RAX];
	bool done = false;

	switch ((u32)gpr[GPR_RCX]) {
	case MSR_EFER: done = write_efer(vcpu, value); break;
	case MSR_APIC_BASE: done = write_apic_base(value); break;
	case MSR_X2APIC_BASE + 0x30:
		apic_x2apic_icr(vcpu, value);
		done = true;
		break;
	case MSR_TSC:
		vcpu->tsc_offset = value - rdtsc();
		hv.ops->set_tsc_offset(vcpu);
		done = true;
		break;
	case MSR_TSC_DEADLINE:
		wrmsr(MSR_TSC_DEADLINE, value ? value - vcpu->tsc_offset : 0);
		done = true;
		break;
	default:
		if (pin_write_msr(vcpu, (u32)gpr[GPR_RCX], value, &done))
			break;
		done = hv.ops->msr_is_machine_map((u32)gpr[GPR_RCX]);
		if (done)
			log_guest(vcpu->index,
				  "write of %lx to MSR %x has no effect", value,
				  (u32)gpr[GPR_RCX]);
	}
	if (done)
		vcpu->regs.rip = decode_skip(vcpu, 2);
	else
		inject_gp(vcpu);
}

static u32 port_in(u16 port, u8 size)
{
	u32 value = 0;

	if (size == 1)
		asm volatile("inb %w1, %b0" : "=a"(value) : "Nd"(port), "0"(0));
	else if (size == 2)
		asm volatile("inw %w1, %w0" : "=a"(value) : "Nd"(port), "0"(0));
	else
		asm volatile("inl %w1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static void port_out(u16 port, u8 size, u32 value)
{
	if (size == 1)
		asm volatile("outb %b0, %w1" :: "a"(value), "Nd"(port));
	else if (size == 2)
		asm volatile("outw %w0, %w1" :: "a"(value), "Nd"(port));
	else
		asm volatile("outl %0, %w1" :: "a"(value), "Nd"(port));
}

#define CMOS_INDEX	0x70
#define SLEEP_ENABLE	0x20
#define SLEEP_TYPE(byte) ((byte) >> 2 & 7)

/* Does this write send the machine to sleep? It would wake up without the
 * hypervisor and with its memory; only power-off may pass. */
static bool is_sleep(const struct vmexit *exit, u32 value)
{
	for (u32 i = 0; i < ARRAY_SIZE(hv.boot.sleep_port); i++) {
		u32 at = hv.boot.sleep_port[i] - exit->io.port;
		u8 byte;

		if (!hv.boot.sleep_port[i] || at >= exit->io.size)
			continue;
		byte = (u8)(value >> at * 8);
		if ((byte & SLEEP_ENABLE) &&
		    SLEEP_TYPE(byte) != hv.boot.sleep_off[i])
			return true;
	}
	return false;
}

/* CMOS, passed on (apic.h says what it is watched for), sleep control and resets. */
static void exit_port(struct cpu *cpu, struct vcpu *vcpu,
		      const struct vmexit *exit)
{
	static u8 cmos_index;
	u64 *rax = &vcpu->regs.gpr[GPR_RAX];
	u64 mask = exit->io.size == 4 ? ~0ull : (1ull << exit->io.size * 8) - 1;

	if (exit->io.in) {
		u64 value = port_in(exit->io.port, exit->io.size);

		*rax = exit->io.size == 4 ? value : (*rax & ~mask) | value;
	} else if (is_sleep(exit, (u32)*rax)) {
		log_guest(vcpu->index,
			  "sleep refused: %lx to port %x", *rax & mask,
			  exit->io.port);
	} else if (!reset_may_write(cpu, vcpu, exit, (u32)*rax)) {
		return;
	} else {
		port_out(exit->io.port, exit->io.size, (u32)*rax);
		if (exit->io.port == CMOS_INDEX) {
			cmos_index = *rax & 0x7f;
			if (exit->io.size > 1)
				apic_cmos_write(cmos_index, *rax >> 8);
		} else if (exit->io.port == CMOS_INDEX + 1) {
			apic_cmos_write(cmos_index, (u8)*rax);
		}
	}
	vcpu->regs.rip = exit->io.next_rip;
}

static void exit_io(struct cpu *cpu, struct vcpu *vcpu,
		    const struct vmexit *exit)
{
	bool doorbell = exit->io.port + exit->io.size > US_DOORBELL_PORT &&
		exit->io.port < US_DOORBELL_PORT + 4;

	if (exit->io.string || (doorbell && (exit->io.in || exit->io.size != 4 ||
	    exit->io.port != US_DOORBELL_PORT))) {
		vcpu->exits[US_EXIT_IO]++;
		inject_gp(vcpu);
	} else if (doorbell) {
		struct call call = call_from_registers(vcpu, exit->io.next_rip);

		vcpu->exits[US_EXIT_DOORBELL]++;
		hypercall(cpu, vcpu, &call);
	} else {
		vcpu->exits[US_EXIT_IO]++;
		exit_port(cpu, vcpu, exit);
	}
}

/* Reads find zeros in the SLAT and do not exit; this is a write or a fetch. */
static void hidden_access(struct vcpu *vcpu, const struct vmexit *exit)
{
	struct guest_system system;
	struct store store;

	hv.ops->get_system(vcpu, &system);
	if (vcpu->hidden_reports++ < MAX_HIDDEN_REPORTS)
		log_guest(vcpu->index,
			  "%s hidden memory %lx refused, rip %lx",
			  exit->slat.fetch ? "fetch from" : "write to",
			  exit->slat.gpa, vcpu->regs.rip);
	if (!exit->slat.table_walk && !exit->slat.fetch &&
	    !decode_store(vcpu, &system, &store))
		inject_access_fault(vcpu, store.gva, PF_WRITE, true,
				    system.cpl == 3);
	else
		inject_gp(vcpu);
}

static bool write_without_effect(struct vcpu *vcpu)
{
	struct guest_system system;
	struct store store;

	hv.ops->get_system(vcpu, &system);
	if (decode_store(vcpu, &system, &store))
		return false;
	decode_complete(vcpu, &store);
	return true;
}

static void exit_slat(struct cpu *cpu, struct vcpu *vcpu,
		      const struct vmexit *exit)
{
	u64 gpa = exit->slat.gpa;

	if (!exit->slat.present) {
		vcpu->exits[US_EXIT_MAP]++;
		if (!slat_map_lazily(gpa))
			inject_gp(vcpu);
	} else if (ALIGN_DOWN(gpa, PAGE_SIZE) == APIC_DEFAULT_BASE) {
		vcpu->exits[US_EXIT_APIC]++;
		if (!apic_page_write(vcpu, gpa))
			inject_gp(vcpu);
	} else if (hpet_owns(gpa) || ioapic_owns(gpa)) {
		vcpu->exits[US_EXIT_APIC]++;
		if (!(hpet_owns(gpa) ? write_without_effect(vcpu) :
		      ioapic_page_write(vcpu, gpa)))
			inject_gp(vcpu);
	} else if (gpa_is_hidden(gpa)) {
		vcpu->exits[US_EXIT_HIDDEN]++;
		hidden_access(vcpu, exit);
	} else {
		vcpu->exits[US_EXIT_TEXT_WRITE]++;
		if (exit->slat.fetch)
			sealed_fetch(vcpu, exit);
		else
			text_write(cpu, vcpu, exit);
	}
}

static void exit_hypercall(struct cpu *cpu, struct vcpu *vcpu)
{
	struct call call = call_from_registers(vcpu, decode_skip(vcpu, 3));

	vcpu->exits[US_EXIT_DOORBELL]++;
	if (call.cpl)
		inject_ud(vcpu);
	else
		hypercall(cpu, vcpu, &call);
}

void handle_exit(struct cpu *cpu, struct vcpu *vcpu, const struct vmexit *exit)
{
	switch (exit->kind) {
	case VMEXIT_CPUID:
		vcpu->exits[US_EXIT_CPUID]++;
		exit_cpuid(vcpu);
		return;
	case VMEXIT_RDMSR:
		exit_rdmsr(cpu, vcpu);
		return;
	case VMEXIT_WRMSR:
		vcpu->exits[US_EXIT_MSR]++;
		exit_wrmsr(vcpu);
		return;
	case VMEXIT_IO:
		exit_io(cpu, vcpu, exit);
		return;
	case VMEXIT_HYPERCALL:
		exit_hypercall(cpu, vcpu);
		return;
	case VMEXIT_NMI:
		vcpu->exits[US_EXIT_NMI]++;
		hv.ops->accept_pending();
		return;
	case VMEXIT_SMI:
		vcpu->exits[US_EXIT_SMI]++;
		hv.ops->accept_pending();
		return;
	case VMEXIT_INIT:
		vcpu->exits[US_EXIT_INIT]++;
		vcpu->pending_init = 1;
		hv.ops->accept_pending();
		return;
	case VMEXIT_IRET:
		hv.ops->iret_done(vcpu);
		tick_iret(vcpu);
		return;
	case VMEXIT_SLAT:
		exit_slat(cpu, vcpu, exit);
		return;
	case VMEXIT_HIDDEN_FEATURE:
		vcpu->exits[US_EXIT_OTHER]++;
		inject_ud(vcpu);
		return;
	case VMEXIT_INVD:
		/* It would throw away what the hypervisor has written, too. */
		vcpu->exits[US_EXIT_OTHER]++;
		asm volatile("wbinvd" ::: "memory");
		vcpu->regs.rip = decode_skip(vcpu, 2);
		return;
	case VMEXIT_CR_WRITE:
	case VMEXIT_TABLE_LOAD:
		vcpu->exits[US_EXIT_REGISTER]++;
		pin_exit(vcpu, exit);
		return;
	case VMEXIT_INTERRUPT:
		vcpu->exits[US_EXIT_OTHER]++;
		tick_interrupted(vcpu);
		return;
	case VMEXIT_DONE:
		vcpu->exits[US_EXIT_OTHER]++;
		return;
	case VMEXIT_EXCEPTION:
		/* #DB or #AC, DR6 as its handler shall see it; back to the guest. */
		vcpu->exits[US_EXIT_OTHER]++;
		hv.ops->inject(vcpu, (u8)exit->code, exit->code == VECTOR_AC, 0,
			       0);
		return;
	case VMEXIT_SHUTDOWN:
		reset_machine(cpu, vcpu);
	case VMEXIT_OTHER:
		break;
	}
	panic("vCPU %u: exit that nobody asked for: code %lx, info %lx %lx, rip %lx",
	      vcpu->index, exit->code, exit->info1, exit->info2, vcpu->regs.rip);
}
