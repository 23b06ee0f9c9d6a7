/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events that the guest is to take: SDM volume 3, 25.8.3 and 28.2.4. NMIs that belong
 * to the guest are virtual: the processor knows whether it is in its handler, and tells
 * when it can take the next one.
 */
#include "vmx/vmx.h"

#define DR6_CAUSES	0xfu
#define DR6_ALWAYS	0xffff0ff0u
/* Causes of a #DB, in the qualification where DR6 has them. */
#define DB_CAUSES	0x600fu		/* BS, BD, B3 to B0 */
#define DB_IN_RTM	(1u << 16)	/* in DR6 the other way round */
#define DR7_GD		(1u << 13)

static void watch(struct vcpu *vcpu, u32 window, bool on)
{
	u64 proc = vmx_get(vcpu, F_PROC);

	if (!(proc & window) == on)
		vmx_set(vcpu, F_PROC, proc ^ window);
}

void vmx_inject(struct vcpu *vcpu, u8 vector, bool has_error, u32 error,
		u64 cr2)
{
	struct vmx_vcpu *v = vmx_of(vcpu);
	bool protected = vmx_get(vcpu, F_CR0) & CR0_PE;

	if (!event_add(&v->event, vector, has_error, error, protected))
		return;
	v->event_len = 0;
	/* The host takes no page faults: CR2 is the guest's. */
	if (EVENT_VECTOR(v->event.info) == VECTOR_PF)
		write_cr2(cr2);
}

/* Entries with an NMI want it to be possible: 27.3.1.5. */
bool vmx_inject_nmi(struct vcpu *vcpu)
{
	struct vmx_vcpu *v = vmx_of(vcpu);
	bool possible = !(v->event.info & EVENT_VALID) &&
		!(vmx_get(vcpu, F_BLOCKING) &
		  (BLOCKING_NMI | BLOCKING_STI | BLOCKING_MOV_SS));

	watch(vcpu, PROC_NMI_WINDOW, !possible);
	if (possible)
		v->event = (struct event) {
			EVENT_VALID | EVENT_TYPE_NMI | VECTOR_NMI, 0 };
	return possible;
}

/* There always is a timer: nobody asks for interrupts. */
void vmx_watch_interrupts(struct vcpu *vcpu, bool on)
{
	(void)vcpu;
	(void)on;
}

void vmx_watch_iret(struct vcpu *vcpu)
{
	(void)vcpu;
}

void vmx_iret_done(struct vcpu *vcpu)
{
	(void)vcpu;
}

static bool has_length(u32 info)
{
	u32 type = info & EVENT_TYPE_MASK;

	return type == EVENT_TYPE_INTN || type == EVENT_TYPE_INT1 ||
		type == EVENT_TYPE_SOFT_EXC;
}

void vmx_write_event(struct vcpu *vcpu)
{
	const struct vmx_vcpu *v = vmx_of(vcpu);

	if (!(v->event.info & EVENT_VALID))
		return;
	vmcs_write(VMCS_ENTRY_EVENT, v->event.info);
	vmcs_write(VMCS_ENTRY_ERROR, v->event.error);
	if (has_length(v->event.info))
		vmcs_write(VMCS_ENTRY_LEN, v->event_len);
}

/* An event whose delivery was cut short is delivered again. An NMI has closed the
 * door behind itself already. */
void vmx_read_event(struct vcpu *vcpu)
{
	struct vmx_vcpu *v = vmx_of(vcpu);
	u32 info = (u32)vmcs_read(VMCS_VECTORING) & ~EVENT_IRET_UNBLOCKS;

	v->event = (struct event) { 0 };
	if (!(info & EVENT_VALID))
		return;
	v->event.info = info;
	v->event_len = v->insn_len;
	if (info & EVENT_HAS_ERROR)
		v->event.error = (u32)vmcs_read(VMCS_VECTORING_ERROR);
	if ((info & EVENT_TYPE_MASK) == EVENT_TYPE_NMI)
		vmx_set(vcpu, F_BLOCKING, vmx_get(vcpu, F_BLOCKING) &
			~(u64)BLOCKING_NMI);
}

/* The #DB that an exit came for has changed nothing yet: 28.1. */
static void raise_debug(struct vcpu *vcpu, u64 qualification)
{
	u64 dr6 = (read_dr6() & ~(u64)DR6_CAUSES) | DR6_ALWAYS;

	dr6 |= qualification & DB_CAUSES;
	if (qualification & DB_IN_RTM)
		dr6 &= ~(u64)DB_IN_RTM;
	write_dr6(dr6);
	vmx_set(vcpu, F_DR7, vmx_get(vcpu, F_DR7) & ~(u64)DR7_GD);
	/* Entries want this one with TF set in the shadow of STI or MOV SS: 27.3.1.5. */
	if ((vcpu->regs.rflags & RFLAGS_TF) &&
	    (vmx_get(vcpu, F_BLOCKING) & (BLOCKING_STI | BLOCKING_MOV_SS)))
		vmx_set(vcpu, F_PENDING_DEBUG,
			vmx_get(vcpu, F_PENDING_DEBUG) | PENDING_STEP);
}

void vmx_exit_event(struct vcpu *vcpu, u64 qualification, struct vmexit *exit)
{
	u32 info = (u32)vmcs_read(VMCS_EXIT_EVENT);
	struct vmx_vcpu *v = vmx_of(vcpu);

	if ((info & EVENT_TYPE_MASK) == EVENT_TYPE_NMI) {
		/* It was taken, and others are held back until an IRET: as if it had
		 * come to the host. */
		exit->kind = VMEXIT_NMI;
		asm volatile("int $2" ::: "memory");
		return;
	}
	exit->kind = VMEXIT_EXCEPTION;
	exit->code = EVENT_VECTOR(info);
	if (vcpu->is_control)
		return;
	if ((info & EVENT_IRET_UNBLOCKS) && !(v->event.info & EVENT_VALID))
		vmx_set(vcpu, F_BLOCKING, vmx_get(vcpu, F_BLOCKING) |
			BLOCKING_NMI);
	if (exit->code == VECTOR_DB)
		raise_debug(vcpu, qualification);
	if (has_length(info)) {		/* INT1: a trap that has an instruction */
		v->event = (struct event) { info & ~EVENT_IRET_UNBLOCKS, 0 };
		v->event_len = v->insn_len;
		exit->kind = VMEXIT_DONE;
	}
}
