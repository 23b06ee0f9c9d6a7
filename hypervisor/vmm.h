/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a processor vendor's backend must provide. svm/ fills it in; the choice is
 * made once, in init.c, and nothing else asks which processor this is.
 */
#ifndef HV_VMM_H
#define HV_VMM_H

#include "hv.h"

enum vmexit_kind {
	VMEXIT_CPUID,
	VMEXIT_RDMSR,
	VMEXIT_WRMSR,
	VMEXIT_IO,		/* io */
	VMEXIT_HYPERCALL,	/* VMMCALL or VMCALL */
	VMEXIT_NMI,
	VMEXIT_INTERRUPT,	/* physical interrupt */
	VMEXIT_SMI,
	VMEXIT_INIT,
	VMEXIT_IRET,		/* the guest leaves a handler */
	VMEXIT_SLAT,		/* slat */
	VMEXIT_SHUTDOWN,	/* triple fault */
	VMEXIT_INVD,
	VMEXIT_CR_WRITE,	/* of a watched register, by whatever instruction */
	VMEXIT_TABLE_LOAD,	/* LIDT, LGDT */
	VMEXIT_HIDDEN_FEATURE,	/* an instruction that must not exist here: #UD */
	VMEXIT_EXCEPTION,	/* code = vector: all of the control domain's, #DB and
				 * #AC of the guest */
	VMEXIT_OTHER,		/* code, info1, info2 */
};

struct vmexit {
	enum vmexit_kind kind;
	u64 code, info1, info2;
	struct {
		u16 port;
		u8 size;	/* 1, 2, 4 */
		bool in, string;
		u64 next_rip;
	} io;
	struct {
		u64 gpa;
		bool write, fetch, present;
		bool table_walk; /* the access was to a guest page table */
	} slat;
};

/* The state of a CPU at the moment us_hv_launch was called. */
struct launch_state {
	u64 rip, rsp, rflags;
	u64 rbx, rbp, r12, r13, r14, r15;
};

/* How the vendor writes SLAT entries (NPT or EPT). */
struct slat_format {
	u64 table;		/* bits of an entry that points to a table */
	u64 open, sealed, read_only; /* bits of a leaf: RWX, R-X, R-- */
	u64 large;		/* bit that makes a 2 MiB or 1 GiB leaf */
};

struct vmm_ops {
	const char *name;
	struct slat_format slat;

	/* Is this processor, with this firmware's settings, of the vendor's kind?
	 * Enumerated error of the loader's range otherwise. Any CPU. */
	enum us_error (*probe)(void);

	/* Once: what all CPUs share (permission bitmaps). */
	void (*init)(void);

	/* On each CPU before its first entry: switch virtualisation on. */
	void (*cpu_enable)(struct cpu *cpu);

	/* On each CPU, once it runs on the hypervisor's own descriptor tables. */
	void (*cpu_ready)(struct cpu *cpu);

	/* Make @vcpu continue as the guest at @at with the CPU's present state. */
	void (*vcpu_adopt)(struct cpu *cpu, struct vcpu *vcpu,
			   const struct launch_state *at, u64 slat_root);

	/* Make @vcpu start in real mode at @vector << 12 (after INIT, SIPI). */
	void (*vcpu_sipi)(struct vcpu *vcpu, u8 vector);

	/* Make @vcpu the control domain: 64-bit, ring 0, at @rip, page tables @cr3,
	 * every exception and every privileged instruction intercepted. */
	void (*vcpu_control)(struct vcpu *vcpu, u64 rip, u64 rsp, u64 cr3,
			     u64 slat_root);

	/* Enter @vcpu until its next exit; regs are kept in vcpu->regs. @masked is
	 * for the control domain: hold physical interrupts back. */
	void (*run)(struct cpu *cpu, struct vcpu *vcpu, bool masked,
		    struct vmexit *exit);

	void (*get_system)(const struct vcpu *vcpu, struct guest_system *system);
	void (*set_efer)(struct vcpu *vcpu, u64 guest_value);

	/* Registers that can be pinned. EFER as the guest sees it. What is written has
	 * been checked and is valid; EFER is written by set_efer only, the tables
	 * by load_table (GUARD_IDTR or GUARD_GDTR). */
	u64 (*read_guarded)(const struct vcpu *vcpu, enum guarded which);
	void (*write_guarded)(struct vcpu *vcpu, enum guarded which, u64 value);
	void (*load_table)(struct vcpu *vcpu, enum guarded which, u64 base,
			   u16 limit);

	/* From the next entry of @vcpu on: VMEXIT_CR_WRITE for CR0 (at least when
	 * more than TS and MP change) and CR4, VMEXIT_TABLE_LOAD for IDTR and GDTR.
	 * vcpu_sipi ends it. */
	void (*watch_registers)(struct vcpu *vcpu, bool on);
	/* From now on VMEXIT_WRMSR for the system-call MSRs, on all vCPUs. */
	void (*watch_system_msrs)(void);

	/* VMEXIT_INTERRUPT when the guest would take a physical interrupt, which stays
	 * to be taken; VMEXIT_IRET at the guest's next IRET, once. */
	void (*watch_interrupts)(struct vcpu *vcpu, bool on);
	void (*watch_iret)(struct vcpu *vcpu);

	/* Deliver an exception or NMI with the next entry; two exceptions become one
	 * as on the processor. */
	void (*inject)(struct vcpu *vcpu, u8 vector, bool has_error, u32 error,
		       u64 cr2);
	void (*inject_nmi)(struct vcpu *vcpu);

	/* The guest's NMI handler is over: stop looking for its IRET. */
	void (*nmi_done)(struct vcpu *vcpu);

	/* Is an event already waiting for the next entry? */
	bool (*event_waits)(const struct vcpu *vcpu);

	/* Forget cached translations with the next entry: all of them, or those that
	 * the guest's own page tables made, global ones too. */
	void (*flush)(struct vcpu *vcpu);
	void (*flush_guest)(struct vcpu *vcpu);

	/* Address after the intercepted instruction, 0 if the processor does not tell. */
	u64 (*next_rip)(const struct vcpu *vcpu);

	/* Make the guest's TSC read @value now. */
	void (*set_tsc)(struct vcpu *vcpu, u64 value);

	/* Is @msr one that moves memory under everybody's feet? Its writes are traps
	 * without effect. */
	bool (*msr_is_machine_map)(u32 msr);

	/* Trap writes to the x2APIC's interrupt command register, or not. */
	void (*trap_x2apic_icr)(bool on);

	/* Take host-pending NMI, SMI, INIT: a moment with them enabled. */
	void (*accept_pending)(void);

	/* The same with RFLAGS.IF set: also takes what waits in the local APIC. */
	void (*accept_interrupts)(void);

	/* Sleep until an NMI; one that is on its way already ends it at once. */
	void (*wait_for_nmi)(void);
	/* Is @rip the HLT in wait_for_nmi? For the NMI handler. */
	bool (*is_halt)(u64 rip);
};

extern const struct vmm_ops svm_ops;

#endif
