/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A vendor backend without a processor, for the parts of the hypervisor under test. */
#ifndef UNDERSEAL_FAKE_VMM_H
#define UNDERSEAL_FAKE_VMM_H

#include "vmm.h"

#define FAKE_MEMORY	0x1000u	/* linear address of fake.memory */

extern struct fake_vmm {
	u8 memory[256];
	u64 reg[MAX_CPUS][GUARDED];
	u16 limit[MAX_CPUS];
	u64 cr3;
	bool watched[MAX_CPUS];	/* registers */
	bool msrs_watched;
	u32 flushes;
	/* what the guest got */
	u32 injected, vector;
	u64 cr2;
	u32 lines;		/* of the log, by log_guest */
	u32 tick_nmis;		/* that tick_sent_nmis() tells of, once */
} fake;

/* A machine with @cpus CPUs in 64-bit mode, all alike but for GDTR and SYSENTER_ESP. */
void fake_start(u32 cpus);
/* Put the instruction at RIP of @vcpu. */
void fake_code(struct vcpu *vcpu, const void *bytes, u32 len);

#endif
