/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The processor's side of ring.c; unit tests put a simulated one in its place. */
#ifndef UNDERSEAL_DOORBELL_H
#define UNDERSEAL_DOORBELL_H

#include "abi.h"

/* CPUID @leaf, subleaf 0: EAX, EBX, ECX, EDX. */
void doorbell_cpuid(u32 leaf, u32 subleaf, u32 regs[4]);

/*
 * Get the right to ring: ioperm(2) for the port, or where kernel lockdown refuses
 * that, the msr driver of the CPU on which we run and then stay. 0, or an errno.
 */
int doorbell_permit(void);

/* Does a ring return at every interrupt, so that long pauses between rings would
 * only cost time? */
bool doorbell_is_sliced(void);

/* One ring as in abi.h; returns RAX. */
u64 doorbell_ring(const struct us_request *request, u64 ticket);

#endif
