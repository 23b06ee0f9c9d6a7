/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One instruction of the guest without descriptor-table exits. Those come also for
 * SGDT, SIDT, SLDT, STR, LLDT and LTR, about which nobody asks: they run by themselves,
 * with TF set, interrupts off, and every exception ending the run. Whatever ends it ends
 * the step; an instruction that has not come to its end is tried again, with a new step.
 *
 * Another CPU may exchange the instruction meanwhile: what it then has done to GDTR
 * or IDTR is undone before the next one.
 *
 * The monitor trap flag would do the same, but not all processors have it, and it has
 * nothing that TF lacks here.
 */
#include "vmx/vmx.h"

#define KEPT_FLAGS	(RFLAGS_TF | RFLAGS_IF)
#define DB_STEP		(1u << 14)

void vmx_step(struct vcpu *vcpu)
{
	struct vmx_vcpu *v = vmx_of(vcpu);

	v->step = (struct vmx_step) {
		.on = true,
		.rflags = vcpu->regs.rflags & KEPT_FLAGS,
		.exceptions = vmx_get(vcpu, F_EXCEPTIONS),
		.gdtr = vmx_get(vcpu, F_GDTR_BASE),
		.idtr = vmx_get(vcpu, F_IDTR_BASE),
	};
	vcpu->regs.rflags &= ~(u64)RFLAGS_IF;
	vcpu->regs.rflags |= RFLAGS_TF;
	/* With TF, entries do not want these: 27.3.1.5. They are over after it anyway. */
	vmx_set(vcpu, F_BLOCKING, vmx_get(vcpu, F_BLOCKING) &
		~(u64)(BLOCKING_STI | BLOCKING_MOV_SS));
	/* Bochs has the guest's own step pending before the instruction has run. */
	vmx_set(vcpu, F_PENDING_DEBUG, 0);
	vmx_set(vcpu, F_EXCEPTIONS, ~0u);
	vmx_set(vcpu, F_PROC2, vmx_get(vcpu, F_PROC2) & ~(u64)PROC2_TABLE_EXIT);
}

static void undo_tables(struct vcpu *vcpu, const struct vmx_step *step)
{
	if (vmx_get(vcpu, F_GDTR_BASE) == step->gdtr &&
	    vmx_get(vcpu, F_IDTR_BASE) == step->idtr)
		return;
	log_guest(vcpu->index, "descriptor table changed in a step: undone");
	vmx_set(vcpu, F_GDTR_BASE, step->gdtr);
	vmx_set(vcpu, F_IDTR_BASE, step->idtr);
}

/* What the guest would have got without us. True: it has been seen to. */
static bool pass_on(struct vcpu *vcpu, u64 *qualification)
{
	struct vmx_vcpu *v = vmx_of(vcpu);
	u32 info = (u32)vmcs_read(VMCS_EXIT_EVENT);

	if (v->reason != REASON_EVENT ||
	    (info & EVENT_TYPE_MASK) != EVENT_TYPE_EXC ||
	    EVENT_VECTOR(info) == VECTOR_AC)
		return false;
	if (EVENT_VECTOR(info) == VECTOR_DB) {
		if (!(v->step.rflags & RFLAGS_TF))
			*qualification &= ~(u64)DB_STEP;
		return !*qualification;
	}
	v->event.info = info & ~EVENT_IRET_UNBLOCKS;
	if (info & EVENT_HAS_ERROR)
		v->event.error = (u32)vmcs_read(VMCS_EXIT_ERROR);
	if (EVENT_VECTOR(info) == VECTOR_PF)
		write_cr2(*qualification);
	return true;
}

bool vmx_end_step(struct vcpu *vcpu, u64 *qualification)
{
	struct vmx_step *step = &vmx_of(vcpu)->step;

	if (!step->on)
		return false;
	step->on = false;
	vcpu->regs.rflags &= ~(u64)KEPT_FLAGS;
	vcpu->regs.rflags |= step->rflags;
	vmx_set(vcpu, F_EXCEPTIONS, step->exceptions);
	vmx_set(vcpu, F_PROC2, vmx_get(vcpu, F_PROC2) | PROC2_TABLE_EXIT);
	undo_tables(vcpu, step);
	return pass_on(vcpu, qualification);
}
