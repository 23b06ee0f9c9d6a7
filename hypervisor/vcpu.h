/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's vCPUs: their loop, and what is done before each entry. */
#ifndef HV_VCPU_H
#define HV_VCPU_H

#include "vmm.h"

/* The state of a CPU at the moment us_hv_launch was called. */
struct launch_state {
	u64 rip, rsp, rflags;
	u64 rbx, rbp, r12, r13, r14, r15;
};

/* Run the guest on this CPU, for ever. */
void __attribute__((noreturn)) vcpu_loop(struct cpu *cpu);

/* The SLAT has changed: every vCPU drops its translations before its next entry. */
void vcpu_flush_all(void);

/* General registers of a vCPU that goes on at @at, and of one that has got a SIPI. */
void vcpu_adopt_registers(struct vcpu *vcpu, const struct launch_state *at);
void vcpu_reset_registers(struct vcpu *vcpu);

/* exits.c: carry out one exit of the guest. */
void handle_exit(struct cpu *cpu, struct vcpu *vcpu, const struct vmexit *exit);

/* #GP(0), #UD, or #PF. */
void inject_gp(struct vcpu *vcpu);
void inject_ud(struct vcpu *vcpu);
/* @access: PF_WRITE or PF_FETCH; @mapped: the guest's own page tables allow it. */
void inject_access_fault(struct vcpu *vcpu, u64 gva, u32 access, bool mapped,
			 bool user);

#endif
