/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory from the firmware, and what RAM there is: see common/boot_abi.h. */
#ifndef UNDERSEAL_EFI_MEMORY_H
#define UNDERSEAL_EFI_MEMORY_H

#include "boot_abi.h"
#include "errors.h"

/*
 * Fill in highest_ram, then take @fixed bytes and the heap that @header asks for from
 * the firmware and fill in region_base and region_len; the heap's part starts @fixed
 * bytes into the region. The region is zeroed, starts on 2 MiB, lies below 4 GiB if
 * there is room, and stays reserved for the life of the operating system. Then fill
 * in the RAM ranges.
 * Reports and returns US_E_LOADER_MEMORY, US_E_BAD_IMAGE or US_E_FIRMWARE; the region is
 * then given back.
 */
enum us_error memory_reserve(struct us_boot_info *info, u64 fixed,
			     const struct us_hv_header *header,
			     bool page_1gib);

/* Give the region back. */
void memory_release(const struct us_boot_info *info);

#endif
