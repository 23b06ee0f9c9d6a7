/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A simulated machine: the third implementation of control/host.h. It holds a
 * small guest whose kernel is fake but structurally real: text with self-patching
 * sites and KASLR relocations, a build id, four-level page tables, a task list
 * with threads, kernel and interrupt stacks, per-CPU areas, and a calling process.
 *
 * There is one machine. Everything the core does to it goes through host.h, is
 * checked against that contract (broken rules count in sim.violations), and can
 * be made to fail.
 */
#ifndef UNDERSEAL_SIM_H
#define UNDERSEAL_SIM_H

#include "baseline.h"
#include "core.h"
#include "page_walk.h"

/* Guest-physical layout. */
#define SIM_LOW		0x000000ull	/* tables, tasks, stacks, per-CPU areas */
#define SIM_TEXT	0x200000ull	/* first 2 MiB of the image */
#define SIM_DATA	0x400000ull	/* second 2 MiB of the image */
#define SIM_USER	0x600000ull	/* the caller's pages */
#define SIM_ARENA	0x800000ull
#define SIM_SHADOW	0xa00000ull
#define SIM_HIDDEN	0xc00000ull	/* 1 MiB that host.h refuses */
#define SIM_END		0xd00000ull
#define SIM_PAGES	(SIM_END / PAGE_SIZE)

/* Linear layout. */
#define SIM_LINK_BASE	0xffffffff81000000ull
#define SIM_DIRECT	0xffff888000000000ull	/* all of memory */
#define SIM_IDT_ALIAS	0xfffffe0000000000ull	/* where the IDTR points */
#define SIM_STACKS	0xffffc90000000000ull
#define SIM_USER_GVA	0x10000000ull		/* 2 MiB in scattered 4 KiB pages */
#define SIM_SLIDE	0x1c000000ull

/* The fake image, by image offset. */
#define SIM_TEXT_LEN		0x25123ull
#define SIM_NOTE		0x30010ull
#define SIM_INIT_TOP_PGT	0x200000ull
#define SIM_LEVEL3_PGT		0x201000ull
#define SIM_LEVEL2_PGT		0x202000ull
#define SIM_INIT_TASK		0x204000ull
#define SIM_PER_CPU_OFFSET	0x208000ull
#define SIM_NR_CPU_IDS		0x208800ull
#define SIM_PANIC_CPU		0x208900ull	/* 4 bytes: -1 */
#define SIM_RODATA		0x210000ull	/* constants */
#define SIM_RODATA_LEN		0x4000ull
#define SIM_AFTER_INIT		0x214000ull
#define SIM_AFTER_INIT_LEN	0x2000ull
#define SIM_IDT			0x218000ull	/* one page; not next to the others */
#define SIM_GATES		0x200ull	/* vector's handler: + 8 * vector */
#define SIM_IMAGE_END		0x3ff000ull
/* The guest's list of modules, and offsets in its struct module; core_layout's form. */
#define SIM_MODULES		0x2e0000ull
#define SIM_MODULE_LIST		0x08ull
#define SIM_MODULE_NAME		0x18ull
#define SIM_MODULE_PERCPU	0x58ull
#define SIM_MODULE_AREAS	0x80ull
#define SIM_ENTRY_SYSCALL	0x80ull
#define SIM_RETURN_TO_HANDLER	0xc0ull
#define SIM_FENTRY		0xb00u	/* what ftrace calls, and one 0x20 above */
#define SIM_THUNK		0xb80u	/* return thunk, and one 0x20 above */
#define SIM_CALLEE		0x4000u	/* of static calls; others are a class */

/* Functions start every 4 KiB from 0x1000 on, with a 5-byte ftrace site first. */
#define SIM_FUNCTION		0x1000ull
#define SIM_FUNCTION_SIZE	0xf0ull

#define SIM_TASKS	5u	/* see enum sim_task */
#define SIM_STACK_SIZE	0x4000ull
#define SIM_EXCEPTION_STACKS 0x6000ull	/* guard, 8 KiB, guard, 8 KiB */
#define SIM_EXCEPTION_GVA 0xfffffe0000100000ull	/* vCPU 1's */
#define SIM_VCPUS	2u
#define SIM_BUILD_ID_LEN 20u

enum sim_task {
	SIM_SWAPPER_0,		/* init_task, sleeps */
	SIM_INIT,		/* pid 1, sleeps */
	SIM_CALLER,		/* pid 42, runs on vCPU 0 in user mode */
	SIM_THREAD,		/* pid 43, a thread of the caller's, sleeps */
	SIM_SWAPPER_1,		/* on no list; runs on vCPU 1 at CPL 0 */
};

struct sim {
	u8 *memory;		/* SIM_END bytes */
	u8 prot[SIM_PAGES];	/* enum us_prot */
	struct host_info info;
	u64 slide;
	u64 top_pgt;		/* GPA of init_top_pgt */
	u64 caller_pgt;		/* GPA of the caller's top table */
	u64 next_table;		/* GPA of the next free table page */
	struct us_vcpu_state vcpus[US_MAX_VCPUS];
	u64 now;		/* nanoseconds */
	bool stopped;
	u64 stopped_since;
	bool pinned;		/* host_pin() was called */
	bool execution_guarded;	/* host_guard_execution() was called */
	bool halted;		/* host_halt() was called */
	u32 reads;		/* calls of host_read() */
	u32 stops, backoffs, commits, logs, violations;
	char last_change[US_CHANGE_MAX];	/* label of the last commit */
	u32 alerts;		/* lines for the serial port */
	char last_log[104];
	char all_logs[16384];	/* one a line, cut at the end */

	/* What to break; 0 means not at all. Counted down at each call. */
	u32 fail_stop;		/* the n-th stop fails */
	u32 fail_write;		/* the n-th write fails */
	u32 die_at;		/* on_break() before the n-th operation that changes
				 * anything, a commit counting twice */
	u32 fail_commit;	/* the n-th host_commit() fails */
	u32 fail_protect;	/* the n-th change of permissions fails */
	enum us_error protect_error;	/* with this */
	enum us_error pin_error;	/* host_pin() fails with this, unless OK */
	enum us_error guard_error;	/* and host_guard_execution() with this */
	/* Guest activity, called before the operation is carried out. */
	void (*on_read)(u64 gpa, u64 len);
	void (*on_stop)(void);
	void (*on_release)(void);
	void (*on_backoff)(void);
	void (*on_protect)(void);
	/* Before and after host_commit() has done its writes. To let the core die there,
	 * leave by longjmp(): nothing of it is called any more. */
	void (*on_commit)(bool done);
	/* host_break(): leaves by longjmp(), too. */
	void (*on_break)(enum us_fault how);
};

extern struct sim sim;

/* Options for sim_build(). */
#define SIM_SCATTERED	1u	/* text in 4 KiB pages, in two physical runs */
#define SIM_PTI		2u	/* the caller rings with its user page table */

/* Make the machine anew, with @keys (concatenated .pub files) trusted, and start
 * the core on it. */
void sim_build(u32 options, const void *keys, u64 keys_len);

/* Remember memory and permissions as they are; later: has the core changed a
 * byte or a permission since? */
void sim_snapshot(void);
bool sim_unchanged(void);

/* The guest's own changes: not the core's, so sim_unchanged() ignores them. */
void sim_poke(u64 gpa, const void *bytes, u64 len);
void sim_poke64(u64 gpa, u64 value);

u64 sim_image_gpa(u64 offset);	/* where an image offset lies */
u64 sim_image_gva(u64 offset);	/* at which linear address it runs */
u64 sim_user_gpa(u64 gva);	/* where a byte of the caller's memory lies */
void sim_user_write(u64 gva, const void *bytes, u64 len);
void sim_user_read(u64 gva, void *bytes, u64 len);

/* Map one page; makes tables as needed. */
void sim_map(u64 top, u64 gva, u64 gpa, u64 flags, u64 size);

/* GPA of the 8 bytes @depth bytes below the top of a task's kernel stack. */
u64 sim_stack_word(enum sim_task task, u64 depth);
/* Linear addresses of a task's struct and stack. */
u64 sim_task_gva(enum sim_task task);
u64 sim_stack_gva(enum sim_task task);
/* GPAs of what lies @offset bytes into a task's struct, or a CPU's own area; the
 * offsets are in tests/unit/maker.c. */
u64 sim_task_member(enum sim_task task, u64 offset);
u64 sim_percpu_member(u32 cpu, u64 offset);
/* GPA of vCPU 1's exception stacks, without the pages between them. */
u64 sim_exception_stack_gpa(void);
/* GPA of vCPU 1's interrupt stack and the linear address of its end. */
u64 sim_irq_stack_gpa(void);
u64 sim_irq_stack_end(void);

/* Registers of the calling vCPU for a request at @request_gva. */
struct control_caller sim_caller(u64 request_gva);

/* The kernel's text as linked, and its description. */
extern u8 sim_linked[SIM_TEXT_LEN];
extern const u8 sim_build_id[SIM_BUILD_ID_LEN];
/* Boot-time sites, sorted, with what may stand there; none: masked. */
struct sim_value {
	u8 bytes[16];		/* as linked */
	u8 field, type;		/* a field at @field, unless that is 0 */
};
struct sim_site {
	u32 offset;
	u16 len;
	u8 kind;		/* enum us_site_kind */
	u8 values;
	struct sim_value value[2];
};
extern struct sim_site sim_sites[256];
extern u32 sim_site_count;
/* The bytes of value @index as they are when the kernel runs @slide higher. */
void sim_value_bytes(const struct sim_site *site, u32 index, u64 slide, u8 *bytes);

/* As in a baseline. */
extern struct us_runtime_site sim_runtime[512];
extern u32 sim_runtime_count;
extern struct us_entry sim_entries[512];
extern u32 sim_entry_count;
extern struct us_text_reloc sim_relocs[512];
extern u32 sim_reloc_count;
extern u8 sim_probes[(SIM_TEXT_LEN + 7) / 8];

/* What the image's constants hold, as linked and as loaded: no field of theirs
 * moves. */
extern u8 sim_constants[SIM_RODATA_LEN];

/* Put a gate for image offset @handler into the IDT: @type as in byte 5. */
void sim_set_gate(u32 vector, u64 handler, u8 type, u8 ist);

/* Make text, sites and relocations; once is enough. */
void sim_make_text(void);

/* A branch of @len bytes at image offset @offset to @target, an image offset too. */
void sim_branch(u8 *bytes, u32 len, u8 opcode, u32 offset, u64 target);

/* A store of the guest's to a frame that is not open, as a host hands it over: judged,
 * and carried out when it is allowed. It does not count as the core's change. */
enum us_error sim_guest_write(u64 gpa, const void *bytes, u32 len);

#endif
