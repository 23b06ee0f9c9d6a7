/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which MSRs and ports of the guest end a run: SDM volume 3, 25.6.4 and 25.6.9. */
#include <string.h>

#include "vmx/vmx.h"

u8 vmx_guest_msrs[BITMAP_SIZE] PAGE_ALIGNED;
u8 vmx_all_msrs[BITMAP_SIZE] PAGE_ALIGNED;
u8 vmx_guest_ports[2 * BITMAP_SIZE] PAGE_ALIGNED;
u8 vmx_all_ports[2 * BITMAP_SIZE] PAGE_ALIGNED;

/* Four bitmaps of 8192 bits: reads of low and high MSRs, then writes. */
static void msr_set(u32 msr, bool write, bool on)
{
	u32 bit = (msr & 0x1fff) + (msr >= 0xc0000000 ? 0x2000 : 0) +
		(write ? 0x4000 : 0);

	if (on)
		vmx_guest_msrs[bit / 8] |= 1u << (bit % 8);
	else
		vmx_guest_msrs[bit / 8] &= ~(1u << (bit % 8));
}

void vmx_watch_port(u16 port)
{
	vmx_guest_ports[port / 8] |= 1u << (port % 8);
}

struct range {
	u32 first, last;
};

/* Those that do not exist for the guest. Debug store and trace: see cpuid.c. */
static const struct range hidden[] = {
	{ MSR_FEATURE_CONTROL, MSR_FEATURE_CONTROL },
	{ MSR_TSC_ADJUST, MSR_TSC_ADJUST },	/* the host keeps time by the TSC */
	{ 0x09b, 0x09b },	/* SMM monitor */
	{ 0x3f1, 0x3f2 },	/* PEBS */
	{ MSR_VMX_FIRST, MSR_VMX_FIRST + 0x1f },
	{ 0x560, 0x561 }, { 0x570, 0x572 }, { 0x580, 0x587 }, /* trace */
	{ 0x600, 0x600 },	/* debug store */
};

/* What moves memory or loads microcode, which works below all of this. Its writes
 * have no effect. */
static const struct range machine_map[] = {
	{ 0x079, 0x079 },	/* microcode update */
	{ 0x087, 0x087 },	/* memory encryption: keys */
	{ 0x1f2, 0x1f5 },	/* SMRR, PRMRR */
	{ 0x982, 0x984 },	/* memory encryption: activation, exclusion */
};

bool vmx_msr_is_machine_map(u32 msr)
{
	for (u32 i = 0; i < ARRAY_SIZE(machine_map); i++)
		if (msr >= machine_map[i].first && msr <= machine_map[i].last)
			return true;
	return false;
}

void vmx_permissions_init(void)
{
	memset(vmx_all_msrs, 0xff, sizeof(vmx_all_msrs));
	memset(vmx_all_ports, 0xff, sizeof(vmx_all_ports));
	for (u32 i = 0; i < ARRAY_SIZE(hidden); i++)
		for (u32 msr = hidden[i].first; msr <= hidden[i].last; msr++) {
			msr_set(msr, false, true);
			msr_set(msr, true, true);
		}
	for (u32 i = 0; i < ARRAY_SIZE(machine_map); i++)
		for (u32 msr = machine_map[i].first;
		     msr <= machine_map[i].last; msr++)
			msr_set(msr, true, true);
	msr_set(MSR_APIC_BASE, true, true);
	/* Deadlines are kept by the TSC; the guest gets an offset. */
	msr_set(MSR_TSC, true, true);
	vmx_watch_port(0x70);
	vmx_watch_port(0x71);
	for (u16 i = 0; i < 4; i++)
		vmx_watch_port(US_DOORBELL_PORT + i);
	for (u32 i = 0; i < ARRAY_SIZE(hv.boot.sleep_port); i++)
		if (hv.boot.sleep_port[i])
			vmx_watch_port(hv.boot.sleep_port[i]);
}

void vmx_watch_system_msrs(void)
{
	static const u32 watched[] = {
		MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK, MSR_EFER,
		MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP,
	};

	for (u32 i = 0; i < ARRAY_SIZE(watched); i++)
		msr_set(watched[i], true, true);
}

void vmx_watch_deadlines(void)
{
	msr_set(MSR_TSC_DEADLINE, false, true);
	msr_set(MSR_TSC_DEADLINE, true, true);
}

void vmx_trap_x2apic_icr(bool on)
{
	msr_set(MSR_X2APIC_BASE + 0x30, true, on);
}
