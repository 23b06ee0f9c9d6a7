/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VT-x's controls on processor models whose capability MSRs were recorded
 * (tests/bochs/record_vmx.py). Whether a VM entry would take them is worked out here
 * from SDM volume 3, 27.2.1 and appendix A, without the code under test.
 */
#include <string.h>

#include "suites.h"
#include "vmx/controls.h"

#define TRUE_CONTROLS	(1ull << 55)

/* Of these a processor has more or fewer, the younger the more. */
#define BY_AGE	(PROC2_RDTSCP | PROC2_INVPCID | PROC2_XSAVES | PROC2_MODE_EXECUTE)

static const struct model {
	const char *name;
	struct vmx_capabilities caps;
	enum us_error error;
	const char *missing;
	bool large_1g;
	u32 proc2;		/* which of BY_AGE the guest gets */
} models[] = {
	{ "core2_penryn_t9600", { {
#include "data/vmx-capabilities/core2_penryn_t9600.inc"
	} }, .error = US_E_NO_NESTED_PAGING, .missing = "EPT" },
	{ "corei5_lynnfield_750", { {
#include "data/vmx-capabilities/corei5_lynnfield_750.inc"
	} }, .error = US_E_VMX_FEATURE, .missing = "unrestricted guest" },
	{ "corei5_arrandale_m520", { {
#include "data/vmx-capabilities/corei5_arrandale_m520.inc"
	} }, .proc2 = PROC2_RDTSCP },
	{ "corei7_sandy_bridge_2600k", { {
#include "data/vmx-capabilities/corei7_sandy_bridge_2600k.inc"
	} }, .proc2 = PROC2_RDTSCP },
	{ "corei7_ivy_bridge_3770k", { {
#include "data/vmx-capabilities/corei7_ivy_bridge_3770k.inc"
	} }, .proc2 = PROC2_RDTSCP },
	{ "corei7_haswell_4770", { {
#include "data/vmx-capabilities/corei7_haswell_4770.inc"
	} }, .large_1g = true,
	  .proc2 = PROC2_RDTSCP | PROC2_INVPCID },
	{ "broadwell_ult", { {
#include "data/vmx-capabilities/broadwell_ult.inc"
	} }, .large_1g = true,
	  .proc2 = PROC2_RDTSCP | PROC2_INVPCID },
	{ "corei7_skylake_x", { {
#include "data/vmx-capabilities/corei7_skylake_x.inc"
	} }, .large_1g = true,
	  .proc2 = PROC2_RDTSCP | PROC2_INVPCID | PROC2_XSAVES },
	{ "corei3_cnl", { {
#include "data/vmx-capabilities/corei3_cnl.inc"
	} }, .large_1g = true,
	  .proc2 = PROC2_RDTSCP | PROC2_INVPCID | PROC2_XSAVES },
	{ "corei7_icelake_u", { {
#include "data/vmx-capabilities/corei7_icelake_u.inc"
	} }, .large_1g = true,
	  .proc2 = PROC2_RDTSCP | PROC2_INVPCID | PROC2_XSAVES },
	{ "tigerlake", { {
#include "data/vmx-capabilities/tigerlake.inc"
	} }, .large_1g = true,
	  .proc2 = PROC2_RDTSCP | PROC2_INVPCID | PROC2_XSAVES },
};

static void test_choice(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
		const struct model *model = &models[i];
		struct vmx_setup setup;
		const char *missing = NULL;

		CU_ASSERT_EQUAL(vmx_choose(&model->caps, &setup, &missing),
				model->error);
		if (model->error) {
			CU_ASSERT_STRING_EQUAL(missing, model->missing);
			continue;
		}
		CU_ASSERT_EQUAL(setup.large_1g, model->large_1g);
		CU_ASSERT_EQUAL(setup.guest.proc2 & BY_AGE, model->proc2);
	}
}

/* Low half: bits that must be 1. High half: bits that may be. */
static bool entry_takes(u64 msr, u32 value)
{
	return !((u32)msr & ~value) && !(value & ~(u32)(msr >> 32));
}

static void expect_taken(const struct vmx_capabilities *caps,
			 const struct vmx_controls *controls)
{
	bool exact = caps->msr[VMX_BASIC] & TRUE_CONTROLS;

	CU_ASSERT(entry_takes(caps->msr[exact ? VMX_TRUE_PIN : VMX_PIN],
			      controls->pin));
	CU_ASSERT(entry_takes(caps->msr[exact ? VMX_TRUE_PROC : VMX_PROC],
			      controls->proc));
	CU_ASSERT(entry_takes(caps->msr[exact ? VMX_TRUE_EXIT : VMX_EXIT],
			      controls->exit));
	CU_ASSERT(entry_takes(caps->msr[exact ? VMX_TRUE_ENTRY : VMX_ENTRY],
			      controls->entry));
	CU_ASSERT(controls->proc & PROC_SECONDARY);
	CU_ASSERT(entry_takes(caps->msr[VMX_PROC2], controls->proc2));
	/* 27.2.1.1: what one control needs of another. */
	CU_ASSERT(!(controls->pin & PIN_VIRTUAL_NMIS) ||
		  controls->pin & PIN_NMI_EXIT);
	CU_ASSERT(!(controls->proc2 & PROC2_UNRESTRICTED) ||
		  controls->proc2 & PROC2_EPT);
}

static void test_entry_takes_them(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
		const struct vmx_capabilities *caps = &models[i].caps;
		struct vmx_setup setup;
		const char *missing;

		if (vmx_choose(caps, &setup, &missing))
			continue;
		expect_taken(caps, &setup.guest);
		expect_taken(caps, &setup.control);
		/* Switched on while the guest runs. */
		setup.guest.proc |= PROC_NMI_WINDOW;
		expect_taken(caps, &setup.guest);
		/* PE and PG aside, which an unrestricted guest may clear. */
		CU_ASSERT(!(caps->msr[VMX_CR0_FIXED0] & ~setup.cr0_set &
			    ~0x80000001ull));
		CU_ASSERT(!(setup.cr0_allowed & ~caps->msr[VMX_CR0_FIXED1]));
		CU_ASSERT(!(caps->msr[VMX_CR4_FIXED0] & ~setup.cr4_set));
		CU_ASSERT(!(setup.cr4_allowed & ~caps->msr[VMX_CR4_FIXED1]));
	}
}

/* The MSRs that are recorded are those that are said to exist, and no other. */
static void test_recorded(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(models); i++)
		for (u32 msr = 0; msr < VMX_MSRS; msr++)
			if (!vmx_msr_exists(&models[i].caps,
					    (enum vmx_msr)msr))
				CU_ASSERT_EQUAL(models[i].caps.msr[msr], 0);
	CU_ASSERT(vmx_msr_exists(&models[5].caps, VMX_VMFUNC));
	CU_ASSERT_FALSE(vmx_msr_exists(&models[0].caps, VMX_EPT_VPID));
}

const struct test vmx_models_tests[] = {
	{ "choice", test_choice },
	{ "VM entry takes the controls", test_entry_takes_them },
	{ "recorded MSRs", test_recorded },
	{ 0 }
};
