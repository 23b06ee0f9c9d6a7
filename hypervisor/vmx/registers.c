/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's system registers. Bits of CR0 and CR4 that are not its own are masked,
 * and it reads their shadow; what is pinned is masked, too, with the shadow being the
 * pinned value, so that an exit comes with a change only. SDM volume 3, 25.6.6, 26.3.
 */
#include "vmx/vmx.h"

#define CR4_VMXE	(1u << 13)
#define CR4_SMXE	(1u << 14)

/* Exit qualification for control registers, table 28-3. */
#define CR_NUMBER(q)	((q) & 15)
#define CR_ACCESS(q)	((q) >> 4 & 3)
#define CR_MOV_TO	0
#define CR_LMSW		3
#define CR_GPR(q)	((q) >> 8 & 15)
#define CR_LMSW_SOURCE(q) ((q) >> 16 & 0xffff)

/* VM-exit instruction information of descriptor tables, table 28-10. */
#define TABLE_INSN(info) ((info) >> 28 & 3)
#define TABLE_LGDT	2
#define TABLE_LIDT	3

u64 vmx_cr0_owned(void)
{
	return vmx_setup.cr0_set;
}

u64 vmx_cr4_owned(void)
{
	return vmx_setup.cr4_set | CR4_VMXE | CR4_SMXE;
}

static u64 guest_cr0(const struct vcpu *vcpu)
{
	u64 mask = vmx_get(vcpu, F_CR0_MASK);

	return (vmx_get(vcpu, F_CR0) & ~mask) |
		(vmx_get(vcpu, F_CR0_SHADOW) & mask);
}

static u64 guest_cr4(const struct vcpu *vcpu)
{
	u64 mask = vmx_get(vcpu, F_CR4_MASK);

	return (vmx_get(vcpu, F_CR4) & ~mask) |
		(vmx_get(vcpu, F_CR4_SHADOW) & mask);
}

static u32 code_bits(const struct vcpu *vcpu)
{
	u64 rights = vmx_get(vcpu, F_RIGHTS + SEG_CS);

	if (!(vmx_get(vcpu, F_CR0) & CR0_PE))
		return 16;
	if ((vmx_get(vcpu, F_EFER) & EFER_LMA) && (rights & SEG_LONG))
		return 64;
	return rights & SEG_DB ? 32 : 16;
}

void vmx_get_system(const struct vcpu *vcpu, struct guest_system *system)
{
	*system = (struct guest_system) {
		.cr0 = guest_cr0(vcpu), .cr2 = read_cr2(),
		.cr3 = vmx_get(vcpu, F_CR3), .cr4 = guest_cr4(vcpu),
		.efer = vmx_get(vcpu, F_EFER),
		.fs_base = vmx_get(vcpu, F_BASE + SEG_FS),
		.gs_base = vmx_get(vcpu, F_BASE + SEG_GS),
		.kernel_gs_base = vmx_get(vcpu, F_KERNEL_GS_BASE),
		.lstar = vmx_get(vcpu, F_LSTAR),
		.cs_base = vmx_get(vcpu, F_BASE + SEG_CS),
		.ds_base = vmx_get(vcpu, F_BASE + SEG_DS),
		.es_base = vmx_get(vcpu, F_BASE + SEG_ES),
		.ss_base = vmx_get(vcpu, F_BASE + SEG_SS),
		.idtr_base = vmx_get(vcpu, F_IDTR_BASE),
		.idtr_limit = (u32)vmx_get(vcpu, F_IDTR_LIMIT),
		.gdtr_base = vmx_get(vcpu, F_GDTR_BASE),
		.cpl = RIGHTS_DPL(vmx_get(vcpu, F_RIGHTS + SEG_SS)),
		.code_bits = code_bits(vcpu),
	};
}

void vmx_set_efer(struct vcpu *vcpu, u64 guest_value)
{
	vmx_set(vcpu, F_EFER, guest_value);
}

/* The fields that can be read and written as they are. */
static enum field guarded_field(enum guarded which)
{
	switch (which) {
	case GUARD_IDTR: return F_IDTR_BASE;
	case GUARD_GDTR: return F_GDTR_BASE;
	case GUARD_STAR: return F_STAR;
	case GUARD_LSTAR: return F_LSTAR;
	case GUARD_CSTAR: return F_CSTAR;
	case GUARD_SFMASK: return F_SFMASK;
	case GUARD_SYSENTER_CS: return F_SYSENTER_CS;
	case GUARD_SYSENTER_ESP: return F_SYSENTER_ESP;
	case GUARD_SYSENTER_EIP: return F_SYSENTER_EIP;
	default: return F_EFER;
	}
}

u64 vmx_read_guarded(const struct vcpu *vcpu, enum guarded which)
{
	switch (which) {
	case GUARD_CR0: return guest_cr0(vcpu);
	case GUARD_CR4: return guest_cr4(vcpu);
	default: return vmx_get(vcpu, guarded_field(which));
	}
}

void vmx_write_guarded(struct vcpu *vcpu, enum guarded which, u64 value)
{
	switch (which) {
	case GUARD_CR0:
		vmx_set(vcpu, F_CR0, value | vmx_setup.cr0_set);
		vmx_set(vcpu, F_CR0_SHADOW, value);
		break;
	case GUARD_CR4:
		vmx_set(vcpu, F_CR4, value | vmx_setup.cr4_set);
		vmx_set(vcpu, F_CR4_SHADOW, value);
		break;
	default:
		vmx_set(vcpu, guarded_field(which), value);
	}
}

void vmx_load_table(struct vcpu *vcpu, enum guarded which, u64 base, u16 limit)
{
	bool idt = which == GUARD_IDTR;

	vmx_set(vcpu, idt ? F_IDTR_BASE : F_GDTR_BASE, base);
	vmx_set(vcpu, idt ? F_IDTR_LIMIT : F_GDTR_LIMIT, limit);
}

static void set_bits(struct vcpu *vcpu, enum field field, u64 bits, bool on)
{
	u64 old = vmx_get(vcpu, field);

	vmx_set(vcpu, field, on ? old | bits : old & ~bits);
}

/* The shadows become what the guest sees now, and the masks grow. */
void vmx_watch_registers(struct vcpu *vcpu, u64 cr0, u64 cr4)
{
	vmx_set(vcpu, F_CR0_SHADOW, guest_cr0(vcpu));
	vmx_set(vcpu, F_CR4_SHADOW, guest_cr4(vcpu));
	vmx_set(vcpu, F_CR0_MASK, cr0 | vmx_cr0_owned());
	vmx_set(vcpu, F_CR4_MASK, cr4 | vmx_cr4_owned());
	set_bits(vcpu, F_PROC2, PROC2_TABLE_EXIT, cr0 | cr4);
}

static u64 new_cr0(const struct vcpu *vcpu, u64 qualification)
{
	if (CR_ACCESS(qualification) == CR_LMSW)	/* cannot clear PE */
		return (guest_cr0(vcpu) & ~0xeull) |
			(CR_LMSW_SOURCE(qualification) & 0xf);
	return vcpu->regs.gpr[CR_GPR(qualification)];
}

static void tell_write(struct vmexit *exit, enum guarded target, u64 value,
		       u32 insn_len)
{
	exit->kind = VMEXIT_CR_WRITE;
	exit->cr.told = true;
	exit->cr.target = target;
	exit->cr.value = value;
	exit->cr.insn_len = insn_len;
}

/*
 * NE has to be set, but the guest may see it as it likes. When nothing else that is
 * masked changes, its shadow is brought up to date and the instruction runs again,
 * by itself this time: the processor does all that belongs to a change of CR0.
 */
static void exit_cr0(struct vcpu *vcpu, u64 value, struct vmexit *exit)
{
	u64 shadow = vmx_get(vcpu, F_CR0_SHADOW);
	u64 changed = (value ^ shadow) & vmx_get(vcpu, F_CR0_MASK);

	if (changed & ~vmx_cr0_owned()) {
		tell_write(exit, GUARD_CR0, value, vmx_of(vcpu)->insn_len);
		return;
	}
	exit->kind = VMEXIT_DONE;
	vmx_set(vcpu, F_CR0_SHADOW, shadow ^ changed);
}

void vmx_exit_cr(struct vcpu *vcpu, u64 qualification, struct vmexit *exit)
{
	u64 value = vcpu->regs.gpr[CR_GPR(qualification)];
	u32 access = CR_ACCESS(qualification);

	if (access != CR_MOV_TO && access != CR_LMSW)
		return;
	if (code_bits(vcpu) != 64)
		value = (u32)value;
	if (CR_NUMBER(qualification) == 0) {
		value = new_cr0(vcpu, qualification);
		exit_cr0(vcpu, code_bits(vcpu) == 64 ? value : (u32)value, exit);
	} else if (CR_NUMBER(qualification) == 4) {
		tell_write(exit, GUARD_CR4, value, vmx_of(vcpu)->insn_len);
	}
}

void vmx_exit_tables(struct vcpu *vcpu, struct vmexit *exit)
{
	u32 insn = TABLE_INSN(vmcs_read(VMCS_EXIT_INSN));

	if (vmx_of(vcpu)->reason == REASON_GDTR_IDTR &&
	    (insn == TABLE_LGDT || insn == TABLE_LIDT)) {
		exit->kind = VMEXIT_TABLE_LOAD;
		return;
	}
	exit->kind = VMEXIT_DONE;
	vmx_step(vcpu);
}

/* Deadlines are compared with the processor's TSC, not with the guest's. */
void vmx_set_tsc_offset(struct vcpu *vcpu)
{
	vmx_watch_deadlines();
	vmx_set(vcpu, F_TSC_OFFSET, vcpu->tsc_offset);
}

/* Firmware's choice is final: no VMX. */
bool vmx_read_msr(const struct vcpu *vcpu, u32 msr, u64 *value)
{
	if (msr == MSR_FEATURE_CONTROL)
		*value = FEATURE_CONTROL_LOCKED;
	else if (msr == MSR_TSC_DEADLINE && rdmsr(msr))
		*value = rdmsr(msr) + vcpu->tsc_offset;
	else if (msr == MSR_TSC_DEADLINE)
		*value = 0;
	else
		return false;
	return true;
}
