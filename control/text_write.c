/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arbitration: the kernel may patch itself where its baseline says so. */
#include "patches.h"
#include "state.h"
#include "text.h"
#include "text_map.h"

#define MAX_WRITE 64u

static bool in_arena(u64 gpa, u32 len)
{
	const struct host_info *host = host_info();

	return spans_overlap(gpa, len, host->arena_gpa, host->arena_len);
}

static bool allowed(u64 gpa, u32 len)
{
	u64 offset;

	if (!len || len > MAX_WRITE || !span_valid(gpa, len))
		return false;
	/* It met text that a seal had frozen and given up since: the guest may
	 * write there by itself again, and must not find its write lost. */
	if (!control.sealed)
		return !in_arena(gpa, len);
	return kernel_text_offset(&control.kernel, gpa, len, &offset) &&
	       text_map_inside_site(offset, len) &&
	       !patches_hunk_at(offset, len);
}

static void log_refused(u64 gpa, const u8 *bytes, u32 len, u64 rip, u64 gva,
			u32 vcpu)
{
	struct text line = { 0 };

	text_string(&line, "write refused: ");
	text_hex(&line, gva);
	text_string(&line, " gpa ");
	text_hex(&line, gpa);
	text_string(&line, " <- ");
	text_bytes(&line, bytes, len < 8 ? len : 8);
	text_string(&line, " (");
	text_decimal(&line, len);
	text_string(&line, ") vCPU ");
	text_decimal(&line, vcpu);
	text_string(&line, " rip ");
	text_hex(&line, rip);
	host_log(US_LOG_WARNING, line.chars);
}

enum us_error control_text_write(u64 gpa, const void *bytes, u32 len, u64 rip,
				 u64 gva, u32 vcpu)
{
	if (allowed(gpa, len) && !host_write(gpa, bytes, len)) {
		control.writes_allowed++;
		return US_OK;
	}
	control.writes_refused++;
	log_refused(gpa, bytes, len, rip, gva, vcpu);
	return US_E_BAD_REQUEST;
}
