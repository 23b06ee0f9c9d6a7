/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which controls VT-x is run with, by the capability MSRs of processors. */
#include <string.h>

#include "suites.h"
#include "vmx/controls.h"

static struct vmx_capabilities caps;
static struct vmx_setup setup;
static const char *missing;

/* Every control may be set, and only those must be that always were. */
static void generous(void)
{
	u64 *msr = caps.msr;

	memset(&caps, 0, sizeof(caps));
	msr[VMX_BASIC] = 1ull << 55 | 6ull << 50 | 4;
	msr[VMX_PIN] = msr[VMX_TRUE_PIN] = ~0ull << 32 | 0x16;
	msr[VMX_PROC] = ~0ull << 32 | 0x0401e172;
	msr[VMX_TRUE_PROC] = ~0ull << 32 | 0x04006172;
	msr[VMX_EXIT] = ~0ull << 32 | 0x00036dff;
	msr[VMX_TRUE_EXIT] = ~0ull << 32 | 0x00036dfb;
	msr[VMX_ENTRY] = ~0ull << 32 | 0x000011ff;
	msr[VMX_TRUE_ENTRY] = ~0ull << 32 | 0x000011fb;
	msr[VMX_PROC2] = ~0ull << 32;
	msr[VMX_MISC] = 1u << 5 | 5;
	msr[VMX_CR0_FIXED0] = 0x80000021;
	msr[VMX_CR0_FIXED1] = 0xffffffff;
	msr[VMX_CR4_FIXED0] = 0x2000;
	msr[VMX_CR4_FIXED1] = 0x3727ff;
	msr[VMX_EPT_VPID] = EPT_WALK_4 | EPT_WRITE_BACK | EPT_2M | EPT_1G |
		EPT_INVEPT | EPT_INVEPT_ONE | EPT_INVEPT_ALL | EPT_INVVPID |
		EPT_INVVPID_ONE | EPT_INVVPID_ALL;
}

static enum us_error choose(void)
{
	missing = NULL;
	return vmx_choose(&caps, &setup, &missing);
}

static void test_generous(void)
{
	generous();
	CU_ASSERT_EQUAL_FATAL(choose(), US_OK);
	CU_ASSERT_EQUAL(setup.guest.pin, 0x16 | PIN_NMI_EXIT | PIN_VIRTUAL_NMIS |
			PIN_TIMER);
	CU_ASSERT_EQUAL(setup.guest.proc, 0x04006172 | PROC_TSC_OFFSET |
			PROC_IO_BITMAPS | PROC_MSR_BITMAPS | PROC_SECONDARY);
	CU_ASSERT_EQUAL(setup.guest.proc2, PROC2_EPT | PROC2_UNRESTRICTED |
			PROC2_RDTSCP | PROC2_VPID | PROC2_INVPCID |
			PROC2_XSAVES | PROC2_USER_WAIT |
			PROC2_MODE_EXECUTE);
	/* One page for both modes: the control domain has but one. */
	CU_ASSERT_FALSE(setup.control.proc2 & PROC2_MODE_EXECUTE);
	CU_ASSERT_FALSE(setup.guest.entry & ENTRY_LONG_MODE);
	CU_ASSERT_TRUE(setup.control.entry & ENTRY_LONG_MODE);
	CU_ASSERT_TRUE(setup.control.pin & PIN_INTERRUPT_EXIT);
	CU_ASSERT_TRUE(setup.control.proc & PROC_CR3_LOAD_EXIT);
	CU_ASSERT_EQUAL(setup.cr0_set, 0x20);
	CU_ASSERT_EQUAL(setup.cr4_set, 0x2000);
	CU_ASSERT_EQUAL(setup.timer_shift, 5);
	CU_ASSERT_TRUE(setup.large_1g);
}

/* Without what is only used where it is there. */
static void test_optional(void)
{
	generous();
	caps.msr[VMX_PROC2] = (u64)(PROC2_EPT | PROC2_UNRESTRICTED |
				    PROC2_TABLE_EXIT | PROC2_WBINVD_EXIT) << 32;
	caps.msr[VMX_EPT_VPID] &= ~(EPT_INVVPID | EPT_1G | EPT_INVEPT_ONE);
	CU_ASSERT_EQUAL_FATAL(choose(), US_OK);
	CU_ASSERT_EQUAL(setup.guest.proc2, PROC2_EPT | PROC2_UNRESTRICTED);
	CU_ASSERT_FALSE(setup.large_1g);
}

/* One bit that may not be set, and what is then told. */
static void without(enum vmx_msr which, u32 bit, const char *name)
{
	generous();
	caps.msr[which] &= ~((u64)bit << 32);
	CU_ASSERT_EQUAL(choose(), US_E_VMX_FEATURE);
	CU_ASSERT_STRING_EQUAL(missing ? missing : "", name);
}

static void test_missing_controls(void)
{
	without(VMX_TRUE_PIN, PIN_VIRTUAL_NMIS, "virtual NMIs");
	without(VMX_TRUE_PIN, PIN_TIMER, "VMX-preemption timer");
	without(VMX_TRUE_PIN, PIN_INTERRUPT_EXIT, "external-interrupt exiting");
	without(VMX_TRUE_PROC, PROC_MSR_BITMAPS, "MSR bitmaps");
	without(VMX_TRUE_PROC, PROC_NMI_WINDOW, "NMI-window exiting");
	without(VMX_TRUE_PROC, PROC_TSC_OFFSET, "TSC offsetting");
	without(VMX_TRUE_PROC, PROC_DR_EXIT, "MOV-DR exiting");
	without(VMX_PROC2, PROC2_UNRESTRICTED, "unrestricted guest");
	without(VMX_PROC2, PROC2_TABLE_EXIT, "descriptor-table exiting");
	without(VMX_TRUE_EXIT, EXIT_LOAD_EFER, "loading of IA32_EFER at exits");
	without(VMX_TRUE_ENTRY, ENTRY_LOAD_PAT,
		"loading of IA32_PAT at entries");
	generous();
	caps.msr[VMX_EPT_VPID] &= ~EPT_2M;
	CU_ASSERT_EQUAL(choose(), US_E_VMX_FEATURE);
	CU_ASSERT_STRING_EQUAL(missing, "EPT pages of 2 MiB");
	generous();
	caps.msr[VMX_EPT_VPID] &= ~EPT_INVVPID;
	CU_ASSERT_EQUAL(choose(), US_E_VMX_FEATURE);
	CU_ASSERT_STRING_EQUAL(missing, "INVVPID");
}

static void test_no_ept(void)
{
	generous();
	caps.msr[VMX_PROC2] &= ~((u64)PROC2_EPT << 32);
	CU_ASSERT_EQUAL(choose(), US_E_NO_NESTED_PAGING);
	generous();
	caps.msr[VMX_PROC] &= ~((u64)PROC_SECONDARY << 32);
	CU_ASSERT_EQUAL(choose(), US_E_NO_NESTED_PAGING);
}

/* Controls that cannot be switched off: harmless ones, and others. */
static void test_forced(void)
{
	generous();
	caps.msr[VMX_BASIC] &= ~(1ull << 55);	/* no TRUE MSRs: CR3 exits */
	CU_ASSERT_EQUAL(choose(), US_E_VMX_FEATURE);
	CU_ASSERT_STRING_EQUAL(missing,
			       "freedom from a processor-based control");
	generous();
	caps.msr[VMX_TRUE_EXIT] |= 1u << 15;
	CU_ASSERT_EQUAL(choose(), US_E_VMX_FEATURE);
	CU_ASSERT_STRING_EQUAL(missing, "freedom from an exit control");
	generous();
	caps.msr[VMX_PROC2] |= PROC2_EPT;
	CU_ASSERT_EQUAL(choose(), US_OK);
}

static void test_firmware(void)
{
	CU_ASSERT_EQUAL(vmx_check_firmware(0), US_OK);
	CU_ASSERT_EQUAL(vmx_check_firmware(FEATURE_CONTROL_VMX), US_OK);
	CU_ASSERT_EQUAL(vmx_check_firmware(FEATURE_CONTROL_LOCKED |
					   FEATURE_CONTROL_VMX), US_OK);
	CU_ASSERT_EQUAL(vmx_check_firmware(FEATURE_CONTROL_LOCKED),
			US_E_VMX_DISABLED);
	/* inside SMX only */
	CU_ASSERT_EQUAL(vmx_check_firmware(FEATURE_CONTROL_LOCKED | 2),
			US_E_VMX_DISABLED);
}

const struct test vmx_tests[] = {
	{ "everything there", test_generous },
	{ "optional controls", test_optional },
	{ "missing controls", test_missing_controls },
	{ "no EPT", test_no_ept },
	{ "forced controls", test_forced },
	{ "firmware", test_firmware },
	{ 0 }
};
