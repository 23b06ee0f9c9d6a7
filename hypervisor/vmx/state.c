/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a vCPU starts with: as the firmware's processor is, after INIT and SIPI, or as
 * the control domain. */
#include <string.h>

#include "memory.h"
#include "vmx/vmx.h"

/* Each CPU has a cache of translations of its own, so one number does for all. */
#define VPID_GUEST	1
#define VPID_CONTROL	2

/* Without a break, so that its time can be looked at: control_domain.c. */
#define CONTROL_SLICE_MS 10

static struct vmx_vcpu guest[MAX_CPUS], control;
static u8 guest_vmcs[MAX_CPUS][PAGE_SIZE] PAGE_ALIGNED;
static u8 control_vmcs[PAGE_SIZE] PAGE_ALIGNED;

/* The timer, once it is started: F_TIMER's value. */
static u64 period;

static void set_segments(struct vcpu *vcpu, const struct segments *all)
{
	for (u32 i = 0; i < SEGMENTS; i++) {
		const struct segment *seg = &all->seg[i];

		vmx_set(vcpu, F_SELECTOR + i, seg->selector);
		vmx_set(vcpu, F_LIMIT + i, seg->limit);
		vmx_set(vcpu, F_BASE + i, seg->base);
		vmx_set(vcpu, F_RIGHTS + i, seg->attributes ?
			seg->attributes : RIGHTS_UNUSABLE);
	}
	vmx_set(vcpu, F_GDTR_BASE, all->gdtr.base);
	vmx_set(vcpu, F_GDTR_LIMIT, all->gdtr.limit);
	vmx_set(vcpu, F_IDTR_BASE, all->idtr.base);
	vmx_set(vcpu, F_IDTR_LIMIT, all->idtr.limit);
}

static void set_control_registers(struct vcpu *vcpu, u64 cr0, u64 cr4, u64 efer)
{
	vmx_set(vcpu, F_CR0, cr0 | vmx_setup.cr0_set);
	vmx_set(vcpu, F_CR0_SHADOW, cr0);
	vmx_set(vcpu, F_CR4, cr4 | vmx_setup.cr4_set);
	vmx_set(vcpu, F_CR4_SHADOW, cr4);
	vmx_set(vcpu, F_EFER, efer);
	vmx_set(vcpu, F_ENTRY, vmx_of(vcpu)->controls->entry |
		(efer & EFER_LMA ? ENTRY_LONG_MODE : 0));
}

static void set_nothing_pending(struct vcpu *vcpu)
{
	vmx_set(vcpu, F_BLOCKING, 0);
	vmx_set(vcpu, F_ACTIVITY, 0);
	vmx_set(vcpu, F_PENDING_DEBUG, 0);
	vmx_of(vcpu)->event = (struct event) { 0 };
	vmx_of(vcpu)->step.on = false;
}

static void set_timer(struct vcpu *vcpu)
{
	u32 pin = vmx_setup.guest.pin;

	vmx_set(vcpu, F_PIN, period ? pin : pin & ~PIN_TIMER);
	vmx_set(vcpu, F_TIMER, period);
}

/* Controls as they are when nothing is watched. */
static void set_guest_controls(struct vcpu *vcpu)
{
	const struct vmx_controls *controls = vmx_of(vcpu)->controls;

	set_timer(vcpu);
	vmx_set(vcpu, F_PROC, controls->proc);
	vmx_set(vcpu, F_PROC2, controls->proc2);
	/* Their handlers can be made to raise them again while they are delivered, for
	 * ever and without a look at NMIs (CVE-2015-5307, CVE-2015-8104). */
	vmx_set(vcpu, F_EXCEPTIONS, 1u << VECTOR_DB | 1u << VECTOR_AC);
	vmx_set(vcpu, F_CR0_MASK, vmx_cr0_owned());
	vmx_set(vcpu, F_CR4_MASK, vmx_cr4_owned());
	vmx_set(vcpu, F_TSC_OFFSET, vcpu->tsc_offset);
}

static u64 timer_value(u32 period_ms)
{
	u64 ticks = tsc_from_ms(period_ms) >> vmx_setup.timer_shift;

	return ticks >> 32 ? ~0u : ticks;
}

/* Each entry starts it anew. */
bool vmx_start_timer(u32 period_ms)
{
	period = timer_value(period_ms);
	for (u32 i = 0; i < hv.boot.cpus; i++)
		if (hv.vcpu[i].vendor)
			set_timer(&hv.vcpu[i]);
	return true;
}

static void attach(struct vcpu *vcpu, struct vmx_vcpu *v, u8 *vmcs)
{
	memset(v, 0, sizeof(*v));
	v->vmcs = vmcs;
	/* Its first word is the processor's revision of the format: 25.2. */
	*(u32 *)vmcs = (u32)rdmsr(MSR_VMX_FIRST + VMX_BASIC) & 0x7fffffff;
	vcpu->vendor = v;
	vcpu->vendor_pa = virt_to_phys(vmcs);
}

void vmx_vcpu_adopt(struct cpu *cpu, struct vcpu *vcpu, u64 slat_root)
{
	struct vmx_vcpu *v = &guest[cpu->index];
	struct segments segments;

	attach(vcpu, v, guest_vmcs[cpu->index]);
	v->controls = &vmx_setup.guest;
	v->slat_root = slat_root;
	v->vpid = VPID_GUEST;
	v->io_bitmaps = vmx_guest_ports;
	v->msr_bitmap = vmx_guest_msrs;
	set_guest_controls(vcpu);
	segments_read(&segments);
	set_segments(vcpu, &segments);
	set_control_registers(vcpu, read_cr0(), read_cr4(), rdmsr(MSR_EFER));
	vmx_set(vcpu, F_CR3, read_cr3());
	vmx_set(vcpu, F_DR7, read_dr7());
	vmx_set(vcpu, F_PAT, rdmsr(MSR_PAT));
	vmx_set(vcpu, F_DEBUGCTL, rdmsr(MSR_DEBUGCTL));
	vmx_set(vcpu, F_SYSENTER_CS, rdmsr(MSR_SYSENTER_CS));
	vmx_set(vcpu, F_SYSENTER_ESP, rdmsr(MSR_SYSENTER_ESP));
	vmx_set(vcpu, F_SYSENTER_EIP, rdmsr(MSR_SYSENTER_EIP));
	set_nothing_pending(vcpu);
}

/* State after INIT and SIPI: SDM volume 3, table 10-1. MSRs stay as they are. What the
 * guest reads of CR0's CD and NW is the processor's own: entries do not change them. */
void vmx_vcpu_sipi(struct vcpu *vcpu, u8 vector)
{
	struct segments segments;

	segments_sipi(&segments, vector);
	set_segments(vcpu, &segments);
	set_guest_controls(vcpu);
	set_control_registers(vcpu, CR0_ET, 0, 0);
	vmx_set(vcpu, F_CR3, 0);
	vmx_set(vcpu, F_DR7, DR7_RESET);
	vmx_set(vcpu, F_DEBUGCTL, 0);
	set_nothing_pending(vcpu);
	vcpu->flush = 1;
}

void vmx_vcpu_control(struct vcpu *vcpu, u64 rip, u64 rsp, u64 cr3,
		      u64 slat_root)
{
	struct segments segments;

	attach(vcpu, &control, control_vmcs);
	control.controls = &vmx_setup.control;
	control.slat_root = slat_root;
	control.vpid = VPID_CONTROL;
	control.io_bitmaps = vmx_all_ports;
	control.msr_bitmap = vmx_all_msrs;
	vmx_set(vcpu, F_PIN, control.controls->pin);
	vmx_set(vcpu, F_TIMER, timer_value(CONTROL_SLICE_MS));
	vmx_set(vcpu, F_PROC, control.controls->proc);
	vmx_set(vcpu, F_PROC2, control.controls->proc2);
	vmx_set(vcpu, F_EXCEPTIONS, ~0u);
	vmx_set(vcpu, F_CR0_MASK, ~0ull);
	vmx_set(vcpu, F_CR4_MASK, ~0ull);
	vmx_set(vcpu, F_TSC_OFFSET, 0);
	segments_control(&segments);
	set_segments(vcpu, &segments);
	set_control_registers(vcpu, CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP |
			      CR0_PE, CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT,
			      EFER_LME | EFER_LMA | EFER_NXE);
	vmx_set(vcpu, F_CR3, cr3);
	vmx_set(vcpu, F_DR7, DR7_RESET);
	vmx_set(vcpu, F_PAT, PAT_RESET);
	vmx_set(vcpu, F_DEBUGCTL, 0);
	vmx_set(vcpu, F_SYSENTER_CS, 0);
	vmx_set(vcpu, F_SYSENTER_ESP, 0);
	vmx_set(vcpu, F_SYSENTER_EIP, 0);
	set_nothing_pending(vcpu);
	vcpu->regs.rip = rip;
	vcpu->regs.rflags = RFLAGS_FIXED;
	vcpu->regs.gpr[GPR_RSP] = rsp;
}
