/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is noted of the mapping. */
#include <string.h>

#include "audit_state.h"
#include "state.h"

struct audit_state audit;

void audit_reset(void)
{
	memset(&audit, 0, sizeof(audit));
}

struct audit_slot *audit_find_slot(u64 gva)
{
	u32 i;

	gva = ALIGN_DOWN(gva, SIZE_2M);
	for (i = 0; i < audit.slots_used; i++)
		if (audit.slots[i].gva == gva)
			return &audit.slots[i];
	return NULL;
}

const struct audit_span *audit_find_span(u64 gva)
{
	u32 i;

	for (i = 0; i < audit.spans_used; i++)
		if (gva - audit.spans[i].gva < audit.spans[i].len)
			return &audit.spans[i];
	return NULL;
}

u64 audit_slot_end(const struct audit_span *span, u64 gva)
{
	u64 left = span->gva + span->len - gva;
	u64 room = SIZE_2M - (gva & (SIZE_2M - 1));

	return gva + (left < room ? left : room);
}

static struct audit_slot *need_slot(u64 gva)
{
	struct audit_slot *slot = audit_find_slot(gva);

	if (slot || audit.slots_used == AUDIT_SLOTS)
		return slot;
	slot = &audit.slots[audit.slots_used++];
	memset(slot, 0, sizeof(*slot));
	slot->gva = ALIGN_DOWN(gva, SIZE_2M);
	return slot;
}

static struct audit_span *new_span(void)
{
	u32 i;

	for (i = 0; i < audit.spans_used; i++)
		if (!audit.spans[i].len)
			return &audit.spans[i];
	return audit.spans_used < AUDIT_SPANS ? &audit.spans[audit.spans_used++] :
					      NULL;
}

/* Note @wanted if it is mapped as it says. */
static enum us_error add(const struct audit_span *wanted)
{
	struct audit_span *span = new_span();
	struct audit_difference difference;
	struct audit_slot *slot;
	u64 gva = wanted->gva;

	audit.prepared = false;
	if (!span)
		return control_fail(US_E_MODULE_ROOM, AUDIT_SPANS, 0, NULL);
	span->len = 0;
	for (; gva - wanted->gva < wanted->len; gva = audit_slot_end(wanted, gva)) {
		slot = need_slot(gva);
		if (!slot)
			return control_fail(US_E_MODULE_ROOM, AUDIT_SLOTS, 0, NULL);
		if (!audit_walk(&audit.space, true, wanted, slot, gva,
				audit_slot_end(wanted, gva), &difference))
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

bool audit_has_room(u64 gva)
{
	u32 i, free = AUDIT_SPANS - audit.spans_used;

	for (i = 0; i < audit.spans_used; i++)
		free += !audit.spans[i].len;
	return free >= 2 && need_slot(gva);
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
	if (!idt->gva || audit_find_span(idt->gva))
		return US_OK;
	return note_run(kernel, idt->gva, idt->gpa, PAGE_SIZE);
}

enum us_error audit_note(const struct kernel *kernel, const struct audit_idt *idt)
{
	enum us_error error = note_image(kernel);

	return error ? error : note_idt(kernel, idt);
}
