/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "arena.h"
#include "kernel_map.h"
#include "state.h"

/* PTI keeps a process' user half one page above its kernel half, both in an 8 KiB
 * pair (arch/x86/include/asm/pgtable.h, PTI_PGTABLE_SWITCH_BIT). */
#define PTI_USER_HALF	PAGE_SIZE

u64 kernel_symbol(const struct kernel *kernel, enum us_fact fact)
{
	return kernel->text_gva + kernel->facts[fact];
}

static const u8 task_members[] = {
	US_FACT_TASK_TASKS, US_FACT_TASK_THREAD_NODE, US_FACT_TASK_SIGNAL,
	US_FACT_TASK_STACK, US_FACT_TASK_THREAD_SP, US_FACT_TASK_COMM,
	US_FACT_TASK_PID,
	/* May be absent: */
	US_FACT_TASK_ON_CPU, US_FACT_TASK_NVCSW, US_FACT_TASK_NIVCSW,
	US_FACT_TASK_START_TIME,
};
#define TASK_NEEDED	7u	/* of them */

/* The largest is comm[TASK_COMM_LEN]; list heads have as many bytes. */
#define TASK_MEMBER_MAX	16u

/* The part of a task_struct that holds all members of interest. */
static u64 find_task_span(const u64 *facts, u64 *first)
{
	u64 low = ~0ull, high = 0;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(task_members); i++) {
		u64 offset = facts[task_members[i]];

		if (i >= TASK_NEEDED && offset == US_FACT_ABSENT)
			continue;
		if (offset < low)
			low = offset;
		if (offset > high)
			high = offset;
	}
	*first = low;
	return high - low + TASK_MEMBER_MAX;
}

/* Facts are signed, but a wrong one must not lead to arithmetic that wraps. */
static bool facts_ok(const struct us_baseline_header *header)
{
	static const u8 offsets[] = {
		US_FACT_ENTRY_SYSCALL, US_FACT_BUILD_ID_NOTE, US_FACT_IMAGE_END,
		US_FACT_LEVEL2_KERNEL_PGT, US_FACT_INIT_TOP_PGT,
		US_FACT_INIT_TASK, US_FACT_PER_CPU_OFFSET, US_FACT_NR_CPU_IDS,
	};
	static const u8 percpu[] = {
		US_FACT_PERCPU_RUNQUEUES, US_FACT_RQ_NR_SWITCHES,
		US_FACT_RQ_IDLE, US_FACT_PERCPU_EXCEPTION_STACKS,
		US_FACT_PERCPU_HARDIRQ_STACK,
	};
	const u64 *facts = header->facts;
	const struct us_range *last = &header->ranges[header->range_count - 1];
	u64 first;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(offsets); i++)
		if (facts[offsets[i]] > KERNEL_WINDOW_LEN)
			return false;
	for (i = 0; i < ARRAY_SIZE(task_members); i++)
		if (facts[task_members[i]] > (64u << 10) &&
		    (i < TASK_NEEDED ||
		     facts[task_members[i]] != US_FACT_ABSENT))
			return false;
	for (i = 0; i < ARRAY_SIZE(percpu); i++)
		if (facts[percpu[i]] >= SIZE_1G &&
		    facts[percpu[i]] != US_FACT_ABSENT)
			return false;
	return find_task_span(facts, &first) <= KERNEL_MAX_TASK_SPAN &&
	       facts[US_FACT_SIGNAL_THREAD_HEAD] <= (64u << 10) &&
	       facts[US_FACT_PERCPU_CURRENT_TASK] < SIZE_1G &&
	       facts[US_FACT_THREAD_SIZE] >= PAGE_SIZE &&
	       facts[US_FACT_THREAD_SIZE] <= (64u << 10) &&
	       IS_ALIGNED(facts[US_FACT_LINK_BASE], SIZE_2M) &&
	       IS_ALIGNED(facts[US_FACT_INIT_TOP_PGT], PAGE_SIZE) &&
	       IS_ALIGNED(facts[US_FACT_LEVEL2_KERNEL_PGT], PAGE_SIZE) &&
	       (u64)last->offset + last->len <=
	       ALIGN_UP(facts[US_FACT_IMAGE_END], PAGE_SIZE);
}

static void describe(const struct us_baseline_header *header,
		     struct kernel *kernel)
{
	memset(kernel, 0, sizeof(*kernel));
	memcpy(kernel->facts, header->facts, sizeof(kernel->facts));
	memcpy(kernel->build_id, header->build_id, sizeof(kernel->build_id));
	memcpy(kernel->name, header->kernel, sizeof(kernel->name));
	memcpy(kernel->policy, header->policy, sizeof(kernel->policy));
	kernel->task_span = find_task_span(kernel->facts, &kernel->task_first);
	kernel->build_id_len = header->build_id_len;
	kernel->text_len = header->text_len;
	kernel->image_len = kernel->facts[US_FACT_IMAGE_END];
	kernel->pages_len = ALIGN_UP(header->text_len, PAGE_SIZE);
}

/* The caller's LSTAR points at entry_SYSCALL_64 (syscall_init() in
 * arch/x86/kernel/cpu/common.c), which gives the slide. */
static enum us_error find_slide(const struct control_caller *who,
				struct kernel *kernel)
{
	struct us_vcpu_state state;
	enum us_error error;
	u64 last;

	error = host_stop();
	if (error)
		return control_fail(error, 0, 0, NULL);
	error = host_vcpu(who->vcpu, &state);
	host_release();
	guest_forget_tables();
	if (error)
		return control_fail(error, 0, 0, NULL);
	kernel->slide = state.lstar - kernel->facts[US_FACT_LINK_BASE] -
			kernel->facts[US_FACT_ENTRY_SYSCALL];
	kernel->text_gva = kernel->facts[US_FACT_LINK_BASE] + kernel->slide;
	last = KERNEL_WINDOW + KERNEL_WINDOW_LEN -
	       kernel->facts[US_FACT_IMAGE_END];
	if (!IS_ALIGNED(kernel->slide, SIZE_2M) ||
	    kernel->text_gva < KERNEL_WINDOW || kernel->text_gva > last)
		return control_fail(US_E_KERNEL_NOT_FOUND, state.lstar, 0, NULL);
	return US_OK;
}

/* The half of the caller's address space that maps the kernel. */
static enum us_error kernel_half(const struct control_caller *who,
				 const struct kernel *kernel,
				 struct address_space *space,
				 struct page_mapping *root)
{
	u64 gva = kernel_symbol(kernel, US_FACT_INIT_TOP_PGT);
	enum us_error error;

	error = guest_caller_space(who, space);
	if (error)
		return error;
	error = guest_translate(space, gva, root);
	if (!error || !(space->cr3 & PTI_USER_HALF))
		return error;
	space->cr3 &= ~PTI_USER_HALF;
	return guest_translate(space, gva, root);
}

static enum us_error check_build_id(const struct kernel *kernel)
{
	u64 gva = kernel_symbol(kernel, US_FACT_BUILD_ID_NOTE);
	u8 found[US_BUILD_ID_MAX];

	if (guest_read(&kernel->space, gva, found, kernel->build_id_len))
		return control_fail(US_E_KERNEL_NOT_FOUND, gva, 0, NULL);
	if (memcmp(found, kernel->build_id, kernel->build_id_len))
		return control_fail(US_E_KERNEL_BUILD_ID, gva, 0, NULL);
	return US_OK;
}

enum us_error kernel_find(const struct control_caller *who,
			  const struct us_baseline_header *header,
			  struct kernel *kernel)
{
	struct address_space space;
	struct page_mapping root;
	enum us_error error;

	if (!facts_ok(header))
		return control_fail(US_E_BASELINE_FIELD, 0, 0, NULL);
	describe(header, kernel);
	error = find_slide(who, kernel);
	if (error)
		return error;
	error = kernel_half(who, kernel, &space, &root);
	if (error)
		return control_fail(US_E_KERNEL_NOT_FOUND,
				    kernel_symbol(kernel, US_FACT_INIT_TOP_PGT),
				    0, NULL);
	kernel->space = space;
	kernel->space.cr3 = root.gpa;
	return check_build_id(kernel);
}

/* Text is executed and constants are not; nobody but the kernel uses either. The
 * SLAT write-protects text whatever its pages say; the others are read-only for the
 * kernel by its own will (mark_rodata_ro(), idt_setup_apic_and_irq_gates()), or it
 * would be sealed too early. */
static bool flags_ok(u32 kind, u64 flags)
{
	if (kind == US_RANGE_TEXT)
		return !(flags & (PTE_NX | PTE_USER));
	return (flags & PTE_NX) && !(flags & (PTE_WRITE | PTE_USER));
}

/* The mappings of one page, the kernel's own and the caller's. */
static bool same_page(const struct kernel *kernel,
		      const struct address_space *space, u64 gva,
		      struct page_mapping *own)
{
	struct page_mapping callers;

	return !guest_translate(&kernel->space, gva, own) &&
	       !guest_translate(space, gva, &callers) &&
	       own->gpa == callers.gpa && own->flags == callers.flags;
}

static enum us_error map_range(struct kernel *kernel,
			       const struct address_space *space,
			       const struct us_range *range)
{
	u64 end = ALIGN_UP((u64)range->offset + range->len, PAGE_SIZE);
	struct page_mapping page;
	u64 offset, gva;

	for (offset = range->offset; offset < end; offset += PAGE_SIZE) {
		gva = kernel->text_gva + offset;
		if (!same_page(kernel, space, gva, &page) ||
		    !flags_ok(range->kind, page.flags) ||
		    arena_overlaps(page.gpa, PAGE_SIZE) ||
		    !frames_add(&kernel->frames, offset, page.gpa, range->kind))
			return control_fail(US_E_KERNEL_MAPPING, gva, 0, NULL);
	}
	return US_OK;
}

enum us_error kernel_map_image(const struct control_caller *who,
			       const struct us_baseline_header *header,
			       struct kernel *kernel)
{
	struct page_mapping root;
	struct address_space space;
	enum us_error error = US_OK;
	u32 i;

	kernel->frames = (struct frames) { kernel->runs, 0, KERNEL_MAX_RUNS };
	if (kernel_half(who, kernel, &space, &root))
		return control_fail(US_E_KERNEL_MAPPING, kernel->text_gva, 0, NULL);
	for (i = 0; i < header->range_count && !error; i++)
		error = map_range(kernel, &space, &header->ranges[i]);
	return error;
}

bool kernel_overlaps(const struct kernel *kernel, u64 gpa, u64 len)
{
	return frames_overlap(&kernel->frames, gpa, len);
}

enum us_error kernel_read(const struct kernel *kernel, u64 offset, void *dst,
			  u64 len)
{
	return frames_read(&kernel->frames, offset, dst, len);
}
