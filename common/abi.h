/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's view of Underseal: how a guest finds it and rings it.
 *
 * Detection: CPUID leaf US_CPUID_BASE (any mode, any privilege level).
 *	EAX = highest leaf of the range, EBX:ECX:EDX = "UndersealHyp".
 *	Leaf US_CPUID_BASE + 1: EAX = US_ABI_VERSION, EBX = product version as
 *	major << 16 | minor << 8 | patch, ECX = vCPUs, EDX = 0.
 *	Leaf US_CPUID_BASE + 2, subleaf (ECX) 0: EAX = enum us_control_state, EBX =
 *	changes carried out since start (apply, revert; modulo 2^32), ECX = EDX = 0.
 *	Subleaf 1 .. US_CHANGE_MAX / 16: once the control domain has died, 16 bytes each
 *	of the last change's label ("apply NAME generation N"), else 0. The hypervisor
 *	answers, so it is true whenever and however the control domain died.
 *
 * Requests: a caller fills a struct us_request in its own memory and rings the
 * doorbell. Three doorbells exist, because who may call is decided by the guest's
 * own rules for privileged instructions, never by anything the caller says:
 *
 *	- OUT to port US_DOORBELL_PORT with operand size 32. The processor checks
 *	  the I/O permission bitmap before the intercept, so a program gets there
 *	  only after ioperm(2), which needs CAP_SYS_RAWIO.
 *	- VMMCALL (AMD) or VMCALL (Intel) at CPL 0. At CPL 3 it raises #UD.
 *	- RDMSR of US_DOORBELL_MSR at CPL 0, for programs under a kernel in lockdown,
 *	  which refuses ioperm(2) but not X86_IOC_RDMSR_REGS of its msr driver
 *	  (CAP_SYS_RAWIO again). The kernel rings on the program's behalf, so the
 *	  request is treated as the program's: user pages only. It passes 32-bit
 *	  registers: EAX = US_CALL_MAGIC, EDX:EBX = address, EDI:ESI = ticket; EAX
 *	  returns the error. Interrupts are off in that driver, so US_E_AGAIN comes
 *	  whenever one is waiting; the caller rings again at once.
 *
 * Registers for the first two: EAX = US_CALL_MAGIC, RBX = linear address of the struct
 * us_request in the caller's address space, RCX = ticket. The ticket is a random
 * number, not 0, fresh for each request; it lets an interrupted request go on.
 *
 * On return RAX holds an enum us_error (common/errors.h), zero for success.
 * US_E_AGAIN means: not finished, ring again with the same registers after a
 * short sleep. All other registers keep their values. The doorbell may take
 * interrupts in between (the instruction restarts); nothing is lost by that.
 *
 * All structures are little-endian, naturally aligned, without hidden padding.
 */
#ifndef UNDERSEAL_ABI_H
#define UNDERSEAL_ABI_H

#include "types.h"

#define US_ABI_VERSION		4u

#define US_CPUID_BASE		0x40000000u
#define US_CPUID_MAX		0x40000002u
#define US_CPUID_SIGNATURE	"UndersealHyp"	/* 12 bytes, EBX ECX EDX */

#define US_DOORBELL_PORT	0x0780u
#define US_DOORBELL_MSR		0x400000f0u
#define US_CALL_MAGIC		0x55534c31u	/* "USL1" */

/* Upper bounds on what a caller may hand over, in bytes. */
#define US_MAX_BUNDLE		(512u << 10)
#define US_MAX_SIGNATURE	(4u << 10)
#define US_MAX_BASELINE		(64u << 20)
#define US_MAX_RESPONSE		(64u << 10)

#define US_MAX_VCPUS		8u
#define US_MAX_PATCHES		64u
#define US_BUILD_ID_MAX		32u
#define US_DIGEST_SIZE		32u	/* BLAKE2b-256 */
#define US_NAME_MAX		64u	/* with the final NUL */
#define US_CHANGE_MAX		96u	/* label of a change, with the final NUL */

enum us_op {
	US_OP_STATUS = 1,	/* out: struct us_status */
	US_OP_SEAL = 2,		/* in[0] baseline, in[1] its .minisig;
				 * out: struct us_seal_report */
	US_OP_APPLY = 3,	/* in[0] bundle, in[1] its .minisig,
				 * arg = deadline in ms | longest stop in us << 32
				 * (0: default); out: struct us_receipt */
	US_OP_REVERT = 4,	/* in[0] revert authorisation, in[1] its .minisig,
				 * arg as for apply; out: struct us_receipt. A
				 * bundle that is awaited is so no more */
	US_OP_LIST = 5,		/* out: struct us_patch_info[]: those installed, oldest
				 * first, then those awaited and not installed */
	US_OP_LOG = 6,		/* arg = first sequence number wanted;
				 * out: struct us_log_entry[] */
	US_OP_COUNTERS = 7,	/* out: struct us_counters */
	US_OP_SEAL_MODULE = 8,	/* in[0] module baseline, in[1] its .minisig; or
				 * in[0] the module's name and in[1] empty, for one
				 * without a baseline; out: struct us_module_info */
	US_OP_MODULES = 9,	/* out: struct us_module_info[] */
	US_OP_HEALTH = 10,	/* in[0] = bundle id: the server is well with that
				 * patch; ends its probation. out: struct
				 * us_patch_info */
	US_OP_AWAIT = 11,	/* in[0] bundle for a module that is not loaded, in[1]
				 * its .minisig: that module waits at the gate
				 * until the bundle is installed. out: struct
				 * us_patch_info */
	US_OP_MODULE_GATE = 12,	/* CPL 0 only; in[0] = a module's name. OK: its code may
				 * run. MODULE_WAITS: a bundle is awaited */
	US_OP_FAULT = 0x7f,	/* test images only: arg = enum us_fault */
};

/* What the test images can be told to break, to prove containment. */
enum us_fault {
	US_FAULT_HANG = 1,	/* control domain loops for ever */
	US_FAULT_CRASH = 2,	/* control domain touches an unmapped page */
	US_FAULT_HANG_STOPPED = 3, /* as 1, while all vCPUs are held */
};

/*
 * arg of US_OP_FAULT for a fault at a step of the next apply, revert or other change:
 * what happens there (US_FAULT_HANG or US_FAULT_CRASH), and the step, in bits 8 .. 15. It
 * is armed until a change comes to that step; arming again replaces it.
 */
#define US_FAULT_AT(fault, step)	((u64)(fault) | (u64)(step) << 8)

enum us_step {
	US_STEP_VERIFIED = 1,	/* the input's signature is good */
	US_STEP_PLANNED = 2,	/* looked at, nothing of the guest's changed */
	US_STEP_STAGED = 3,	/* the new code is in the arena, not mapped */
	US_STEP_PREPARE = 4,	/* before tasks that rest are looked at */
	US_STEP_PREPARED = 5,	/* before the stop */
	US_STEP_STOPPED = 6,	/* all vCPUs are held */
	US_STEP_CHECKED = 7,	/* mappings and expected bytes are right */
	US_STEP_COMMIT = 8,	/* nobody is inside: before the commit */
	US_STEP_COMMITTED = 9,	/* it is done, all vCPUs still held */
	US_STEP_RELEASED = 10,	/* the guest runs again */
	US_STEP_RECORDED = 11,	/* the list of patches has it */
	US_STEPS = 12,
};

/* Test images only: a call with this in EAX is a fault in the hypervisor itself. */
#define US_FAULT_MAGIC		0x55534654u	/* "USFT" */

struct us_span {
	u64 gva;		/* linear address in the caller's address space */
	u64 len;		/* bytes */
};

#define US_REQUEST_MAGIC	0x51525355u	/* "USRQ" */

struct us_request {
	u32 magic;		/* US_REQUEST_MAGIC */
	u16 version;		/* US_ABI_VERSION */
	u16 op;			/* enum us_op */
	u64 arg;		/* per operation, else 0 */
	struct us_span in[2];
	struct us_span out;	/* room for the response */
	/* Filled in by the control domain when the request is finished. */
	u32 status;		/* enum us_error */
	u32 out_len;		/* bytes written to out */
	u64 detail[2];		/* numbers that belong to the error, see errors.h */
	char text[US_NAME_MAX];	/* a name that belongs to the error, or "" */
};
static_assert(sizeof(struct us_request) == 152, "us_request layout");

enum us_seal_state {
	US_UNSEALED = 0,
	US_SEALED = 1,
};

/* A host that answers for a failed domain says how it failed. The domain itself is OK
 * whenever it answers; when it has failed on our hypervisor, every call returns
 * US_E_CONTROL_UNAVAILABLE and the serial line says why. */
enum us_control_state {
	US_CONTROL_OK = 0,
	US_CONTROL_HUNG = 1,	/* ran out of its time */
	US_CONTROL_CRASHED = 2,
};

struct us_status {
	u32 abi_version;	/* US_ABI_VERSION */
	u32 product_version;	/* major << 16 | minor << 8 | patch */
	u32 vcpus;
	u32 control_state;	/* enum us_control_state */
	u32 seal_state;		/* enum us_seal_state */
	u32 patches;		/* installed now */
	u64 generation;		/* highest ever installed in the kernel's own
				 * text since seal */
	u64 text_gva;		/* sealed text, 0 when unsealed */
	u64 text_len;
	u64 arena_gpa;
	u64 arena_len;
	u64 arena_used;
	u64 hidden_bytes;	/* memory kept from the guest, with page tables */
	u64 writes_allowed;	/* self-patching writes let through since seal */
	u64 writes_refused;	/* other writes to sealed text since seal */
	u64 audits;		/* looks at the mappings since seal */
	u64 mapping_changes;	/* differences found by them */
	u64 mapping_gva;	/* the last one's linear address */
	u32 modules_sealed;
	u32 modules_open;	/* known, and not protected */
	u32 probes;		/* kprobes set in sealed text now */
	u32 pinned_vcpus;	/* now */
	u8 policy[16];		/* as in the baseline's header */
	u8 build_id[US_BUILD_ID_MAX];
	u32 build_id_len;
	u32 reserved;
	char kernel[US_NAME_MAX]; /* release name from the baseline */
};
static_assert(sizeof(struct us_status) == 256, "us_status layout");

/* Kinds of self-patching site; the index into us_seal_report.sites. */
enum us_site_kind {
	US_SITE_ALTERNATIVE = 0,	/* .altinstructions */
	US_SITE_PARAVIRT = 1,		/* .parainstructions */
	US_SITE_RETPOLINE = 2,		/* .retpoline_sites */
	US_SITE_RETURN = 3,		/* .return_sites */
	US_SITE_SMP_LOCK = 4,		/* .smp_locks */
	US_SITE_FTRACE = 5,		/* __mcount_loc */
	US_SITE_JUMP_LABEL = 6,		/* __jump_table */
	US_SITE_STATIC_CALL = 7,	/* .static_call_sites, trampolines */
	US_SITE_OTHER = 8,		/* named by symbol in the baseline tool */
	US_SITE_CONSTANT = 9,		/* runtime constants: known when booted */
	US_SITE_ENDBR = 10,		/* .ibt_endbr_seal */
	US_SITE_KINDS = 11,
};

struct us_seal_report {
	u64 text_gva;
	u64 text_len;
	u64 slide;		/* KASLR: run address minus link address */
	u64 bytes_exact;	/* text, compared byte for byte */
	u64 bytes_enumerated;	/* text, one of the values listed for the place */
	u64 bytes_masked;	/* text, not compared */
	u64 rodata_exact;	/* constants, compared byte for byte */
	u64 rodata_as_found;	/* read-only after init: protected, not compared */
	u64 idt_gates;		/* gates of the IDT verified */
	u64 relocations;	/* applied to the baseline before comparing */
	u64 duration_ns;
	u32 sites[16];		/* count per enum us_site_kind */
	u32 masked[16];		/* bytes not compared, per enum us_site_kind */
	u8 policy[16];		/* as in the baseline's header */
	u8 build_id[US_BUILD_ID_MAX];
	u32 build_id_len;
	u32 reserved;
	char kernel[US_NAME_MAX];
};
static_assert(sizeof(struct us_seal_report) == 336, "us_seal_report layout");

enum us_module_state {
	US_MODULE_VERIFIED = 1,		/* against its baseline, and sealed */
	US_MODULE_UNVERIFIED = 2,	/* sealed as found */
	US_MODULE_UNPROTECTED = 3,	/* asked for, refused; @error says why */
};

struct us_module_info {
	char name[US_NAME_MAX];
	u32 state;		/* enum us_module_state */
	u32 error;		/* enum us_error */
	u64 text_gva;
	u64 text_len;		/* bytes sealed: whole pages */
	u64 bytes_exact;
	u64 bytes_enumerated;
	u64 bytes_masked;
	u64 relocations;
};
static_assert(sizeof(struct us_module_info) == 120, "us_module_info layout");

struct us_receipt {
	u8 bundle_id[US_DIGEST_SIZE];	/* BLAKE2b-256 of the whole bundle */
	u64 generation;
	u64 time_ns;		/* since the hypervisor started */
	u64 stop_ns;		/* all vCPUs held: the last stop, the commit */
	u64 total_ns;		/* from the doorbell to the receipt */
	u32 attempts;		/* stops that were tried, 1 = no retry */
	u32 functions;		/* functions redirected or restored */
	u64 bytes_written;	/* bytes of sealed text changed */
	u64 arena_offset;
	u64 arena_bytes;
	char name[US_NAME_MAX];
	char module[US_NAME_MAX]; /* whose text it changes; "": the kernel's */
	u32 replaced;		/* other patches taken out in the same stop */
	u32 writes;		/* variables changed, or put back */
	u64 shadow_offset;
	u64 shadow_bytes;
	u64 prepare_ns;		/* of total_ns: work before the first stop */
	u32 consistency;	/* enum us_consistency of the bundle */
	u32 only_awaited;	/* revert: 1: it was not installed, and has been awaited
				 * until now; no code has changed */
};
static_assert(sizeof(struct us_receipt) == 264, "us_receipt layout");

enum us_patch_state {
	US_PATCH_ACTIVE = 0,
	US_PATCH_PROBATION = 1,	/* health not confirmed; will be taken back */
	US_PATCH_AWAITED = 2,	/* not installed: its module waits for it */
};

struct us_patch_info {
	struct us_receipt receipt;
	u8 key_id[8];		/* minisign key id that signed the bundle */
	char description[US_NAME_MAX * 2];
	u32 state;		/* enum us_patch_state */
	u32 probation_left_ms;	/* PROBATION: 0: being taken back; else 0 */
};
static_assert(sizeof(struct us_patch_info) == 408, "us_patch_info layout");

enum us_log_level {
	US_LOG_INFO = 0,
	US_LOG_WARNING = 1,
	US_LOG_ERROR = 2,
	US_LOG_ALERT = 3,	/* said on the serial line, too */
};

/* One entry of the log ring. Sequence numbers start at 1 and never repeat. */
struct us_log_entry {
	u64 sequence;
	u64 time_ns;		/* since the hypervisor started */
	u32 level;		/* enum us_log_level */
	u32 vcpu;		/* who was running, or US_MAX_VCPUS */
	char text[104];		/* NUL-terminated */
};
static_assert(sizeof(struct us_log_entry) == 128, "us_log_entry layout");

/* Why a vCPU came into the hypervisor; the index into us_counters.exits. */
enum us_exit_kind {
	US_EXIT_CPUID = 0,
	US_EXIT_MSR = 1,
	US_EXIT_IO = 2,		/* intercepted ports, without the doorbell */
	US_EXIT_DOORBELL = 3,	/* either kind */
	US_EXIT_NMI = 4,	/* own kicks and the guest's NMIs */
	US_EXIT_SMI = 5,
	US_EXIT_INIT = 6,
	US_EXIT_APIC = 7,	/* write to a trapped local APIC */
	US_EXIT_TEXT_WRITE = 8,	/* write to sealed text */
	US_EXIT_HIDDEN = 9,	/* access to hidden memory */
	US_EXIT_MAP = 10,	/* first touch of address space mapped lazily */
	US_EXIT_OTHER = 11,
	US_EXIT_REGISTER = 12,	/* write to a pinned control or table register */
	US_EXIT_KINDS = 13,
};

struct us_counters {
	u64 time_ns;		/* since the hypervisor started */
	u64 exits[US_MAX_VCPUS][US_EXIT_KINDS];
	u64 hypervisor_ns;	/* all CPUs together: from each exit of the guest to the
				 * next entry, without control_ns and without the
				 * present call */
	u64 control_calls;	/* entries into the control domain */
	u64 control_ns;		/* time spent in it */
	u64 stops;
	u64 registers_refused;	/* changes of pinned registers */
	u64 hypervisor_bytes;	/* loaded image with its data */
	u64 control_bytes;
	u64 page_table_bytes;
};
static_assert(sizeof(struct us_counters) == 8 * (9 + 8 * 13), "us_counters");

#endif
