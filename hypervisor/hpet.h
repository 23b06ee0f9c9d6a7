/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The HPET (IA-PC HPET specification 1.0a), of which the loader does not tell the
 * operating system (us_boot_info.hpet_base). It is the firmware's until the hypervisor
 * starts it; from then on the guest can read its registers, and its writes have no
 * effect. One comparator sends an NMI to all CPUs once in a period: as a message of
 * its own where it can, else through a free pin of the IOAPIC (ioapic.h).
 */
#ifndef HV_HPET_H
#define HV_HPET_H

#include "hv.h"

/* Take it and send NMIs from now on, one every @period_ms. False when there is none
 * or it cannot. All other CPUs are held. */
bool hpet_start(u32 period_ms);
/* How it reaches the CPUs, for the log. */
const char *hpet_route(void);

/* In the NMI handler: how many it has sent to this CPU since the last call. */
u32 hpet_sent_nmis(struct cpu *cpu);

/* Does @gpa belong to it, and have the guest's writes no effect there? */
bool hpet_owns(u64 gpa);

#endif
