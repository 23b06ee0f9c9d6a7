/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a vCPU starts with: as the firmware's processor is, after INIT and SIPI, or as
 * the control domain. ASIDs: 1 is the guest, 2 the control domain.
 */
#include <string.h>

#include "memory.h"
#include "svm/svm.h"

#define ASID_GUEST	1
#define ASID_CONTROL	2

static struct vmcb guest_vmcb[MAX_CPUS] PAGE_ALIGNED;
static struct vmcb control_vmcb PAGE_ALIGNED;

static void set_guest_controls(struct vmcb *vmcb, u64 slat_root)
{
	vmcb->intercept1 = INTERCEPT_NMI | INTERCEPT_SMI | INTERCEPT_INIT |
		INTERCEPT_CPUID | INTERCEPT_INVD | INTERCEPT_INVLPGA |
		INTERCEPT_IOIO | INTERCEPT_MSR | INTERCEPT_SHUTDOWN;
	vmcb->intercept2 = INTERCEPT_VMRUN | INTERCEPT_VMMCALL |
		INTERCEPT_VMLOAD | INTERCEPT_VMSAVE | INTERCEPT_STGI |
		INTERCEPT_CLGI | INTERCEPT_SKINIT;
	/* Their handlers can be made to raise them again while they are delivered, for
	 * ever and without a look at NMIs (CVE-2015-5307, CVE-2015-8104). */
	vmcb->exceptions = 1u << VECTOR_DB | 1u << VECTOR_AC;
	vmcb->iopm = virt_to_phys(svm_guest_iopm);
	vmcb->msrpm = virt_to_phys(svm_guest_msrpm);
	vmcb->asid = ASID_GUEST;
	vmcb->np_enable = 1;
	vmcb->n_cr3 = slat_root;
	vmcb->tlb_control = TLB_FLUSH_ALL;
	vmcb->g_pat = rdmsr(MSR_PAT);
}

static void set_segment(struct vmcb_segment *to, const struct segment *from)
{
	to->selector = from->selector;
	to->attributes = VMCB_ATTRIBUTES(from->attributes);
	to->limit = from->limit;
	to->base = from->base;
}

static void set_segments(struct vmcb *vmcb, const struct segments *all)
{
	set_segment(&vmcb->es, &all->seg[SEG_ES]);
	set_segment(&vmcb->cs, &all->seg[SEG_CS]);
	set_segment(&vmcb->ss, &all->seg[SEG_SS]);
	set_segment(&vmcb->ds, &all->seg[SEG_DS]);
	set_segment(&vmcb->fs, &all->seg[SEG_FS]);
	set_segment(&vmcb->gs, &all->seg[SEG_GS]);
	set_segment(&vmcb->ldtr, &all->seg[SEG_LDTR]);
	set_segment(&vmcb->tr, &all->seg[SEG_TR]);
	vmcb->gdtr.base = all->gdtr.base;
	vmcb->gdtr.limit = all->gdtr.limit;
	vmcb->idtr.base = all->idtr.base;
	vmcb->idtr.limit = all->idtr.limit;
}

void svm_vcpu_adopt(struct cpu *cpu, struct vcpu *vcpu, u64 slat_root)
{
	struct vmcb *vmcb = &guest_vmcb[cpu->index];
	struct segments segments;

	vcpu->vendor = vmcb;
	vcpu->vendor_pa = virt_to_phys(vmcb);
	/* Also fills LSTAR and its kin, which the firmware does not use. */
	asm volatile("vmsave" :: "a"(vcpu->vendor_pa) : "memory");
	set_guest_controls(vmcb, slat_root);
	segments_read(&segments);
	set_segments(vmcb, &segments);
	vmcb->efer = rdmsr(MSR_EFER) | EFER_SVME;
	vmcb->cr0 = read_cr0();
	vmcb->cr2 = read_cr2();
	vmcb->cr3 = read_cr3();
	vmcb->cr4 = read_cr4();
	vmcb->dr6 = read_dr6();
	vmcb->dr7 = read_dr7();
}

/* INIT leaves the MSRs as they are. */
static void keep_msrs(struct vmcb *vmcb, const struct vmcb *old)
{
	vmcb->tsc_offset = old->tsc_offset;
	vmcb->star = old->star;
	vmcb->lstar = old->lstar;
	vmcb->cstar = old->cstar;
	vmcb->sfmask = old->sfmask;
	vmcb->kernel_gs_base = old->kernel_gs_base;
	vmcb->sysenter_cs = old->sysenter_cs;
	vmcb->sysenter_esp = old->sysenter_esp;
	vmcb->sysenter_eip = old->sysenter_eip;
	vmcb->g_pat = old->g_pat;
}

/* State after INIT and SIPI: APM volume 2, section 14.1.3 and table 14-1. */
void svm_vcpu_sipi(struct vcpu *vcpu, u8 vector)
{
	struct vmcb *vmcb = vmcb_of(vcpu);
	struct segments segments;
	struct vmcb old = *vmcb;

	memset(vmcb, 0, sizeof(*vmcb));
	set_guest_controls(vmcb, old.n_cr3);
	keep_msrs(vmcb, &old);
	segments_sipi(&segments, vector);
	set_segments(vmcb, &segments);
	vmcb->efer = EFER_SVME;
	vmcb->cr0 = CR0_CD | CR0_NW | CR0_ET;
	vmcb->dr6 = DR6_RESET;
	vmcb->dr7 = DR7_RESET;
	svm_nmi_reset(vcpu);
}

void svm_vcpu_control(struct vcpu *vcpu, u64 rip, u64 rsp, u64 cr3,
		      u64 slat_root)
{
	struct vmcb *vmcb = &control_vmcb;
	struct segments segments;

	vcpu->vendor = vmcb;
	vcpu->vendor_pa = virt_to_phys(vmcb);
	set_guest_controls(vmcb, slat_root);
	vmcb->exceptions = ~0u;
	vmcb->cr_read = vmcb->cr_write = 0xffff;
	vmcb->dr_read = vmcb->dr_write = 0xffff;
	vmcb->intercept1 |= INTERCEPT_INTR | INTERCEPT_HLT | INTERCEPT_IRET |
		INTERCEPT_TASK_SWITCH;
	vmcb->intercept2 |= INTERCEPT_WBINVD | INTERCEPT_MONITOR |
		INTERCEPT_MWAIT | INTERCEPT_XSETBV;
	vmcb->int_ctl = INT_CTL_INTR_MASKING;
	vmcb->iopm = virt_to_phys(svm_all_ports);
	vmcb->msrpm = virt_to_phys(svm_all_msrs);
	vmcb->asid = ASID_CONTROL;
	segments_control(&segments);
	set_segments(vmcb, &segments);
	vmcb->efer = EFER_SVME | EFER_LME | EFER_LMA | EFER_NXE;
	vmcb->cr0 = CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE;
	vmcb->cr3 = cr3;
	vmcb->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
	vmcb->dr6 = DR6_RESET;
	vmcb->dr7 = DR7_RESET;
	vcpu->regs.rip = rip;
	vcpu->regs.rflags = RFLAGS_FIXED;
	vcpu->regs.gpr[GPR_RSP] = rsp;
}
