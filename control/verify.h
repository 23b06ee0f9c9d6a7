/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does memory hold what a baseline describes? One block at a time; the frames are
 * frozen already, so what is compared is what stays.
 */
#ifndef UNDERSEAL_VERIFY_H
#define UNDERSEAL_VERIFY_H

#include "abi.h"
#include "scratch.h"
#include "text_map.h"

/* Where a block lies while it is parsed and compared: one at a time. */
#define verify_buffer	(control_scratch.verify.block)

/*
 * Compare @block of @map's text: bytes outside sites exactly, sites with the values
 * listed for them, a site that crosses into the next block where it begins. Runtime
 * sites hold a steady value (site_rule.h), or those of the boot-time site that they
 * lie in. Adds to bytes_exact, bytes_enumerated, bytes_masked, masked and relocations
 * of @report. KERNEL_TEXT with the address and, for a byte, what is wanted << 8 |
 * what is there, or for a site the first of its bytes; BASELINE_SITES when a runtime
 * site lies in a boot-time site in part; GUEST_ADDRESS.
 */
enum us_error verify_text(const struct text_map *map, const struct us_block *block,
			  struct us_seal_report *report);

/* The same for a block of constants: KERNEL_RODATA; adds to rodata_exact,
 * rodata_as_found, masked and relocations. */
enum us_error verify_rodata(const struct kernel *kernel,
			    const struct us_range *range,
			    const struct us_block *block,
			    struct us_seal_report *report);

/* The rest of the last page of @map's text: zero bytes, which the linker has put
 * there and nothing ever writes. KERNEL_TEXT, GUEST_ADDRESS. */
enum us_error verify_tail(const struct text_map *map);

#endif
