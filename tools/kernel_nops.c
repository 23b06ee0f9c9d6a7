/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NOPs as arch/x86/kernel/alternative.c writes them, before and after 6.8. */
#include <string.h>

#include "kernel_insn.h"
#include "kernel_nops.h"

/* BYTES_NOP1 .. BYTES_NOP11 of arch/x86/include/asm/nops.h. */
static const u8 nops[][11] = {
	{ 0x90 },
	{ 0x66, 0x90 },
	{ 0x0f, 0x1f, 0x00 },
	{ 0x0f, 0x1f, 0x40, 0x00 },
	{ 0x0f, 0x1f, 0x44, 0x00, 0x00 },
	{ 0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00 },
	{ 0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00 },
	{ 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00 },
	{ 0x2e, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00 },
	{ 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00 },
	{ 0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00 },
};

#define LONGEST_6_1	8u
#define LONGEST_6_8	11u

/* add_nops() of 6.1: the longest ones first. */
static void chain(u8 *bytes, u32 len)
{
	u32 part;

	for (; len; bytes += part, len -= part) {
		part = len < LONGEST_6_1 ? len : LONGEST_6_1;
		memcpy(bytes, nops[part - 1], part);
	}
}

/* add_nop() of 6.8: one NOP, or a jump over INT3s. */
static void single(u8 *bytes, u32 len)
{
	u32 jump = len < 128 ? 2 : 5;
	u32 distance = len - jump;

	if (!len)
		return;
	if (len <= LONGEST_6_8) {
		memcpy(bytes, nops[len - 1], len);
		return;
	}
	memset(bytes, 0xcc, len);
	if (jump == 2) {
		bytes[0] = 0xeb;
		bytes[1] = distance;
	} else {
		bytes[0] = 0xe9;
		memcpy(bytes + 1, &distance, 4);
	}
}

void nops_fill(enum patch_rules rules, u8 *bytes, u32 len)
{
	if (rules == RULES_6_1)
		chain(bytes, len);
	else
		single(bytes, len);
}

/* optimize_nops() of 6.1: runs of one-byte NOPs. */
static void optimize_6_1(u8 *bytes, u32 len, u32 room)
{
	struct insn insn;
	u32 at = 0, end;

	while (at < len && insn_decode(bytes + at, room - at, &insn)) {
		if (insn.length != 1 || insn.opcode[0] != 0x90) {
			at += insn.length;
			continue;
		}
		for (end = at; end < len && bytes[end] == 0x90; end++)
			;
		if (end - at > 1)
			chain(bytes + at, end - at);
		at = end;
	}
}

static bool is_nop(const struct insn *insn)
{
	return (insn->opcode[0] == 0x90 && insn->first_prefix != 0xf3) ||
	       (insn->opcode[0] == 0x0f && insn->opcode[1] == 0x1f);
}

/* optimize_nops() of 6.8: runs of NOPs of any length, but for one that is the
 * last instruction. */
static void optimize_6_8(u8 *bytes, u32 len, u32 room)
{
	struct insn insn;
	u32 at, next;

	for (at = 0; at < len; at = next) {
		if (!insn_decode(bytes + at, room - at, &insn))
			return;
		next = at + insn.length;
		if (!is_nop(&insn))
			continue;
		if (next == len)
			return;
		while (next < len &&
		       insn_decode(bytes + next, room - next, &insn) &&
		       is_nop(&insn))
			next += insn.length;
		if (next <= room)
			single(bytes + at, next - at);
	}
}

void nops_optimize(enum patch_rules rules, u8 *bytes, u32 len, u32 room)
{
	if (rules == RULES_6_1)
		optimize_6_1(bytes, len, room);
	else
		optimize_6_8(bytes, len, room);
}
