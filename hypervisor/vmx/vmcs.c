/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMCSs. A VMCS can be read and written on one CPU only, where it is current, but a
 * vCPU's registers are asked for by others, and the control domain moves from CPU to
 * CPU. So each vCPU has its fields in memory, too: read when they are first asked for
 * after an exit, all of them when the CPU puts the vCPU down, and written before the
 * next entry where they were changed.
 */
#include <string.h>

#include "host_paging.h"
#include "memory.h"
#include "vmx/vmx.h"

#define KNOWN	1u		/* value[] holds it */
#define CHANGED	2u		/* and the VMCS does not, yet */

/* Which vCPU's VMCS is current on each CPU. */
static struct vcpu *current[MAX_CPUS];

/* Above 0xffff: an MSR. */
static u32 code_of(enum field field)
{
	static const u32 codes[FIELDS] = {
		[F_GDTR_LIMIT] = 0x4810, [F_IDTR_LIMIT] = 0x4812,
		[F_GDTR_BASE] = 0x6816, [F_IDTR_BASE] = 0x6818,
		[F_CR0] = 0x6800, [F_CR3] = 0x6802, [F_CR4] = 0x6804,
		[F_DR7] = 0x681a, [F_EFER] = 0x2806, [F_PAT] = 0x2804,
		[F_DEBUGCTL] = 0x2802,
		[F_SYSENTER_CS] = 0x482a, [F_SYSENTER_ESP] = 0x6824,
		[F_SYSENTER_EIP] = 0x6826,
		[F_BLOCKING] = 0x4824, [F_ACTIVITY] = 0x4826,
		[F_PENDING_DEBUG] = 0x6822,
		[F_PIN] = 0x4000, [F_PROC] = 0x4002, [F_PROC2] = 0x401e,
		[F_ENTRY] = 0x4012, [F_EXCEPTIONS] = 0x4004,
		[F_CR0_MASK] = 0x6000, [F_CR0_SHADOW] = 0x6004,
		[F_CR4_MASK] = 0x6002, [F_CR4_SHADOW] = 0x6006,
		[F_TSC_OFFSET] = 0x2010, [F_TIMER] = 0x482e,
		[F_STAR] = MSR_STAR, [F_LSTAR] = MSR_LSTAR,
		[F_CSTAR] = MSR_CSTAR, [F_SFMASK] = MSR_SFMASK,
		[F_KERNEL_GS_BASE] = MSR_KERNEL_GS_BASE,
	};

	if (field < F_LIMIT)
		return 0x0800 + (field - F_SELECTOR) * 2;
	if (field < F_RIGHTS)
		return 0x4800 + (field - F_LIMIT) * 2;
	if (field < F_BASE)
		return 0x4814 + (field - F_RIGHTS) * 2;
	if (field < F_GDTR_LIMIT)
		return 0x6806 + (field - F_BASE) * 2;
	return codes[field];
}

static u64 read_field(u32 code)
{
	bool failed;
	u64 value;

	asm volatile("vmread %2, %1" : "=@ccbe"(failed), "=r"(value)
		     : "r"((u64)code));
	if (failed)
		panic("VMREAD of %x failed", code);
	return value;
}

static void write_field(u32 code, u64 value)
{
	bool failed;

	asm volatile("vmwrite %1, %2" : "=@ccbe"(failed)
		     : "r"(value), "r"((u64)code));
	if (failed)
		panic("VMWRITE of %lx to %x failed, error %lx", value, code,
		      read_field(VMCS_INSTRUCTION_ERROR));
}

u64 vmcs_read(enum vmcs_code code)
{
	return read_field(code);
}

void vmcs_write(enum vmcs_code code, u64 value)
{
	write_field(code, value);
}

u64 vmx_get(const struct vcpu *vcpu, enum field field)
{
	struct vmx_vcpu *v = vmx_of(vcpu);
	bool is_msr = field >= F_MSRS;

	if (v->flags[field] & KNOWN)
		return v->value[field];
	if ((is_msr ? this_cpu()->guest : current[this_cpu()->index]) != vcpu)
		panic("register %u of vCPU %u asked for while it runs", field,
		      vcpu->index);
	v->value[field] = is_msr ? rdmsr(code_of(field)) :
		read_field(code_of(field));
	v->flags[field] |= KNOWN;
	return v->value[field];
}

void vmx_set(struct vcpu *vcpu, enum field field, u64 value)
{
	struct vmx_vcpu *v = vmx_of(vcpu);

	v->value[field] = value;
	v->flags[field] = KNOWN | CHANGED;
	v->changed = true;
}

static void write_changes(struct vmx_vcpu *v)
{
	if (!v->changed)
		return;
	v->changed = false;
	for (u32 i = 0; i < FIELDS; i++) {
		if (!(v->flags[i] & CHANGED))
			continue;
		v->flags[i] &= ~CHANGED;
		if (i < F_MSRS)
			write_field(code_of((enum field)i), v->value[i]);
		else
			wrmsr(code_of((enum field)i), v->value[i]);
	}
}

/* The host's part: SDM volume 3, 25.5. */
static void write_host(void)
{
	struct segments own;

	segments_read(&own);
	vmcs_write(VMCS_HOST_ES, own.seg[SEG_ES].selector);
	vmcs_write(VMCS_HOST_CS, own.seg[SEG_CS].selector);
	vmcs_write(VMCS_HOST_SS, own.seg[SEG_SS].selector);
	vmcs_write(VMCS_HOST_DS, own.seg[SEG_DS].selector);
	vmcs_write(VMCS_HOST_FS, own.seg[SEG_FS].selector);
	vmcs_write(VMCS_HOST_GS, own.seg[SEG_GS].selector);
	vmcs_write(VMCS_HOST_TR, own.seg[SEG_TR].selector);
	vmcs_write(VMCS_HOST_FS_BASE, 0);
	vmcs_write(VMCS_HOST_GS_BASE, 0);
	vmcs_write(VMCS_HOST_TR_BASE, own.seg[SEG_TR].base);
	vmcs_write(VMCS_HOST_GDTR_BASE, own.gdtr.base);
	vmcs_write(VMCS_HOST_IDTR_BASE, own.idtr.base);
	vmcs_write(VMCS_HOST_CR0, read_cr0());
	vmcs_write(VMCS_HOST_CR3, host_paging_root());
	vmcs_write(VMCS_HOST_CR4, read_cr4());
	vmcs_write(VMCS_HOST_PAT, PAT_RESET);
	vmcs_write(VMCS_HOST_EFER, EFER_LME | EFER_LMA | EFER_NXE);
	vmcs_write(VMCS_HOST_SYSENTER_CS, 0);
	vmcs_write(VMCS_HOST_SYSENTER_ESP, 0);
	vmcs_write(VMCS_HOST_SYSENTER_EIP, 0);
	vmcs_write(VMCS_HOST_RIP, (u64)vmx_exited);
}

/* What never changes afterwards. */
static void write_constants(const struct vmx_vcpu *v)
{
	u32 proc2 = v->controls->proc2;

	if (proc2 & PROC2_VPID)
		vmcs_write(VMCS_VPID, v->vpid);
	vmcs_write(VMCS_IO_BITMAP_A, virt_to_phys(v->io_bitmaps));
	vmcs_write(VMCS_IO_BITMAP_B, virt_to_phys(v->io_bitmaps + BITMAP_SIZE));
	vmcs_write(VMCS_MSR_BITMAP, virt_to_phys(v->msr_bitmap));
	vmcs_write(VMCS_EPT_POINTER, vmx_ept_pointer(v->slat_root));
	if (proc2 & PROC2_XSAVES)
		vmcs_write(VMCS_XSS_EXITS, 0);
	vmcs_write(VMCS_LINK, ~0ull);
	vmcs_write(VMCS_PAGE_FAULT_MASK, 0);
	vmcs_write(VMCS_PAGE_FAULT_MATCH, 0);
	vmcs_write(VMCS_CR3_TARGETS, 0);
	vmcs_write(VMCS_EXIT_CONTROLS, v->controls->exit);
	vmcs_write(VMCS_EXIT_STORES, 0);
	vmcs_write(VMCS_EXIT_LOADS, 0);
	vmcs_write(VMCS_ENTRY_LOADS, 0);
	vmcs_write(VMCS_ENTRY_EVENT, 0);
}

static void clear(const struct vcpu *vcpu)
{
	bool failed;

	asm volatile("vmclear %1" : "=@ccbe"(failed)
		     : "m"(vcpu->vendor_pa) : "memory");
	if (failed)
		panic("VMCLEAR of %lx failed", vcpu->vendor_pa);
	vmx_of(vcpu)->launched = false;
}

static void load(const struct vcpu *vcpu)
{
	bool failed;

	asm volatile("vmptrld %1" : "=@ccbe"(failed)
		     : "m"(vcpu->vendor_pa) : "memory");
	if (failed)
		panic("VMPTRLD of %lx failed", vcpu->vendor_pa);
}

static void make_current(struct cpu *cpu, struct vcpu *vcpu)
{
	struct vmx_vcpu *v = vmx_of(vcpu);

	if (current[cpu->index])
		vmx_put_down(current[cpu->index]);
	if (!v->built)
		clear(vcpu);
	load(vcpu);
	current[cpu->index] = vcpu;
	if (v->host != cpu)
		write_host();
	v->host = cpu;
	if (!v->built)
		write_constants(v);
	v->built = true;
}

void vmcs_prepare(struct cpu *cpu, struct vcpu *vcpu)
{
	if (current[cpu->index] != vcpu)
		make_current(cpu, vcpu);
	write_changes(vmx_of(vcpu));
}

void vmcs_exited(struct vcpu *vcpu)
{
	memset(vmx_of(vcpu)->flags, 0, sizeof(vmx_of(vcpu)->flags));
}

static void put_control_down(struct vcpu *vcpu)
{
	struct cpu *cpu = this_cpu();

	if (current[cpu->index] != vcpu)
		return;
	for (u32 i = 0; i < F_MSRS; i++)
		vmx_get(vcpu, (enum field)i);
	clear(vcpu);
	current[cpu->index] = NULL;
}

/* The control domain has no MSRs of its own, and no other way to touch the guest's
 * than to swap GS: that one is written again. */
void vmx_put_down(struct vcpu *vcpu)
{
	if (vcpu->is_control) {
		put_control_down(vcpu);
		return;
	}
	for (u32 i = 0; i < FIELDS; i++)
		vmx_get(vcpu, (enum field)i);
	vmx_set(vcpu, F_KERNEL_GS_BASE, vmx_get(vcpu, F_KERNEL_GS_BASE));
}
