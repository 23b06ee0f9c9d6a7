/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an exit was for: SDM volume 3, 28.2 and appendix C. */
#include "vcpu.h"
#include "vmx/vmx.h"

/* Exit qualification for I/O, table 28-5. */
#define IO_SIZE(q)	(((q) & 7) + 1)
#define IO_IN		(1u << 3)
#define IO_STRING	(1u << 4)
#define IO_PORT(q)	((q) >> 16 & 0xffff)

/* For EPT violations, table 28-7. */
#define EPT_WRITE	(1u << 1)
#define EPT_FETCH	(1u << 2)
#define EPT_PRESENT	(7u << 3)
#define EPT_LINEAR	(1u << 7)
#define EPT_FINAL	(1u << 8)	/* not for a guest's page table */
#define EPT_IRET_UNBLOCKS (1u << 12)

static void decode_io(const struct vcpu *vcpu, u64 qualification,
		      struct vmexit *exit)
{
	exit->kind = VMEXIT_IO;
	exit->io.port = IO_PORT(qualification);
	exit->io.size = IO_SIZE(qualification);
	exit->io.in = qualification & IO_IN;
	exit->io.string = qualification & IO_STRING;
	exit->io.next_rip = vcpu->regs.rip + vmx_of(vcpu)->insn_len;
}

static void decode_violation(struct vcpu *vcpu, u64 qualification,
			     struct vmexit *exit)
{
	exit->kind = VMEXIT_SLAT;
	exit->slat.gpa = vmcs_read(VMCS_GPA);
	exit->slat.present = qualification & EPT_PRESENT;
	exit->slat.write = qualification & EPT_WRITE;
	exit->slat.fetch = qualification & EPT_FETCH;
	exit->slat.table_walk = (qualification & EPT_LINEAR) &&
		!(qualification & EPT_FINAL);
	/* An IRET that did not come to its end: 28.2.3. */
	if ((qualification & EPT_IRET_UNBLOCKS) &&
	    !(vmx_of(vcpu)->event.info & EVENT_VALID))
		vmx_set(vcpu, F_BLOCKING, vmx_get(vcpu, F_BLOCKING) |
			BLOCKING_NMI);
}

/* The processor knows better than any list which values it takes. */
static void do_xsetbv(struct vcpu *vcpu)
{
	const u64 *gpr = vcpu->regs.gpr;

	if (vmx_try_xsetbv((u32)gpr[GPR_RCX],
			   gpr[GPR_RDX] << 32 | (u32)gpr[GPR_RAX]))
		vcpu->regs.rip += vmx_of(vcpu)->insn_len;
	else
		inject_gp(vcpu);
}

/* What only the guest does; for the control domain it stays VMEXIT_OTHER. */
static void decode_guest(struct vcpu *vcpu, u64 qualification,
			 struct vmexit *exit)
{
	exit->kind = VMEXIT_DONE;
	switch (vmx_of(vcpu)->reason) {
	case REASON_NMI_WINDOW:	/* the NMI follows: vcpu.c, deliver_nmi */
		vmx_set(vcpu, F_PROC, vmx_get(vcpu, F_PROC) &
			~(u64)PROC_NMI_WINDOW);
		break;
	case REASON_TASK_SWITCH: /* of 32-bit systems: not offered */
		inject_gp(vcpu);
		break;
	case REASON_CR:
		exit->kind = VMEXIT_OTHER;
		vmx_exit_cr(vcpu, qualification, exit);
		break;
	case REASON_GDTR_IDTR:
	case REASON_LDTR_TR:
		vmx_exit_tables(vcpu, exit);
		break;
	case REASON_XSETBV:
		do_xsetbv(vcpu);
		break;
	default:
		exit->kind = VMEXIT_OTHER;
	}
}

static bool is_hidden(u32 reason)
{
	return (reason >= REASON_VMCLEAR && reason <= REASON_VMXON) ||
		reason == REASON_GETSEC || reason == REASON_INVEPT ||
		reason == REASON_INVVPID || reason == REASON_VMFUNC;
}

void vmx_decode_exit(struct vcpu *vcpu, struct vmexit *exit)
{
	u64 qualification = vmcs_read(VMCS_QUALIFICATION);
	u32 reason = vmx_of(vcpu)->reason;

	exit->code = reason;
	exit->info1 = qualification;
	if (vmx_end_step(vcpu, &qualification)) {
		exit->kind = VMEXIT_DONE;
		return;
	}
	switch (reason) {
	case REASON_EVENT: vmx_exit_event(vcpu, qualification, exit); break;
	case REASON_INTERRUPT: exit->kind = VMEXIT_INTERRUPT; break;
	case REASON_TRIPLE_FAULT: exit->kind = VMEXIT_SHUTDOWN; break;
	case REASON_INIT: exit->kind = VMEXIT_INIT; break;
	case REASON_CPUID: exit->kind = VMEXIT_CPUID; break;
	case REASON_INVD: exit->kind = VMEXIT_INVD; break;
	case REASON_VMCALL: exit->kind = VMEXIT_HYPERCALL; break;
	case REASON_IO: decode_io(vcpu, qualification, exit); break;
	case REASON_RDMSR: exit->kind = VMEXIT_RDMSR; break;
	case REASON_WRMSR: exit->kind = VMEXIT_WRMSR; break;
	case REASON_TIMER: exit->kind = VMEXIT_DONE; break;
	case REASON_EPT_VIOLATION:
		decode_violation(vcpu, qualification, exit);
		break;
	case REASON_EPT_MISCONFIGURED:
		panic("EPT misconfigured at %lx", vmcs_read(VMCS_GPA));
	default:
		exit->kind = VMEXIT_OTHER;
		if (is_hidden(reason))
			exit->kind = VMEXIT_HIDDEN_FEATURE;
		else if (!vcpu->is_control)
			decode_guest(vcpu, qualification, exit);
	}
}
