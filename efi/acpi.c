/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "acpi.h"
#include "uefi.h"

struct rsdp {
	u8 signature[8], checksum, oem[6], revision;
	u32 rsdt, len;
	u64 xsdt;
} __attribute__((packed));

u32 acpi_read32(const u8 *at)
{
	u32 value;

	CopyMem(&value, (VOID *)at, sizeof(value));
	return value;
}

u64 acpi_read64(const u8 *at)
{
	return acpi_read32(at) | (u64)acpi_read32(at + 4) << 32;
}

void acpi_fix_checksum(struct acpi_table *table)
{
	u8 sum = 0;

	table->checksum = 0;
	for (u32 i = 0; i < table->len; i++)
		sum += ((const u8 *)table)[i];
	table->checksum = -sum;
}

static const struct acpi_table *find_xsdt(void)
{
	EFI_GUID guid = ACPI_20_TABLE_GUID;
	struct rsdp *rsdp;

	if (EFI_ERROR(LibGetSystemConfigurationTable(&guid, (VOID **)&rsdp)))
		return NULL;
	return (const struct acpi_table *)rsdp->xsdt;
}

struct acpi_table *acpi_table(u32 index)
{
	const struct acpi_table *xsdt = find_xsdt();
	u32 at = sizeof(*xsdt) + index * 8;

	if (!xsdt || at + 8 > xsdt->len)
		return NULL;
	return (struct acpi_table *)acpi_read64((const u8 *)xsdt + at);
}
