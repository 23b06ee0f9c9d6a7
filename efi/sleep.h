/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sleep states. A machine that wakes from S3 goes on where the operating system
 * says, without the hypervisor but with memory as it was. So the hypervisor lets
 * the power-off state S5 pass and no other, and the operating system is not told
 * of the others.
 */
#ifndef UNDERSEAL_EFI_SLEEP_H
#define UNDERSEAL_EFI_SLEEP_H

#include "boot_abi.h"

/*
 * Fill in sleep_port, sleep_off, reset_port and reset_value from the ACPI tables, and
 * rename the objects _S1_ to _S4_ in them. Warns when the machine sleeps by means that are not ports.
 */
void sleep_describe(struct us_boot_info *info);

#endif
