/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pins: registers that guard the kernel keep the values that they had at seal
 * (control_abi.h, HV_PIN). A vCPU that an INIT and a SIPI have taken back to real mode
 * must be able to start, so it is free until its registers are again what the
 * pins say; from then on it is pinned, too.
 */
#ifndef HV_PIN_H
#define HV_PIN_H

#include "vmm.h"

/* Nothing is pinned. At init. */
void pin_init(void);

/* Pin all vCPUs that an operating system has started. All other CPUs are held.
 * BAD_REQUEST when they do not agree, or CR0.WP is clear; then nothing is pinned. */
enum us_error pin_all(void);
/* Has an operating system started @vcpu? Only such are pinned. */
bool pin_started(const struct vcpu *vcpu);
/* Is anything pinned? */
bool pin_active(void);

/* @vcpu has got an INIT and a SIPI. */
void pin_vcpu_reset(struct vcpu *vcpu);
/* Pin @vcpu if it is free and its registers are what they should be. By its own CPU,
 * before each entry. */
void pin_vcpu_poll(struct vcpu *vcpu);

/* VMEXIT_CR_WRITE and VMEXIT_TABLE_LOAD: only pinned vCPUs have them. */
void pin_exit(struct vcpu *vcpu, const struct vmexit *exit);
/* The guest writes EFER: does its pin allow it? Refusals are logged. */
bool pin_allows_efer(struct vcpu *vcpu, u64 value);
/* The guest writes an MSR. False: none that can be pinned. *@done: it was
 * carried out; else it gets #GP. */
bool pin_write_msr(struct vcpu *vcpu, u32 msr, u64 value, bool *done);

/* Changes refused so far. */
u64 pin_refused(void);

#endif
