/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a processor vendor's backend must provide. svm/ and vmx/ fill it in; the choice
 * is made once, in init.c, and nothing else asks which processor this is.
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
	VMEXIT_DONE,		/* the backend's own affair, and dealt with */
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
	struct {		/* VMEXIT_CR_WRITE */
		bool told;	/* else the instruction has to be decoded */
		enum guarded target;
		u64 value;
		u32 insn_len;
	} cr;
	struct {
		u64 gpa;
		bool write, fetch, present;
		bool table_walk; /* the access was to a guest page table */
	} slat;
};

/* How the vendor writes SLAT entries (NPT or EPT). */
struct slat_format {
	u64 table;		/* bits of an entry that points to a table */
	u64 open, sealed, read_only; /* bits of a leaf: RWX, R-X, R-- */
	u64 kernel_fetch;	/* bit of a leaf without which the kernel cannot execute
				 * what programs can; 0: there is none */
	u64 large;		/* bit that makes a 2 MiB or 1 GiB leaf */
	u64 type;		/* bits of a leaf's memory type, 0: there are none */
};

/* What the run of @len bytes from @pa on is for a cache. */
struct memory_type {
	u64 bits;		/* inside slat_format.type: that of the first byte */
	bool uniform;		/* all of it is of that type */
};

struct vmm_ops {
	const char *name;
	struct slat_format slat;

	/* Is this processor, with this firmware's settings, of the vendor's kind?
	 * Enumerated error of the loader's range otherwise. Any CPU. */
	enum us_error (*probe)(void);

	/* Verbs come by VMCALL, not by VMMCALL. */
	bool vmcall;

	/* Once: what all CPUs share (permission bitmaps). */
	void (*init)(void);

	/* May SLAT leaves be of 1 GiB, as far as the vendor's part goes? After init. */
	bool (*slat_1g)(void);
	/* Does slat_format.kernel_fetch have an effect? NULL: it has not. After init. */
	bool (*guards_execution)(void);
	/* The memory type of SLAT leaves; NULL when they have none. */
	struct memory_type (*memory_type)(u64 pa, u64 len);

	/* On each CPU before its first entry: switch virtualisation on. */
	void (*cpu_enable)(struct cpu *cpu);

	/* On each CPU, once it runs on the hypervisor's own descriptor tables. */
	void (*cpu_ready)(struct cpu *cpu);

	/* Make @vcpu the guest with the CPU's present state; vcpu->regs are the
	 * caller's affair here and with a SIPI. */
	void (*vcpu_adopt)(struct cpu *cpu, struct vcpu *vcpu, u64 slat_root);

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

	/* This CPU is done with @vcpu until it runs it again: from now on other CPUs may
	 * call get_system and read_guarded for it, and run it if it is the control
	 * domain's; while they hold this CPU, also watch_registers. */
	void (*put_down)(struct vcpu *vcpu);

	/* What the guest finds in an intercepted MSR; false: #GP. */
	bool (*read_msr)(const struct vcpu *vcpu, u32 msr, u64 *value);
	/* Take out of a CPUID leaf what the guest does not have. */
	void (*mend_cpuid)(u32 leaf, u32 subleaf, struct cpuid_regs *r);

	void (*get_system)(const struct vcpu *vcpu, struct guest_system *system);
	void (*set_efer)(struct vcpu *vcpu, u64 guest_value);

	/* Registers that can be pinned. EFER as the guest sees it. What is written has
	 * been checked and is valid; EFER is written by set_efer only, the tables
	 * by load_table (GUARD_IDTR or GUARD_GDTR). */
	u64 (*read_guarded)(const struct vcpu *vcpu, enum guarded which);
	void (*write_guarded)(struct vcpu *vcpu, enum guarded which, u64 value);
	void (*load_table)(struct vcpu *vcpu, enum guarded which, u64 base,
			   u16 limit);

	/* From the next entry of @vcpu on: VMEXIT_CR_WRITE at least when one of these
	 * bits of CR0 and CR4 changes, VMEXIT_TABLE_LOAD for IDTR and GDTR. vcpu_sipi
	 * ends it. */
	void (*watch_registers)(struct vcpu *vcpu, u64 cr0, u64 cr4);
	/* From now on VMEXIT_WRMSR for the system-call MSRs and EFER, on all vCPUs. */
	void (*watch_system_msrs)(void);
	/* From now on VMEXIT_IO for accesses that touch @port, on all vCPUs. */
	void (*watch_port)(u16 port);

	/* From now on end a vCPU's run after so long at the latest. False: the vendor
	 * has no timer for that. All other CPUs are held. */
	bool (*start_timer)(u32 period_ms);
	/* Does a timer end the control domain's runs, too? */
	bool timed_control;

	/* VMEXIT_INTERRUPT when the guest would take a physical interrupt, which stays
	 * to be taken; VMEXIT_IRET at the guest's next IRET, once. */
	void (*watch_interrupts)(struct vcpu *vcpu, bool on);
	void (*watch_iret)(struct vcpu *vcpu);

	/* Deliver an exception with the next entry; two exceptions become one as on the
	 * processor. */
	void (*inject)(struct vcpu *vcpu, u8 vector, bool has_error, u32 error,
		       u64 cr2);
	/* The same for an NMI. False: the guest cannot take it yet, and the run ends
	 * when it can. */
	bool (*inject_nmi)(struct vcpu *vcpu);

	/* VMEXIT_IRET came: stop looking for it. */
	void (*iret_done)(struct vcpu *vcpu);

	/* Forget cached translations with the next entry: all of them, or those that
	 * the guest's own page tables made, global ones too. */
	void (*flush)(struct vcpu *vcpu);
	void (*flush_guest)(struct vcpu *vcpu);

	/* Address after the intercepted instruction, 0 if the processor does not tell. */
	u64 (*next_rip)(const struct vcpu *vcpu);

	/* Let the guest's TSC be the processor's plus vcpu->tsc_offset. */
	void (*set_tsc_offset)(struct vcpu *vcpu);

	/* Is @msr one that moves memory under everybody's feet? Its writes are traps
	 * without effect. */
	bool (*msr_is_machine_map)(u32 msr);

	/* Trap writes to the x2APIC's interrupt command register, or not. */
	void (*trap_x2apic_icr)(bool on);

	/*
	 * Kicks are NMIs, and none is lost: one that comes to a CPU in the hypervisor
	 * ends its next run at once (VMEXIT_NMI or VMEXIT_DONE), and its next
	 * wait_for_nmi.
	 */

	/* Take NMI, SMI, INIT that wait because the processor holds them back. */
	void (*accept_pending)(void);

	/* The same with RFLAGS.IF set: also takes what waits in the local APIC. */
	void (*accept_interrupts)(void);

	/* Sleep until an NMI; one that is on its way already ends it at once. */
	void (*wait_for_nmi)(struct cpu *cpu);
	/* From the NMI handler: an NMI interrupted the hypervisor at @rip. Where it
	 * goes on. */
	u64 (*nmi_came)(struct cpu *cpu, u64 rip);
	/* From the exception handler: where to go on after an instruction that may
	 * fault, 0 for any other. */
	u64 (*fault_exit)(u64 rip);
};

extern const struct vmm_ops svm_ops, vmx_ops;

#endif
