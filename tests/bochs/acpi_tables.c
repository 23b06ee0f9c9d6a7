/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Gives a machine under Bochs the ACPI tables that OVMF does not find there (it asks
 * QEMU for them), and starts \EFI\BOOT\NEXT.EFI. build/run/bochs.py puts it in front
 * of whatever boots. Tables: ACPI 6.4, section 5.2; HPET specification 1.0a, 3.2.4.
 *
 * A test can have the firmware set up VT-x in one way or another: a digit in the file
 * \EFI\BOOT\FEATURE.CTL goes to IA32_FEATURE_CONTROL of each CPU.
 */
#include "acpi.h"
#include "cpu.h"
#include "cpus.h"
#include "print.h"
#include "volume.h"

/* UEFI 2.10, 20.2. */
#define ACPI_TABLE_PROTOCOL_GUID \
	{ 0xffe06bdd, 0x6107, 0x46a6, \
	  { 0x7b, 0xb2, 0x5a, 0x9c, 0x7e, 0xc5, 0x27, 0x5c } }

struct acpi_table_protocol {
	EFI_STATUS (EFIAPI *install)(struct acpi_table_protocol *this,
				     VOID *table, UINTN size, UINTN *key);
	VOID *uninstall;
};

struct header {
	u32 signature, len;
	u8 revision, checksum;
	char oem[6], oem_table[8];
	u32 oem_revision;
	char creator[4];
	u32 creator_revision;
} __attribute__((packed));
static_assert(sizeof(struct header) == 36, "5.2.6");

#define HEADER(a, b, c, d, table_revision, size) { \
	.signature = ACPI_SIGNATURE(a, b, c, d), .len = (size), \
	.revision = (table_revision), .oem = "USEAL", .oem_table = "BOCHS", \
	.oem_revision = 1, .creator = { 'U', 'S', 'L', '1' }, \
	.creator_revision = 1 }

struct gas {
	u8 space, bits, offset, access;
	u64 address;
} __attribute__((packed));
static_assert(sizeof(struct gas) == GAS_LEN, "5.2.3.2");

/* PIIX4's power management, where OVMF puts it (PIIX4_PMBA_VALUE). */
#define PM_EVENT		0xb000
#define PM_CONTROL		0xb004
#define PM_TIMER		0xb008
#define SMI_COMMAND		0xb2
#define SMI_ACPI_ENABLE		0xf1
#define SMI_ACPI_DISABLE	0xf0
#define SCI			9
#define RESET_PORT		0xcf9
#define RESET_VALUE		6

#define FADT_WBINVD		(1u << 0)
#define FADT_C1			(1u << 2)
#define FADT_NO_POWER_BUTTON	(1u << 4)
#define FADT_NO_SLEEP_BUTTON	(1u << 5)
#define FADT_RESET_REGISTER	(1u << 10)
#define ARCH_LEGACY		(1u << 0)
#define ARCH_8042		(1u << 1)

struct fadt {
	struct header header;
	u32 firmware_control, dsdt;
	u8 reserved0, profile;
	u16 sci;
	u32 smi_command;
	u8 acpi_enable, acpi_disable, s4bios, pstate;
	u32 pm1a_event, pm1b_event, pm1a_control, pm1b_control;
	u32 pm2_control, pm_timer, gpe0, gpe1;
	u8 pm1_event_len, pm1_control_len, pm2_control_len, pm_timer_len;
	u8 gpe0_len, gpe1_len, gpe1_base, cst;
	u16 c2_latency, c3_latency, flush_size, flush_stride;
	u8 duty_offset, duty_width, day_alarm, month_alarm, century;
	u16 boot_arch;
	u8 reserved1;
	u32 flags;
	struct gas reset;
	u8 reset_value, reserved2[3];
	u64 x_firmware_control, x_dsdt;
	struct gas x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control;
	struct gas x_pm2_control, x_pm_timer, x_gpe0, x_gpe1;
} __attribute__((packed));
static_assert(offsetof(struct fadt, boot_arch) == 109, "table 5.9");
static_assert(offsetof(struct fadt, x_dsdt) == 140, "table 5.9");
static_assert(sizeof(struct fadt) == 244, "table 5.9, revision 3");

static struct fadt fadt = {
	.header = HEADER('F', 'A', 'C', 'P', 3, sizeof(struct fadt)),
	.sci = SCI,
	.smi_command = SMI_COMMAND,
	.acpi_enable = SMI_ACPI_ENABLE,
	.acpi_disable = SMI_ACPI_DISABLE,
	.pm1a_event = PM_EVENT,
	.pm1a_control = PM_CONTROL,
	.pm_timer = PM_TIMER,
	.pm1_event_len = 4,
	.pm1_control_len = 2,
	.pm_timer_len = 4,
	.c2_latency = 0xffff,
	.c3_latency = 0xffff,
	.boot_arch = ARCH_LEGACY | ARCH_8042,
	.flags = FADT_WBINVD | FADT_C1 | FADT_NO_POWER_BUTTON |
		FADT_NO_SLEEP_BUTTON | FADT_RESET_REGISTER,
	.reset = { GAS_SPACE_IO, 8, 0, 1, RESET_PORT },
	.reset_value = RESET_VALUE,
	.x_pm1a_event = { GAS_SPACE_IO, 32, 0, 2, PM_EVENT },
	.x_pm1a_control = { GAS_SPACE_IO, 16, 0, 2, PM_CONTROL },
	.x_pm_timer = { GAS_SPACE_IO, 32, 0, 3, PM_TIMER },
};

#define LOCAL_APIC		0xfee00000
#define IOAPIC			0xfec00000
#define HPET			0xfed00000
#define PC_AT			(1u << 0)	/* there are 8259s too */
#define ACTIVE_HIGH_LEVEL	0xd		/* table 5.26 */

struct madt_cpu {
	u8 type, len, uid, apic_id;
	u32 enabled;
} __attribute__((packed));

struct madt_override {
	u8 type, len, bus, source;
	u32 pin;
	u16 flags;
} __attribute__((packed));

struct madt {
	struct header header;
	u32 local_apic, flags;
	struct {
		u8 type, len, id, reserved;
		u32 address, first;
	} __attribute__((packed)) ioapic;
	struct madt_override timer, sci;
	struct {
		u8 type, len, uid;
		u16 flags;
		u8 pin;
	} __attribute__((packed)) nmi;
	struct madt_cpu cpu[US_MAX_VCPUS];
} __attribute__((packed));

static struct madt madt = {
	.header = HEADER('A', 'P', 'I', 'C', 3, 0),
	.local_apic = LOCAL_APIC,
	.flags = PC_AT,
	.ioapic = { 1, sizeof(madt.ioapic), 0, 0, IOAPIC, 0 },
	.timer = { 2, sizeof(madt.timer), 0, 0, 2, 0 },
	.sci = { 2, sizeof(madt.sci), 0, SCI, SCI, ACTIVE_HIGH_LEVEL },
	.nmi = { 4, sizeof(madt.nmi), 0xff, 0, 1 },
};

struct hpet {
	struct header header;
	u32 id;
	struct gas base;
	u8 number;
	u16 min_tick;
	u8 protection;
} __attribute__((packed));
static_assert(sizeof(struct hpet) == 56, "HPET, 3.2.4");

static struct hpet hpet = {
	.header = HEADER('H', 'P', 'E', 'T', 1, sizeof(struct hpet)),
	.base = { GAS_SPACE_MEMORY, 0, 0, 0, HPET },
};

#define MSR_FEATURE_CONTROL	0x3a

/* Made from dsdt.asl. */
extern u8 dsdt[];

static struct acpi_table_protocol *acpi;
static struct cpus cpus;
static struct volume volume;

static EFI_STATUS install(void *table)
{
	struct acpi_table *header = table;
	UINTN key;

	acpi_fix_checksum(header);
	return acpi->install(acpi, table, header->len, &key);
}

static void list_cpus(void)
{
	for (u32 i = 0; i < cpus.count; i++)
		madt.cpu[i] = (struct madt_cpu) {
			0, sizeof(madt.cpu[i]), (u8)i, (u8)cpus.apic_id[i], 1 };
	madt.header.len = (u32)(offsetof(struct madt, cpu) +
				cpus.count * sizeof(madt.cpu[0]));
}

static EFI_STATUS install_all(void)
{
	EFI_GUID guid = ACPI_TABLE_PROTOCOL_GUID;
	EFI_STATUS status = BS->LocateProtocol(&guid, NULL, (VOID **)&acpi);

	if (EFI_ERROR(status))
		return status;
	list_cpus();
	hpet.id = *(volatile u32 *)HPET;
	status = install(dsdt);
	if (!EFI_ERROR(status))
		status = install(&fadt);
	if (!EFI_ERROR(status))
		status = install(&madt);
	if (!EFI_ERROR(status) && hpet.id != ~0u)
		status = install(&hpet);
	return status;
}

static void set_feature_control(void *argument)
{
	asm volatile("wrmsr" : : "c" (MSR_FEATURE_CONTROL),
		     "a" (*(const char *)argument - '0'), "d" (0));
}

static EFI_STATUS feature_control(void)
{
	static CHAR16 name[] = L"\\EFI\\BOOT\\FEATURE.CTL";
	EFI_FILE_HANDLE file;
	EFI_STATUS status;
	char digit;

	if (EFI_ERROR(volume_open_file(&volume, name, &file)))
		return EFI_SUCCESS;
	status = file_read(file, &digit, 1);
	file->Close(file);
	for (u32 i = 0; i < cpus.count && !EFI_ERROR(status); i++)
		status = cpus_call(&cpus, i, set_feature_control, &digit);
	return status;
}

static EFI_STATUS start_next(EFI_HANDLE self)
{
	static CHAR16 name[] = L"\\EFI\\BOOT\\NEXT.EFI";
	EFI_DEVICE_PATH *path;
	EFI_HANDLE image;
	EFI_STATUS status;

	path = FileDevicePath(volume.device, name);
	status = BS->LoadImage(FALSE, self, path, NULL, 0, &image);
	if (!EFI_ERROR(status))
		status = BS->StartImage(image, NULL, NULL);
	return status;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
	EFI_STATUS status;

	InitializeLib(image, table);
	print_init();
	if (cpus_find(&cpus))
		return EFI_DEVICE_ERROR;
	status = volume_open(image, &volume);
	if (!EFI_ERROR(status))
		status = feature_control();
	if (!EFI_ERROR(status))
		status = install_all();
	print("acpi_tables: %u CPUs, HPET %x: %s\n", cpus.count, hpet.id,
	      status_text(status));
	if (!EFI_ERROR(status))
		status = start_next(image);
	print("acpi_tables: back: %s\n", status_text(status));
	return status;
}
