/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arbitration: the kernel may patch itself where its baseline says so, from one
 * allowed value to another. The write is carried out on a copy and judged by what
 * comes of it (site_rule.c, probes.c); the host does it for real.
 */
#include <string.h>

#include "audit.h"
#include "modules.h"
#include "patches.h"
#include "probes.h"
#include "site_rule.h"
#include "state.h"
#include "text.h"
#include "text_write.h"

#define MAX_WRITE	64u
#define INT3		0xcc

enum verdict { REFUSED, ALLOWED, ALLOWED_LOG };

static bool in_arena(const struct text_write *write)
{
	const struct host_info *host = host_info();

	return spans_overlap(write->gpa, write->len, host->arena_gpa,
			     host->arena_len);
}

/* A host that breaks the contract of core.h gets nothing through. */
static bool well_formed(const struct text_write *write)
{
	u64 in_frame = write->gpa & ~PAGE_MASK;

	return write->len && write->len <= MAX_WRITE &&
	       span_inside(in_frame, write->len, PAGE_SIZE) &&
	       write->around_before <= in_frame &&
	       write->around_len >= write->around_before + write->len &&
	       span_inside(in_frame - write->around_before, write->around_len,
			   PAGE_SIZE);
}

bool text_write_bytes(const struct placed_write *placed, u64 offset, u32 len,
		      u8 *before, u8 *after)
{
	const struct text_write *write = placed->write;
	u64 window = placed->offset - write->around_before;
	u32 i;

	if (offset >= window &&
	    span_inside(offset - window, len, write->around_len))
		memcpy(before, write->around + (offset - window), len);
	else if (text_map_read(placed->map, offset, before, len))
		return false;
	for (i = 0; i < len; i++) {
		u64 at = offset + i - placed->offset;

		after[i] = at < write->len ? write->bytes[at] : before[i];
	}
	return true;
}

/* How the policy puts it when a write is in order. */
static enum verdict by_policy(u8 value)
{
	switch (value) {
	case US_ALLOW:
		return ALLOWED;
	case US_ALLOW_LOG:
		return ALLOWED_LOG;
	default:
		return REFUSED;
	}
}

static enum verdict judge_site(const struct placed_write *placed,
			       const struct us_runtime_site *site)
{
	const u8 *policy = placed->map->kernel->policy;
	enum verdict verdict = by_policy(policy[site_rule_row(site)]);
	u32 len = us_runtime_len(site);
	u8 before[SITE_MAX], after[SITE_MAX];

	if (verdict == REFUSED ||
	    !text_write_bytes(placed, site->offset, len, before, after))
		return REFUSED;
	/* memcpy() stores some bytes twice. */
	if (!memcmp(before, after, len))
		return verdict;
	switch (site_rule_step(placed->map, site, before, after,
			       placed->offset - site->offset,
			       placed->write->len)) {
	case SITE_LISTED:
		return verdict;
	case SITE_OUTSIDE:
		return policy[US_POLICY_TRAMPOLINE] == US_ALLOW_LOG ?
			ALLOWED_LOG : verdict;
	default:
		return REFUSED;
	}
}

static enum verdict judge_probe(const struct placed_write *placed)
{
	u8 policy = placed->map->kernel->policy[US_POLICY_KPROBE];
	enum verdict verdict = by_policy(policy);

	return verdict != REFUSED && probes_allow(placed) ? verdict : REFUSED;
}

/* A lock prefix is where the instruction behind it begins, and may be probed. */
static bool is_probed_lock(const struct placed_write *placed,
			   const struct us_runtime_site *site)
{
	return us_runtime_kind(site) == US_RUN_LOCK &&
	       (placed->write->bytes[0] == INT3 ||
		probes_at(placed->map->gva + placed->offset));
}

static enum verdict judge_placed(const struct placed_write *placed)
{
	const struct us_runtime_site *site;

	site = text_map_site(placed->map, placed->offset, placed->write->len);
	if (site && !is_probed_lock(placed, site))
		return judge_site(placed, site);
	return judge_probe(placed);
}

/* In frames of the kernel that are no text, or in more than one frame of any. */
static bool sealed_otherwise(const struct text_write *write)
{
	return kernel_overlaps(&control.kernel, write->gpa, write->len) ||
	       modules_overlap(write->gpa, write->len);
}

static enum verdict judge(const struct text_write *write)
{
	struct placed_write placed = { .write = write };
	enum verdict verdict;

	if (!well_formed(write))
		return REFUSED;
	/* It met text that a seal had frozen and given up since: the guest may
	 * write there by itself again, and must not find its write lost. */
	if (!control.sealed)
		return in_arena(write) ? REFUSED : ALLOWED;
	placed.map = text_map_find(write->gpa, write->len, &placed.offset);
	/* Or it met a module that was given up since. */
	if (!placed.map)
		return in_arena(write) || sealed_otherwise(write) ? REFUSED :
								    ALLOWED;
	if (placed.map != &kernel_text && modules_lapsed(write->gpa))
		return ALLOWED;
	verdict = judge_placed(&placed);
	if (verdict != REFUSED)
		audit_write(placed.map->gva + placed.offset);
	return verdict;
}

static void log_write(const char *what, enum us_log_level level,
		      const struct text_write *write)
{
	struct text line = { 0 };

	text_string(&line, what);
	text_hex(&line, write->gva);
	text_string(&line, " gpa ");
	text_hex(&line, write->gpa);
	text_string(&line, " <- ");
	text_bytes(&line, write->bytes, write->len < 8 ? write->len : 8);
	text_string(&line, " (");
	text_decimal(&line, write->len);
	text_string(&line, ") vCPU ");
	text_decimal(&line, write->vcpu);
	text_string(&line, " rip ");
	text_hex(&line, write->rip);
	host_log(level, line.chars);
}

enum us_error control_text_write(const struct text_write *write)
{
	enum verdict verdict = judge(write);

	if (verdict == REFUSED) {
		control.writes_refused++;
		log_write("write refused: ", US_LOG_WARNING, write);
		return US_E_BAD_REQUEST;
	}
	if (verdict == ALLOWED_LOG)
		log_write("write allowed: ", US_LOG_INFO, write);
	control.writes_allowed++;
	return US_OK;
}
