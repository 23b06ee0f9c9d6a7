/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hypercall.h"

#include "control_domain.h"

/* An answer whose caller never came back is dropped after this. */
#define CLAIM_MS 1000

struct call call_from_registers(const struct vcpu *vcpu, u64 next_rip)
{
	const u64 *gpr = vcpu->regs.gpr;
	struct guest_system system;

	hv.ops->get_system(vcpu, &system);
	return (struct call) {
		.magic = (u32)gpr[GPR_RAX], .cpl = system.cpl,
		.gva = gpr[GPR_RBX], .ticket = gpr[GPR_RCX],
		.next_rip = next_rip,
	};
}

struct call call_from_rdmsr(const struct vcpu *vcpu, u64 next_rip)
{
	const u64 *gpr = vcpu->regs.gpr;

	return (struct call) {
		.magic = (u32)gpr[GPR_RAX], .cpl = 3,
		.gva = gpr[GPR_RDX] << 32 | (u32)gpr[GPR_RBX],
		.ticket = gpr[GPR_RDI] << 32 | (u32)gpr[GPR_RSI],
		.next_rip = next_rip,
	};
}

static void answer(struct vcpu *vcpu, const struct call *call, u32 status)
{
	vcpu->regs.gpr[GPR_RAX] = status;
	vcpu->regs.rip = call->next_rip;
}

static void name_caller(const struct vcpu *vcpu, const struct call *call)
{
	struct us_mailbox *mailbox = control.mailbox;
	struct guest_system system;

	hv.ops->get_system(vcpu, &system);
	mailbox->cr0 = system.cr0;
	mailbox->cr3 = system.cr3;
	mailbox->cr4 = system.cr4;
	mailbox->efer = system.efer;
	mailbox->cpl = call->cpl;
	mailbox->request_gva = call->gva;
}

static void start_request(const struct vcpu *vcpu, const struct call *call)
{
	control.request = (struct control_request) {
		.open = true, .ticket = call->ticket,
	};
	name_caller(vcpu, call);
	control_post(US_EV_REQUEST, vcpu, REQUEST_BUDGET_MS);
}

/* The caller is here and held: let the domain write its answer out. Masked, so
 * that nothing else runs in between. */
static u32 claim(struct cpu *cpu, const struct vcpu *vcpu,
		 const struct call *call)
{
	control.request.finished = false;
	name_caller(vcpu, call);
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
 * the domain was interrupted. */
static bool attend(struct cpu *cpu, struct vcpu *vcpu, const struct call *call,
		   u32 *status)
{
	struct control_request *request = &control.request;
	bool own = request->ticket == call->ticket;

	*status = US_E_CONTROL_UNAVAILABLE;
	if (control.state == CONTROL_DEAD)
		return true;
	*status = US_E_AGAIN;
	if (control.state == CONTROL_IDLE) {
		if (request->finished && !own && !answer_is_stale())
			return true;
		if (!request->finished || !own)
			start_request(vcpu, call);
	} else if (control.state == CONTROL_BACKOFF) {
		if (rdtsc() < control.backoff_until)
			return true;
		control_resume();
	}
	/* Ours or another's that was interrupted: help it along. */
	if (!control_run(cpu, false))
		return false;
	if (control.state == CONTROL_DEAD)
		*status = US_E_CONTROL_UNAVAILABLE;
	else if (control.state == CONTROL_IDLE && request->finished &&
		 request->ticket == call->ticket)
		*status = claim(cpu, vcpu, call);
	return true;
}

void hypercall(struct cpu *cpu, struct vcpu *vcpu, const struct call *call)
{
	bool done = false;
	u32 status = US_E_AGAIN;

#ifdef UNDERSEAL_FAULTS
	if (call->magic == US_FAULT_MAGIC)
		asm volatile("ud2");
#endif
	if (call->magic != US_CALL_MAGIC) {
		answer(vcpu, call, US_E_CALL_MAGIC);
		return;
	}
	if (!call->ticket) {
		answer(vcpu, call, US_E_BAD_REQUEST);
		return;
	}
	if (control_lock()) {
		done = attend(cpu, vcpu, call, &status);
		control_unlock();
	}
	/* A guest with interrupts off would repeat its instruction for ever. */
	if (done || !(vcpu->regs.rflags & RFLAGS_IF))
		answer(vcpu, call, done ? status : US_E_AGAIN);
}
