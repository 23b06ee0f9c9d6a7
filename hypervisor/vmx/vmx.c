/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Intel VT-x backend: fills in vmm.h with VMCSs. SDM volume 3, chapters 24 to 31.
 * Here: the processor, one run of a vCPU, and the table of operations.
 *
 * NMIs. There is no GIF: an NMI comes to the hypervisor at any time, and its handler
 * takes note of it and sets nmi_came. That is cleared when a run has ended, before
 * anybody looks at what was asked of the CPU, and looked at by the last instructions
 * before the next entry (run.S). An NMI that comes behind that look finds the handler
 * knowing those instructions, and going on without the entry. One that comes to the
 * guest ends its run. So no kick is lost, whenever it comes.
 *
 * INIT is held back in the hypervisor and ends a guest's run. A vCPU waits for its SIPI
 * in the hypervisor: the processor's own wait-for-SIPI state takes no NMIs, so no stops
 * either, and the SIPI is one that never was sent (apic.h).
 */
#include <string.h>

#include "memory.h"
#include "vcpu.h"
#include "vmx/vmx.h"

#define CPUID_1_ECX_VMX		(1u << 5)
#define CR4_VMXE		(1u << 13)

struct vmx_setup vmx_setup;

static u8 vmxon_region[MAX_CPUS][PAGE_SIZE] PAGE_ALIGNED;
static volatile u32 nmi_came[MAX_CPUS];

static void read_capabilities(struct vmx_capabilities *caps)
{
	memset(caps, 0, sizeof(*caps));
	for (u32 i = 0; i < VMX_MSRS; i++)
		if (vmx_msr_exists(caps, (enum vmx_msr)i))
			caps->msr[i] = rdmsr(MSR_VMX_FIRST + i);
}

/* The loader has said in words what is missing. */
static enum us_error vmx_probe(void)
{
	struct vmx_capabilities caps;
	struct vmx_setup setup;
	const char *missing;
	enum us_error error;

	if (!(cpuid(1, 0).ecx & CPUID_1_ECX_VMX))
		return US_E_CPU_VENDOR;
	error = vmx_check_firmware(rdmsr(MSR_FEATURE_CONTROL));
	if (error)
		return error;
	read_capabilities(&caps);
	return vmx_choose(&caps, &setup, &missing);
}

static void vmx_init(void)
{
	struct vmx_capabilities caps;
	const char *missing;

	read_capabilities(&caps);
	vmx_choose(&caps, &vmx_setup, &missing);
	vmx_permissions_init();
	vmx_ept_init();
}

/* What firmware has left open is ours to close: 24.7. */
static void vmx_cpu_enable(struct cpu *cpu)
{
	(void)cpu;
	if (!(rdmsr(MSR_FEATURE_CONTROL) & FEATURE_CONTROL_LOCKED))
		wrmsr(MSR_FEATURE_CONTROL, rdmsr(MSR_FEATURE_CONTROL) |
		      FEATURE_CONTROL_LOCKED | FEATURE_CONTROL_VMX);
}

static void vmx_cpu_ready(struct cpu *cpu)
{
	u64 region = virt_to_phys(vmxon_region[cpu->index]);
	u64 cr4 = read_cr4() | CR4_VMXE;
	bool failed;

	/* For the guest's XSETBV. */
	if (cpuid(1, 0).ecx & CPUID_1_ECX_XSAVE)
		cr4 |= CR4_OSXSAVE;
	write_cr4(cr4);
	wrmsr(MSR_PAT, PAT_RESET);
	*(u32 *)vmxon_region[cpu->index] =
		(u32)rdmsr(MSR_VMX_FIRST + VMX_BASIC) & 0x7fffffff;
	asm volatile("vmxon %1" : "=@ccbe"(failed) : "m"(region) : "memory");
	if (failed)
		panic("VMXON failed");
	cpu->guest->flush = 1;
}

/*
 * For the control domain: what comes meanwhile ends its run, or stays in the local
 * APIC. Its own RFLAGS.IF has no say: set, or the emulator Bochs would not end a run
 * for an interrupt; clear, or the interrupt would be its own.
 */
static void mask_interrupts(struct vcpu *vcpu, bool masked)
{
	u64 pin = vmx_of(vcpu)->controls->pin;

	vcpu->regs.rflags |= RFLAGS_IF;
	if (masked) {
		pin &= ~(u64)PIN_INTERRUPT_EXIT;
		vcpu->regs.rflags &= ~(u64)RFLAGS_IF;
	}
	if (vmx_get(vcpu, F_PIN) != pin)
		vmx_set(vcpu, F_PIN, pin);
}

static void __attribute__((noreturn)) entry_failed(const struct vcpu *vcpu)
{
	panic("vCPU %u cannot be entered, error %lx", vcpu->index,
	      vmcs_read(VMCS_INSTRUCTION_ERROR));
}

static void read_exit(struct vcpu *vcpu)
{
	struct vmx_vcpu *v = vmx_of(vcpu);
	struct guest_regs *regs = &vcpu->regs;

	vmcs_exited(vcpu);
	v->launched = true;
	regs->rip = v->exit_rip = vmcs_read(VMCS_RIP);
	regs->gpr[GPR_RSP] = vmcs_read(VMCS_RSP);
	regs->rflags = vmcs_read(VMCS_RFLAGS);
	v->reason = (u32)vmcs_read(VMCS_EXIT_REASON);
	v->insn_len = (u32)vmcs_read(VMCS_EXIT_LEN);
	if (v->reason & REASON_ENTRY_FAILED)
		panic("vCPU %u: its state is refused, reason %x, %lx",
		      vcpu->index, v->reason, vmcs_read(VMCS_QUALIFICATION));
	vmx_read_event(vcpu);
}

/* True when the guest has run. */
static bool enter(struct cpu *cpu, struct vcpu *vcpu)
{
	struct vmx_vcpu *v = vmx_of(vcpu);
	struct guest_regs *regs = &vcpu->regs;

	vmcs_write(VMCS_RIP, regs->rip);
	vmcs_write(VMCS_RSP, regs->gpr[GPR_RSP]);
	vmcs_write(VMCS_RFLAGS, regs->rflags);
	vmx_write_event(vcpu);
	switch (vmx_enter(regs, &nmi_came[cpu->index], v->launched)) {
	case RUN_EXITED:
		return true;
	case RUN_NMI_CAME:
		vmcs_write(VMCS_ENTRY_EVENT, 0);
		return false;
	case RUN_FAILED:
		break;
	}
	entry_failed(vcpu);
}

/* An instruction was carried out by us: what the processor does behind one. */
static void complete(struct vcpu *vcpu)
{
	if (vmx_get(vcpu, F_BLOCKING))
		vmx_set(vcpu, F_BLOCKING, vmx_get(vcpu, F_BLOCKING) &
			~(u64)(BLOCKING_STI | BLOCKING_MOV_SS));
	if (vcpu->regs.rflags & RFLAGS_TF)
		vmx_set(vcpu, F_PENDING_DEBUG, PENDING_STEP);
}

static void vmx_run(struct cpu *cpu, struct vcpu *vcpu, bool masked,
		    struct vmexit *exit)
{
	struct vmx_vcpu *v = vmx_of(vcpu);

	memset(exit, 0, sizeof(*exit));
	if (vcpu->is_control)
		mask_interrupts(vcpu, masked);
	if (vcpu->regs.rip != v->exit_rip)
		complete(vcpu);
	vmcs_prepare(cpu, vcpu);
	if (enter(cpu, vcpu)) {
		read_exit(vcpu);
		vmx_decode_exit(vcpu, exit);
	} else {
		exit->kind = VMEXIT_DONE;
	}
	nmi_came[cpu->index] = 0;
}

static u64 vmx_next_rip(const struct vcpu *vcpu)
{
	return vmx_of(vcpu)->exit_rip + vmx_of(vcpu)->insn_len;
}

/* Nothing waits: they come when they come. */
static void vmx_accept_pending(void)
{
}

static void vmx_wait_for_nmi(struct cpu *cpu)
{
	vmx_halt(&nmi_came[cpu->index]);
	nmi_came[cpu->index] = 0;
}

static u64 vmx_nmi_came(struct cpu *cpu, u64 rip)
{
	nmi_came[cpu->index] = 1;
	if (rip >= (u64)vmx_entry_start && rip < (u64)vmx_entry_end)
		return (u64)vmx_no_entry;
	if (rip >= (u64)vmx_halt_start && rip < (u64)vmx_halt_end)
		return (u64)vmx_halt_end;
	return rip;
}

static u64 vmx_fault_exit(u64 rip)
{
	return rip == (u64)vmx_xsetbv_insn ? (u64)vmx_xsetbv_failed : 0;
}

const struct vmm_ops vmx_ops = {
	.name = "Intel VT-x",
	.vmcall = true,
	.timed_control = true,
	.slat = {
		/* Bit 2 is the kernel's execution and bit 10 that of programs;
		 * without mode-based execute control bit 2 is both: 29.3.2. */
		.table = 0x407,
		.open = 0x407,
		.sealed = 0x405,
		.read_only = 1,
		.kernel_fetch = 4,
		.large = 1u << 7,
		.type = 7u << 3,
	},
	.probe = vmx_probe,
	.init = vmx_init,
	.slat_1g = vmx_slat_1g,
	.guards_execution = vmx_guards_execution,
	.memory_type = vmx_memory_type,
	.cpu_enable = vmx_cpu_enable,
	.cpu_ready = vmx_cpu_ready,
	.vcpu_adopt = vmx_vcpu_adopt,
	.vcpu_sipi = vmx_vcpu_sipi,
	.vcpu_control = vmx_vcpu_control,
	.run = vmx_run,
	.put_down = vmx_put_down,
	.read_msr = vmx_read_msr,
	.mend_cpuid = vmx_mend_cpuid,
	.get_system = vmx_get_system,
	.set_efer = vmx_set_efer,
	.read_guarded = vmx_read_guarded,
	.write_guarded = vmx_write_guarded,
	.load_table = vmx_load_table,
	.watch_registers = vmx_watch_registers,
	.watch_system_msrs = vmx_watch_system_msrs,
	.watch_port = vmx_watch_port,
	.start_timer = vmx_start_timer,
	.watch_interrupts = vmx_watch_interrupts,
	.watch_iret = vmx_watch_iret,
	.inject = vmx_inject,
	.inject_nmi = vmx_inject_nmi,
	.iret_done = vmx_iret_done,
	.flush = vmx_flush,
	.flush_guest = vmx_flush_guest,
	.next_rip = vmx_next_rip,
	.set_tsc_offset = vmx_set_tsc_offset,
	.msr_is_machine_map = vmx_msr_is_machine_map,
	.trap_x2apic_icr = vmx_trap_x2apic_icr,
	.accept_pending = vmx_accept_pending,
	.accept_interrupts = vmx_accept_interrupts,
	.wait_for_nmi = vmx_wait_for_nmi,
	.nmi_came = vmx_nmi_came,
	.fault_exit = vmx_fault_exit,
};
