/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hypervisor's own GDT, TSS and IDT: one of each a CPU. */
#ifndef HV_DESCRIPTORS_H
#define HV_DESCRIPTORS_H

#include "hv.h"

struct exception_frame {
	u64 gpr[GPR_COUNT];	/* in the order of enum gpr; RSP is the frame's */
	u64 vector, error;
	u64 rip, cs, rflags, rsp, ss;
};

/* Load them on this CPU. */
void descriptors_load(struct cpu *cpu);

/* Top of @cpu's stack, whose lowest word points to the cpu (this_cpu). */
u64 host_stack_top(struct cpu *cpu);

#endif
