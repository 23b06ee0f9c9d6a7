/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Prints what a processor says of its VT-x, as lines of C for the unit tests, and ends
 * Bochs. Which registers exist: SDM volume 3, appendix A.
 */
#include "cpu.h"
#include "print.h"
#include "uefi.h"

#define CPUID_VMX		(1u << 5)	/* leaf 1, ECX */
#define FEATURE_CONTROL		0x3a
#define VMX_BASIC		0x480
#define VMX_PROCBASED		0x482
#define VMX_VMCS_ENUM		0x48a
#define VMX_PROCBASED2		0x48b
#define VMX_EPT_VPID		0x48c
#define VMX_TRUE_PINBASED	0x48d
#define VMX_TRUE_ENTRY		0x490
#define VMX_VMFUNC		0x491

/* The upper half of a control's register: what may be 1. */
#define MAY_SECONDARY		(1ull << 63)
#define MAY_EPT_OR_VPID		(1ull << 33 | 1ull << 37)
#define MAY_VMFUNC		(1ull << 45)
#define BASIC_TRUE_CONTROLS	(1ull << 55)

/* Bochs: iodev/unmapped.cc. */
#define SHUTDOWN_PORT		0x8900

static void record(u32 msr)
{
	print("{ 0x%x, 0x%016lx },\n", msr, rdmsr(msr));
}

static void record_vmx(void)
{
	u64 secondary = 0;

	record(FEATURE_CONTROL);
	for (u32 msr = VMX_BASIC; msr <= VMX_VMCS_ENUM; msr++)
		record(msr);
	if (rdmsr(VMX_PROCBASED) & MAY_SECONDARY) {
		record(VMX_PROCBASED2);
		secondary = rdmsr(VMX_PROCBASED2);
	}
	if (secondary & MAY_EPT_OR_VPID)
		record(VMX_EPT_VPID);
	if (rdmsr(VMX_BASIC) & BASIC_TRUE_CONTROLS)
		for (u32 msr = VMX_TRUE_PINBASED; msr <= VMX_TRUE_ENTRY; msr++)
			record(msr);
	if (secondary & MAY_VMFUNC)
		record(VMX_VMFUNC);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
	InitializeLib(image, table);
	print_init();
	print("\nrecord_msrs: begin\n");
	if (cpuid(1).ecx & CPUID_VMX)
		record_vmx();
	print("record_msrs: end\n");
	for (const char *at = "Shutdown"; *at; at++)
		outb(SHUTDOWN_PORT, (u8)*at);
	return EFI_SUCCESS;
}
