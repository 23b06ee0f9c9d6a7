/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What seal looks at beside memory, with all vCPUs held. Private to the
 * audit. */
#ifndef UNDERSEAL_AUDIT_CHECKS_H
#define UNDERSEAL_AUDIT_CHECKS_H

#include "baseline.h"
#include "kernel_map.h"

/*
 * Do all started vCPUs run this kernel, with what protects a kernel from itself
 * switched on, and alike? KERNEL_REGISTERS with the vCPU, the value and the
 * register's name.
 */
enum us_error audit_check_registers(const struct kernel *kernel);

struct audit_idt {
	u64 gva;		/* IDTR's base, the same on all; 0: not checked */
	u64 gpa;
	u32 gates;		/* present, and verified */
};

/*
 * Is every present gate of the range US_RANGE_IDT an interrupt or trap gate of
 * the kernel's code segment to where the baseline says, open to programs only
 * where Linux has it so; and does the IDTR of each vCPU lead there? A baseline
 * without that range leaves the IDT unchecked. KERNEL_IDT with the vector, or
 * US_IDT_VECTORS + vCPU, and the handler or address found.
 */
#define US_IDT_VECTORS	256u
enum us_error audit_check_idt(const struct kernel *kernel,
			      const struct us_baseline_head *head,
			      struct audit_idt *idt);

#endif
