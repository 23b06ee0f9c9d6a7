/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The doorbell: common/abi.h says what callers see. */
#ifndef HV_HYPERCALL_H
#define HV_HYPERCALL_H

#include "hv.h"

/* What a ring says, whichever doorbell it came by. */
struct call {
	u32 magic;
	u32 cpl;	/* whose request it is: at 3 it reaches user pages only */
	u64 gva;	/* of the struct us_request */
	u64 ticket;
	u64 next_rip;	/* where the instruction ends */
};

/* By OUT or VMMCALL; by RDMSR. */
struct call call_from_registers(const struct vcpu *vcpu, u64 next_rip);
struct call call_from_rdmsr(const struct vcpu *vcpu, u64 next_rip);

/* @vcpu rang. As long as the guest shall repeat the instruction, RIP is left where
 * it is; a guest that cannot take interrupts gets US_E_AGAIN instead. */
void hypercall(struct cpu *cpu, struct vcpu *vcpu, const struct call *call);

#endif
