/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ACPI 6.4: tables in section 5.2, sleep control in 4.8.3, 4.8.3.7 and 16.1. */
#include "acpi.h"
#include "print.h"
#include "sleep.h"

/* Offsets in the FADT, table 5.9. */
#define FADT_DSDT		40
#define FADT_PM1A_CONTROL	64
#define FADT_PM1B_CONTROL	68
#define FADT_FLAGS		112
#define FADT_RESET		116
#define FADT_RESET_VALUE	128
#define FADT_X_DSDT		140
#define FADT_X_PM1A_CONTROL	172
#define FADT_SLEEP_CONTROL	244
#define FLAG_RESET		(1u << 10)
#define FLAG_HW_REDUCED		(1u << 20)

/* AML, section 20.2. */
#define AML_ZERO	0x00
#define AML_ONE		0x01
#define AML_BYTE	0x0a
#define AML_PACKAGE	0x12

/* A small constant at aml[*at]; false when it is of another form. */
static bool aml_constant(const u8 *aml, u32 len, u32 *at, u8 *value)
{
	if (*at >= len)
		return false;
	*value = aml[(*at)++];
	if (*value == AML_ZERO || *value == AML_ONE)
		return true;
	if (*value != AML_BYTE || *at >= len)
		return false;
	*value = aml[(*at)++];
	return true;
}

/* The package behind the name at @at: SLP_TYP for PM1a and PM1b. */
static bool aml_sleep_types(const u8 *aml, u32 len, u32 at, u8 types[2])
{
	at += 4;
	if (at + 1 >= len || aml[at] != AML_PACKAGE)
		return false;
	at++;
	at += 1 + (aml[at] >> 6);	/* package length: 1 to 4 bytes */
	at++;				/* number of elements */
	return aml_constant(aml, len, &at, &types[0]) &&
		aml_constant(aml, len, &at, &types[1]);
}

/* Names are four bytes in AML, and a name that is defined follows the byte 8. */
static void look_through(struct acpi_table *table, struct us_boot_info *info)
{
	u8 *aml = (u8 *)table;
	bool changed = false;

	for (u32 at = sizeof(*table); at + 5 < table->len; at++) {
		u8 types[2], *name = aml + at;

		if (name[0] != '_' || name[1] != 'S' || name[3] != '_' ||
		    !aml_sleep_types(aml, table->len, at, types))
			continue;
		if (name[2] == '5') {
			info->sleep_off[0] = types[0];
			info->sleep_off[1] = types[1];
		} else if (name[2] >= '1' && name[2] <= '4') {
			name[0] = 'X';
			changed = true;
		}
	}
	if (changed)
		acpi_fix_checksum(table);
}

/* The port of the byte that holds SLP_EN and SLP_TYP; both kinds of register have
 * them at the same bits of it. 0 when there is none. */
static u16 control_port(const struct acpi_table *fadt, u32 old, u32 gas)
{
	const u8 *at = (const u8 *)fadt;

	if (fadt->len >= gas + GAS_LEN && acpi_read64(at + gas + 4)) {
		if (at[gas] == GAS_SPACE_IO)
			return (u16)acpi_read64(at + gas + 4);
		if (at[gas] == GAS_SPACE_MEMORY)
			print("underseal: WARNING: sleep states cannot be refused "
			      "on this machine; switch them off in its setup.\n");
	}
	return old ? (u16)acpi_read32(at + old) : 0;
}

/* The hypervisor looks at what happens before a reset (hypervisor/reset.h). */
static void read_reset(const struct acpi_table *fadt, struct us_boot_info *info)
{
	const u8 *at = (const u8 *)fadt;

	if (fadt->len <= FADT_RESET_VALUE || at[FADT_RESET] != GAS_SPACE_IO ||
	    !(acpi_read32(at + FADT_FLAGS) & FLAG_RESET))
		return;
	info->reset_port = (u16)acpi_read64(at + FADT_RESET + 4);
	info->reset_value = at[FADT_RESET_VALUE];
}

static void read_fadt(const struct acpi_table *fadt, struct us_boot_info *info)
{
	const u8 *at = (const u8 *)fadt;
	u64 dsdt = acpi_read32(at + FADT_DSDT);
	u16 port;

	if (fadt->len >= FADT_X_DSDT + 8 && acpi_read64(at + FADT_X_DSDT))
		dsdt = acpi_read64(at + FADT_X_DSDT);
	if (dsdt)
		look_through((struct acpi_table *)dsdt, info);
	read_reset(fadt, info);
	if (acpi_read32(at + FADT_FLAGS) & FLAG_HW_REDUCED) {
		info->sleep_port[0] = control_port(fadt, 0, FADT_SLEEP_CONTROL);
		return;
	}
	port = control_port(fadt, FADT_PM1A_CONTROL, FADT_X_PM1A_CONTROL);
	info->sleep_port[0] = port ? port + 1 : 0;
	port = control_port(fadt, FADT_PM1B_CONTROL,
			    FADT_X_PM1A_CONTROL + GAS_LEN);
	info->sleep_port[1] = port ? port + 1 : 0;
}

void sleep_describe(struct us_boot_info *info)
{
	struct acpi_table *table;

	info->sleep_off[0] = info->sleep_off[1] = US_SLEEP_NONE;
	for (u32 i = 0; (table = acpi_table(i)); i++) {
		if (table->signature == ACPI_SIGNATURE('F', 'A', 'C', 'P'))
			read_fadt(table, info);
		else if (table->signature == ACPI_SIGNATURE('S', 'S', 'D', 'T'))
			look_through(table, info);
	}
}
