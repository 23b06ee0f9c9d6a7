/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events that the guest is to take: exceptions and NMIs. APM volume 2, 15.20. */
#include "svm/svm.h"

static u32 in_nmi;		/* vCPUs in their NMI handler, a bit each */

void svm_inject(struct vcpu *vcpu, u8 vector, bool has_error, u32 error,
		u64 cr2)
{
	struct vmcb *vmcb = vmcb_of(vcpu);
	struct event event = { vmcb->event, vmcb->event_error };

	if (!event_add(&event, vector, has_error, error, vmcb->cr0 & CR0_PE))
		return;
	vmcb->event = event.info;
	vmcb->event_error = event.error;
	if (EVENT_VECTOR(event.info) == VECTOR_PF)
		vmcb->cr2 = cr2;
}

/* What is delivered first ends with an IRET, too. */
bool svm_inject_nmi(struct vcpu *vcpu)
{
	struct vmcb *vmcb = vmcb_of(vcpu);

	vmcb->intercept1 |= INTERCEPT_IRET;
	if (in_nmi >> vcpu->index & 1 || (vmcb->event & EVENT_VALID))
		return false;
	vmcb->event = EVENT_VALID | EVENT_TYPE_NMI | VECTOR_NMI;
	__atomic_fetch_or(&in_nmi, 1u << vcpu->index, __ATOMIC_RELAXED);
	return true;
}

void svm_nmi_reset(struct vcpu *vcpu)
{
	__atomic_fetch_and(&in_nmi, ~(1u << vcpu->index), __ATOMIC_RELAXED);
}

void svm_watch_interrupts(struct vcpu *vcpu, bool on)
{
	struct vmcb *vmcb = vmcb_of(vcpu);

	vmcb->intercept1 &= ~INTERCEPT_INTR;
	if (on)
		vmcb->intercept1 |= INTERCEPT_INTR;
}

void svm_watch_iret(struct vcpu *vcpu)
{
	vmcb_of(vcpu)->intercept1 |= INTERCEPT_IRET;
}

void svm_iret_done(struct vcpu *vcpu)
{
	vmcb_of(vcpu)->intercept1 &= ~INTERCEPT_IRET;
	svm_nmi_reset(vcpu);
}
