/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a guest does to a sealed frame or to the arena, and may not. */
#ifndef HV_TEXT_WRITE_H
#define HV_TEXT_WRITE_H

#include "vmm.h"

/*
 * Decode what the guest wants to store and let the control domain judge it, and
 * carry it out if it says so. Refused: logged, memory unchanged, a page fault for the
 * guest. While the domain is busy the guest's instruction is repeated.
 */
void text_write(struct cpu *cpu, struct vcpu *vcpu, const struct vmexit *exit);

/* The guest wants to execute from a frame that is read-only: logged, and a page
 * fault for the guest. */
void sealed_fetch(struct vcpu *vcpu, const struct vmexit *exit);

#endif
