/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine's CPUs, through the firmware's MP services. Index 0 is the boot CPU; the
 * others follow in the firmware's order. CPUs that the firmware has disabled are left
 * out: operating systems do not get to see them either.
 */
#ifndef UNDERSEAL_EFI_CPUS_H
#define UNDERSEAL_EFI_CPUS_H

#include "abi.h"
#include "errors.h"
#include "uefi.h"

struct cpus {
	struct mp_services *mp;
	u32 count;			/* 1 .. US_MAX_VCPUS */
	UINTN number[US_MAX_VCPUS];	/* the firmware's, by index */
	u32 apic_id[US_MAX_VCPUS];	/* by index */
};

/* Reports and returns US_E_FIRMWARE or US_E_TOO_MANY_CPUS. */
enum us_error cpus_find(struct cpus *cpus);

/*
 * Call @function(@argument) on CPU @index and wait for it, 10 seconds at most on
 * another CPU. There it runs on the firmware's stack and may call no firmware
 * service. Returns a firmware status; after EFI_TIMEOUT the firmware has reset that CPU.
 */
EFI_STATUS cpus_call(struct cpus *cpus, u32 index,
		     void (*function)(void *argument), void *argument);

#endif
