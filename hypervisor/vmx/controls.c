/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmx/controls.h"

/* VMX_BASIC, A.1. */
#define BASIC_WRITE_BACK(basic)	(((basic) >> 50 & 15) == 6)
#define BASIC_TRUE		(1ull << 55)

/* VMX_MISC, A.6. */
#define MISC_TIMER_SHIFT(misc)	((misc) & 31)
#define MISC_STORES_LONG_MODE	(1ull << 5)

#define CR0_PE_PG		(1ull << 31 | 1ull << 0)

/* Bits that are 1 on the oldest processors and mean nothing there: A.2 to A.5. Those
 * among them that can be switched off with the TRUE MSRs are the CR3 exits and the two
 * loads of debug registers, which are asked for by name. */
#define DEFAULT_PIN	0x00000016u
#define DEFAULT_PROC	0x04006172u
#define DEFAULT_EXIT	0x00036dfbu
#define DEFAULT_ENTRY	0x000011fbu

enum word { PIN, PROC, PROC2, EXIT, ENTRY, WORDS };

struct control {
	enum word word;
	u32 bit;
	const char *name;
};

/* What both, the guest and the control domain, have to have. */
static const struct control common[] = {
	{ PIN, PIN_NMI_EXIT, "NMI exiting" },
	{ PIN, PIN_VIRTUAL_NMIS, "virtual NMIs" },
	{ PIN, PIN_TIMER, "VMX-preemption timer" },
	{ PROC, PROC_IO_BITMAPS, "I/O bitmaps" },
	{ PROC, PROC_MSR_BITMAPS, "MSR bitmaps" },
	{ PROC, PROC_SECONDARY, "secondary controls" },
	{ PROC2, PROC2_EPT, "EPT" },
	{ PROC2, PROC2_UNRESTRICTED, "unrestricted guest" },
	{ EXIT, EXIT_SAVE_DEBUG, "saving of debug controls" },
	{ EXIT, EXIT_HOST_64, "64-bit host" },
	{ EXIT, EXIT_SAVE_PAT, "saving of IA32_PAT" },
	{ EXIT, EXIT_LOAD_PAT, "loading of IA32_PAT at exits" },
	{ EXIT, EXIT_SAVE_EFER, "saving of IA32_EFER" },
	{ EXIT, EXIT_LOAD_EFER, "loading of IA32_EFER at exits" },
	{ ENTRY, ENTRY_LOAD_DEBUG, "loading of debug controls" },
	{ ENTRY, ENTRY_LONG_MODE, "64-bit guest" },
	{ ENTRY, ENTRY_LOAD_PAT, "loading of IA32_PAT at entries" },
	{ ENTRY, ENTRY_LOAD_EFER, "loading of IA32_EFER at entries" },
};

static const struct control guest_only[] = {
	{ PROC, PROC_TSC_OFFSET, "TSC offsetting" },
};

/* The guest has these off, but switched on at times. */
static const struct control guest_at_times[] = {
	{ PROC, PROC_NMI_WINDOW, "NMI-window exiting" },
	{ PROC2, PROC2_TABLE_EXIT, "descriptor-table exiting" },
};

static const struct control control_only[] = {
	{ PIN, PIN_INTERRUPT_EXIT, "external-interrupt exiting" },
	{ PROC, PROC_HLT_EXIT, "HLT exiting" },
	{ PROC, PROC_INVLPG_EXIT, "INVLPG exiting" },
	{ PROC, PROC_MWAIT_EXIT, "MWAIT exiting" },
	{ PROC, PROC_RDPMC_EXIT, "RDPMC exiting" },
	{ PROC, PROC_CR3_LOAD_EXIT, "CR3-load exiting" },
	{ PROC, PROC_CR3_STORE_EXIT, "CR3-store exiting" },
	{ PROC, PROC_CR8_LOAD_EXIT, "CR8-load exiting" },
	{ PROC, PROC_CR8_STORE_EXIT, "CR8-store exiting" },
	{ PROC, PROC_DR_EXIT, "MOV-DR exiting" },
	{ PROC, PROC_MONITOR_EXIT, "MONITOR exiting" },
	{ PROC2, PROC2_WBINVD_EXIT, "WBINVD exiting" },
};

/* For the guest where there are; its CPUID hides the instructions where not. */
#define GUEST_IF_THERE	(PROC2_RDTSCP | PROC2_VPID | PROC2_INVPCID | \
			 PROC2_XSAVES | PROC2_USER_WAIT | PROC2_MODE_EXECUTE)
#define CONTROL_IF_THERE PROC2_VPID

bool vmx_msr_exists(const struct vmx_capabilities *caps, enum vmx_msr which)
{
	u64 proc2 = caps->msr[VMX_PROC2] >> 32;

	switch (which) {
	case VMX_PROC2:
		return caps->msr[VMX_PROC] >> 32 & PROC_SECONDARY;
	case VMX_EPT_VPID:
		return proc2 & (PROC2_EPT | PROC2_VPID);
	case VMX_TRUE_PIN:
	case VMX_TRUE_PROC:
	case VMX_TRUE_EXIT:
	case VMX_TRUE_ENTRY:
		return caps->msr[VMX_BASIC] & BASIC_TRUE;
	case VMX_VMFUNC:
		return proc2 & (1u << 13);
	default:
		return which < VMX_VMFUNC;
	}
}

/* Bits that must be 1 in the lower half of an MSR, that may be in the upper one. */
static u64 allowed(const struct vmx_capabilities *caps, enum word word)
{
	bool is_true = caps->msr[VMX_BASIC] & BASIC_TRUE;

	switch (word) {
	case PIN: return caps->msr[is_true ? VMX_TRUE_PIN : VMX_PIN];
	case PROC: return caps->msr[is_true ? VMX_TRUE_PROC : VMX_PROC];
	case EXIT: return caps->msr[is_true ? VMX_TRUE_EXIT : VMX_EXIT];
	case ENTRY: return caps->msr[is_true ? VMX_TRUE_ENTRY : VMX_ENTRY];
	default: return caps->msr[VMX_PROC2];
	}
}

/* Adds the bits of @list to @wanted. The name of the first that cannot be set. */
static const char *want(const struct vmx_capabilities *caps, u32 wanted[WORDS],
			const struct control *list, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		if (!(allowed(caps, list[i].word) >> 32 & list[i].bit))
			return list[i].name;
		wanted[list[i].word] |= list[i].bit;
	}
	return NULL;
}

/* The bits that cannot be cleared must be ours anyway, or mean nothing. */
static const char *settle(const struct vmx_capabilities *caps,
			  u32 wanted[WORDS])
{
	static const u32 meaningless[WORDS] = {
		[PIN] = DEFAULT_PIN, [PROC] = DEFAULT_PROC,
		[EXIT] = DEFAULT_EXIT, [ENTRY] = DEFAULT_ENTRY,
	};
	static const char *const forced[WORDS] = {
		[PIN] = "freedom from a pin-based control",
		[PROC] = "freedom from a processor-based control",
		[PROC2] = "freedom from a secondary control",
		[EXIT] = "freedom from an exit control",
		[ENTRY] = "freedom from an entry control",
	};

	for (u32 i = 0; i < WORDS; i++) {
		u32 must = (u32)allowed(caps, (enum word)i);

		if (must & ~(wanted[i] | meaningless[i]))
			return forced[i];
		wanted[i] |= must;
	}
	return NULL;
}

static void store(struct vmx_controls *controls, const u32 wanted[WORDS])
{
	*controls = (struct vmx_controls) {
		.pin = wanted[PIN], .proc = wanted[PROC],
		.proc2 = wanted[PROC2], .exit = wanted[EXIT],
		.entry = wanted[ENTRY],
	};
}

/* 64-bit mode is switched on and off by the entry control that says so; the VMCS of
 * a guest has it as its processor is. */
static const char *choose_guest(const struct vmx_capabilities *caps,
				struct vmx_controls *controls)
{
	u32 wanted[WORDS] = { 0 }, at_times[WORDS] = { 0 };
	const char *missing;

	missing = want(caps, wanted, common, ARRAY_SIZE(common));
	if (!missing)
		missing = want(caps, wanted, guest_only, ARRAY_SIZE(guest_only));
	if (!missing)
		missing = want(caps, at_times, guest_at_times,
			       ARRAY_SIZE(guest_at_times));
	wanted[PROC2] |= GUEST_IF_THERE & (allowed(caps, PROC2) >> 32);
	wanted[ENTRY] &= ~ENTRY_LONG_MODE;
	if (!missing)
		missing = settle(caps, wanted);
	store(controls, wanted);
	return missing;
}

static const char *choose_control(const struct vmx_capabilities *caps,
				  struct vmx_controls *controls)
{
	u32 wanted[WORDS] = { 0 };
	const char *missing;

	missing = want(caps, wanted, common, ARRAY_SIZE(common));
	if (!missing)
		missing = want(caps, wanted, control_only,
			       ARRAY_SIZE(control_only));
	wanted[PROC2] |= CONTROL_IF_THERE & (allowed(caps, PROC2) >> 32);
	if (!missing)
		missing = settle(caps, wanted);
	store(controls, wanted);
	return missing;
}

/* What there has to be beside the controls. */
static const char *other_features(const struct vmx_capabilities *caps)
{
	u64 ept = caps->msr[VMX_EPT_VPID];
	bool vpid = caps->msr[VMX_PROC2] >> 32 & PROC2_VPID;

	if (!BASIC_WRITE_BACK(caps->msr[VMX_BASIC]))
		return "VMCS in write-back memory";
	if (!(caps->msr[VMX_MISC] & MISC_STORES_LONG_MODE))
		return "EFER.LMA stored at exits";
	if (!(ept & EPT_WALK_4))
		return "EPT of four levels";
	if (!(ept & EPT_WRITE_BACK))
		return "EPT in write-back memory";
	if (!(ept & EPT_2M))
		return "EPT pages of 2 MiB";
	if (!(ept & EPT_INVEPT) || !(ept & (EPT_INVEPT_ONE | EPT_INVEPT_ALL)))
		return "INVEPT";
	if (vpid && (!(ept & EPT_INVVPID) ||
		     !(ept & (EPT_INVVPID_ONE | EPT_INVVPID_ALL))))
		return "INVVPID";
	return NULL;
}

enum us_error vmx_choose(const struct vmx_capabilities *caps,
			 struct vmx_setup *setup, const char **missing)
{
	const u64 *msr = caps->msr;

	*missing = "EPT";
	if (!(msr[VMX_PROC] >> 32 & PROC_SECONDARY) ||
	    !(msr[VMX_PROC2] >> 32 & PROC2_EPT))
		return US_E_NO_NESTED_PAGING;
	*missing = choose_guest(caps, &setup->guest);
	if (!*missing)
		*missing = choose_control(caps, &setup->control);
	if (!*missing)
		*missing = other_features(caps);
	if (*missing)
		return US_E_VMX_FEATURE;
	/* Set in FIXED0: must be; clear in FIXED1: must not be. A.7, A.8. */
	setup->cr0_set = msr[VMX_CR0_FIXED0] & ~CR0_PE_PG;
	setup->cr0_allowed = msr[VMX_CR0_FIXED1];
	setup->cr4_set = msr[VMX_CR4_FIXED0];
	setup->cr4_allowed = msr[VMX_CR4_FIXED1];
	setup->timer_shift = MISC_TIMER_SHIFT(msr[VMX_MISC]);
	setup->large_1g = msr[VMX_EPT_VPID] & EPT_1G;
	setup->invept_one = msr[VMX_EPT_VPID] & EPT_INVEPT_ONE;
	setup->invvpid_one = msr[VMX_EPT_VPID] & EPT_INVVPID_ONE;
	return US_OK;
}

enum us_error vmx_check_firmware(u64 feature_control)
{
	if (!(feature_control & FEATURE_CONTROL_LOCKED))
		return US_OK;	/* ours to set */
	return feature_control & FEATURE_CONTROL_VMX ? US_OK :
		US_E_VMX_DISABLED;
}
