/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the audit remembers. Private to it. */
#ifndef UNDERSEAL_AUDIT_STATE_H
#define UNDERSEAL_AUDIT_STATE_H

#include "audit.h"
#include "audit_checks.h"
#include "audit_walk.h"

#define AUDIT_SPANS	288u
#define AUDIT_SLOTS	256u
#define AUDIT_TOLD	16u	/* differences that are remembered */

struct audit_state {
	bool active;
	bool prepared;		/* the kernel's own tables were looked at and noted */
	u8 policy;		/* US_MAPPING_* */
	struct address_space space;	/* the kernel's own */
	u64 flush_gpa;		/* a sealed frame of text */
	struct audit_counts counts;
	u32 spans_used, slots_used;
	struct audit_span spans[AUDIT_SPANS];
	struct audit_slot slots[AUDIT_SLOTS];
	/* Differences that were logged and are still there. */
	u32 told;
	bool more;		/* than are remembered; said so */
	u64 told_at[AUDIT_TOLD], told_found[AUDIT_TOLD];
	u64 last_page;		/* that audit_write() saw */
	u32 same_page;
};

extern struct audit_state audit;

/* The slot of @gva, the span that holds it; NULL when there is none. */
struct audit_slot *audit_find_slot(u64 gva);
const struct audit_span *audit_find_span(u64 gva);

/* The end of the part of @span that lies in the slot of @gva. */
u64 audit_slot_end(const struct audit_span *span, u64 gva);

/* Note every page of the image, and the IDT's alias. All vCPUs are held.
 * KERNEL_MAPPING, MODULE_ROOM. */
enum us_error audit_note(const struct kernel *kernel, const struct audit_idt *idt);

#endif
