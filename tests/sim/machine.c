/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Building the simulated machine. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define TABLE_FLAGS	(PTE_PRESENT | PTE_WRITE | PTE_USER)
#define KERNEL_CODE	PTE_PRESENT
#define KERNEL_DATA	(PTE_PRESENT | PTE_WRITE | PTE_NX)
#define KERNEL_CONST	(PTE_PRESENT | PTE_NX)
#define USER_DATA	(PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_NX)

/* In SIM_LOW. */
#define TABLES		0x001000ull	/* page tables, up to TASKS */
#define TASKS		0x080000ull	/* task structs but init_task, 4 KiB each */
#define SIGNALS		0x090000ull	/* one for each task, 4 KiB each */
#define PER_CPU		0x0a0000ull	/* 4 KiB for each vCPU */
#define IRQ_STACK	0x0b0000ull	/* vCPU 1's, 16 KiB */
#define STACKS		0x0c0000ull	/* 16 KiB for each task */
#define EXCEPTIONS	0x0e8000ull	/* vCPU 1's exception stacks, 16 KiB */
#define SECOND_RUN	0x100000ull	/* of scattered text */

/* Members of the fake task_struct and signal_struct. */
#define TASK_STACK	0x18u
#define TASK_TASKS	0x100u
#define TASK_NODE	0x120u
#define TASK_SIGNAL	0x140u
#define TASK_PID	0x150u
#define TASK_ON_CPU	0x158u
#define TASK_NVCSW	0x160u
#define TASK_START	0x170u
#define TASK_COMM	0x180u
#define TASK_SP		0x200u
#define SIGNAL_HEAD	0x30u
#define PERCPU_CURRENT	0x40u
#define PERCPU_IRQ	0x48u
#define PERCPU_EXC	0x50u
#define PERCPU_RQ	0x100u
#define RQ_SWITCHES	0x08u
#define RQ_IDLE		0x20u

struct sim sim;

static const struct {
	const char *comm;
	u32 pid;
	enum sim_task leader;
} tasks[SIM_TASKS] = {
	[SIM_SWAPPER_0] = { "swapper/0", 0, SIM_SWAPPER_0 },
	[SIM_INIT] = { "init", 1, SIM_INIT },
	[SIM_CALLER] = { "caller", 42, SIM_CALLER },
	[SIM_THREAD] = { "thread", 43, SIM_CALLER },
	[SIM_SWAPPER_1] = { "swapper/1", 0, SIM_SWAPPER_1 },
};

static u32 build_options;

static void put64(u64 gpa, u64 value)
{
	memcpy(sim.memory + gpa, &value, sizeof(value));
}

static u64 get64(u64 gpa)
{
	u64 value;

	memcpy(&value, sim.memory + gpa, sizeof(value));
	return value;
}

u64 sim_image_gpa(u64 offset)
{
	if (offset >= 0x200000)
		return SIM_DATA + offset - 0x200000;
	if ((build_options & SIM_SCATTERED) && offset >= 0x10000)
		return SECOND_RUN + offset - 0x10000;
	return SIM_TEXT + offset;
}

u64 sim_image_gva(u64 offset)
{
	return SIM_LINK_BASE + sim.slide + offset;
}

/* The caller's pages lie in memory in a scrambled order. */
u64 sim_user_gpa(u64 gva)
{
	u64 page = (gva - SIM_USER_GVA) / PAGE_SIZE;

	return SIM_USER + (page ^ 0x155) * PAGE_SIZE + gva % PAGE_SIZE;
}

u64 sim_task_gva(enum sim_task task)
{
	return task == SIM_SWAPPER_0 ? sim_image_gva(SIM_INIT_TASK) :
				       SIM_DIRECT + TASKS + task * PAGE_SIZE;
}

static u64 task_gpa(enum sim_task task)
{
	return task == SIM_SWAPPER_0 ? sim_image_gpa(SIM_INIT_TASK) :
				       TASKS + task * PAGE_SIZE;
}

u64 sim_stack_gva(enum sim_task task)
{
	return SIM_STACKS + task * 2 * SIM_STACK_SIZE;
}

u64 sim_stack_word(enum sim_task task, u64 depth)
{
	return STACKS + (task + 1) * SIM_STACK_SIZE - depth;
}

u64 sim_task_member(enum sim_task task, u64 offset)
{
	return task_gpa(task) + offset;
}

u64 sim_percpu_member(u32 cpu, u64 offset)
{
	return PER_CPU + cpu * PAGE_SIZE + offset;
}

u64 sim_exception_stack_gpa(void)
{
	return EXCEPTIONS;
}

u64 sim_irq_stack_gpa(void)
{
	return IRQ_STACK;
}

u64 sim_irq_stack_end(void)
{
	return SIM_DIRECT + IRQ_STACK + SIM_STACK_SIZE;
}

void sim_map(u64 top, u64 gva, u64 gpa, u64 flags, u64 size)
{
	u32 level = size == SIZE_1G ? 3 : size == SIZE_2M ? 2 : 1;
	u64 table = top, at;
	u32 i;

	for (i = 4; i > level; i--) {
		at = table + 8 * (gva >> (12 + 9 * (i - 1)) & 511);
		if (!get64(at)) {
			put64(at, sim.next_table | TABLE_FLAGS);
			sim.next_table += PAGE_SIZE;
		}
		table = get64(at) & PTE_ADDRESS;
	}
	at = table + 8 * (gva >> (12 + 9 * (level - 1)) & 511);
	put64(at, gpa | flags | (level > 1 ? PTE_LARGE : 0));
}

static void map_text(void)
{
	u64 offset;

	if (!(build_options & SIM_SCATTERED)) {
		sim_map(sim.top_pgt, sim_image_gva(0), SIM_TEXT, KERNEL_CODE,
			SIZE_2M);
		return;
	}
	for (offset = 0; offset < 0x40000; offset += PAGE_SIZE)
		sim_map(sim.top_pgt, sim_image_gva(offset),
			sim_image_gpa(offset), KERNEL_CODE, PAGE_SIZE);
}

static bool is_constant(u64 offset)
{
	return (offset >= SIM_RODATA &&
		offset < SIM_AFTER_INIT + SIM_AFTER_INIT_LEN) ||
	       offset == SIM_IDT;
}

static void map_data(void)
{
	u64 offset;

	for (offset = 0x200000; offset < 0x400000; offset += PAGE_SIZE)
		sim_map(sim.top_pgt, sim_image_gva(offset),
			sim_image_gpa(offset),
			is_constant(offset) ? KERNEL_CONST : KERNEL_DATA,
			PAGE_SIZE);
	sim_map(sim.top_pgt, SIM_IDT_ALIAS, sim_image_gpa(SIM_IDT), KERNEL_CONST,
		PAGE_SIZE);
}

static void map_kernel(void)
{
	u64 level3 = sim_image_gpa(SIM_LEVEL3_PGT);
	u64 at;
	u32 i;

	sim.top_pgt = sim_image_gpa(SIM_INIT_TOP_PGT);
	put64(sim.top_pgt + 8 * 511, level3 | TABLE_FLAGS);
	put64(level3 + 8 * 510, sim_image_gpa(SIM_LEVEL2_PGT) | TABLE_FLAGS);
	map_text();
	map_data();
	for (at = 0; at < SIM_END; at += SIZE_2M)
		sim_map(sim.top_pgt, SIM_DIRECT + at, at, KERNEL_DATA, SIZE_2M);
	for (i = 0; i < SIM_TASKS; i++)
		for (at = 0; at < SIM_STACK_SIZE; at += PAGE_SIZE)
			sim_map(sim.top_pgt, sim_stack_gva(i) + at,
				STACKS + i * SIM_STACK_SIZE + at, KERNEL_DATA,
				PAGE_SIZE);
	/* Two exception stacks, a page that is not mapped below each. */
	for (i = 0; i < 4; i++)
		sim_map(sim.top_pgt, SIM_EXCEPTION_GVA + PAGE_SIZE *
			(i < 2 ? i + 1 : i + 2), EXCEPTIONS + i * PAGE_SIZE,
			KERNEL_DATA, PAGE_SIZE);
}

/* The caller's tables: an 8 KiB pair under PTI, whose second half lacks all of the
 * kernel but the page of the IDT. */
static void map_caller(void)
{
	u64 pair = ALIGN_UP(sim.next_table, 2 * PAGE_SIZE), at;

	sim.next_table = pair + 2 * PAGE_SIZE;
	sim.caller_pgt = pair;
	memcpy(sim.memory + pair + 2048, sim.memory + sim.top_pgt + 2048, 2048);
	for (at = 0; at < SIZE_2M; at += PAGE_SIZE)
		sim_map(pair, SIM_USER_GVA + at, sim_user_gpa(SIM_USER_GVA + at),
			USER_DATA, PAGE_SIZE);
	if (build_options & SIM_PTI) {
		memcpy(sim.memory + pair + PAGE_SIZE, sim.memory + pair, 2048);
		sim_map(pair + PAGE_SIZE, SIM_IDT_ALIAS, sim_image_gpa(SIM_IDT),
			KERNEL_CONST, PAGE_SIZE);
		sim.caller_pgt = pair + PAGE_SIZE;
	}
}

/* What the text holds in memory: relocated, and patched at some of its sites. */
static void load_text(void)
{
	static u8 text[SIM_TEXT_LEN];
	u64 value, i;

	memcpy(text, sim_linked, sizeof(text));
	for (i = 0; i < sim_reloc_count; i++) {
		const struct us_text_reloc *reloc = &sim_relocs[i];

		value = reloc->type == US_TEXT_SUB32 ? reloc->value - sim.slide :
						       reloc->value + sim.slide;
		memcpy(text + reloc->offset, &value,
		       reloc->type == US_TEXT_ADD64 ? 8 : 4);
	}
	for (i = 0; i < sim_site_count; i++)
		if (i % 2 && sim_sites[i].values)
			sim_value_bytes(&sim_sites[i], 1, sim.slide,
					text + sim_sites[i].offset);
		else if (!sim_sites[i].values)
			memset(text + sim_sites[i].offset, 0xa5,
			       sim_sites[i].len);
	for (i = 0; i < sim_runtime_count; i++)
		if (us_runtime_kind(&sim_runtime[i]) == US_RUN_FTRACE)
			memcpy(text + sim_runtime[i].offset,
			       "\x0f\x1f\x44\x00\x00", 5);
	for (i = 0; i < SIM_TEXT_LEN; i++)
		sim.memory[sim_image_gpa(i)] = text[i];
	memcpy(sim.memory + sim_image_gpa(SIM_NOTE), sim_build_id,
	       SIM_BUILD_ID_LEN);
}

void sim_set_gate(u32 vector, u64 handler, u8 type, u8 ist)
{
	u64 at = sim_image_gpa(SIM_IDT) + 16 * vector;
	u64 gva = sim_image_gva(handler);

	put64(at, (gva & 0xffff) | 0x10 << 16 | (u64)ist << 32 |
		  (u64)type << 40 | (gva >> 16 & 0xffff) << 48);
	put64(at + 8, gva >> 32);
}

/* As Linux has it: int3, overflow and the 32-bit system call for programs, stacks
 * of their own for five, and some vectors that nobody uses. */
static void load_constants(void)
{
	static const u8 stacks[32] = { [1] = 3, [2] = 2, [8] = 1, [18] = 4 };
	u32 i;
	u8 type;

	memcpy(sim.memory + sim_image_gpa(SIM_RODATA), sim_constants,
	       SIM_RODATA_LEN);
	for (i = 0; i < 256; i++) {
		type = i == 3 || i == 4 || i == 0x80 ? 0xee : 0x8e;
		if (i < 22 || i > 31)
			sim_set_gate(i, SIM_GATES + 8 * i, type,
				     i < 32 ? stacks[i] : 0);
	}
}

static void link_list(u64 node_gpa, u64 next_gva)
{
	put64(node_gpa, next_gva);
}

static void make_task(enum sim_task task)
{
	u64 gpa = task_gpa(task), leader = tasks[task].leader;
	u64 signal = SIGNALS + leader * PAGE_SIZE;

	put64(gpa + TASK_STACK, sim_stack_gva(task));
	put64(gpa + TASK_SP, sim_stack_gva(task) + SIM_STACK_SIZE - 0x200);
	put64(gpa + TASK_SIGNAL, SIM_DIRECT + signal);
	put64(gpa + TASK_PID, tasks[task].pid);
	put64(gpa + TASK_ON_CPU, task == SIM_CALLER || task == SIM_SWAPPER_1);
	put64(gpa + TASK_NVCSW, 10 + task);
	put64(gpa + TASK_START, 1000 + task);
	strcpy((char *)sim.memory + gpa + TASK_COMM, tasks[task].comm);
	/* A group of its own, until a thread joins. */
	if (task == leader) {
		link_list(signal + SIGNAL_HEAD, sim_task_gva(task) + TASK_NODE);
		link_list(gpa + TASK_NODE, SIM_DIRECT + signal + SIGNAL_HEAD);
		/* And backwards. */
		link_list(gpa + TASK_NODE + 8, SIM_DIRECT + signal + SIGNAL_HEAD);
	} else {
		link_list(task_gpa(leader) + TASK_NODE,
			  sim_task_gva(task) + TASK_NODE);
		link_list(gpa + TASK_NODE, SIM_DIRECT + signal + SIGNAL_HEAD);
		link_list(gpa + TASK_NODE + 8, sim_task_gva(leader) + TASK_NODE);
	}
}

static void make_tasks(void)
{
	u32 i;

	for (i = 0; i < SIM_TASKS; i++)
		make_task(i);
	link_list(task_gpa(SIM_SWAPPER_0) + TASK_TASKS,
		  sim_task_gva(SIM_INIT) + TASK_TASKS);
	link_list(task_gpa(SIM_INIT) + TASK_TASKS,
		  sim_task_gva(SIM_CALLER) + TASK_TASKS);
	link_list(task_gpa(SIM_CALLER) + TASK_TASKS,
		  sim_task_gva(SIM_SWAPPER_0) + TASK_TASKS);
}

static void make_cpus(void)
{
	u64 percpu, table = sim_image_gpa(SIM_PER_CPU_OFFSET);
	u32 i;

	put64(sim_image_gpa(SIM_NR_CPU_IDS), SIM_VCPUS);
	put64(sim_image_gpa(SIM_PANIC_CPU), ~0u);
	for (i = 0; i < SIM_VCPUS; i++) {
		struct us_vcpu_state *vcpu = &sim.vcpus[i];

		percpu = PER_CPU + i * PAGE_SIZE;
		put64(table + 8 * i, SIM_DIRECT + percpu);
		put64(percpu + PERCPU_CURRENT,
		      sim_task_gva(i ? SIM_SWAPPER_1 : SIM_CALLER));
		put64(percpu + PERCPU_IRQ, i ? sim_irq_stack_end() - 8 : 0);
		put64(percpu + PERCPU_EXC, i ? SIM_EXCEPTION_GVA : 0);
		put64(percpu + PERCPU_RQ + RQ_SWITCHES, 5000);
		put64(percpu + PERCPU_RQ + RQ_IDLE,
		      sim_task_gva(i ? SIM_SWAPPER_1 : SIM_SWAPPER_0));
		vcpu->started = 1;
		vcpu->lstar = sim_image_gva(SIM_ENTRY_SYSCALL);
		vcpu->cr0 = 1ull << 31 | 1ull << 16 | 1;
		vcpu->cr4 = 1ull << 21 | 1ull << 20 | 1ull << 11 | 1ull << 5;
		vcpu->efer = 1ull << 11 | 1ull << 10 | 1ull << 8 | 1;
		vcpu->cr3 = i ? sim.top_pgt : sim.caller_pgt;
		vcpu->idtr_base = SIM_IDT_ALIAS;
		vcpu->idtr_limit = 0xfff;
	}
	sim.vcpus[0].cpl = 3;
	sim.vcpus[0].rip = SIM_USER_GVA;
	sim.vcpus[0].kernel_gs_base = SIM_DIRECT + PER_CPU;
	sim.vcpus[1].cpl = 0;
	sim.vcpus[1].rip = sim_image_gva(0x25110);
	sim.vcpus[1].rsp = sim_stack_gva(SIM_SWAPPER_1) + SIM_STACK_SIZE - 0x100;
	sim.vcpus[1].gs_base = SIM_DIRECT + PER_CPU + PAGE_SIZE;
}

static void fill_info(const void *keys, u64 keys_len)
{
	sim.info = (struct host_info) {
		.vcpus = SIM_VCPUS,
		.guest_phys_bits = 40,
		.product_version = 1 << 8,
		.arena_gpa = SIM_ARENA,
		.arena_len = SIZE_2M,
		.shadow_gpa = SIM_SHADOW,
		.shadow_len = SIZE_2M,
		.hidden_bytes = SIM_END - SIM_HIDDEN,
		.keys = keys,
		.keys_len = keys_len,
	};
}

void sim_build(u32 options, const void *keys, u64 keys_len)
{
	u8 *memory = sim.memory;

	if (!memory)
		memory = malloc(SIM_END);
	if (!memory)
		abort();
	if (!sim_site_count)
		sim_make_text();
	memset(&sim, 0, sizeof(sim));
	memset(memory, 0, SIM_END);
	sim.memory = memory;
	sim.slide = SIM_SLIDE;
	sim.next_table = TABLES;
	sim.protect_error = US_E_NO_MEMORY;
	build_options = options;
	fill_info(keys, keys_len);
	map_kernel();
	map_caller();
	load_text();
	load_constants();
	make_tasks();
	make_cpus();
	if (control_init())
		abort();
	sim_snapshot();
}

void sim_user_write(u64 gva, const void *bytes, u64 len)
{
	const u8 *at = bytes;
	u64 part;

	for (; len; gva += part, at += part, len -= part) {
		part = PAGE_SIZE - gva % PAGE_SIZE;
		part = len < part ? len : part;
		sim_poke(sim_user_gpa(gva), at, part);
	}
}

void sim_user_read(u64 gva, void *bytes, u64 len)
{
	u8 *at = bytes;

	for (; len; len--, gva++)
		*at++ = sim.memory[sim_user_gpa(gva)];
}

struct control_caller sim_caller(u64 request_gva)
{
	return (struct control_caller) {
		.vcpu = 0,
		.cpl = 3,
		.cr0 = sim.vcpus[0].cr0,
		.cr3 = sim.caller_pgt | 7,	/* with a PCID */
		.cr4 = sim.vcpus[0].cr4,
		.efer = sim.vcpus[0].efer,
		.request_gva = request_gva,
	};
}
