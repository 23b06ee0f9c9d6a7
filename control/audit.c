/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When the mapping is looked at, and what a difference does. */
#include <string.h>

#include "audit_state.h"
#include "state.h"
#include "text.h"

#define MAX_REPAIRS	1024u	/* in one look: two page tables full of them */
#define SAME_PAGE	32u	/* writes to a page from one check to the next */

/* One look: what it found, and whether it may act on it. */
struct look {
	bool act;		/* all vCPUs are held: report, repair, halt */
	u32 differences;	/* not repaired */
	u32 repairs;
	struct audit_difference first;
	bool still_there[AUDIT_SPANS];	/* audit_span.gone said no */
};

static void count_pinned(void)
{
	struct us_vcpu_state state;
	u32 i;

	audit.counts.pinned = 0;
	for (i = 0; i < host_info()->vcpus; i++)
		if (!host_vcpu(i, &state) && state.started)
			audit.counts.pinned += state.pinned;
}

void audit_get_counts(struct audit_counts *counts)
{
	/* A vCPU that was started anew since the last stop must not be told as
	 * pinned. */
	if (audit.active && !host_stop()) {
		count_pinned();
		host_release();
		guest_forget_tables();
	}
	*counts = audit.counts;
}

/* Is [gpa, gpa + 8) memory that the guest itself may write? An entry is not
 * written back where its tables merely say that its tables are. */
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

/* Differences that were told and are no more may be told again. */
static void forget_told(void)
{
	u64 entry;
	u32 i = 0;

	while (i < audit.told) {
		if (host_read(audit.told_at[i], &entry, sizeof(entry)))
			entry = 0;
		if (audit_entry_alike(entry, audit.told_found[i])) {
			i++;
			continue;
		}
		audit.told--;
		audit.told_at[i] = audit.told_at[audit.told];
		audit.told_found[i] = audit.told_found[audit.told];
		audit.more = false;
	}
}

/* A difference that stays is told once, however often it is seen. */
static void tell(const struct audit_difference *difference)
{
	u32 i;

	for (i = 0; i < audit.told; i++)
		if (audit.told_at[i] == difference->at &&
		    audit.told_found[i] == difference->found)
			return;
	if (audit.told == AUDIT_TOLD) {
		if (audit.more)
			return;
		audit.more = true;
		count(difference);
		log_difference(difference, " changed, further ones are not told: ");
		return;
	}
	audit.told_at[audit.told] = difference->at;
	audit.told_found[audit.told++] = difference->found;
	count(difference);
	log_difference(difference, " changed: ");
}

static bool repaired(struct look *look,
		     const struct audit_difference *difference)
{
	if (look->repairs == MAX_REPAIRS || !repair(difference))
		return false;
	count(difference);
	if (look->repairs++ < AUDIT_TOLD)
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

/* Was @span given up? Asked once a look: the answer takes a walk through a list that
 * the guest may make long, and in a stop there is no time for many. */
static bool is_gone(struct look *look, struct audit_span *span)
{
	bool *still_there = &look->still_there[span - audit.spans];

	if (!span->gone || *still_there)
		return false;
	*still_there = !span->gone(span->gva);
	return !*still_there;
}

/* A page of @span is not mapped as noted. True: look again, or not at all. */
static bool found_difference(struct look *look, struct audit_span *span,
			     const struct audit_difference *difference)
{
	if (is_gone(look, span)) {
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
		slot = audit_find_slot(gva);
		if (audit_walk(space, own, span, slot, gva, audit_slot_end(span, gva),
			       &difference) ||
		    !found_difference(look, span, &difference))
			gva = audit_slot_end(span, gva);
	}
}

static void look_at_space(struct look *look, const struct address_space *space,
			  bool own)
{
	u32 i;

	for (i = 0; i < audit.spans_used; i++)
		look_at_span(look, space, own, &audit.spans[i]);
}

/* Are all parts of @space that matter those that the kernel's own tables have? */
static bool shares_kernel(const struct address_space *space)
{
	u64 span_of_entry = 1ull << (PAGE_SHIFT + 9 * (space->levels - 1));
	u64 known = ~0ull, index, entry;
	const struct audit_slot *slot;
	u32 i;

	for (i = 0; i < audit.spans_used; i++) {
		index = audit.spans[i].gva / span_of_entry;
		if (!audit.spans[i].len || index == known)
			continue;
		slot = audit_find_slot(audit.spans[i].gva);
		if (!slot || guest_read_entry((space->cr3 & PTE_ADDRESS) +
					      8 * (index & 511), &entry) ||
		    !audit_entry_alike(entry, slot->path[space->levels]))
			return false;
		known = index;
	}
	return true;
}

/* The address space of vCPU @index, stopped. False: it has none yet. */
static bool vcpu_space(u32 index, struct address_space *space)
{
	struct us_vcpu_state state;
	struct control_caller who = { .vcpu = index };

	if (host_vcpu(index, &state) || !state.started)
		return false;
	who.cr0 = state.cr0;
	who.cr3 = state.cr3;
	who.cr4 = state.cr4;
	who.efer = state.efer;
	return !guest_caller_space(&who, space);
}

/* All vCPUs are held. @own_known: of the kernel's own tables it is known that they are as
 * when they were looked at last. */
static void look_stopped(struct look *look, bool own_known)
{
	struct address_space space;
	u32 i;

	guest_forget_tables();
	forget_told();
	audit.counts.audits++;
	count_pinned();
	if (!own_known)
		look_at_space(look, &audit.space, true);
	for (i = 0; i < host_info()->vcpus; i++) {
		if (vcpu_space(i, &space) && !shares_kernel(&space))
			look_at_space(look, &space, false);
	}
	/* No vCPU may go on with a translation that was taken back, be it now by us
	 * or before by the guest: any change of permissions drops them all. */
	if (host_protect(audit.flush_gpa, PAGE_SIZE, US_PROT_SEALED))
		host_log(US_LOG_ERROR, "mapping: translations stay cached");
}

static enum us_error changed(const struct audit_difference *difference)
{
	return control_fail(US_E_MAPPING_CHANGED, difference->gva,
			    difference->found, NULL);
}

enum us_error audit_stopped(void)
{
	struct look look = { .act = true };
	bool known;

	if (!audit.active)
		return US_OK;
	known = audit.prepared && guest_tables_same();
	audit.prepared = false;
	look_stopped(&look, known);
	return look.differences ? changed(&look.first) : US_OK;
}

/* Something differed while the guest was running. Look again while it is
 * not. */
static enum us_error confirm(const struct audit_difference *seen)
{
	struct look look = { .act = true };

	if (host_stop()) {
		tell(seen);	/* the next tick tries again */
		return changed(seen);
	}
	look_stopped(&look, false);
	host_release();
	guest_forget_tables();
	if (look.differences)
		return changed(&look.first);
	if (!look.repairs) {
		count(seen);
		log_difference(seen, " changed and changed back: ");
	}
	return US_OK;
}

/* With the guest running: the kernel's own space, and @who's unless NULL. */
static enum us_error look_running(const struct control_caller *who)
{
	struct look look = { .act = false };
	struct address_space space;

	guest_note_tables();
	forget_told();
	audit.counts.audits++;
	look_at_space(&look, &audit.space, true);
	audit.prepared = !look.differences;
	if (who && !guest_caller_space(who, &space))
		look_at_space(&look, &space, false);
	return look.differences ? confirm(&look.first) : US_OK;
}

enum us_error audit_now(void)
{
	return audit.active ? look_running(NULL) : US_OK;
}

/* For nobody who asked: what a request is about to be told stays as it is. */
static void look_aside(const struct control_caller *who)
{
	struct control_result result = control.result;

	look_running(who);
	control.result = result;
}

void audit_tick(const struct control_caller *who)
{
	if (audit.active)
		look_aside(who);
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
	const struct audit_slot *slot = audit_find_slot(gva);
	const struct audit_span *span = audit_find_span(gva);

	gva = ALIGN_DOWN(gva, PAGE_SIZE);
	if (!slot || !span ||
	    (gva == audit.last_page && ++audit.same_page < SAME_PAGE))
		return;
	audit.last_page = gva;
	audit.same_page = 0;
	if (!leaf_alike(slot, span, gva))
		look_aside(NULL);
}

/* The address spaces of all vCPUs, none of which may be elsewhere already. */
static enum us_error check_spaces(void)
{
	struct look look = { .act = false };
	struct address_space space;
	u32 i;

	for (i = 0; i < host_info()->vcpus; i++)
		if (vcpu_space(i, &space))
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

/* A processor that cannot is no reason to leave the kernel unsealed. */
static enum us_error guard_execution(const struct kernel *kernel)
{
	enum us_error error;

	if (kernel->policy[US_POLICY_EXECUTE] != US_EXECUTE_SEALED)
		return US_OK;
	error = host_guard_execution();
	if (error != US_E_HOST_FAILED)
		return error ? control_fail(error, 0, 0, NULL) : US_OK;
	host_log(US_LOG_ERROR, "execute=sealed has no effect: this processor "
		 "cannot do it");
	return US_OK;
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
		error = audit_note(kernel, &idt);
	if (!error)
		error = check_spaces();
	if (!error)
		error = pin();
	if (!error)
		error = guard_execution(kernel);
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
		look_stopped(&look, false);	/* counts what is pinned */
	}
	host_release();
	guest_forget_tables();
	if (error)
		audit_reset();
	return error;
}
