/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events that the guest is to take: exceptions and NMIs. APM volume 2, 15.20. */
#include "svm/svm.h"

enum fault_class { BENIGN, CONTRIBUTORY, PAGE_FAULT };

static enum fault_class fault_class(u8 vector)
{
	switch (vector) {
	case VECTOR_DE: case VECTOR_TS: case VECTOR_NP: case VECTOR_SS:
	case VECTOR_GP:
		return CONTRIBUTORY;
	case VECTOR_PF:
	case VECTOR_DF:
		return PAGE_FAULT;
	}
	return BENIGN;
}

/*
 * What becomes of exception @vector that came while @event was delivered: APM
 * volume 2, 8.2.9. An interrupt or NMI that cannot be delivered would be lost, which
 * only a guest brings about that has its stack where it may not write: double
 * fault. False: the first event is tried again and nothing else happens.
 */
static bool combine(u32 event, u8 *vector)
{
	enum fault_class second = fault_class(*vector);

	if (!(event & EVENT_VALID))
		return true;
	if ((event & EVENT_TYPE_MASK) != EVENT_TYPE_EXC) {
		if (second == BENIGN)
			return false;
		*vector = VECTOR_DF;
		return true;
	}
	switch (fault_class(event & 0xff)) {
	case BENIGN:
		break;
	case CONTRIBUTORY:
		if (second == CONTRIBUTORY)
			*vector = VECTOR_DF;
		break;
	case PAGE_FAULT:
		if (second != BENIGN)
			*vector = VECTOR_DF;
		break;
	}
	return true;
}

void svm_inject(struct vcpu *vcpu, u8 vector, bool has_error, u32 error,
		u64 cr2)
{
	struct vmcb *vmcb = vmcb_of(vcpu);
	u8 wanted = vector;

	if (!combine(vmcb->event, &vector))
		return;
	if (vector != wanted) {
		has_error = true;
		error = 0;
	}
	/* In real mode no exception has an error code. */
	has_error = has_error && (vmcb->cr0 & CR0_PE);
	vmcb->event = EVENT_VALID | EVENT_TYPE_EXC | vector |
		(has_error ? EVENT_HAS_ERROR : 0);
	vmcb->event_error = error;
	if (vector == VECTOR_PF)
		vmcb->cr2 = cr2;
}

void svm_inject_nmi(struct vcpu *vcpu)
{
	struct vmcb *vmcb = vmcb_of(vcpu);

	vmcb->event = EVENT_VALID | EVENT_TYPE_NMI | VECTOR_NMI;
	vmcb->intercept1 |= INTERCEPT_IRET;	/* tells when it is over */
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

void svm_nmi_done(struct vcpu *vcpu)
{
	vmcb_of(vcpu)->intercept1 &= ~INTERCEPT_IRET;
}

bool svm_event_waits(const struct vcpu *vcpu)
{
	return vmcb_of(vcpu)->event & EVENT_VALID;
}
