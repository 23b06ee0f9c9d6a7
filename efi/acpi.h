/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The firmware's ACPI tables (ACPI 6.4), which the loader reads and edits. */
#ifndef UNDERSEAL_EFI_ACPI_H
#define UNDERSEAL_EFI_ACPI_H

#include "types.h"

struct acpi_table {
	u32 signature, len;
	u8 revision, checksum;
	u8 rest[26];
};
static_assert(sizeof(struct acpi_table) == 36, "ACPI table header, 5.2.6");

#define ACPI_SIGNATURE(a, b, c, d) \
	((u32)(a) | (u32)(b) << 8 | (u32)(c) << 16 | (u32)(d) << 24)

/* Generic address structure: space id, ..., 64-bit address at 4. */
#define GAS_LEN			12
#define GAS_SPACE_MEMORY	0
#define GAS_SPACE_IO		1

/* Table number @index of the XSDT; NULL behind the last one, or without an XSDT. */
struct acpi_table *acpi_table(u32 index);

/* After a change. */
void acpi_fix_checksum(struct acpi_table *table);

/* Unaligned little-endian numbers. */
u32 acpi_read32(const u8 *at);
u64 acpi_read64(const u8 *at);

#endif
