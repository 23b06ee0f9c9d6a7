/* SPDX-License-Identifier: GPL-2.0-or-later */
/* AMD-V: the VMCB and its codes. APM volume 2 (24593), chapter 15, appendix B, C. */
#ifndef HV_SVM_H
#define HV_SVM_H

#include "events.h"
#include "segments.h"
#include "vmm.h"

#define MSR_VM_CR	0xc0010114u
#define MSR_VM_HSAVE_PA	0xc0010117u
#define MSR_SVM_KEY	0xc0010118u
#define MSR_TSC_RATIO	0xc0000104u
#define VM_CR_R_INIT	(1u << 1)
#define VM_CR_SVMDIS	(1u << 4)

/* CPUID Fn8000_000A EDX */
#define SVM_FEATURE_NPT		(1u << 0)
#define SVM_FEATURE_NRIPS	(1u << 3)
#define SVM_FEATURE_FLUSH_ASID	(1u << 6)

/* Offset 0x00c */
#define INTERCEPT_INTR		(1u << 0)
#define INTERCEPT_NMI		(1u << 1)
#define INTERCEPT_SMI		(1u << 2)
#define INTERCEPT_INIT		(1u << 3)
#define INTERCEPT_CR0_SELECTIVE	(1u << 5)	/* other bits than TS and MP change */
#define INTERCEPT_IDTR_WRITE	(1u << 10)
#define INTERCEPT_GDTR_WRITE	(1u << 11)
#define INTERCEPT_CPUID		(1u << 18)
#define INTERCEPT_IRET		(1u << 20)
#define INTERCEPT_INVD		(1u << 22)
#define INTERCEPT_HLT		(1u << 24)
#define INTERCEPT_INVLPGA	(1u << 26)
#define INTERCEPT_IOIO		(1u << 27)
#define INTERCEPT_MSR		(1u << 28)
#define INTERCEPT_TASK_SWITCH	(1u << 29)
#define INTERCEPT_SHUTDOWN	(1u << 31)
/* Offset 0x010 */
#define INTERCEPT_VMRUN		(1u << 0)
#define INTERCEPT_VMMCALL	(1u << 1)
#define INTERCEPT_VMLOAD	(1u << 2)
#define INTERCEPT_VMSAVE	(1u << 3)
#define INTERCEPT_STGI		(1u << 4)
#define INTERCEPT_CLGI		(1u << 5)
#define INTERCEPT_SKINIT	(1u << 6)
#define INTERCEPT_WBINVD	(1u << 9)
#define INTERCEPT_MONITOR	(1u << 10)
#define INTERCEPT_MWAIT		(1u << 11)
#define INTERCEPT_XSETBV	(1u << 13)

/* Offset 0x060 */
#define INT_CTL_INTR_MASKING	(1u << 24)

#define TLB_FLUSH_ALL	1u
#define TLB_FLUSH_GUEST	3u	/* this ASID, global entries too */

/* Exit codes, appendix C. */
#define SVM_EXIT_CR_WRITE	0x10	/* + register, to 0x1f */
#define SVM_EXIT_EXCEPTION	0x40	/* + vector, to 0x5f */
#define SVM_EXIT_INTR		0x60
#define SVM_EXIT_NMI		0x61
#define SVM_EXIT_SMI		0x62
#define SVM_EXIT_INIT		0x63
#define SVM_EXIT_CR0_SELECTIVE	0x65
#define SVM_EXIT_IDTR_WRITE	0x6a
#define SVM_EXIT_GDTR_WRITE	0x6b
#define SVM_EXIT_CPUID		0x72
#define SVM_EXIT_IRET		0x74
#define SVM_EXIT_INVD		0x76
#define SVM_EXIT_INVLPGA	0x7a
#define SVM_EXIT_IOIO		0x7b
#define SVM_EXIT_MSR		0x7c
#define SVM_EXIT_SHUTDOWN	0x7f
#define SVM_EXIT_VMRUN		0x80
#define SVM_EXIT_VMMCALL	0x81
#define SVM_EXIT_SKINIT		0x86
#define SVM_EXIT_NPF		0x400

/* EXITINFO1 of a nested page fault, section 15.25.6. */
#define NPF_PRESENT	(1ull << 0)
#define NPF_WRITE	(1ull << 1)
#define NPF_FETCH	(1ull << 4)
#define NPF_TABLE_WALK	(1ull << 33)

/* EXITINFO1 of IOIO, section 15.10.2. */
#define IOIO_IN		(1u << 0)
#define IOIO_STRING	(1u << 2)

struct vmcb_segment {
	u16 selector;
	u16 attributes;
	u32 limit;
	u64 base;
};

/* Attributes as the VMCB packs them: AVL, L, D, G follow bit 7 without a gap. */
#define VMCB_ATTRIBUTES(a)	((u16)(((a) & 0xff) | ((a) >> 4 & 0xf00)))

struct vmcb {
	/* control area */
	u16 cr_read, cr_write;			/* 000 */
	u16 dr_read, dr_write;			/* 004 */
	u32 exceptions;				/* 008 */
	u32 intercept1;				/* 00c */
	u32 intercept2;				/* 010 */
	u32 intercept3;				/* 014 */
	u8 reserved1[0x3c - 0x18];
	u16 pause_threshold, pause_count;	/* 03c */
	u64 iopm, msrpm;			/* 040, 048 */
	u64 tsc_offset;				/* 050 */
	u32 asid;				/* 058 */
	u8 tlb_control, reserved2[3];		/* 05c */
	u32 int_ctl, int_vector;		/* 060 */
	u64 interrupt_shadow;			/* 068 */
	u64 exit_code;				/* 070 */
	u64 exit_info1, exit_info2;		/* 078, 080 */
	u64 exit_int_info;			/* 088 */
	u64 np_enable;				/* 090 */
	u64 avic_bar, ghcb;			/* 098, 0a0 */
	u32 event, event_error;			/* 0a8 */
	u64 n_cr3;				/* 0b0 */
	u64 lbr_control;			/* 0b8 */
	u32 clean, reserved3;			/* 0c0 */
	u64 next_rip;				/* 0c8 */
	u8 insn_len, insn[15];			/* 0d0 */
	u8 reserved4[0x400 - 0xe0];
	/* state save area */
	struct vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr; /* 400 */
	u8 reserved5[0x4cb - 0x4a0];
	u8 cpl;					/* 4cb */
	u32 reserved6;
	u64 efer;				/* 4d0 */
	u8 reserved7[0x548 - 0x4d8];
	u64 cr4, cr3, cr0, dr7, dr6, rflags, rip; /* 548 */
	u8 reserved8[0x5d8 - 0x580];
	u64 rsp;				/* 5d8 */
	u64 s_cet, ssp, isst;			/* 5e0 */
	u64 rax;				/* 5f8 */
	u64 star, lstar, cstar, sfmask;		/* 600 */
	u64 kernel_gs_base;			/* 620 */
	u64 sysenter_cs, sysenter_esp, sysenter_eip; /* 628 */
	u64 cr2;				/* 640 */
	u8 reserved9[0x668 - 0x648];
	u64 g_pat;				/* 668 */
	u64 debug_ctl, br_from, br_to, ex_from, ex_to; /* 670 */
	u8 reserved10[0x1000 - 0x698];
};

#define VMCB_AT(field, offset) \
	static_assert(offsetof(struct vmcb, field) == (offset), #field)
VMCB_AT(iopm, 0x040);
VMCB_AT(asid, 0x058);
VMCB_AT(int_ctl, 0x060);
VMCB_AT(exit_code, 0x070);
VMCB_AT(np_enable, 0x090);
VMCB_AT(event, 0x0a8);
VMCB_AT(n_cr3, 0x0b0);
VMCB_AT(next_rip, 0x0c8);
VMCB_AT(es, 0x400);
VMCB_AT(tr, 0x490);
VMCB_AT(cpl, 0x4cb);
VMCB_AT(efer, 0x4d0);
VMCB_AT(cr4, 0x548);
VMCB_AT(rip, 0x578);
VMCB_AT(rsp, 0x5d8);
VMCB_AT(rax, 0x5f8);
VMCB_AT(star, 0x600);
VMCB_AT(kernel_gs_base, 0x620);
VMCB_AT(sysenter_cs, 0x628);
VMCB_AT(cr2, 0x640);
VMCB_AT(g_pat, 0x668);
static_assert(sizeof(struct vmcb) == 4096, "VMCB is one page");

/* The VMCB of a vCPU. */
static inline struct vmcb *vmcb_of(const struct vcpu *vcpu)
{
	return vcpu->vendor;
}

#define PAGE_ALIGNED	__attribute__((aligned(4096)))
#define MSRPM_SIZE	(2 * PAGE_SIZE)
#define IOPM_SIZE	(3 * PAGE_SIZE)

/* permissions.c: the guest's maps, and those of which every access ends a run. */
extern u8 svm_guest_msrpm[MSRPM_SIZE], svm_all_msrs[MSRPM_SIZE];
extern u8 svm_guest_iopm[IOPM_SIZE], svm_all_ports[IOPM_SIZE];
void svm_permissions_init(void);

/* Operations of vmm.h, which says what they do. */
/* permissions.c */
bool svm_msr_is_machine_map(u32 msr);
void svm_watch_system_msrs(void);
void svm_watch_port(u16 port);
void svm_trap_x2apic_icr(bool on);
/* state.c */
void svm_vcpu_adopt(struct cpu *cpu, struct vcpu *vcpu, u64 slat_root);
void svm_vcpu_sipi(struct vcpu *vcpu, u8 vector);
void svm_vcpu_control(struct vcpu *vcpu, u64 rip, u64 rsp, u64 cr3,
		      u64 slat_root);
/* registers.c */
void svm_get_system(const struct vcpu *vcpu, struct guest_system *system);
void svm_set_efer(struct vcpu *vcpu, u64 guest_value);
u64 svm_read_guarded(const struct vcpu *vcpu, enum guarded which);
void svm_write_guarded(struct vcpu *vcpu, enum guarded which, u64 value);
void svm_load_table(struct vcpu *vcpu, enum guarded which, u64 base, u16 limit);
void svm_watch_registers(struct vcpu *vcpu, u64 cr0, u64 cr4);
void svm_set_tsc_offset(struct vcpu *vcpu);
bool svm_read_msr(const struct vcpu *vcpu, u32 msr, u64 *value);
void svm_mend_cpuid(u32 leaf, u32 subleaf, struct cpuid_regs *r);
/* events.c */
void svm_inject(struct vcpu *vcpu, u8 vector, bool has_error, u32 error,
		u64 cr2);
bool svm_inject_nmi(struct vcpu *vcpu);
/* The vCPU starts anew: it is in no NMI handler. */
void svm_nmi_reset(struct vcpu *vcpu);
void svm_watch_interrupts(struct vcpu *vcpu, bool on);
void svm_watch_iret(struct vcpu *vcpu);
void svm_iret_done(struct vcpu *vcpu);

/* run.S: one VMRUN. Loads and stores all of @regs but RAX, RSP, RIP and RFLAGS,
 * which live in the VMCB. @unmask sets host RFLAGS.IF, which under V_INTR_MASKING
 * decides whether a physical interrupt ends the run (section 15.21.1). */
void svm_enter(u64 vmcb_pa, struct guest_regs *regs, u64 host_vmcb_pa,
	       bool unmask);

/* run.S: a moment with GIF set. */
void svm_accept_pending(void);
void svm_accept_interrupts(void);

/* run.S: GIF on and HLT; the NMI handler steps over the HLT if the NMI came just
 * before it, so that none is slept through. */
void svm_halt_until_nmi(struct cpu *cpu);
extern u8 svm_halt_insn[];

#endif
