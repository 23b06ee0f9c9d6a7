/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "control_domain.h"

#include <string.h>

#include "apic.h"
#include "commit.h"
#include "lock.h"
#include "memory.h"
#include "pages.h"
#include "slat.h"
#include "stop.h"
#include "version.h"
#include "watchdog.h"
#include "window.h"

#define TABLE_RESERVE	256	/* pages kept for SLAT tables */
#define OWN_TABLES	(64u << 20)	/* the domain's page tables, in its physical
					 * space: above all else but the window */
#define MAX_HEAP	(4u << 20)
#define LOCK_WAIT_US	100

struct control control;

static struct lock domain_lock;
static u8 control_fpu[512] __attribute__((aligned(16)));
static u64 *own_root;		/* the domain's page tables */
static u64 *slat_root;
static u64 table_next;		/* where they lie in its physical space */

static void save_fpu(u8 *area)
{
	asm volatile("fxsave64 (%0)" :: "r"(area) : "memory");
}

static void restore_fpu(const u8 *area)
{
	asm volatile("fxrstor64 (%0)" :: "r"(area) : "memory");
}

/* Its page tables live in its physical space, since the walker looks there, but at
 * no linear address. */
static u64 *new_own_table(u64 *entry)
{
	u64 *table = page_alloc();

	if (!table || !slat_map_page(slat_root, table_next, virt_to_phys(table),
				     SLAT_OPEN))
		return NULL;
	if (entry)
		*entry = table_next | PTE_PRESENT | PTE_WRITE;
	table_next += PAGE_SIZE;
	return table;
}

/* Before the rest is laid out, which gets what pages are left. */
static enum us_error map_window(void)
{
	slat_root = slat_new_root();
	table_next = OWN_TABLES;
	own_root = slat_root ? new_own_table(NULL) : NULL;
	return own_root ? window_map(slat_root, own_root, new_own_table) :
		US_E_NO_MEMORY;
}

/* Its tables as the host sees them; they hold addresses of the domain's own space. */
struct own_tables {
	u64 *pdpt, *pd, *pt[8];
};

static bool make_own_tables(struct own_tables *t, u64 end)
{
	t->pdpt = new_own_table(&own_root[0]);
	t->pd = t->pdpt ? new_own_table(&t->pdpt[0]) : NULL;
	for (u64 i = 0; t->pd && i * SIZE_2M < end; i++) {
		if (i >= ARRAY_SIZE(t->pt))
			return false;
		t->pt[i] = new_own_table(&t->pd[i]);
		if (!t->pt[i])
			return false;
	}
	return t->pd;
}

enum page_use { USE_TEXT, USE_RODATA, USE_DATA };

static bool map_own(struct own_tables *t, u64 start, u64 end, enum page_use use)
{
	static const u64 flags[] = {
		[USE_TEXT] = PTE_PRESENT,
		[USE_RODATA] = PTE_PRESENT | PTE_NX,
		[USE_DATA] = PTE_PRESENT | PTE_WRITE | PTE_NX,
	};

	for (u64 at = start; at < end; at += PAGE_SIZE) {
		t->pt[at / SIZE_2M][at >> PAGE_SHIFT & 511] = at | flags[use] |
			PTE_ACCESSED | PTE_DIRTY;
		if (!slat_map_page(slat_root, at, at + control.offset,
				   use == USE_TEXT ? SLAT_SEALED :
				   use == USE_DATA ? SLAT_OPEN : SLAT_READ_ONLY))
			return false;
	}
	return true;
}

static bool header_ok(const struct us_control_header *h, u64 file_len)
{
	return file_len >= sizeof(*h) && h->magic == US_CONTROL_MAGIC &&
		h->text_end > US_CONTROL_BASE && h->text_end <= h->rodata_end &&
		h->rodata_end <= h->file_end && h->file_end <= h->mem_end &&
		h->mem_end <= US_CONTROL_BASE + (9u << 20) &&
		h->file_end - US_CONTROL_BASE == file_len &&
		IS_ALIGNED(h->text_end | h->rodata_end, PAGE_SIZE) &&
		h->entry >= US_CONTROL_BASE && h->entry < h->text_end;
}

static void fill_mailbox(u64 keys_gpa)
{
	*control.mailbox = (struct us_mailbox) {
		.vcpus = hv.boot.cpus,
		.product_version = US_PRODUCT_VERSION,
		.tsc_khz = hv.boot.tsc_khz,
		.arena_gpa = hv.arena,
		.arena_len = hv.boot.arena_len,
		.shadow_gpa = hv.shadow,
		.shadow_len = hv.boot.shadow_len,
		.hidden_bytes = hv.end - hv.base,
		.keys_gpa = keys_gpa,
		.keys_len = hv.boot.keys_len,
		.heap_gpa = control.heap_start,
		.heap_len = control.heap_end - control.heap_start,
		.vmcall = hv.ops->vmcall,
		.guest_phys_bits = hv.phys_bits,
		.start_tsc = hv.start_tsc,
	};
	window_describe(control.mailbox);
}

/* Where its parts lie, with a page unmapped on either side of the stack. */
struct layout {
	u64 mailbox, keys;
	u64 pages;		/* in all */
};

/* Whatever pages are left beside the reserve become the heap. */
static enum us_error lay_out(const struct us_control_header *h,
			     struct layout *at)
{
	u64 fixed, heap;

	control.rodata_end = h->rodata_end;
	control.image_end = ALIGN_UP(h->mem_end, PAGE_SIZE);
	control.stack_start = control.image_end + PAGE_SIZE;
	control.stack_end = control.stack_start + US_CONTROL_STACK;
	at->mailbox = control.stack_end + PAGE_SIZE;
	at->keys = at->mailbox + PAGE_SIZE;
	control.heap_start = at->keys + ALIGN_UP(hv.boot.keys_len, PAGE_SIZE);
	fixed = (control.heap_start - US_CONTROL_BASE) / PAGE_SIZE;
	if (pages_free() < fixed + TABLE_RESERVE)
		return US_E_NO_MEMORY;
	heap = pages_free() - fixed - TABLE_RESERVE;
	if (heap > MAX_HEAP / PAGE_SIZE)
		heap = MAX_HEAP / PAGE_SIZE;
	control.heap_end = control.heap_start + heap * PAGE_SIZE;
	at->pages = fixed + heap;
	control.bytes = at->pages * PAGE_SIZE;
	return US_OK;
}

static bool map_all(const struct us_control_header *h, const struct layout *at)
{
	struct own_tables tables = { 0 };

	return make_own_tables(&tables, control.heap_end) &&
		map_own(&tables, US_CONTROL_BASE, h->text_end, USE_TEXT) &&
		map_own(&tables, h->text_end, h->rodata_end, USE_RODATA) &&
		map_own(&tables, h->rodata_end, control.image_end, USE_DATA) &&
		map_own(&tables, control.stack_start, control.stack_end,
			USE_DATA) &&
		map_own(&tables, at->mailbox, at->keys, USE_DATA) &&
		map_own(&tables, at->keys, control.heap_start, USE_RODATA) &&
		map_own(&tables, control.heap_start, control.heap_end, USE_DATA);
}

static void start_state(const struct us_control_header *h, u64 mailbox)
{
	control.vcpu.is_control = true;
	control.vcpu.index = MAX_CPUS;
	control.vcpu.regs.gpr[GPR_RDI] = mailbox;
	/* The System V ABI wants RSP + 8 aligned at a function's entry. */
	hv.ops->vcpu_control(&control.vcpu, h->entry, control.stack_end - 8,
			     OWN_TABLES, virt_to_phys(slat_root));
	/* x87 and SSE as after reset, with exceptions masked. */
	*(u16 *)control_fpu = 0x37f;
	*(u32 *)(control_fpu + 24) = 0x1f80;
}

enum us_error control_init(void)
{
	const struct us_control_header *h =
		own_phys_to_virt(hv.boot.control_image);
	enum us_error error;
	struct layout at;
	u8 *memory;

	if (!header_ok(h, hv.boot.control_image_len))
		return US_E_BAD_IMAGE;
	error = map_window();
	if (!error)
		error = lay_out(h, &at);
	if (error)
		return error;
	memory = pages_alloc(at.pages);
	if (!memory)
		return US_E_NO_MEMORY;
	control.offset = virt_to_phys(memory) - US_CONTROL_BASE;
	memcpy(memory, h, hv.boot.control_image_len);
	memcpy((void *)(at.keys + control.offset),
	       own_phys_to_virt(hv.boot.keys), hv.boot.keys_len);
	control.mailbox = (void *)(at.mailbox + control.offset);
	fill_mailbox(at.keys);
	if (!map_all(h, &at))
		return US_E_NO_MEMORY;
	start_state(h, at.mailbox);
	return US_OK;
}

void control_start(struct cpu *cpu)
{
	control_lock();
	control.state = CONTROL_RUNNABLE;
	control.budget_tsc = tsc_from_ms(SHORT_BUDGET_MS);
	control_run(cpu, true);
	control_unlock();
}

bool control_lock(void)
{
	u64 limit = rdtsc() + tsc_from_ms(1) * LOCK_WAIT_US / 1000;

	while (!lock_try(&domain_lock)) {
		stop_poll();
		cpu_pause();
		if (rdtsc() > limit) {
			control_check_overdue(control.budget_tsc /
					      hv.boot.tsc_khz);
			return false;
		}
	}
	return true;
}

bool control_try_lock(void)
{
	return lock_try(&domain_lock);
}

void control_unlock(void)
{
	lock_drop(&domain_lock);
}

static void die(enum us_control_state why, const struct vmexit *exit)
{
	const struct guest_regs *regs = &control.vcpu.regs;
	const char *last = commit_last()[0] ? commit_last() : "none";

	control.health = why;
	control.state = CONTROL_DEAD;
	if (control.stopped) {
		control.stopped = false;
		stop_end();
	}
	if (why == US_CONTROL_HUNG) {
		log_write(US_LOG_ERROR, MAX_CPUS,
			  "control domain ran out of its time, rip %lx",
			  regs->rip);
		print("underseal: control domain ran out of its time, rip %lx\n"
		      "underseal: last change: %s\n", regs->rip, last);
		return;
	}
	log_write(US_LOG_ERROR, MAX_CPUS,
		  "control domain crashed: exit %lx info %lx %lx rip %lx",
		  exit->code, exit->info1, exit->info2, regs->rip);
	print("underseal: control domain crashed: exit %lx info %lx %lx rip %lx\n"
	      "underseal: last change: %s\n", exit->code, exit->info1, exit->info2,
	      regs->rip, last);
}

/* Run the domain up to its next exit. On the only CPU, where the processor has no timer
 * for that, the guest's interrupts are held back by the watchdog, since nobody else
 * could end the run. */
static void run_domain(struct cpu *cpu, bool masked, struct vmexit *exit)
{
	bool watched = masked && hv.boot.cpus == 1 &&
		!hv.ops->timed_control;
	u64 ran;

	control.run_by = cpu;
	control.run_since = rdtsc();
	if (watched)
		watchdog_arm();
	hv.ops->run(cpu, &control.vcpu, masked && !watched, exit);
	if (watched && exit->kind == VMEXIT_INTERRUPT && !watchdog_ticked())
		hv.ops->run(cpu, &control.vcpu, true, exit);
	if (watched)
		watchdog_disarm();
	ran = rdtsc() - control.run_since;
	control.run_since = 0;
	control.used_tsc += ran;
	control.tsc += ran;
	cpu->guest->host_since += ran;	/* that was not the hypervisor's */
}

static bool stopped_too_long(void)
{
	return control.stopped && rdtsc() - control.stopped_since >
		tsc_from_ms(STOP_LIMIT_MS);
}

/* One run of the domain. False: the guest wants the CPU for an interrupt. */
static bool run_once(struct cpu *cpu, bool masked)
{
	struct vmexit exit;

	run_domain(cpu, masked, &exit);
	switch (exit.kind) {
	case VMEXIT_HYPERCALL:
		control_verb(cpu);
		break;
	case VMEXIT_INTERRUPT:
		if (!masked && control.used_tsc <= control.budget_tsc)
			return false;
		break;
	case VMEXIT_DONE:
		break;
	case VMEXIT_NMI:
	case VMEXIT_SMI:
		hv.ops->accept_pending();
		break;
	case VMEXIT_INIT:
		hv.ops->accept_pending();
		cpu->guest->pending_init = 1;
		break;
	default:
		die(US_CONTROL_CRASHED, &exit);
		return true;
	}
	if (control.used_tsc > control.budget_tsc || stopped_too_long() ||
	    __atomic_exchange_n(&control.overdue, 0, __ATOMIC_ACQ_REL))
		die(US_CONTROL_HUNG, &exit);
	return true;
}

bool control_run(struct cpu *cpu, bool masked)
{
	bool waits = true;

	if (control.state != CONTROL_RUNNABLE)
		return true;
	save_fpu(cpu->guest_fpu);
	restore_fpu(control_fpu);
	while (control.state == CONTROL_RUNNABLE) {
		if (!run_once(cpu, masked || control.stopped)) {
			waits = false;
			break;
		}
		stop_poll();
	}
	hv.ops->put_down(&control.vcpu);
	save_fpu(control_fpu);
	restore_fpu(cpu->guest_fpu);
	return waits;
}

void control_post(enum us_event event, const struct vcpu *vcpu, u64 budget_ms)
{
	struct us_mailbox *mailbox = control.mailbox;

	mailbox->event = event;
	mailbox->event_vcpu = vcpu->index;
	control.event = event;
	control.calls++;
	control.used_tsc = 0;
	control.budget_tsc = tsc_from_ms(budget_ms);
	control.state = CONTROL_RUNNABLE;
}

void control_resume(void)
{
	control.mailbox->event = US_EV_NONE;
	control.event = US_EV_REQUEST;
	/* A text write in the meantime had a budget of its own. */
	control.used_tsc = control.request.used_tsc;
	control.budget_tsc = tsc_from_ms(REQUEST_BUDGET_MS);
	control.state = CONTROL_RUNNABLE;
}

void control_check_overdue(u64 limit_ms)
{
	u64 since = control.run_since;

	if (since && rdtsc() - since > tsc_from_ms(limit_ms)) {
		control.overdue = 1;
		apic_kick(control.run_by);
	}
}
