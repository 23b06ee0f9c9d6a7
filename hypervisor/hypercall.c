/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hypercall.h"

#include "control_domain.h"

/* An answer whose caller never came back is dropped after this. */
#define CLAIM_MS 1000

static void answer(struct vcpu *vcpu, u64 next_rip, u32 status)
{
	vcpu->regs.gpr[GPR_RAX] = status;
	vcpu->regs.rip = next_rip;
}

static void name_caller(const struct vcpu *vcpu)
{
	struct us_mailbox *mailbox = control.mailbox;
	struct guest_system system;

	hv.ops->get_system(vcpu, &system);
	mailbox->cr0 = system.cr0;
	mailbox->cr3 = system.cr3;
	mailbox->cr4 = system.cr4;
	mailbox->efer = system.efer;
	mailbox->cpl = system.cpl;
	mailbox->request_gva = vcpu->regs.gpr[GPR_RBX];
}

static void start_request(const struct vcpu *vcpu, u64 ticket)
{
	control.request = (struct control_request) {
		.open = true, .ticket = ticket,
	};
	name_caller(vcpu);
	control_post(US_EV_REQUEST, vcpu, REQUEST_BUDGET_MS);
}

/* The caller is here and held: let the domain write its answer out. Masked, so
 * that nothing else runs in between. */
static u32 claim(struct cpu *cpu, const struct vcpu *vcpu)
{
	control.request.finished = false;
	name_caller(vcpu);
	control_post(US_EV_CLAIM, vcpu, SHORT_BUDGET_MS);
	control_run(cpu, true);
	return control.state == CONTROL_DEAD ? US_E_CONTROL_UNAVAILABLE :
		control.claim_status;
}

static bool answer_is_stale(void)
{
	return rdtsc() - control.request.finished_tsc > tsc_from_ms(CLAIM_MS);
}

/* With the control lock. True when @vcpu has its answer in *@status, false when
 * it shall repeat its instruction. */
static bool attend(struct cpu *cpu, struct vcpu *vcpu, u64 ticket, u32 *status)
{
	struct control_request *request = &control.request;
	bool masked = !(vcpu->regs.rflags & RFLAGS_IF);

	*status = US_E_CONTROL_UNAVAILABLE;
	if (control.state == CONTROL_DEAD)
		return true;
	if (control.state == CONTROL_IDLE) {
		if (request->finished && request->ticket != ticket &&
		    !answer_is_stale()) {
			*status = US_E_AGAIN;
			return true;
		}
		if (!request->finished || request->ticket != ticket)
			start_request(vcpu, ticket);
	} else if (control.state == CONTROL_BACKOFF) {
		if (rdtsc() < control.backoff_until) {
			*status = US_E_AGAIN;
			return true;
		}
		control_resume();
	}
	/* Ours or another's that was interrupted: help it along. */
	if (!control_run(cpu, masked))
		return false;
	if (control.state == CONTROL_DEAD)
		return true;
	*status = US_E_AGAIN;
	if (control.state == CONTROL_IDLE && request->finished &&
	    request->ticket == ticket)
		*status = claim(cpu, vcpu);
	return true;
}

void hypercall(struct cpu *cpu, struct vcpu *vcpu, u64 next_rip)
{
	u64 ticket = vcpu->regs.gpr[GPR_RCX];
	u32 status;
	bool done;

#ifdef UNDERSEAL_FAULTS
	if ((u32)vcpu->regs.gpr[GPR_RAX] == US_FAULT_MAGIC)
		asm volatile("ud2");
#endif
	if ((u32)vcpu->regs.gpr[GPR_RAX] != US_CALL_MAGIC) {
		answer(vcpu, next_rip, US_E_CALL_MAGIC);
		return;
	}
	if (!ticket) {
		answer(vcpu, next_rip, US_E_BAD_REQUEST);
		return;
	}
	if (!control_lock())
		return;
	done = attend(cpu, vcpu, ticket, &status);
	control_unlock();
	if (done)
		answer(vcpu, next_rip, status);
}
