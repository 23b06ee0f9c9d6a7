/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Before the guest resets the machine the control domain hears of it (US_EV_RESET): a
 * kernel that panics and resets at once is gone before the next tick. Watched are ports
 * that are for nothing else, or rarely used: the chipset's reset control, which is also
 * what UEFI's ResetSystem() comes down to on most machines, and the ACPI reset register;
 * and the triple fault. Not the keyboard controller, whose status a guest reads all the
 * time.
 */
#ifndef HV_RESET_H
#define HV_RESET_H

#include "vmm.h"

/* From now on accesses to these ports exit. */
void reset_watch(void);

/* The guest is about to write @value to a port that exits. False: it would reset the
 * machine, and another CPU has the control domain; let the guest try again. */
bool reset_may_write(struct cpu *cpu, const struct vcpu *vcpu,
		     const struct vmexit *exit, u32 value);

/* A triple fault is how some kernels reboot: do what the chipset would. */
void __attribute__((noreturn)) reset_machine(struct cpu *cpu,
					     const struct vcpu *vcpu);

#endif
