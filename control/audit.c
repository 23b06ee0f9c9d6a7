/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is noted of the mapping, when it is looked at, and what a difference does. */
#include <string.h>

#include "audit.h"
#include "audit_checks.h"
#include "audit_walk.h"
#include "state.h"
#include "text.h"

#define MAX_SPANS	288u
#define MAX_SLOTS	256u
#define MAX_REPORTED	16u	/* differences that are remembered */
#define MAX_REPAIRS	1024u	/* in one look: two page tables full of them */
#define SAME_PAGE	32u	/* writes to a page from one check to the next */

static struct {
	bool active;
	u8 policy;		/* US_MAPPING_* */
	struct address_space space;	/* the kernel's own */
	u64 flush_gpa;		/* a sealed frame of text */
	struct audit_counts counts;
	u32 spans_used, slots_used;
	struct audit_span spans[MAX_SPANS];
	struct audit_slot slots[MAX_SLOTS];
	/* Differences that were logged and are still there. */
	u32 reported;
	u64 reported_at[MAX_REPORTED], reported_found[MAX_REPORTED];
	u64 last_page;		/* that audit_write() saw */
	u32 same_page;
} audit;

/* One look: what it found, and whether it may act on it. */
struct look {
	bool act;		/* all vCPUs are held: report, repair, halt */
	u32 differences;	/* not repaired */
	u32 repairs;
	struct audit_difference first;
};

void audit_reset(void)
{
	memset(&audit, 0, sizeof(audit));
}

void audit_get_counts(struct audit_counts *counts)
{
	*counts = audit.counts;
}

static struct audit_slot *find_slot(u64 gva)
{
	u32 i;

	gva = ALIGN_DOWN(gva, SIZE_2M);
	for (i = 0; i < audit.slots_used; i++)
		if (audit.slots[i].gva == gva)
			return &audit.slots[i];
	return NULL;
}

static struct audit_slot *need_slot(u64 gva)
{
	struct audit_slot *slot = find_slot(gva);

	if (slot || audit.slots_used == MAX_SLOTS)
		return slot;
	slot = &audit.slots[audit.slots_used++];
	memset(slot, 0, sizeof(*slot));
	slot->gva = ALIGN_DOWN(gva, SIZE_2M);
	return slot;
}

static const struct audit_span *find_span(u64 gva)
{
	u32 i;

	for (i = 0; i < audit.spans_used; i++)
		if (gva - audit.spans[i].gva < audit.spans[i].len)
			return &audit.spans[i];
	return NULL;
}

/* The end of the part of @span that lies in the slot of @gva. */
static u64 slot_end(const struct audit_span *span, u64 gva)
{
	u64 left = span->gva + span->len - gva;
	u64 room = SIZE_2M - (gva & (SIZE_2M - 1));

	return gva + (left < room ? left : room);
}

/* Is [gpa, gpa + 8) memory that the guest itself may write? An entry is not written
 * back where its tables merely say that its tables are. */
static bool guests_own(u64 gpa)
{
	const struct host_info *host = host_info();
	const struct audit_span *span;
	u32 i;

	if (spans_overlap(gpa, 8, host->arena_gpa, host->arena_len))
		return false;
	for (i = 0; i < audit.spans_used; i++) {
		span = &audit.spans[i];
		if (span->len && (span->frames ?
				  frames_overlap(span->frames, gpa, 8) :
				  spans_overlap(gpa, 8, span->gpa, span->len)))
			return false;
	}
	return true;
}

static bool repair(const struct audit_difference *difference)
{
	bool done = guests_own(difference->at) &&
		    !host_write(difference->at, &difference->wanted,
				sizeof(difference->wanted));

	guest_forget_tables();
	return done;
}

static void log_difference(const struct audit_difference *difference,
			   const char *what)
{
	struct text line = { 0 };

	text_string(&line, "mapping of ");
	text_hex(&line, difference->gva);
	text_string(&line, what);
	text_string(&line, "level ");
	text_decimal(&line, difference->level);
	text_string(&line, " ");
	text_hex(&line, difference->wanted);
	text_string(&line, " -> ");
	text_hex(&line, difference->found);
	host_log(US_LOG_ERROR, line.chars);
}

static void count(const struct audit_difference *difference)
{
	audit.counts.changes++;
	audit.counts.gva = difference->gva;
}

/* A difference that stays is told once, however often it is seen. */
static void tell(const struct audit_difference *difference)
{
	u32 i;

	for (i = 0; i < audit.reported; i++)
		if (audit.reported_at[i] == difference->at &&
		    audit.reported_found[i] == difference->found)
			return;
	if (audit.reported == MAX_REPORTED)
		return;
	audit.reported_at[audit.reported] = difference->at;
	audit.reported_found[audit.reported++] = difference->found;
	count(difference);
	log_difference(difference, " changed: ");
}

static bool repaired(struct look *look,
		     const struct audit_difference *difference)
{
	if (look->repairs == MAX_REPAIRS || !repair(difference))
		return false;
	count(difference);
	if (look->repairs++ < MAX_REPORTED)
		log_difference(difference, " repaired: ");
	return true;
}

/* True: repaired, look again. */
static bool act_on(struct look *look, const struct audit_difference *difference)
{
	if (audit.policy == US_MAPPING_REPAIR && repaired(look, difference))
		return true;
	tell(difference);
	if (audit.policy == US_MAPPING_HALT)
		host_halt("the mapping of sealed pages was changed");
	return false;
}

/* A page of @span is not mapped as noted. True: look again, or not at all. */
static bool found_difference(struct look *look, struct audit_span *span,
			     const struct audit_difference *difference)
{
	if (span->gone && span->gone(span->gva)) {
		span->len = 0;
		return true;
	}
	if (look->act && act_on(look, difference))
		return true;
	if (!look->differences++)
		look->first = *difference;
	return false;
}

static void look_at_span(struct look *look, const struct address_space *space,
			 bool own, struct audit_span *span)
{
	struct audit_difference difference;
	struct audit_slot *slot;
	u64 gva = span->gva;

	while (gva - span->gva < span->len) {
		slot = find_slot(gva);
		if (audit_walk(space, own, span, slot, gva, slot_end(span, gva),
			       &difference) ||
		    !found_difference(look, span, &difference))
			gva = slot_end(span, gva);
	}
}

static void look_at_space(struct look *look, const struct address_space *space,
			  bool own)
{
	u32 i;

	for (i = 0; i < audit.spans_used; i++)
		look_at_span(look, space, own, &audit.spans[i]);
}

/* The address space of vCPU @index, stopped. False: it has none yet. */
static bool vcpu_space(u32 index, struct address_space *space, bool *pinned)
{
	struct us_vcpu_state state;
	struct control_caller who = { .vcpu = index };

	if (host_vcpu(index, &state) || !state.started)
		return false;
	*pinned = state.pinned;
	who.cr0 = state.cr0;
	who.cr3 = state.cr3;
	who.cr4 = state.cr4;
	who.efer = state.efer;
	return !guest_caller_space(&who, space);
}

/* All vCPUs are held. */
static void look_stopped(struct look *look)
{
	struct address_space space;
	bool pinned;
	u32 i;

	guest_forget_tables();
	audit.counts.audits++;
	audit.counts.pinned = 0;
	look_at_space(look, &audit.space, true);
	for (i = 0; i < host_info()->vcpus; i++) {
		if (!vcpu_space(i, &space, &pinned))
			continue;
		audit.counts.pinned += pinned;
		look_at_space(look, &space, false);
	}
	if (!look->differences)
		audit.reported = 0;
	/* No vCPU may go on with a translation that was taken back: any change
	 * of permissions drops them all. */
	if (look->repairs && host_protect(audit.flush_gpa, PAGE_SIZE,
					  US_PROT_SEALED))
		host_log(US_LOG_ERROR, "mapping: translations stay cached");
}

enum us_error audit_stopped(void)
{
	struct look look = { .act = true };

	if (!audit.active)
		return US_OK;
	look_stopped(&look);
	if (!look.differences)
		return US_OK;
	return control_fail(US_E_MAPPING_CHANGED, look.first.gva,
			    look.first.found, NULL);
}

/* Something differed while the guest was running. Look again while it is not. */
static void confirm(const struct audit_difference *seen)
{
	struct look look = { .act = true };

	if (host_stop()) {
		tell(seen);	/* the next tick tries again */
		return;
	}
	look_stopped(&look);
	host_release();
	guest_forget_tables();
	if (!look.differences && !look.repairs) {
		count(seen);
		log_difference(seen, " changed and changed back: ");
	}
}

/* With the guest running: the kernel's own space, and @who's unless NULL. */
static void look_running(const struct control_caller *who)
{
	struct look look = { .act = false };
	struct address_space space;

	guest_forget_tables();
	audit.counts.audits++;
	look_at_space(&look, &audit.space, true);
	if (who && !guest_caller_space(who, &space))
		look_at_space(&look, &space, false);
	if (look.differences)
		confirm(&look.first);
	else
		audit.reported = 0;
}

void control_tick(const struct control_caller *who)
{
	if (audit.active)
		look_running(who);
}

/* Is the page's own entry as it was when last looked at? One read or two. */
static bool leaf_alike(const struct audit_slot *slot,
		       const struct audit_span *span, u64 gva)
{
	u64 at = (slot->path[3] & PTE_ADDRESS) + 8 * (gva / SIZE_2M & 511);
	u64 entry;

	if (host_read(at, &entry, sizeof(entry)) ||
	    !audit_entry_alike(entry, slot->path[2]))
		return false;
	if (entry & PTE_LARGE)
		return true;
	at = (entry & PTE_ADDRESS) + 8 * (gva / PAGE_SIZE & 511);
	return !host_read(at, &entry, sizeof(entry)) &&
	       (entry & PTE_PRESENT) &&
	       (entry & PTE_ADDRESS) == audit_span_frame(span, gva);
}

void audit_write(u64 gva)
{
	const struct audit_slot *slot = find_slot(gva);
	const struct audit_span *span = find_span(gva);

	gva = ALIGN_DOWN(gva, PAGE_SIZE);
	if (!slot || !span ||
	    (gva == audit.last_page && ++audit.same_page < SAME_PAGE))
		return;
	audit.last_page = gva;
	audit.same_page = 0;
	if (!leaf_alike(slot, span, gva))
		look_running(NULL);
}

static struct audit_span *new_span(void)
{
	u32 i;

	for (i = 0; i < audit.spans_used; i++)
		if (!audit.spans[i].len)
			return &audit.spans[i];
	return audit.spans_used < MAX_SPANS ? &audit.spans[audit.spans_used++] :
					      NULL;
}

/* Note @wanted if it is mapped as it says. */
static enum us_error add(const struct audit_span *wanted)
{
	struct audit_span *span = new_span();
	struct audit_difference difference;
	struct audit_slot *slot;
	u64 gva = wanted->gva;

	if (!span)
		return control_fail(US_E_MODULE_ROOM, MAX_SPANS, 0, NULL);
	span->len = 0;
	for (; gva - wanted->gva < wanted->len; gva = slot_end(wanted, gva)) {
		slot = need_slot(gva);
		if (!slot)
			return control_fail(US_E_MODULE_ROOM, MAX_SLOTS, 0, NULL);
		if (!audit_walk(&audit.space, true, wanted, slot, gva,
				slot_end(wanted, gva), &difference))
			return control_fail(US_E_KERNEL_MAPPING, difference.gva,
					    difference.found, NULL);
	}
	*span = *wanted;
	return US_OK;
}

static bool span_ok(u64 gva, u64 len, u64 flags)
{
	return IS_ALIGNED(gva | len, PAGE_SIZE) && len && span_valid(gva, len) &&
	       !(flags & ~AUDIT_FLAGS);
}

enum us_error audit_add(u64 gva, const struct frames *frames, u64 flags,
			bool (*gone)(u64 gva))
{
	const struct frame_run *last = &frames->runs[frames->count - 1];
	const u64 len = frames->count ? last->offset + last->len : 0;
	const struct audit_span span = {
		.gva = gva, .len = len, .frames = frames, .flags = flags,
		.gone = gone,
	};

	if (!span_ok(gva, len, flags))
		return control_fail(US_E_KERNEL_MAPPING, gva, len, NULL);
	return add(&span);
}

enum us_error audit_add_run(u64 gva, u64 len, u64 gpa, u64 flags)
{
	const struct audit_span span = {
		.gva = gva, .len = len, .gpa = gpa, .flags = flags,
	};

	if (!span_ok(gva, len, flags))
		return control_fail(US_E_KERNEL_MAPPING, gva, len, NULL);
	return add(&span);
}

void audit_remove(u64 gva)
{
	u32 i;

	for (i = 0; i < audit.spans_used; i++)
		if (audit.spans[i].gva == gva)
			audit.spans[i].len = 0;
}

/* What a page of the image may be mapped with. */
static bool rights_sane(const struct kernel *kernel, u64 gva, u64 flags)
{
	bool text = gva - kernel->text_gva < kernel->text_len;

	return !(flags & PTE_USER) && !(text && (flags & PTE_NX));
}

/* Note [gpa, gpa + len) at @gva, in pieces with equal rights. */
static enum us_error note_run(const struct kernel *kernel, u64 gva, u64 gpa,
			      u64 len)
{
	struct page_mapping found = { 0 };
	u64 start = 0, at, flags = 0;
	enum us_error error;

	for (at = 0; at < len; at += PAGE_SIZE) {
		if (guest_translate(&kernel->space, gva + at, &found) ||
		    !rights_sane(kernel, gva + at, found.flags))
			return control_fail(US_E_KERNEL_MAPPING, gva + at, 0,
					    NULL);
		if (at && found.flags != flags) {
			error = audit_add_run(gva + start, at - start,
					      gpa + start, flags);
			if (error)
				return error;
			start = at;
		}
		flags = found.flags;
	}
	return audit_add_run(gva + start, len - start, gpa + start, flags);
}

static enum us_error note_image(const struct kernel *kernel)
{
	const struct frame_run *run;
	enum us_error error = US_OK;
	u32 i;

	audit.space = kernel->space;
	for (i = 0; i < kernel->frames.count && !error; i++) {
		run = &kernel->frames.runs[i];
		error = note_run(kernel, kernel->text_gva + run->offset, run->gpa,
				 run->len);
	}
	return error;
}

/* Linux reads the IDT through a read-only alias (idt_map_in_cea() in
 * arch/x86/kernel/idt.c). */
static enum us_error note_idt(const struct kernel *kernel,
			      const struct audit_idt *idt)
{
	if (!idt->gva || find_span(idt->gva))
		return US_OK;
	return note_run(kernel, idt->gva, idt->gpa, PAGE_SIZE);
}

/* The address spaces of all vCPUs, none of which may be elsewhere already. */
static enum us_error check_spaces(void)
{
	struct look look = { .act = false };
	struct address_space space;
	bool pinned;
	u32 i;

	for (i = 0; i < host_info()->vcpus; i++)
		if (vcpu_space(i, &space, &pinned))
			look_at_space(&look, &space, false);
	return look.differences ?
		control_fail(US_E_KERNEL_MAPPING, look.first.gva,
			     look.first.found, NULL) : US_OK;
}

static enum us_error pin(void)
{
	enum us_error error = host_pin();

	if (!error || error == US_E_STOP_FAILED)
		return error ? control_fail(error, 0, 0, NULL) : US_OK;
	return control_fail(US_E_KERNEL_REGISTERS, US_MAX_VCPUS, error, NULL);
}

static enum us_error begin_stopped(const struct kernel *kernel,
				   const struct us_baseline_head *head,
				   struct us_seal_report *report)
{
	struct audit_idt idt = { 0 };
	enum us_error error;

	guest_forget_tables();
	error = audit_check_registers(kernel);
	if (!error)
		error = audit_check_idt(kernel, head, &idt);
	if (!error)
		error = note_image(kernel);
	if (!error)
		error = note_idt(kernel, &idt);
	if (!error)
		error = check_spaces();
	if (!error)
		error = pin();
	report->idt_gates = idt.gates;
	return error;
}

enum us_error audit_begin(const struct kernel *kernel,
			  const struct us_baseline_head *head,
			  struct us_seal_report *report)
{
	struct look look = { .act = false };
	enum us_error error;

	audit_reset();
	error = host_stop();
	if (error)
		return control_fail(error, 0, 0, NULL);
	error = begin_stopped(kernel, head, report);
	if (!error) {
		audit.active = true;
		audit.policy = head->header->policy[US_POLICY_MAPPING];
		audit.flush_gpa = kernel->frames.runs[0].gpa;
		look_stopped(&look);	/* counts what is pinned */
	}
	host_release();
	guest_forget_tables();
	if (error)
		audit_reset();
	return error;
}
