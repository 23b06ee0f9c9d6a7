/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the processors of this machine can do. */
#ifndef UNDERSEAL_EFI_PROBE_H
#define UNDERSEAL_EFI_PROBE_H

#include "cpus.h"

struct machine {
	const char *vendor_feature;	/* "AMD-V", "VT-x" */
	bool own_timer;			/* the hypervisor needs no HPET */
	bool page_1gib;			/* every CPU has 1 GiB pages */
	u64 tsc_khz;
};

/* Does the calling CPU run as a guest of Underseal? */
bool probe_is_guest(void);

/*
 * Check every CPU for what the hypervisor needs and fill in @machine. Reports and
 * returns US_E_CPU_VENDOR, US_E_SVM_DISABLED, US_E_VMX_DISABLED, US_E_VMX_FEATURE,
 * US_E_NO_NESTED_PAGING or US_E_FIRMWARE.
 */
enum us_error probe_machine(struct cpus *cpus, struct machine *machine);

#endif
