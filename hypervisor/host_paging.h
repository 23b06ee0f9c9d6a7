/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hypervisor's own address space; see memory.h for its layout. */
#ifndef HV_HOST_PAGING_H
#define HV_HOST_PAGING_H

#include "hv.h"

/* Build the tables: own image with W^X, own data, the local APIC, all RAM.
 * NO_MEMORY when the region's free part is too small. Once, at init. */
enum us_error host_paging_init(void);

/* Value for CR3. */
u64 host_paging_root(void);

#endif
