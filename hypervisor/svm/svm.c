/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The AMD-V backend: fills in vmm.h with VMCBs. APM volume 2, chapter 15. Here: the
 * processor, one run of a vCPU, and the table of operations.
 *
 * Clean bits stay 0 and every VMCB change is therefore seen.
 */
#include <string.h>

#include "memory.h"
#include "svm/svm.h"

static struct vmcb host_vmcb[MAX_CPUS] PAGE_ALIGNED; /* host FS, GS, TR */
static u8 host_save[MAX_CPUS][PAGE_SIZE] PAGE_ALIGNED;
static bool have_nrips, have_flush_asid;

static enum us_error svm_probe(void)
{
	if (cpuid(0x80000000, 0).eax < 0x8000000a ||
	    !(cpuid(0x80000001, 0).ecx & (1u << 2)))
		return US_E_CPU_VENDOR;
	if (!(cpuid(0x8000000a, 0).edx & SVM_FEATURE_NPT))
		return US_E_NO_NESTED_PAGING;
	if (rdmsr(MSR_VM_CR) & VM_CR_SVMDIS)
		return US_E_SVM_DISABLED;
	return US_OK;
}

static void svm_init(void)
{
	svm_permissions_init();
	have_nrips = cpuid(0x8000000a, 0).edx & SVM_FEATURE_NRIPS;
	have_flush_asid = cpuid(0x8000000a, 0).edx & SVM_FEATURE_FLUSH_ASID;
}

static void svm_cpu_enable(struct cpu *cpu)
{
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
	wrmsr(MSR_VM_HSAVE_PA, virt_to_phys(host_save[cpu->index]));
	/* A pending INIT becomes #SX, which can be taken and dropped: 15.30.1. The
	 * lock that firmware may have set is on SVMDIS and itself only. */
	wrmsr(MSR_VM_CR, rdmsr(MSR_VM_CR) | VM_CR_R_INIT);
}

static void svm_cpu_ready(struct cpu *cpu)
{
	asm volatile("clgi");
	asm volatile("vmsave" :: "a"(virt_to_phys(&host_vmcb[cpu->index]))
		     : "memory");
}

static void decode_io(const struct vmcb *vmcb, struct vmexit *exit)
{
	u32 info = (u32)vmcb->exit_info1;

	exit->kind = VMEXIT_IO;
	exit->io.port = info >> 16;
	exit->io.size = info >> 4 & 7;
	exit->io.in = info & IOIO_IN;
	exit->io.string = info & IOIO_STRING;
	exit->io.next_rip = vmcb->exit_info2;
}

static void decode_slat(const struct vmcb *vmcb, struct vmexit *exit)
{
	u64 info = vmcb->exit_info1;

	exit->kind = VMEXIT_SLAT;
	exit->slat.gpa = vmcb->exit_info2;
	exit->slat.present = info & NPF_PRESENT;
	exit->slat.write = info & NPF_WRITE;
	exit->slat.fetch = info & NPF_FETCH;
	exit->slat.table_walk = info & NPF_TABLE_WALK;
}

static void decode_exit(const struct vmcb *vmcb, struct vmexit *exit)
{
	/* TCG reports VMEXIT_INVALID in the low half only. */
	u32 code = (u32)vmcb->exit_code;

	memset(exit, 0, sizeof(*exit));
	exit->code = code;
	exit->info1 = vmcb->exit_info1;
	exit->info2 = vmcb->exit_info2;
	switch (code) {
	case SVM_EXIT_INTR: exit->kind = VMEXIT_INTERRUPT; break;
	case SVM_EXIT_NMI: exit->kind = VMEXIT_NMI; break;
	case SVM_EXIT_SMI: exit->kind = VMEXIT_SMI; break;
	case SVM_EXIT_INIT: exit->kind = VMEXIT_INIT; break;
	case SVM_EXIT_CR0_SELECTIVE: exit->kind = VMEXIT_CR_WRITE; break;
	case SVM_EXIT_IDTR_WRITE:
	case SVM_EXIT_GDTR_WRITE: exit->kind = VMEXIT_TABLE_LOAD; break;
	case SVM_EXIT_CPUID: exit->kind = VMEXIT_CPUID; break;
	case SVM_EXIT_IRET: exit->kind = VMEXIT_IRET; break;
	case SVM_EXIT_IOIO: decode_io(vmcb, exit); break;
	case SVM_EXIT_MSR:
		exit->kind = vmcb->exit_info1 ? VMEXIT_WRMSR : VMEXIT_RDMSR;
		break;
	case SVM_EXIT_SHUTDOWN: exit->kind = VMEXIT_SHUTDOWN; break;
	case SVM_EXIT_VMMCALL: exit->kind = VMEXIT_HYPERCALL; break;
	case SVM_EXIT_INVD: exit->kind = VMEXIT_INVD; break;
	case SVM_EXIT_INVLPGA: exit->kind = VMEXIT_HIDDEN_FEATURE; break;
	case SVM_EXIT_NPF: decode_slat(vmcb, exit); break;
	default:
		exit->kind = VMEXIT_OTHER;
		if (code >= SVM_EXIT_CR_WRITE && code <= SVM_EXIT_CR_WRITE + 15)
			exit->kind = VMEXIT_CR_WRITE;
		else if (code >= SVM_EXIT_EXCEPTION && code < SVM_EXIT_INTR) {
			exit->kind = VMEXIT_EXCEPTION;
			exit->code = code - SVM_EXIT_EXCEPTION;
		} else if (code >= SVM_EXIT_VMRUN && code <= SVM_EXIT_SKINIT) {
			exit->kind = VMEXIT_HIDDEN_FEATURE;
		}
	}
}

/* INT n, INT3, INTO: RIP is still at the instruction, which runs again by itself.
 * The latter two are told as exceptions. */
static bool is_software_event(u32 event)
{
	u32 type = event & EVENT_TYPE_MASK, vector = event & 0xff;

	return type == EVENT_TYPE_INTN ||
		(type == EVENT_TYPE_EXC &&
		 (vector == VECTOR_BP || vector == VECTOR_OF));
}

static void svm_run(struct cpu *cpu, struct vcpu *vcpu, bool masked,
		    struct vmexit *exit)
{
	struct vmcb *vmcb = vmcb_of(vcpu);
	struct guest_regs *regs = &vcpu->regs;

	vmcb->rax = regs->gpr[GPR_RAX];
	vmcb->rsp = regs->gpr[GPR_RSP];
	if (vmcb->rip != regs->rip)	/* an instruction was completed by us */
		vmcb->interrupt_shadow = 0;
	vmcb->rip = regs->rip;
	vmcb->rflags = regs->rflags;
	svm_enter(vcpu->vendor_pa, regs, virt_to_phys(&host_vmcb[cpu->index]),
		  vcpu->is_control && !masked);
	regs->gpr[GPR_RAX] = vmcb->rax;
	regs->gpr[GPR_RSP] = vmcb->rsp;
	regs->rip = vmcb->rip;
	regs->rflags = vmcb->rflags;
	vmcb->tlb_control = 0;
	/* An event whose delivery was cut short is delivered again: 15.7.2. The
	 * upper half of the field may be stale, so it is read as two halves. */
	vmcb->event = (u32)vmcb->exit_int_info;
	vmcb->event_error = (u32)(vmcb->exit_int_info >> 32);
	if (!(vmcb->event & EVENT_VALID) || is_software_event(vmcb->event))
		vmcb->event = 0;
	decode_exit(vmcb, exit);
}

static void svm_flush(struct vcpu *vcpu)
{
	vmcb_of(vcpu)->tlb_control = TLB_FLUSH_ALL;
}

static void svm_flush_guest(struct vcpu *vcpu)
{
	struct vmcb *vmcb = vmcb_of(vcpu);

	if (vmcb->tlb_control != TLB_FLUSH_ALL)
		vmcb->tlb_control = have_flush_asid ? TLB_FLUSH_GUEST :
			TLB_FLUSH_ALL;
}

static u64 svm_next_rip(const struct vcpu *vcpu)
{
	return have_nrips ? vmcb_of(vcpu)->next_rip : 0;
}

/* The VMCB is memory like any other. */
static void svm_put_down(struct vcpu *vcpu)
{
	(void)vcpu;
}

static bool svm_slat_1g(void)
{
	return true;	/* where the processor has such pages at all: 15.25.3 */
}

static bool svm_start_timer(u32 period_ms)
{
	(void)period_ms;
	return false;
}

/* One that came just before the HLT that it should have ended. */
static u64 svm_nmi_came(struct cpu *cpu, u64 rip)
{
	(void)cpu;
	return rip == (u64)svm_halt_insn ? rip + 1 : rip;
}

static u64 svm_fault_exit(u64 rip)
{
	(void)rip;
	return 0;
}

const struct vmm_ops svm_ops = {
	.name = "AMD-V",
	.slat = {
		/* NPT entries are ordinary ones; user bit set: 15.25.5. Accessed and
		 * dirty are set ahead, so that the walker never writes. */
		.table = 0x27,
		.open = 0x67,
		.sealed = 0x65,
		.read_only = 0x65 | 1ull << 63,
		.large = 1u << 7,
	},
	.probe = svm_probe,
	.init = svm_init,
	.cpu_enable = svm_cpu_enable,
	.cpu_ready = svm_cpu_ready,
	.vcpu_adopt = svm_vcpu_adopt,
	.vcpu_sipi = svm_vcpu_sipi,
	.vcpu_control = svm_vcpu_control,
	.run = svm_run,
	.get_system = svm_get_system,
	.set_efer = svm_set_efer,
	.slat_1g = svm_slat_1g,
	.put_down = svm_put_down,
	.read_msr = svm_read_msr,
	.mend_cpuid = svm_mend_cpuid,
	.start_timer = svm_start_timer,
	.set_tsc_offset = svm_set_tsc_offset,
	.msr_is_machine_map = svm_msr_is_machine_map,
	.watch_interrupts = svm_watch_interrupts,
	.watch_iret = svm_watch_iret,
	.inject = svm_inject,
	.inject_nmi = svm_inject_nmi,
	.iret_done = svm_iret_done,
	.read_guarded = svm_read_guarded,
	.write_guarded = svm_write_guarded,
	.load_table = svm_load_table,
	.watch_registers = svm_watch_registers,
	.watch_system_msrs = svm_watch_system_msrs,
	.watch_port = svm_watch_port,
	.flush = svm_flush,
	.flush_guest = svm_flush_guest,
	.next_rip = svm_next_rip,
	.trap_x2apic_icr = svm_trap_x2apic_icr,
	.accept_pending = svm_accept_pending,
	.accept_interrupts = svm_accept_interrupts,
	.wait_for_nmi = svm_halt_until_nmi,
	.nmi_came = svm_nmi_came,
	.fault_exit = svm_fault_exit,
};
