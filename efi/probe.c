/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu.h"
#include "print.h"
#include "probe.h"

#define CPUID_FEATURES		0x00000001u
#define FEATURES_ECX_VMX	(1u << 5)
#define CPUID_EXT_MAX		0x80000000u
#define CPUID_EXT_FEATURES	0x80000001u
#define EXT_ECX_SVM		(1u << 2)
#define EXT_EDX_PAGE_1GIB	(1u << 26)
#define CPUID_SVM		0x8000000au
#define SVM_EDX_NPT		(1u << 0)

/* APM volume 2, 15.30.1. */
#define MSR_VM_CR		0xc0010114u
#define VM_CR_SVMDIS		(1u << 4)

/* What a vendor's virtualisation needs to be usable on the calling CPU. */
struct vendor {
	const char *name;
	bool (*present)(void);
	enum us_error (*usable)(void);	/* only if present */
};

struct cpu_probe {
	const struct vendor *vendor;
	enum us_error error;
	bool page_1gib;
};

static struct cpuid cpuid_extended(u32 leaf)
{
	struct cpuid none = { 0, 0, 0, 0 };

	return cpuid(CPUID_EXT_MAX).eax >= leaf ? cpuid(leaf) : none;
}

static bool svm_present(void)
{
	return cpuid_extended(CPUID_EXT_FEATURES).ecx & EXT_ECX_SVM;
}

static enum us_error svm_usable(void)
{
	if (rdmsr(MSR_VM_CR) & VM_CR_SVMDIS)
		return US_E_SVM_DISABLED;
	if (!(cpuid_extended(CPUID_SVM).edx & SVM_EDX_NPT))
		return US_E_NO_NESTED_PAGING;
	return US_E_OK;
}

static const struct vendor vendors[] = {
	{ "AMD-V", svm_present, svm_usable },
};

/* On each CPU: touches no firmware service. */
static void probe_cpu(void *argument)
{
	struct cpu_probe *probe = argument;

	probe->vendor = NULL;
	probe->error = US_E_CPU_VENDOR;
	for (u32 i = 0; i < ARRAY_SIZE(vendors) && !probe->vendor; i++)
		if (vendors[i].present())
			probe->vendor = &vendors[i];
	if (probe->vendor)
		probe->error = probe->vendor->usable();
	probe->page_1gib = cpuid_extended(CPUID_EXT_FEATURES).edx &
		EXT_EDX_PAGE_1GIB;
}

static enum us_error report(enum us_error error, u32 cpu)
{
	switch (error) {
	case US_E_SVM_DISABLED:
		return fail(error, "CPU %u: VM_CR.SVMDIS is set. Switch SVM on "
			    "in the firmware's setup.", cpu);
	case US_E_NO_NESTED_PAGING:
		return fail(error, "CPU %u: CPUID 8000000A shows no NPT.", cpu);
	default:
		if (cpuid(CPUID_FEATURES).ecx & FEATURES_ECX_VMX)
			return fail(error, "CPU %u has Intel VT-x, which this "
				    "version cannot use yet.", cpu);
		return fail(error, "CPU %u: CPUID 80000001 shows no SVM.", cpu);
	}
}

/*
 * The least of three: Stall() may take longer than asked for, never less. It is
 * the one clock that every firmware has.
 */
static u64 measure_tsc_khz(void)
{
	const u64 stall_us = 10000;
	u64 least = ~0ull;

	for (u32 i = 0; i < 3; i++) {
		u64 start = rdtsc_ordered(), ticks;

		BS->Stall(stall_us);
		ticks = rdtsc_ordered() - start;
		if (ticks < least)
			least = ticks;
	}
	return least / (stall_us / 1000);
}

enum us_error probe_machine(struct cpus *cpus, struct machine *machine)
{
	const struct vendor *vendor = NULL;

	machine->page_1gib = true;
	for (u32 i = 0; i < cpus->count; i++) {
		struct cpu_probe probe;
		EFI_STATUS status = cpus_call(cpus, i, probe_cpu, &probe);

		if (EFI_ERROR(status))
			return fail(US_E_FIRMWARE, "CPU %u does not run: %s.",
				    i, status_text(status));
		if (probe.error)
			return report(probe.error, i);
		if (!i)
			vendor = probe.vendor;
		if (probe.vendor != vendor)
			return report(US_E_CPU_VENDOR, i);
		machine->page_1gib = machine->page_1gib && probe.page_1gib;
	}
	machine->vendor_feature = vendor->name;
	machine->tsc_khz = measure_tsc_khz();
	return US_E_OK;
}

bool probe_is_guest(void)
{
	struct cpuid leaf = cpuid(US_CPUID_BASE);
	u32 words[3] = { leaf.ebx, leaf.ecx, leaf.edx };

	return leaf.eax >= US_CPUID_BASE + 1 &&
		!CompareMem(words, US_CPUID_SIGNATURE, sizeof(words));
}
