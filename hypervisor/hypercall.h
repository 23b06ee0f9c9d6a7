/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The doorbell: common/abi.h says what callers see. */
#ifndef HV_HYPERCALL_H
#define HV_HYPERCALL_H

#include "hv.h"

/* @vcpu rang. The instruction ends at @next_rip; as long as the guest shall
 * repeat it, RIP is left where it is. */
void hypercall(struct cpu *cpu, struct vcpu *vcpu, u64 next_rip);

#endif
