/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stop: all other CPUs are brought into the hypervisor and held there, so
 * that guest memory and SLAT tables can be changed with nobody looking.
 *
 * Stops nest on the CPU that owns them. A CPU that waits for anything in the
 * hypervisor polls stop_poll(), so that a stop never waits for a waiter.
 */
#ifndef HV_STOP_H
#define HV_STOP_H

#include "hv.h"

/* Hold all other CPUs. False, and none held, when one did not come in time. May
 * wait for another CPU's stop to end first. */
bool stop_begin(void);
/* The same with a time of the caller's, in TSC ticks. */
bool stop_begin_within(u64 ticks);
/* Let them go; returns when all have gone. */
void stop_end(void);

/* If another CPU has asked for a stop, be held until it ends. */
void stop_poll(void);

/* How long the present stop may last; past it a held CPU calls the owner's control
 * domain to account (control_domain.h). */
#define STOP_LIMIT_MS	5000
#define STOP_COME_MS	2000

#endif
