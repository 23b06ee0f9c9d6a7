/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The local APIC: our own use of it (NMIs between CPUs), and the guest's writes to
 * the interrupt command register (ICR) while CPUs can be started.
 *
 * INIT and SIPI never reach the hardware: INIT would take a CPU out of the
 * hypervisor's hands, so both are carried out on the vCPU instead.
 *
 * Trapping every APIC write costs an exit for each timer write and EOI. So the
 * page is trapped only until all vCPUs were started by an operating system, and
 * again from the moment that a CPU announces a start by writing the warm-reset code
 * to CMOS (MP specification 1.4, B.4), as Linux does before each INIT.
 */
#ifndef HV_APIC_H
#define HV_APIC_H

#include "hv.h"

#define APIC_DEFAULT_BASE	0xfee00000ull

/* Make @cpu come into the hypervisor soon, from wherever it is. What it shall find
 * there must be written before. */
void apic_kick(struct cpu *cpu);

/* At init, and whenever a vCPU was started. */
void apic_trap_init(void);
void apic_vcpu_started(struct vcpu *vcpu);
/* A vCPU was reset: see who starts it. */
void apic_watch_starts(void);
/* The guest wrote @value to CMOS register @index. */
void apic_cmos_write(u8 index, u8 value);

/* A write of the guest into the trapped APIC page. False: not understood. */
bool apic_page_write(struct vcpu *vcpu, u64 gpa);

/* A write of the guest to the x2APIC's ICR. */
void apic_x2apic_icr(struct vcpu *vcpu, u64 icr);

/* Bring this CPU's APIC to the state that INIT leaves (APM volume 2, 16.3.2). */
void apic_reset_self(void);

/* This CPU's registers, APM volume 2, table 16-2; MMIO or MSR as the mode is. */
#define APIC_ID		0x020
#define APIC_TPR	0x080
#define APIC_EOI	0x0b0
#define APIC_LDR	0x0d0
#define APIC_DFR	0x0e0
#define APIC_SVR	0x0f0
#define APIC_SVR_ENABLE	(1u << 8)
#define APIC_ISR	0x100
#define APIC_IRR	0x200
#define APIC_ICR_LOW	0x300
#define APIC_ICR_HIGH	0x310
#define APIC_LVT_TIMER	0x320
#define APIC_LVT_LAST	0x370
#define APIC_TIMER_INIT	0x380
#define APIC_TIMER_COUNT 0x390
#define APIC_TIMER_DIV	0x3e0
u32 apic_read(u32 reg);
void apic_write(u32 reg, u32 value);
u32 apic_own_id(void);
/* A destination of interrupt messages that means all CPUs; in x2APIC mode, where eight
 * bits cannot say that, the first CPU. */
u32 apic_broadcast_id(void);
/* Is @vector requested and not yet taken? */
bool apic_requested(u8 vector);

#endif
