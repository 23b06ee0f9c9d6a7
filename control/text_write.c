/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arbitration: the kernel may patch itself where its baseline says so. */
#include "patches.h"
#include "state.h"
#include "text.h"
#include "text_map.h"

#define MAX_WRITE 64u

static bool allowed(u64 gpa, u32 len, u64 *offset)
{
	return control.sealed && len && len <= MAX_WRITE &&
	       span_valid(gpa, len) &&
	       kernel_text_offset(&control.kernel, gpa, len, offset) &&
	       text_map_inside_site(*offset, len) &&
	       !patches_hunk_at(*offset, len);
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
	u64 offset;

	if (allowed(gpa, len, &offset) && !host_write(gpa, bytes, len)) {
		control.writes_allowed++;
		return US_OK;
	}
	control.writes_refused++;
	log_refused(gpa, bytes, len, rip, gva, vcpu);
	return US_E_BAD_REQUEST;
}
