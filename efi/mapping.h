/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the firmware's page tables map memory. */
#ifndef UNDERSEAL_EFI_MAPPING_H
#define UNDERSEAL_EFI_MAPPING_H

#include "errors.h"
#include "types.h"

/*
 * Make sure that code can run at [@base, @base + @len), page aligned. Firmware may
 * map all but loaded images without execute permission; it is then asked to grant
 * it. Reports and returns US_E_FIRMWARE when it does not.
 */
enum us_error mapping_make_executable(u64 base, u64 len);

#endif
