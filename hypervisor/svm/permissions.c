/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which MSRs and ports of the guest end a run: permission maps, APM volume 2, 15.10
 * and 15.11. */
#include <string.h>

#include "svm/svm.h"

u8 svm_guest_msrpm[MSRPM_SIZE] PAGE_ALIGNED;
u8 svm_all_msrs[MSRPM_SIZE] PAGE_ALIGNED;
u8 svm_guest_iopm[IOPM_SIZE] PAGE_ALIGNED;
u8 svm_all_ports[IOPM_SIZE] PAGE_ALIGNED;

/* Two bits for each MSR, read then write; three ranges of 8192, section 15.11. */
static void msrpm_set(u32 msr, bool write, bool on)
{
	u32 bit = (msr & 0x1fff) * 2 + write;
	u8 *byte = svm_guest_msrpm + bit / 8;

	if (msr >= 0xc0010000)
		byte += 0x1000;
	else if (msr >= 0xc0000000)
		byte += 0x800;
	if (on)
		*byte |= 1u << (bit % 8);
	else
		*byte &= ~(1u << (bit % 8));
}

void svm_watch_port(u16 port)
{
	svm_guest_iopm[port / 8] |= 1u << (port % 8);
}

/* Where DRAM, MMIO and SMM memory lie: BIOS and kernel developer's guides, "MSRs
 * C001_xxxx". A guest that moved them could make the hypervisor's memory its own. */
static const u32 machine_map[] = {
	0xc0010010,	/* SYSCFG */
	0xc0010020,	/* microcode update: works below all of this */
	0xc0010016, 0xc0010017, 0xc0010018, 0xc0010019, /* IORR base, mask */
	0xc001001a,	/* TOP_MEM */
	0xc001001d,	/* TOP_MEM2 */
	0xc0010058,	/* MMIO configuration base */
	0xc0010111, 0xc0010112, 0xc0010113, /* SMM base, address, mask */
	0xc0010116,	/* SMM_CTL: opens SMM memory */
};

bool svm_msr_is_machine_map(u32 msr)
{
	for (u32 i = 0; i < ARRAY_SIZE(machine_map); i++)
		if (machine_map[i] == msr)
			return true;
	return false;
}

void svm_permissions_init(void)
{
	static const u32 hidden[] = {
		MSR_EFER, MSR_VM_CR, MSR_VM_HSAVE_PA, MSR_SVM_KEY,
		MSR_TSC_RATIO, MSR_TSC_ADJUST, /* the host keeps time by the TSC */
	};

	memset(svm_all_msrs, 0xff, sizeof(svm_all_msrs));
	memset(svm_all_ports, 0xff, sizeof(svm_all_ports));
	for (u32 i = 0; i < ARRAY_SIZE(hidden); i++) {
		msrpm_set(hidden[i], false, true);
		msrpm_set(hidden[i], true, true);
	}
	for (u32 i = 0; i < ARRAY_SIZE(machine_map); i++)
		msrpm_set(machine_map[i], true, true);
	msrpm_set(MSR_APIC_BASE, true, true);
	/* Deadlines are kept by the TSC; the guest gets an offset. */
	msrpm_set(MSR_TSC, true, true);
	/* Ports beyond 64 Ki in the last byte of a wide access: always trapped. */
	svm_guest_iopm[0x2000] = 0x0f;
	svm_watch_port(0x70);
	svm_watch_port(0x71);
	for (u16 i = 0; i < 4; i++)
		svm_watch_port(US_DOORBELL_PORT + i);
	for (u32 i = 0; i < ARRAY_SIZE(hv.boot.sleep_port); i++)
		if (hv.boot.sleep_port[i])
			svm_watch_port(hv.boot.sleep_port[i]);
}

void svm_watch_system_msrs(void)
{
	static const u32 watched[] = {
		MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK,
		MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP,
	};

	for (u32 i = 0; i < ARRAY_SIZE(watched); i++)
		msrpm_set(watched[i], true, true);
}

void svm_trap_x2apic_icr(bool on)
{
	msrpm_set(MSR_X2APIC_BASE + 0x30, true, on);
}
