/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Prints what a processor says of its VT-x, as initialisers of a struct vmx_capabilities
 * for the unit tests, and ends Bochs.
 */
#include "cpu.h"
#include "print.h"
#include "uefi.h"
#include "vmx/controls.h"

#define CPUID_VMX	(1u << 5)	/* leaf 1, ECX */

/* Bochs: iodev/unmapped.cc. */
#define SHUTDOWN_PORT	0x8900

static void record(void)
{
	struct vmx_capabilities caps = { 0 };

	print("/* IA32_FEATURE_CONTROL: 0x%lx */\n",
	      rdmsr(MSR_FEATURE_CONTROL));
	for (u32 i = 0; i < VMX_MSRS; i++) {
		if (!vmx_msr_exists(&caps, (enum vmx_msr)i))
			continue;
		caps.msr[i] = rdmsr(MSR_VMX_FIRST + i);
		print("[0x%x - MSR_VMX_FIRST] = 0x%016lx,\n",
		      MSR_VMX_FIRST + i, caps.msr[i]);
	}
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
	InitializeLib(image, table);
	print_init();
	print("\nrecord_msrs: begin\n");
	if (cpuid(1).ecx & CPUID_VMX)
		record();
	print("record_msrs: end\n");
	for (const char *at = "Shutdown"; *at; at++)
		outb(SHUTDOWN_PORT, (u8)*at);
	return EFI_SUCCESS;
}
