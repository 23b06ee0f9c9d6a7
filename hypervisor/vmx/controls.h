/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of its features this processor's VT-x is run with: computed from its
 * capability MSRs and nothing else, so that the loader and the unit tests (with the
 * MSRs of other processors) use the same code. SDM volume 3, appendix A.
 */
#ifndef HV_VMX_CONTROLS_H
#define HV_VMX_CONTROLS_H

#include "errors.h"
#include "types.h"

#define MSR_FEATURE_CONTROL	0x0000003au
#define FEATURE_CONTROL_LOCKED	(1u << 0)
#define FEATURE_CONTROL_VMX	(1u << 2)	/* outside SMX */

/* Capability MSRs: 0x480 on. */
#define MSR_VMX_FIRST		0x00000480u
enum vmx_msr {
	VMX_BASIC,
	VMX_PIN, VMX_PROC, VMX_EXIT, VMX_ENTRY,
	VMX_MISC,
	VMX_CR0_FIXED0, VMX_CR0_FIXED1, VMX_CR4_FIXED0, VMX_CR4_FIXED1,
	VMX_VMCS_ENUM,
	VMX_PROC2,
	VMX_EPT_VPID,
	VMX_TRUE_PIN, VMX_TRUE_PROC, VMX_TRUE_EXIT, VMX_TRUE_ENTRY,
	VMX_VMFUNC,
	VMX_MSRS
};
#define MSR_VMX_LAST	(MSR_VMX_FIRST + VMX_MSRS - 1)

/* As RDMSR gives them; 0 where the processor has no such MSR (see vmx_msr_exists). */
struct vmx_capabilities {
	u64 msr[VMX_MSRS];
};

/* Does @which exist, as far as @caps say? Ask in the order of the enumeration while
 * they are being read: an MSR that does not exist faults. */
bool vmx_msr_exists(const struct vmx_capabilities *caps, enum vmx_msr which);

/* Pin-based controls, 25.6.1. */
#define PIN_INTERRUPT_EXIT	(1u << 0)
#define PIN_NMI_EXIT		(1u << 3)
#define PIN_VIRTUAL_NMIS	(1u << 5)
#define PIN_TIMER		(1u << 6)
/* Primary processor-based controls, 25.6.2. */
#define PROC_INTERRUPT_WINDOW	(1u << 2)
#define PROC_TSC_OFFSET		(1u << 3)
#define PROC_HLT_EXIT		(1u << 7)
#define PROC_INVLPG_EXIT	(1u << 9)
#define PROC_MWAIT_EXIT		(1u << 10)
#define PROC_RDPMC_EXIT		(1u << 11)
#define PROC_CR3_LOAD_EXIT	(1u << 15)
#define PROC_CR3_STORE_EXIT	(1u << 16)
#define PROC_CR8_LOAD_EXIT	(1u << 19)
#define PROC_CR8_STORE_EXIT	(1u << 20)
#define PROC_NMI_WINDOW		(1u << 22)
#define PROC_DR_EXIT		(1u << 23)
#define PROC_ALL_IO_EXIT	(1u << 24)
#define PROC_IO_BITMAPS		(1u << 25)
#define PROC_MSR_BITMAPS	(1u << 28)
#define PROC_MONITOR_EXIT	(1u << 29)
#define PROC_SECONDARY		(1u << 31)
/* Secondary ones. */
#define PROC2_EPT		(1u << 1)
#define PROC2_TABLE_EXIT	(1u << 2)	/* descriptor tables */
#define PROC2_RDTSCP		(1u << 3)
#define PROC2_VPID		(1u << 5)
#define PROC2_WBINVD_EXIT	(1u << 6)
#define PROC2_UNRESTRICTED	(1u << 7)
#define PROC2_INVPCID		(1u << 12)
#define PROC2_XSAVES		(1u << 20)
#define PROC2_MODE_EXECUTE	(1u << 22)	/* EPT execution by mode */
#define PROC2_USER_WAIT		(1u << 26)
/* Exit controls, 25.7.1. */
#define EXIT_SAVE_DEBUG		(1u << 2)
#define EXIT_HOST_64		(1u << 9)
#define EXIT_SAVE_PAT		(1u << 18)
#define EXIT_LOAD_PAT		(1u << 19)
#define EXIT_SAVE_EFER		(1u << 20)
#define EXIT_LOAD_EFER		(1u << 21)
/* Entry controls, 25.8.1. */
#define ENTRY_LOAD_DEBUG	(1u << 2)
#define ENTRY_LONG_MODE		(1u << 9)
#define ENTRY_LOAD_PAT		(1u << 14)
#define ENTRY_LOAD_EFER		(1u << 15)

/* VMX_EPT_VPID, A.10. */
#define EPT_WALK_4		(1ull << 6)
#define EPT_WRITE_BACK		(1ull << 14)
#define EPT_2M			(1ull << 16)
#define EPT_1G			(1ull << 17)
#define EPT_INVEPT		(1ull << 20)
#define EPT_INVEPT_ONE		(1ull << 25)
#define EPT_INVEPT_ALL		(1ull << 26)
#define EPT_INVVPID		(1ull << 32)
#define EPT_INVVPID_ONE		(1ull << 41)
#define EPT_INVVPID_ALL		(1ull << 42)

/* The controls of one VMCS as they are written. */
struct vmx_controls {
	u32 pin, proc, proc2, exit, entry;
};

struct vmx_setup {
	struct vmx_controls guest, control; /* the guest; the control domain */
	/* Bits of CR0 and CR4 that must be 1, and those that may be, while a guest
	 * runs; PE and PG are the guest's own. */
	u64 cr0_set, cr0_allowed, cr4_set, cr4_allowed;
	u32 timer_shift;	/* the timer counts the TSC >> this */
	bool large_1g;		/* EPT leaves of 1 GiB */
	bool invept_one, invvpid_one; /* else only of all */
};

/*
 * Compute @setup. NO_NESTED_PAGING without EPT, VMX_FEATURE when something else is
 * missing; *@missing then names the first thing that is.
 */
enum us_error vmx_choose(const struct vmx_capabilities *caps,
			 struct vmx_setup *setup, const char **missing);

/* May VMXON be executed, or can that be brought about? VMX_DISABLED if not. */
enum us_error vmx_check_firmware(u64 feature_control);

#endif
