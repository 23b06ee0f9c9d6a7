/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bring the machine under the hypervisor that this file carries. */
#ifndef UNDERSEAL_EFI_LAUNCH_H
#define UNDERSEAL_EFI_LAUNCH_H

#include "cpus.h"
#include "probe.h"

/*
 * Reserve memory, copy the images, initialise the hypervisor and enter it on every CPU, the
 * boot CPU last. On success the caller goes on as a guest.
 *
 * On failure the error is reported and the boot CPU is as it was. Other CPUs may be
 * under the hypervisor already (US_E_CPU_START): nothing takes them back, so the
 * memory then stays reserved. They idle until the operating system starts them, and are
 * no danger to a machine that goes on without protection.
 */
enum us_error launch(struct cpus *cpus, const struct machine *machine);

#endif
