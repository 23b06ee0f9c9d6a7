/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Intel VT-x: codes of the VMCS, and what this backend keeps of each vCPU. SDM volume
 * 3, chapters 24 to 28, appendices B and C. */
#ifndef HV_VMX_H
#define HV_VMX_H

#include "events.h"
#include "segments.h"
#include "vmm.h"
#include "vmx/controls.h"

/* VMCS fields that are written once, or read after an exit: appendix B. */
enum vmcs_code {
	VMCS_VPID = 0x0000,
	VMCS_IO_BITMAP_A = 0x2000,
	VMCS_IO_BITMAP_B = 0x2002,
	VMCS_MSR_BITMAP = 0x2004,
	VMCS_EPT_POINTER = 0x201a,
	VMCS_XSS_EXITS = 0x202c,
	VMCS_GPA = 0x2400,
	VMCS_LINK = 0x2800,
	VMCS_PAGE_FAULT_MASK = 0x4006,
	VMCS_PAGE_FAULT_MATCH = 0x4008,
	VMCS_CR3_TARGETS = 0x400a,
	VMCS_EXIT_CONTROLS = 0x400c,
	VMCS_EXIT_STORES = 0x400e,
	VMCS_EXIT_LOADS = 0x4010,
	VMCS_ENTRY_LOADS = 0x4014,
	VMCS_ENTRY_EVENT = 0x4016,
	VMCS_ENTRY_ERROR = 0x4018,
	VMCS_ENTRY_LEN = 0x401a,
	VMCS_INSTRUCTION_ERROR = 0x4400,
	VMCS_EXIT_REASON = 0x4402,
	VMCS_EXIT_EVENT = 0x4404,
	VMCS_EXIT_ERROR = 0x4406,
	VMCS_VECTORING = 0x4408,
	VMCS_VECTORING_ERROR = 0x440a,
	VMCS_EXIT_LEN = 0x440c,
	VMCS_EXIT_INSN = 0x440e,
	VMCS_QUALIFICATION = 0x6400,
	VMCS_RSP = 0x681c,
	VMCS_RIP = 0x681e,
	VMCS_RFLAGS = 0x6820,
	VMCS_HOST_ES = 0x0c00,
	VMCS_HOST_CS = 0x0c02,
	VMCS_HOST_SS = 0x0c04,
	VMCS_HOST_DS = 0x0c06,
	VMCS_HOST_FS = 0x0c08,
	VMCS_HOST_GS = 0x0c0a,
	VMCS_HOST_TR = 0x0c0c,
	VMCS_HOST_PAT = 0x2c00,
	VMCS_HOST_EFER = 0x2c02,
	VMCS_HOST_SYSENTER_CS = 0x4c00,
	VMCS_HOST_CR0 = 0x6c00,
	VMCS_HOST_CR3 = 0x6c02,
	VMCS_HOST_CR4 = 0x6c04,
	VMCS_HOST_FS_BASE = 0x6c06,
	VMCS_HOST_GS_BASE = 0x6c08,
	VMCS_HOST_TR_BASE = 0x6c0a,
	VMCS_HOST_GDTR_BASE = 0x6c0c,
	VMCS_HOST_IDTR_BASE = 0x6c0e,
	VMCS_HOST_SYSENTER_ESP = 0x6c10,
	VMCS_HOST_SYSENTER_EIP = 0x6c12,
	VMCS_HOST_RIP = 0x6c16,
};

/* What vmcs.c keeps in memory, too. Those of segments in the order of enum
 * segment_name, which is the VMCS's. */
enum field {
	F_SELECTOR,
	F_LIMIT = F_SELECTOR + SEGMENTS,
	F_RIGHTS = F_LIMIT + SEGMENTS,
	F_BASE = F_RIGHTS + SEGMENTS,
	F_GDTR_LIMIT = F_BASE + SEGMENTS, F_IDTR_LIMIT,
	F_GDTR_BASE, F_IDTR_BASE,
	F_CR0, F_CR3, F_CR4, F_DR7, F_EFER, F_PAT, F_DEBUGCTL,
	F_SYSENTER_CS, F_SYSENTER_ESP, F_SYSENTER_EIP,
	F_BLOCKING, F_ACTIVITY, F_PENDING_DEBUG,
	F_PIN, F_PROC, F_PROC2, F_ENTRY, F_EXCEPTIONS,
	F_CR0_MASK, F_CR0_SHADOW, F_CR4_MASK, F_CR4_SHADOW,
	F_TSC_OFFSET, F_TIMER,
	/* MSRs that the hypervisor leaves alone: the guest's are the processor's. */
	F_MSRS,
	F_STAR = F_MSRS, F_LSTAR, F_CSTAR, F_SFMASK, F_KERNEL_GS_BASE,
	FIELDS
};

/* F_RIGHTS: nothing is loaded. */
#define RIGHTS_UNUSABLE		(1u << 16)
#define RIGHTS_DPL(rights)	((rights) >> 5 & 3)

/* F_BLOCKING, 25.4.2. */
#define BLOCKING_STI		(1u << 0)
#define BLOCKING_MOV_SS		(1u << 1)
#define BLOCKING_NMI		(1u << 3)

/* F_PENDING_DEBUG: single step; 25.4.2. */
#define PENDING_STEP		(1u << 14)

/* Event types beyond events.h: 25.8.3. */
#define EVENT_TYPE_INT1		(5u << 8)
#define EVENT_TYPE_SOFT_EXC	(6u << 8)
/* In VMCS_EXIT_EVENT: the instruction was an IRET that has opened NMIs. */
#define EVENT_IRET_UNBLOCKS	(1u << 12)

/* Basic exit reasons, appendix C. */
enum reason {
	REASON_EVENT = 0,	/* exception or NMI */
	REASON_INTERRUPT = 1,
	REASON_TRIPLE_FAULT = 2,
	REASON_INIT = 3,
	REASON_NMI_WINDOW = 8,
	REASON_TASK_SWITCH = 9,
	REASON_CPUID = 10,
	REASON_GETSEC = 11,
	REASON_INVD = 13,
	REASON_VMCALL = 18,
	REASON_VMCLEAR = 19,	/* to VMXON: instructions of VT-x */
	REASON_VMXON = 27,
	REASON_CR = 28,
	REASON_IO = 30,
	REASON_RDMSR = 31,
	REASON_WRMSR = 32,
	REASON_GDTR_IDTR = 46,
	REASON_LDTR_TR = 47,
	REASON_EPT_VIOLATION = 48,
	REASON_EPT_MISCONFIGURED = 49,
	REASON_INVEPT = 50,
	REASON_TIMER = 52,
	REASON_INVVPID = 53,
	REASON_XSETBV = 55,
	REASON_VMFUNC = 59,
};
#define REASON_ENTRY_FAILED	(1u << 31)

/* step.c: what is put back afterwards. */
struct vmx_step {
	bool on;
	u64 rflags, exceptions, gdtr, idtr;
};

struct vmx_vcpu {
	u8 *vmcs;
	const struct vmx_controls *controls;
	u64 slat_root;
	u16 vpid;
	const u8 *io_bitmaps, *msr_bitmap; /* io: two pages */
	/* vmcs.c */
	struct cpu *host;	/* whose state its host fields hold */
	bool built, launched, changed;
	u8 flags[FIELDS];
	u64 value[FIELDS];
	/* The next event, and the length of the instruction that made it. */
	struct event event;
	u32 event_len;
	/* Of the last exit. */
	u32 reason, insn_len;
	u64 exit_rip;
	struct vmx_step step;
};

static inline struct vmx_vcpu *vmx_of(const struct vcpu *vcpu)
{
	return vcpu->vendor;
}

extern struct vmx_setup vmx_setup;

#define PAGE_ALIGNED	__attribute__((aligned(4096)))

/* vmcs.c: of the vCPU whose VMCS is current on this CPU. Failures panic. */
u64 vmcs_read(enum vmcs_code code);
void vmcs_write(enum vmcs_code code, u64 value);

/* vmcs.c: a field's value as it is, or will be with the next entry. Getting it needs
 * the VMCS to be current, or the vCPU to be put down. */
u64 vmx_get(const struct vcpu *vcpu, enum field field);
void vmx_set(struct vcpu *vcpu, enum field field, u64 value);

/* vmcs.c: make @vcpu's VMCS current here and write what has changed. */
void vmcs_prepare(struct cpu *cpu, struct vcpu *vcpu);
/* The processor has run: what is in memory is old. */
void vmcs_exited(struct vcpu *vcpu);
void vmx_put_down(struct vcpu *vcpu);

/* state.c */
void vmx_vcpu_adopt(struct cpu *cpu, struct vcpu *vcpu, u64 slat_root);
void vmx_vcpu_sipi(struct vcpu *vcpu, u8 vector);
bool vmx_start_timer(u32 period_ms);
void vmx_vcpu_control(struct vcpu *vcpu, u64 rip, u64 rsp, u64 cr3,
		      u64 slat_root);

/* registers.c */
void vmx_get_system(const struct vcpu *vcpu, struct guest_system *system);
void vmx_set_efer(struct vcpu *vcpu, u64 guest_value);
u64 vmx_read_guarded(const struct vcpu *vcpu, enum guarded which);
void vmx_write_guarded(struct vcpu *vcpu, enum guarded which, u64 value);
void vmx_load_table(struct vcpu *vcpu, enum guarded which, u64 base, u16 limit);
void vmx_watch_registers(struct vcpu *vcpu, u64 cr0, u64 cr4);
void vmx_set_tsc_offset(struct vcpu *vcpu);
bool vmx_read_msr(const struct vcpu *vcpu, u32 msr, u64 *value);
void vmx_mend_cpuid(u32 leaf, u32 subleaf, struct cpuid_regs *r);
/* REASON_CR; REASON_GDTR_IDTR and REASON_LDTR_TR. */
void vmx_exit_cr(struct vcpu *vcpu, u64 qualification, struct vmexit *exit);
void vmx_exit_tables(struct vcpu *vcpu, struct vmexit *exit);
/* Bits of CR0 and CR4 that are never the guest's. */
u64 vmx_cr0_owned(void);
u64 vmx_cr4_owned(void);

/* step.c: one instruction without descriptor-table exits; the end of it, after any
 * exit. True: that is all that the exit was for. */
void vmx_step(struct vcpu *vcpu);
bool vmx_end_step(struct vcpu *vcpu, u64 *qualification);

/* events.c */
void vmx_inject(struct vcpu *vcpu, u8 vector, bool has_error, u32 error,
		u64 cr2);
bool vmx_inject_nmi(struct vcpu *vcpu);
void vmx_watch_interrupts(struct vcpu *vcpu, bool on);
void vmx_watch_iret(struct vcpu *vcpu);
void vmx_iret_done(struct vcpu *vcpu);
/* Before an entry: what is to be delivered. After an exit: what was not. */
void vmx_write_event(struct vcpu *vcpu);
void vmx_read_event(struct vcpu *vcpu);
/* REASON_EVENT */
void vmx_exit_event(struct vcpu *vcpu, u64 qualification, struct vmexit *exit);

/* exits.c */
void vmx_decode_exit(struct vcpu *vcpu, struct vmexit *exit);

/* permissions.c */
#define BITMAP_SIZE	PAGE_SIZE
extern u8 vmx_guest_msrs[BITMAP_SIZE], vmx_all_msrs[BITMAP_SIZE];
extern u8 vmx_guest_ports[2 * BITMAP_SIZE], vmx_all_ports[2 * BITMAP_SIZE];
void vmx_permissions_init(void);
bool vmx_msr_is_machine_map(u32 msr);
void vmx_watch_system_msrs(void);
void vmx_watch_port(u16 port);
void vmx_watch_deadlines(void);
void vmx_trap_x2apic_icr(bool on);

/* ept.c */
void vmx_ept_init(void);
bool vmx_slat_1g(void);
bool vmx_guards_execution(void);
struct memory_type vmx_memory_type(u64 pa, u64 len);
u64 vmx_ept_pointer(u64 slat_root);
void vmx_flush(struct vcpu *vcpu);
void vmx_flush_guest(struct vcpu *vcpu);

/*
 * run.S: one entry and exit. Loads and stores all of @regs but RSP, RIP and RFLAGS,
 * which live in the VMCS.
 */
enum run_result { RUN_EXITED, RUN_FAILED, RUN_NMI_CAME };
enum run_result vmx_enter(struct guest_regs *regs, volatile u32 *nmi_came,
			  bool launched);
void vmx_exited(void);		/* VMCS_HOST_RIP */
/* From the first look at *@nmi_came to the entry: an NMI that comes here goes on at
 * vmx_no_entry. The same for the halt. */
extern u8 vmx_entry_start[], vmx_entry_end[], vmx_no_entry[];
void vmx_halt(volatile u32 *nmi_came);
extern u8 vmx_halt_start[], vmx_halt_end[];
void vmx_accept_interrupts(void);
/* False: #GP. */
bool vmx_try_xsetbv(u32 index, u64 value);
extern u8 vmx_xsetbv_insn[], vmx_xsetbv_failed[];

#endif
