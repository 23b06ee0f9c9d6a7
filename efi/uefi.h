/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * GNU-EFI's headers, and the few definitions of the UEFI and PI specifications
 * that GNU-EFI 3.0.15 lacks.
 */
#ifndef UNDERSEAL_EFI_UEFI_H
#define UNDERSEAL_EFI_UEFI_H

#include <efi.h>
#include <efilib.h>

#include "types.h"

/* PI 1.7, volume 2, 13.4: EFI_MP_SERVICES_PROTOCOL; only the members used here. */
#define MP_SERVICES_GUID \
	{ 0x3fdda605, 0xa76e, 0x4f46, \
	  { 0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08 } }

#define MP_CPU_IS_BSP		(1u << 0)	/* in mp_cpu_info.status */
#define MP_CPU_IS_ENABLED	(1u << 1)
#define MP_CPU_IS_HEALTHY	(1u << 2)

struct mp_cpu_info {
	UINT64 id;		/* local APIC id in the low 32 bits */
	UINT32 status;
	UINT32 package, core, thread;
	UINT32 extended[6];	/* EXTENDED_PROCESSOR_INFORMATION, PI 1.7 */
};
static_assert(offsetof(struct mp_cpu_info, status) == 8, "PI layout");
static_assert(sizeof(struct mp_cpu_info) == 48, "PI layout");

typedef VOID EFIAPI mp_procedure_fn(VOID *argument);

struct mp_services {
	EFI_STATUS (EFIAPI *get_number)(struct mp_services *this,
					UINTN *number, UINTN *enabled);
	EFI_STATUS (EFIAPI *get_info)(struct mp_services *this, UINTN number,
				      struct mp_cpu_info *info);
	VOID *startup_all_aps;
	EFI_STATUS (EFIAPI *startup_this_ap)(struct mp_services *this,
					     mp_procedure_fn *procedure,
					     UINTN number, EFI_EVENT event,
					     UINTN timeout_us, VOID *argument,
					     BOOLEAN *finished);
	VOID *switch_bsp;
	VOID *enable_disable_ap;
	EFI_STATUS (EFIAPI *who_am_i)(struct mp_services *this, UINTN *number);
};
static_assert(offsetof(struct mp_services, startup_this_ap) == 24, "PI layout");
static_assert(offsetof(struct mp_services, who_am_i) == 48, "PI layout");

/* UEFI 2.10, 37.7: EFI_MEMORY_ATTRIBUTE_PROTOCOL. */
#define MEMORY_ATTRIBUTE_GUID \
	{ 0xf4560cf6, 0x40ec, 0x4b4a, \
	  { 0xa1, 0x92, 0xbf, 0x1d, 0x57, 0xd0, 0xb1, 0x89 } }

struct memory_attribute {
	VOID *get;
	VOID *set;
	EFI_STATUS (EFIAPI *clear)(struct memory_attribute *this,
				   EFI_PHYSICAL_ADDRESS base, UINT64 length,
				   UINT64 attributes);
};
static_assert(offsetof(struct memory_attribute, clear) == 16, "UEFI layout");

/* UEFI 2.10, 13.2: EFI_LOAD_FILE2_PROTOCOL has the layout of EFI_LOAD_FILE_PROTOCOL. */
#define LOAD_FILE2_GUID \
	{ 0x4006c0c1, 0xfcb3, 0x403e, \
	  { 0x99, 0x6d, 0x4a, 0x6c, 0x87, 0x24, 0xe0, 0x6d } }

/* Where Linux's EFI stub looks for an initrd (since 5.7). */
#define LINUX_INITRD_MEDIA_GUID \
	{ 0x5568e427, 0x68fc, 0x4f3d, \
	  { 0xac, 0x74, 0xca, 0x55, 0x52, 0x31, 0xcc, 0x68 } }

/* UEFI 2.10, 3.1.2: tags on the handles of the active console devices. */
#define CONSOLE_OUT_DEVICE_GUID \
	{ 0xd3b36f2c, 0xd551, 0x11d4, \
	  { 0x9a, 0x46, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d } }

#endif
