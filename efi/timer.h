/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A timer that the operating system cannot take away: the hypervisor's own HPET. The
 * system gets on without one (it has the local APICs' timers, the TSC and the ACPI
 * timer), and is not told of it.
 */
#ifndef UNDERSEAL_EFI_TIMER_H
#define UNDERSEAL_EFI_TIMER_H

#include "boot_abi.h"

/* Fill in hpet_base and ioapic_base, and take the HPET out of the ACPI tables, if it
 * can send periodic interrupts in one of the ways that the hypervisor uses. */
void timer_describe(struct us_boot_info *info);

#endif
