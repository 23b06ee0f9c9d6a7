/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HPET specification 1.0a, sections 2.3 and 3.2.4; ACPI 6.4, section 5.2.12. */
#include "acpi.h"
#include "timer.h"

/* Offsets in the HPET's table. */
#define HPET_ADDRESS	40	/* generic address structure */
#define HPET_TABLE_LEN	56

/* Its first timer's configuration. */
#define TIMER_CONFIG	0x100
#define CAN_PERIODIC	(1u << 4)
#define CAN_MESSAGE	(1u << 15)
#define TIMER_PINS	0x104
#define PINS_BEYOND_ISA	0xffff0000u

/* Offsets in the MADT and its entries. */
#define MADT_ENTRIES	44
#define ENTRY_IOAPIC	1
#define IOAPIC_LEN	12
#define IOAPIC_ADDRESS	4
#define IOAPIC_FIRST	8

static u64 find_ioapic(const struct acpi_table *madt)
{
	const u8 *bytes = (const u8 *)madt;

	for (u32 at = MADT_ENTRIES; at + 2 <= madt->len && bytes[at + 1] >= 2;
	     at += bytes[at + 1])
		if (bytes[at] == ENTRY_IOAPIC && at + IOAPIC_LEN <= madt->len &&
		    !acpi_read32(bytes + at + IOAPIC_FIRST))
			return acpi_read32(bytes + at + IOAPIC_ADDRESS);
	return 0;
}

static u64 find_hpet(const struct acpi_table *table)
{
	const u8 *bytes = (const u8 *)table;

	if (table->len < HPET_TABLE_LEN || bytes[HPET_ADDRESS] != GAS_SPACE_MEMORY)
		return 0;
	return acpi_read64(bytes + HPET_ADDRESS + 4);
}

static u32 read_register(u64 address)
{
	return *(volatile u32 *)address;
}

static bool usable(u64 hpet, u64 ioapic)
{
	u32 config = read_register(hpet + TIMER_CONFIG);

	return (config & CAN_PERIODIC) && ((config & CAN_MESSAGE) ||
		(ioapic && (read_register(hpet + TIMER_PINS) &
			    PINS_BEYOND_ISA)));
}

static bool is_page(u64 address)
{
	return address && IS_ALIGNED(address, PAGE_SIZE) && !(address >> 32);
}

void timer_describe(struct us_boot_info *info)
{
	struct acpi_table *table, *hpet_table = NULL;
	u64 ioapic = 0, hpet = 0;

	for (u32 i = 0; (table = acpi_table(i)); i++) {
		if (table->signature == ACPI_SIGNATURE('A', 'P', 'I', 'C')) {
			ioapic = find_ioapic(table);
		} else if (table->signature ==
			   ACPI_SIGNATURE('H', 'P', 'E', 'T') && !hpet) {
			hpet = find_hpet(table);
			hpet_table = table;
		}
	}
	if (!is_page(ioapic))
		ioapic = 0;
	if (!is_page(hpet) || !usable(hpet, ioapic))
		return;
	info->hpet_base = hpet;
	info->ioapic_base = ioapic;
	hpet_table->signature = ACPI_SIGNATURE('X', 'P', 'E', 'T');
	acpi_fix_checksum(hpet_table);
}
