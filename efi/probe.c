/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu.h"
#include "print.h"
#include "probe.h"
#include "vmx/controls.h"

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

struct cpu_probe {
	const struct vendor *vendor;
	enum us_error error;
	const char *missing;	/* US_E_VMX_FEATURE: what */
	bool page_1gib;
};

/* What a vendor's virtualisation needs to be usable on the calling CPU. */
struct vendor {
	const char *name;
	bool own_timer;		/* ends a guest's run by a timer of its own */
	bool (*present)(void);
	/* Only if present. Fills in what it says of the CPU. */
	enum us_error (*usable)(struct cpu_probe *probe);
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

static enum us_error svm_usable(struct cpu_probe *probe)
{
	(void)probe;
	if (rdmsr(MSR_VM_CR) & VM_CR_SVMDIS)
		return US_E_SVM_DISABLED;
	if (!(cpuid_extended(CPUID_SVM).edx & SVM_EDX_NPT))
		return US_E_NO_NESTED_PAGING;
	return US_E_OK;
}

static bool vmx_present(void)
{
	return cpuid(CPUID_FEATURES).ecx & FEATURES_ECX_VMX;
}

/* FEATURE_CONTROL is there whenever VMX is. */
static enum us_error vmx_usable(struct cpu_probe *probe)
{
	struct vmx_capabilities caps = { 0 };
	struct vmx_setup setup;
	enum us_error error;

	error = vmx_check_firmware(rdmsr(MSR_FEATURE_CONTROL));
	if (error)
		return error;
	for (u32 i = 0; i < VMX_MSRS; i++)
		if (vmx_msr_exists(&caps, (enum vmx_msr)i))
			caps.msr[i] = rdmsr(MSR_VMX_FIRST + i);
	error = vmx_choose(&caps, &setup, &probe->missing);
	if (!error)
		probe->page_1gib = probe->page_1gib && setup.large_1g;
	return error;
}

static const struct vendor vendors[] = {
	{ "AMD-V", false, svm_present, svm_usable },
	{ "VT-x", true, vmx_present, vmx_usable },
};

/* On each CPU: touches no firmware service. */
static void probe_cpu(void *argument)
{
	struct cpu_probe *probe = argument;

	probe->vendor = NULL;
	probe->error = US_E_CPU_VENDOR;
	probe->page_1gib = cpuid_extended(CPUID_EXT_FEATURES).edx &
		EXT_EDX_PAGE_1GIB;
	for (u32 i = 0; i < ARRAY_SIZE(vendors) && !probe->vendor; i++)
		if (vendors[i].present())
			probe->vendor = &vendors[i];
	if (probe->vendor)
		probe->error = probe->vendor->usable(probe);
}

static enum us_error report(const struct cpu_probe *probe, u32 cpu)
{
	switch (probe->error) {
	case US_E_SVM_DISABLED:
		return fail(probe->error, "CPU %u: VM_CR.SVMDIS is set. Switch "
			    "SVM on in the firmware's setup.", cpu);
	case US_E_VMX_DISABLED:
		return fail(probe->error, "CPU %u: IA32_FEATURE_CONTROL is "
			    "locked without VMX. Switch VT-x on in the "
			    "firmware's setup.", cpu);
	case US_E_VMX_FEATURE:
		return fail(probe->error, "CPU %u: it lacks %s.", cpu,
			    probe->missing);
	case US_E_NO_NESTED_PAGING:
		return fail(probe->error, "CPU %u: no NPT and no EPT.", cpu);
	default:
		return fail(probe->error, "CPU %u: CPUID shows neither SVM nor "
			    "VMX, or not what the first CPU's does.", cpu);
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
		struct cpu_probe probe = { 0 };
		EFI_STATUS status = cpus_call(cpus, i, probe_cpu, &probe);

		if (EFI_ERROR(status))
			return fail(US_E_FIRMWARE, "CPU %u does not run: %s.",
				    i, status_text(status));
		if (probe.error)
			return report(&probe, i);
		if (!i)
			vendor = probe.vendor;
		if (probe.vendor != vendor) {
			probe.error = US_E_CPU_VENDOR;
			return report(&probe, i);
		}
		machine->page_1gib = machine->page_1gib && probe.page_1gib;
	}
	machine->vendor_feature = vendor->name;
	machine->own_timer = vendor->own_timer;
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
