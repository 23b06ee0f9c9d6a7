/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The watchdog over the control domain on a machine with one CPU, for runs in which
 * the guest's interrupts must wait (a stop, a short event). With more CPUs the
 * others watch.
 *
 * It borrows the local APIC's timer, with a vector of the highest priority class,
 * and holds all lower classes back with the TPR. The guest's timer goes on where it
 * was. If the guest has an interrupt of the highest class pending at that very
 * time (on one CPU only its own IPIs are), the run is not watched.
 */
#ifndef HV_WATCHDOG_H
#define HV_WATCHDOG_H

#include "types.h"

/* Before and after a watched run of the control domain. */
void watchdog_arm(void);
void watchdog_disarm(void);

/* An interrupt ended a watched run. True: it was the watchdog's, which ticks on;
 * false: it was the guest's. */
bool watchdog_ticked(void);

#endif
