/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hypervisor's central types: one struct cpu for each processor, one struct
 * vcpu for each thing that it can run (its share of the guest, or the control
 * domain), one struct hypervisor for the rest.
 *
 * Context of all code here: host mode, interrupts off, on the CPU's own stack, no
 * vector registers. NMIs: on AMD GIF is off and they wait; on Intel they come at any
 * time, and what their handler (nmi_arrived) writes is written nowhere else
 * without regard to that.
 */
#ifndef HV_HV_H
#define HV_HV_H

#include "boot_abi.h"
#include "control_abi.h"
#include "errors.h"
#include "x86.h"

#define MAX_CPUS	US_MAX_VCPUS
#define HOST_STACK	(16u << 10)

/* Guest registers that the processor leaves to the hypervisor to keep. The order
 * is known to svm/run.S and vmx/run.S. */
struct guest_regs {
	u64 gpr[GPR_COUNT];
	u64 rip;
	u64 rflags;
};

/* What is on a guest's system registers: filled by vmm_ops.get_system. */
struct guest_system {
	u64 cr0, cr2, cr3, cr4, efer;
	u64 fs_base, gs_base, kernel_gs_base, lstar;
	u64 cs_base, ds_base, es_base, ss_base;
	u64 idtr_base, gdtr_base;
	u32 idtr_limit;
	u32 cpl;
	u32 code_bits;		/* 16, 32 or 64: default operand/address mode */
};

/* Registers that can be pinned (pin.h). Of the tables it is the base. */
enum guarded {
	GUARD_CR0, GUARD_CR4, GUARD_EFER, GUARD_IDTR, GUARD_GDTR,
	GUARD_STAR, GUARD_LSTAR, GUARD_CSTAR, GUARD_SFMASK,
	GUARD_SYSENTER_CS, GUARD_SYSENTER_ESP, GUARD_SYSENTER_EIP,
	GUARDED
};

/* The life of a guest vCPU (SDM volume 3, "MP initialization protocol"). */
enum vcpu_run_state {
	VCPU_RUNNING,
	VCPU_WAIT_SIPI,		/* after INIT: waits in the host */
};

struct vcpu {
	struct guest_regs regs;
	void *vendor;		/* VMCB, or what vmx/ keeps of a VMCS */
	u64 vendor_pa;
	u32 index;
	bool is_control;

	/* Written by other CPUs, read by the owner before each entry. */
	volatile u32 pending_init;
	volatile u32 pending_sipi;	/* 0x100 | vector */
	volatile u32 flush;		/* SLAT changed: drop translations */
	/* Owned by the CPU that runs it. */
	enum vcpu_run_state state;
	bool os_started;		/* had a SIPI from an operating system */
	bool pinned;			/* its registers are held by pins */
	bool in_handler;		/* tick.c: takes an interrupt */
	volatile u32 nmi_pending;
	u64 tsc_offset;			/* what the guest's TSC is ahead */
	u64 hidden_reports;		/* log entries spent on hidden accesses */
	u64 exits[US_EXIT_KINDS];
	u64 host_since;			/* TSC: its CPU in the hypervisor */
	u64 host_tsc;			/* all such times together */
};

struct cpu {
	u32 index;
	u32 apic_id;
	struct vcpu *guest;
	volatile u32 kicked;	/* nmi.c: an NMI of the hypervisor's own is on its way */
	volatile u32 kick_given_up;	/* ... or was, and may still come */
	volatile u32 twin;	/* an NMI of ours may come twice: since when is it known */
	u64 twin_until;		/* TSC */
	volatile u32 held;	/* by which stop (stop.c), 0: none */
	volatile u32 online;	/* in the hypervisor */
	u32 hpet_seen;		/* the comparator at the HPET's last NMI */
	u8 guest_fpu[512] __attribute__((aligned(16)));
};

struct hypervisor {
	struct us_boot_info boot;
	const struct vmm_ops *ops;
	u64 base, end;		/* of the region */
	u64 arena, shadow;	/* its first two parts; the rest is hidden */
	u64 start_tsc;
	u64 image_bytes;
	u32 phys_bits;
	bool has_1g_pages, has_slat_1g;
	struct cpu cpu[MAX_CPUS];
	struct vcpu vcpu[MAX_CPUS];
};

extern struct hypervisor hv;

/* entry.S: addresses of the image's parts. */
extern u8 hv_image_start[], hv_text_end[], hv_rodata_end[], hv_image_end[];

/* Time since the hypervisor started. */
u64 time_ns(void);
u64 ns_from_tsc(u64 ticks);
u64 tsc_from_ms(u64 ms);

/* print.c: prints to the serial port, for boot failures and panics. Understands
 * %s %c %d %u %x %lx %lu %p with zero padding and width. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* log.c: what status commands read. */
void log_write(enum us_log_level level, u32 vcpu, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A warning that the guest can cause as often as it likes: it has room of its own, of
 * which the first ones keep theirs for good. */
void log_guest(u32 vcpu, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The same for what is no warning. */
void log_guest_info(u32 vcpu, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
u32 log_read(u64 first, struct us_log_entry *out, u32 max);

/* panic.c: prints and stops the machine. */
void __attribute__((noreturn, format(printf, 1, 2)))
panic(const char *format, ...);
bool panicking(void);

/* The CPU that runs this code: every host stack starts with a pointer to it. */
static inline struct cpu *this_cpu(void)
{
	u64 rsp;

	asm("mov %%rsp, %0" : "=r"(rsp));
	return *(struct cpu **)(rsp & ~(u64)(HOST_STACK - 1));
}

#endif
