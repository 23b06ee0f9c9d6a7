/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The line between hypervisor and control domain.
 *
 * The control domain is a machine of its own: one vCPU, ring 0, 64-bit mode,
 * flat memory, no devices, no interrupts. Its guest-physical space starts at 0
 * and holds nothing but its image, its heap and the pages below:
 *
 *	US_CONTROL_BASE		image: text R-X, rodata R--, data and bss RW-
 *	after the image		guard page, stack (US_CONTROL_STACK), guard page
 *	mailbox_gpa		one page, struct us_mailbox, RW-
 *	keys_gpa		trusted public keys, R--
 *	heap_gpa		heap, RW-
 *	US_CONTROL_WINDOW	the guest's memory, R--: see below
 *
 * Linear address = guest-physical address for all of it but the window. Its page tables are
 * made by the hypervisor, are outside its own address space and cannot be
 * changed by it. Everything not listed is unmapped; a touch of it, any
 * exception, HLT, I/O, CPUID or MSR access ends the control domain for good
 * ("crashed"). RDTSC and LGDT are allowed (it loads FS from a table of its own).
 * SSE2 may be used, AVX may not.
 *
 * The window holds what the guest has as memory, with arena and shadow memory: guest-physical address
 * A at linear address US_CONTROL_WINDOW + A, in the ranges that the mailbox lists and
 * nowhere else. Neither hidden memory nor device space is behind it; it is
 * read-only and not executable by the domain's page tables, which it cannot reach,
 * and by its SLAT. So it gives the domain nothing that a verb would not give it (there was one
 * for reading, by the same rules): it can be read without leaving the domain, which is
 * what makes a stop short. The guest may change all of it at any time that it is not held:
 * what is to be believed is copied first.
 *
 * At the entry point RDI holds the mailbox's address and RSP the stack's end as the
 * System V ABI wants it at a function's entry (RSP + 8 is a multiple of 16).
 *
 * Verbs: VMMCALL (AMD) or VMCALL (Intel; the mailbox says which) with RAX = verb
 * and arguments in RDI, RSI, RDX. RAX returns an enum us_error.
 * All other registers are kept.
 */
#ifndef UNDERSEAL_CONTROL_ABI_H
#define UNDERSEAL_CONTROL_ABI_H

#include "abi.h"
#include "boot_abi.h"

#define US_CONTROL_BASE		0x200000ull
#define US_CONTROL_STACK	(64u << 10)
#define US_CONTROL_WINDOW	0x400000000000ull

/* Header at the very start of control.bin; see build/control.lds. */
#define US_CONTROL_MAGIC	0x314c5254434c5355ull	/* "USLCTRL1" */

struct us_control_header {
	u64 magic;
	u64 entry;	/* linear address of the first instruction */
	u64 text_end;	/* linear addresses, page aligned: */
	u64 rodata_end;
	u64 file_end;	/* end of what control.bin holds */
	u64 mem_end;	/* end of bss */
};

enum us_event {
	US_EV_NONE = 0,		/* backoff time is over, nothing happened */
	US_EV_REQUEST = 1,	/* a new request: cr3, cr4, efer, request_gva */
	US_EV_CLAIM = 2,	/* the caller of the finished request is back and
				 * is held: write status and response to it */
	US_EV_TEXT_WRITE = 3,	/* guest wants to write a sealed frame: judge it */
	US_EV_TICK = 4,		/* time to look at the guest's mappings: at least
				 * once a second while pins are set; cr0, cr3, cr4,
				 * efer are those of event_vcpu. Its result means
				 * nothing. Not posted inside a request's backoff
				 * more often than that either */
	US_EV_RESET = 5,	/* the guest is about to reset the machine. Its result
				 * means nothing */
};

struct us_mailbox {
	/* Constant after start. */
	u32 vcpus;
	u32 product_version;
	u64 tsc_khz;
	u64 start_tsc;		/* TSC when the hypervisor started: nanosecond 0 */
	u64 arena_gpa;		/* in the guest's physical space */
	u64 arena_len;
	u64 shadow_gpa;		/* right behind it */
	u64 shadow_len;
	u64 hidden_bytes;
	u64 keys_gpa;		/* in the control domain's space */
	u64 keys_len;
	u64 heap_gpa;
	u64 heap_len;
	u32 vmcall;		/* 0: verbs by VMMCALL, 1: by VMCALL */
	u32 guest_phys_bits;	/* guest-physical addresses are below 1 << this */
	/* Written by the hypervisor before HV_WAIT returns. */
	u32 event;		/* enum us_event */
	u32 event_vcpu;
	u64 cr3, cr4, efer, cr0; /* US_EV_REQUEST, US_EV_CLAIM: the caller's */
	u64 request_gva;	/* the same two */
	u64 write_gpa;		/* US_EV_TEXT_WRITE: first byte */
	u64 write_rip;		/* guest's instruction pointer */
	u64 write_gva;		/* linear address used by the guest */
	u32 write_len;		/* 1 .. sizeof(write_bytes), in one page */
	u32 cpl;		/* US_EV_REQUEST, US_EV_CLAIM: the caller's. At 3 only
				 * user pages are read and written for it */
	u8 write_bytes[64];
	/* The frame as it is now around the write: around_len bytes from write_gpa -
	 * around_before on, cut at the frame's ends; at least 8 bytes on either
	 * side of the write where the frame has them. */
	u32 around_before;
	u32 around_len;
	u8 write_around[96];
	/* What lies behind the window; constant after start. */
	u32 ram_ranges;
	u32 reserved;
	struct us_ram_range ram[US_BOOT_MAX_RAM + 1]; /* disjoint */
};
static_assert(sizeof(struct us_mailbox) <= PAGE_SIZE, "the mailbox is one page");

/* Architectural state of one guest vCPU while all are stopped. */
struct us_vcpu_state {
	u32 started;		/* 0: waits for its first SIPI; nothing else valid */
	u32 cpl;
	u64 rip, rsp, rflags, cr0, cr3, cr4, efer;
	u64 gs_base, kernel_gs_base, lstar;
	u64 idtr_base, gdtr_base;
	u32 idtr_limit;
	u32 pinned;		/* 1: its registers are held by HV_PIN */
	u64 gprs[16];		/* RAX RCX RDX RBX RSP RBP RSI RDI R8..R15 */
};

/* One write of a change that is done whole or not at all (HV_COMMIT). */
struct us_commit_write {
	u64 gpa;
	u32 len;		/* 1 .. sizeof(bytes), within one frame */
	u32 reserved;		/* 0 */
	u8 bytes[16];
};
static_assert(sizeof(struct us_commit_write) == 32, "us_commit_write layout");

#define US_COMMIT_MAX	4608u	/* writes of one change */

struct us_commit {
	u64 writes;		/* of struct us_commit_write[count], in the domain */
	u32 count;		/* 1 .. US_COMMIT_MAX */
	u32 reserved;		/* 0 */
	char label[US_CHANGE_MAX]; /* "apply NAME generation N"; ends in a NUL */
};

/* Permissions of guest frames in the guest's SLAT. */
enum us_prot {
	US_PROT_OPEN = 0,	/* RWX: ordinary memory */
	US_PROT_SEALED = 1,	/* R-X: writes are US_EV_TEXT_WRITE */
	US_PROT_READ_ONLY = 2,	/* R--: the same, and nothing is executed there */
};

enum us_verb {
	/*
	 * HV_WAIT(result, backoff_ms): ends the current event with @result (an
	 * enum us_error: for a request its status, for a text write OK has the
	 * hypervisor carry it out and lets the guest's instruction retire,
	 * anything else refuses it) and returns when
	 * the next event is in the mailbox. With @backoff_ms not 0 the current
	 * event (a request) does not end: the caller gets US_E_AGAIN, and the
	 * verb returns US_EV_NONE once the time is over, or US_EV_TEXT_WRITE or
	 * US_EV_TICK earlier; that one is answered by the next HV_WAIT, whose
	 * @result is its result and whose @backoff_ms goes on with the request's
	 * wait. Never fails.
	 */
	US_HV_WAIT = 1,
	/*
	 * HV_WRITE(gpa, buffer, len): copies from the control domain into guest
	 * memory. len <= 1 MiB. GUEST_ADDRESS when any byte lies in hidden memory, in
	 * device space or beyond the end of memory. Sealed frames and the arena may
	 * be written: this and HV_COMMIT are the ways to do it.
	 */
	US_HV_WRITE = 3,
	/*
	 * HV_PROTECT(gpa, len, prot): page-aligned. On return no vCPU can use the
	 * old permission any more. GUEST_ADDRESS, BAD_REQUEST, STOP_FAILED,
	 * NO_MEMORY (no page table left to split a large page); nothing is
	 * changed then.
	 */
	US_HV_PROTECT = 4,
	/*
	 * HV_STOP(ns): brings all other vCPUs into the hypervisor and holds them.
	 * STOP_FAILED when one does not come within @ns nanoseconds, 2 s at most and
	 * for 0 (all are released then).
	 * Bounded: a control domain that keeps a stop too long is ended.
	 */
	US_HV_STOP = 5,
	/* HV_RELEASE(): RAX returns for how many nanoseconds a vCPU was held at most:
	 * from the call of HV_STOP on. */
	US_HV_RELEASE = 6,
	/* HV_VCPU(index, struct us_vcpu_state *): BAD_REQUEST unless stopped. */
	US_HV_VCPU = 7,
	/* HV_LOG(level, text, len): appends to the log ring, len <= 103; at level
	 * US_LOG_ALERT the line goes to the serial port, too. */
	US_HV_LOG = 8,
	/* HV_LOG_READ(first_sequence, struct us_log_entry *, max_entries):
	 * RAX returns the number of entries copied, oldest first. */
	US_HV_LOG_READ = 9,
	/* HV_COUNTERS(struct us_counters *) */
	US_HV_COUNTERS = 10,
	/*
	 * HV_PIN(): from now on the registers that guard the kernel keep the values
	 * they have: CR0.PE, WP and PG; those bits of CR4.PAE, SMEP, SMAP and UMIP
	 * that are set; EFER.LME, LMA, NXE and SCE; LSTAR, STAR, CSTAR, SFMASK and
	 * the SYSENTER MSRs; the base of IDTR, and of each vCPU's GDTR. A change
	 * that the guest asks for is refused with #GP and logged. All vCPUs must be
	 * held (HV_STOP). STOP_FAILED when they are not; BAD_REQUEST when the
	 * started vCPUs do not agree in what they should agree in, or CR0.WP is
	 * clear; nothing is pinned then. A vCPU that starts later is pinned once it
	 * has the values of the others. Also starts US_EV_TICK.
	 */
	US_HV_PIN = 12,
	/*
	 * HV_HALT(text, len): the last word. The line goes to the log and to the
	 * serial port, and no guest vCPU runs again. Does not return.
	 */
	US_HV_HALT = 13,
	/*
	 * HV_COMMIT(struct us_commit *): makes a change of guest memory that is done
	 * whole or not at all, whatever becomes of the control domain: one verb,
	 * during which it does not run. Every write is checked as HV_WRITE would,
	 * then all are done in order, those of 1, 2, 4 or 8 bytes by one store each.
	 * The label goes to the log, and is told as the last change when the control
	 * domain has died: on the serial line and by CPUID (abi.h). All vCPUs must be held:
	 * STOP_FAILED. BAD_REQUEST, GUEST_ADDRESS; nothing is written then.
	 */
	US_HV_COMMIT = 14,
	/*
	 * HV_GUARD_EXECUTION(): from now on the guest executes with supervisor
	 * addresses what lies in sealed frames (US_PROT_SEALED) and in the arena, and
	 * nothing else: a fetch from elsewhere is a page fault. Programs are not
	 * concerned. All vCPUs must be held: STOP_FAILED. HOST_FAILED when the
	 * processor has no such permission (Intel's mode-based execute control);
	 * nothing has changed then.
	 */
	US_HV_GUARD_EXECUTION = 15,
};

#endif
