/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of the processor the guest does not have. */
#include "vmx/vmx.h"

/* Leaf 1: SDM volume 2, CPUID. */
#define ECX_DTES64	(1u << 2)
#define ECX_DS_CPL	(1u << 4)
#define ECX_VMX		(1u << 5)
#define ECX_SMX		(1u << 6)
#define EDX_DS		(1u << 21)
/* Leaf 7 */
#define EBX_SGX		(1u << 2)
#define EBX_INVPCID	(1u << 10)
#define EBX_PT		(1u << 25)
#define ECX_WAITPKG	(1u << 5)
#define ECX_SGX_LC	(1u << 30)
#define EDX_PCONFIG	(1u << 18)
/* Leaf 7, subleaf 1 */
#define EAX_FRED	(1u << 17)
/* Leaf 13, subleaf 1 */
#define EAX_XSAVES	(1u << 3)
/* Leaf 80000001 */
#define EDX_RDTSCP	(1u << 27)

static void mend_7(u32 subleaf, struct cpuid_regs *r)
{
	u32 proc2 = vmx_setup.guest.proc2;

	if (subleaf == 1)
		r->eax &= ~EAX_FRED;
	if (subleaf)
		return;
	r->ebx &= ~(EBX_SGX | EBX_PT);
	r->ecx &= ~ECX_SGX_LC;
	r->edx &= ~EDX_PCONFIG;
	if (!(proc2 & PROC2_INVPCID))
		r->ebx &= ~EBX_INVPCID;
	if (!(proc2 & PROC2_USER_WAIT))
		r->ecx &= ~ECX_WAITPKG;
}

/*
 * Debug store and processor trace: the one would write while the hypervisor runs, at
 * linear addresses of the guest's choice; the other always writes to physical
 * addresses, past EPT. SGX, PCONFIG and FRED would need support of their own.
 */
void vmx_mend_cpuid(u32 leaf, u32 subleaf, struct cpuid_regs *r)
{
	u32 proc2 = vmx_setup.guest.proc2;

	switch (leaf) {
	case 1:
		r->ecx &= ~(ECX_DTES64 | ECX_DS_CPL | ECX_VMX | ECX_SMX);
		r->edx &= ~EDX_DS;
		break;
	case 7:
		mend_7(subleaf, r);
		break;
	case 0xd:
		if (subleaf == 1 && !(proc2 & PROC2_XSAVES))
			r->eax &= ~EAX_XSAVES;
		break;
	case 0x12:	/* SGX */
	case 0x14:	/* processor trace */
	case 0x1b:	/* PCONFIG */
		*r = (struct cpuid_regs) { 0 };
		break;
	case 0x80000001:
		if (!(proc2 & PROC2_RDTSCP))
			r->edx &= ~EDX_RDTSCP;
		break;
	}
}
