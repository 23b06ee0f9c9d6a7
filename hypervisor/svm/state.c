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

static void read_segment(struct vmcb_segment *seg, u16 selector,
			 const u64 *gdt)
{
	u64 low = gdt[selector >> 3];

	memset(seg, 0, sizeof(*seg));
	seg->selector = selector;
	if (!(selector & ~3u))
		return;
	seg->attributes = (low >> 40 & 0xff) | (low >> 44 & 0xf00);
	seg->limit = (low & 0xffff) | (low >> 32 & 0xf0000);
	if (low >> 55 & 1)
		seg->limit = seg->limit << 12 | 0xfff;
	seg->base = (low >> 16 & 0xffffff) | (low >> 32 & 0xff000000);
	if (!(low >> 44 & 1))	/* system descriptor: 16 bytes in long mode */
		seg->base |= gdt[(selector >> 3) + 1] << 32;
}

struct table_register {
	u16 limit;
	u64 base;
} __attribute__((packed));

#define READ_SELECTOR(name) ({					\
	u16 sel_;						\
	asm volatile("mov %%" #name ", %0" : "=r"(sel_));	\
	sel_; })

static void adopt_segments(struct vmcb *vmcb)
{
	struct table_register gdtr, idtr;
	const u64 *gdt;
	u16 tr, ldt;

	asm volatile("sgdt %0" : "=m"(gdtr));
	asm volatile("sidt %0" : "=m"(idtr));
	asm volatile("str %0" : "=r"(tr));
	asm volatile("sldt %0" : "=r"(ldt));
	gdt = (const u64 *)gdtr.base;
	vmcb->gdtr.base = gdtr.base;
	vmcb->gdtr.limit = gdtr.limit;
	vmcb->idtr.base = idtr.base;
	vmcb->idtr.limit = idtr.limit;
	read_segment(&vmcb->cs, READ_SELECTOR(cs), gdt);
	read_segment(&vmcb->ds, READ_SELECTOR(ds), gdt);
	read_segment(&vmcb->es, READ_SELECTOR(es), gdt);
	read_segment(&vmcb->ss, READ_SELECTOR(ss), gdt);
	read_segment(&vmcb->fs, READ_SELECTOR(fs), gdt);
	read_segment(&vmcb->gs, READ_SELECTOR(gs), gdt);
	read_segment(&vmcb->tr, tr, gdt);
	read_segment(&vmcb->ldtr, ldt, gdt);
	if (!tr)
		vmcb->tr.attributes = SEG_TSS64;
	vmcb->fs.base = rdmsr(MSR_FS_BASE);
	vmcb->gs.base = rdmsr(MSR_GS_BASE);
}

void svm_vcpu_adopt(struct cpu *cpu, struct vcpu *vcpu,
		    const struct launch_state *at, u64 slat_root)
{
	struct vmcb *vmcb = &guest_vmcb[cpu->index];
	u64 *gpr = vcpu->regs.gpr;

	vcpu->vendor = vmcb;
	vcpu->vendor_pa = virt_to_phys(vmcb);
	/* Also fills LSTAR and its kin, which the firmware does not use. */
	asm volatile("vmsave" :: "a"(vcpu->vendor_pa) : "memory");
	set_guest_controls(vmcb, slat_root);
	adopt_segments(vmcb);
	vmcb->efer = rdmsr(MSR_EFER) | EFER_SVME;
	vmcb->cr0 = read_cr0();
	vmcb->cr2 = read_cr2();
	vmcb->cr3 = read_cr3();
	vmcb->cr4 = read_cr4();
	vmcb->dr6 = read_dr6();
	vmcb->dr7 = read_dr7();
	vcpu->regs.rip = at->rip;
	vcpu->regs.rflags = at->rflags;
	gpr[GPR_RAX] = US_OK;
	gpr[GPR_RSP] = at->rsp;
	gpr[GPR_RBX] = at->rbx;
	gpr[GPR_RBP] = at->rbp;
	gpr[GPR_R12] = at->r12;
	gpr[GPR_R13] = at->r13;
	gpr[GPR_R14] = at->r14;
	gpr[GPR_R15] = at->r15;
}

static void set_segment(struct vmcb_segment *seg, u16 selector, u16 attributes,
			u32 limit, u64 base)
{
	seg->selector = selector;
	seg->attributes = attributes;
	seg->limit = limit;
	seg->base = base;
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
	struct vmcb_segment *data[] = {
		&vmcb->ds, &vmcb->es, &vmcb->ss, &vmcb->fs, &vmcb->gs
	};
	struct vmcb old = *vmcb;

	memset(vmcb, 0, sizeof(*vmcb));
	set_guest_controls(vmcb, old.n_cr3);
	keep_msrs(vmcb, &old);
	set_segment(&vmcb->cs, vector << 8, SEG_CODE16, 0xffff, (u64)vector << 12);
	for (u32 i = 0; i < ARRAY_SIZE(data); i++)
		set_segment(data[i], 0, SEG_DATA, 0xffff, 0);
	set_segment(&vmcb->tr, 0, SEG_TSS64, 0xffff, 0);
	set_segment(&vmcb->ldtr, 0, SEG_LDT, 0xffff, 0);
	vmcb->gdtr.limit = 0xffff;
	vmcb->idtr.limit = 0xffff;
	vmcb->efer = EFER_SVME;
	vmcb->cr0 = CR0_CD | CR0_NW | CR0_ET;
	vmcb->dr6 = DR6_RESET;
	vmcb->dr7 = DR7_RESET;
	memset(&vcpu->regs, 0, sizeof(vcpu->regs));
	vcpu->regs.gpr[GPR_RDX] = cpuid(1, 0).eax;
	vcpu->regs.rflags = RFLAGS_FIXED;
}

void svm_vcpu_control(struct vcpu *vcpu, u64 rip, u64 rsp, u64 cr3,
		      u64 slat_root)
{
	struct vmcb *vmcb = &control_vmcb;
	struct vmcb_segment *data[] = {
		&vmcb->ds, &vmcb->es, &vmcb->ss, &vmcb->fs, &vmcb->gs
	};

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
	set_segment(&vmcb->cs, 0x08, SEG_CODE64, ~0u, 0);
	for (u32 i = 0; i < ARRAY_SIZE(data); i++)
		set_segment(data[i], 0x10, SEG_DATA32, ~0u, 0);
	set_segment(&vmcb->tr, 0, SEG_TSS64, 0x67, 0);
	set_segment(&vmcb->ldtr, 0, SEG_LDT, 0, 0);
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
