/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's system registers in its VMCB. */
#include "svm/svm.h"

static u32 code_bits(const struct vmcb *vmcb)
{
	if (!(vmcb->cr0 & CR0_PE))
		return 16;
	if ((vmcb->efer & EFER_LMA) && (vmcb->cs.attributes & VMCB_ATTRIBUTES(SEG_LONG)))
		return 64;
	return vmcb->cs.attributes & VMCB_ATTRIBUTES(SEG_DB) ? 32 : 16;
}

void svm_get_system(const struct vcpu *vcpu, struct guest_system *system)
{
	const struct vmcb *vmcb = vmcb_of(vcpu);

	*system = (struct guest_system) {
		.cr0 = vmcb->cr0, .cr2 = vmcb->cr2, .cr3 = vmcb->cr3,
		.cr4 = vmcb->cr4, .efer = vmcb->efer & ~(u64)EFER_SVME,
		.fs_base = vmcb->fs.base, .gs_base = vmcb->gs.base,
		.kernel_gs_base = vmcb->kernel_gs_base, .lstar = vmcb->lstar,
		.cs_base = vmcb->cs.base, .ds_base = vmcb->ds.base,
		.es_base = vmcb->es.base, .ss_base = vmcb->ss.base,
		.idtr_base = vmcb->idtr.base, .idtr_limit = vmcb->idtr.limit,
		.gdtr_base = vmcb->gdtr.base,
		.cpl = vmcb->cpl, .code_bits = code_bits(vmcb),
	};
}

void svm_set_efer(struct vcpu *vcpu, u64 guest_value)
{
	vmcb_of(vcpu)->efer = guest_value | EFER_SVME;
}

/* The fields that can be read and written as they are. */
static u64 *guarded_field(struct vmcb *vmcb, enum guarded which)
{
	switch (which) {
	case GUARD_CR0: return &vmcb->cr0;
	case GUARD_CR4: return &vmcb->cr4;
	case GUARD_IDTR: return &vmcb->idtr.base;
	case GUARD_GDTR: return &vmcb->gdtr.base;
	case GUARD_STAR: return &vmcb->star;
	case GUARD_LSTAR: return &vmcb->lstar;
	case GUARD_CSTAR: return &vmcb->cstar;
	case GUARD_SFMASK: return &vmcb->sfmask;
	case GUARD_SYSENTER_CS: return &vmcb->sysenter_cs;
	case GUARD_SYSENTER_ESP: return &vmcb->sysenter_esp;
	case GUARD_SYSENTER_EIP: return &vmcb->sysenter_eip;
	case GUARD_EFER:
	case GUARDED: break;
	}
	return NULL;
}

u64 svm_read_guarded(const struct vcpu *vcpu, enum guarded which)
{
	struct vmcb *vmcb = vmcb_of(vcpu);

	return which == GUARD_EFER ? vmcb->efer & ~(u64)EFER_SVME :
		*guarded_field(vmcb, which);
}

void svm_write_guarded(struct vcpu *vcpu, enum guarded which, u64 value)
{
	*guarded_field(vmcb_of(vcpu), which) = value;
}

void svm_load_table(struct vcpu *vcpu, enum guarded which, u64 base,
		    u16 limit)
{
	struct vmcb *vmcb = vmcb_of(vcpu);
	struct vmcb_segment *table = which == GUARD_IDTR ? &vmcb->idtr :
		&vmcb->gdtr;

	table->base = base;
	table->limit = limit;
}

#define WATCHED_CR	(1u << 4)
#define WATCHED_REGISTERS (INTERCEPT_CR0_SELECTIVE | INTERCEPT_IDTR_WRITE | \
			   INTERCEPT_GDTR_WRITE)

void svm_watch_registers(struct vcpu *vcpu, u64 cr0, u64 cr4)
{
	struct vmcb *vmcb = vmcb_of(vcpu);

	vmcb->cr_write = cr4 ? WATCHED_CR : 0;
	vmcb->intercept1 &= ~WATCHED_REGISTERS;
	if (cr0)
		vmcb->intercept1 |= WATCHED_REGISTERS;
}

void svm_set_tsc_offset(struct vcpu *vcpu)
{
	vmcb_of(vcpu)->tsc_offset = vcpu->tsc_offset;
}

/* Of the intercepted MSRs only EFER exists for the guest. */
bool svm_read_msr(const struct vcpu *vcpu, u32 msr, u64 *value)
{
	*value = vmcb_of(vcpu)->efer & ~(u64)EFER_SVME;
	return msr == MSR_EFER;
}

#define CPUID_80000001_ECX_SVM	(1u << 2)
#define CPUID_80000001_ECX_SKINIT (1u << 12)
#define CPUID_80000008_EBX_INVLPGB (1u << 3 | 1u << 21)

void svm_mend_cpuid(u32 leaf, u32 subleaf, struct cpuid_regs *r)
{
	(void)subleaf;
	switch (leaf) {
	case 0x80000001:
		r->ecx &= ~(CPUID_80000001_ECX_SVM | CPUID_80000001_ECX_SKINIT);
		break;
	case 0x80000008:	/* not enabled in the VMCB, where it is #UD */
		r->ebx &= ~CPUID_80000008_EBX_INVLPGB;
		break;
	case 0x8000000a:	/* SVM features */
	case 0x8000001f:	/* memory encryption: its bit is not in our SLAT */
		*r = (struct cpuid_regs) { 0 };
		break;
	}
}
