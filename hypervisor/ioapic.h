/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The IOAPIC with the first interrupt lines (82093AA data sheet). It is the guest's,
 * but for one pin that nobody uses: from the moment that the hypervisor takes it, the
 * guest's writes to the IOAPIC are carried out by the hypervisor, and those to that
 * pin's entry have no effect.
 */
#ifndef HV_IOAPIC_H
#define HV_IOAPIC_H

#include "hv.h"

/* Make a free pin out of @pins (a bit for each) send NMIs to @destination. Returns
 * its number, 0 when there is none. All other CPUs are held. */
u32 ioapic_take_pin(u32 pins, u32 destination);

/* Does @gpa belong to it, and are its writes carried out here? */
bool ioapic_owns(u64 gpa);
/* A write of the guest there. False: not understood. */
bool ioapic_page_write(struct vcpu *vcpu, u64 gpa);

#endif
