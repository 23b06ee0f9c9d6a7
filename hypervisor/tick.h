/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ticks: while registers are pinned the control domain looks at the guest's mappings
 * at least once a second (US_EV_TICK). The guest runs without exits for as long as
 * it likes, so something of ours has to bring a CPU in: an HPET that the guest
 * cannot write to, which sends an NMI to all CPUs (hpet.h); or, where there is none,
 * the guest's interrupts, each of which then costs two exits: a CPU that takes none,
 * because it sleeps or its interrupts are off, brings none in.
 */
#ifndef HV_TICK_H
#define HV_TICK_H

#include "vmm.h"

/* Choose the source and start it. All other CPUs are held. */
void tick_start(void);

/* After each exit of @vcpu: have the domain look, if it is time and it is free. */
void tick_poll(struct cpu *cpu, struct vcpu *vcpu);

/* In the NMI handler: how many NMIs the tick's source has sent to this CPU since the last
 * call, more than one when it was slow to take them. */
u32 tick_sent_nmis(struct cpu *cpu);

/* Before each entry, and at VMEXIT_INTERRUPT and VMEXIT_IRET: the second source. */
void tick_prepare(struct vcpu *vcpu);
void tick_interrupted(struct vcpu *vcpu);
void tick_iret(struct vcpu *vcpu);

#endif
