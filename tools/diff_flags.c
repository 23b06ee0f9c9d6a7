/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Are arithmetic flags in use at some place of a function? Compilers take it that
 * any asm statement destroys them, so around the kernel's own patch sites they are
 * not; this makes sure.
 */
#include "decoder.h"
#include "diff_author.h"

#define MAX_STEPS	32u
#define ARITHMETIC	(ZYDIS_CPUFLAG_CF | ZYDIS_CPUFLAG_PF | \
			 ZYDIS_CPUFLAG_AF | ZYDIS_CPUFLAG_ZF | \
			 ZYDIS_CPUFLAG_SF | ZYDIS_CPUFLAG_OF)

/* Where a direct JMP at @at leads; @len when out of the function. */
static u64 jump_target(const ZydisDecodedInstruction *insn, u64 at, u64 len)
{
	s64 distance = insn->raw.imm[0].value.s;
	u64 target = at + insn->length + (u64)distance;

	return insn->raw.imm[0].is_relative && target < len ? target : len;
}

bool author_flags_live(const u8 *code, u64 len, u64 at)
{
	ZydisDecodedInstruction insn;
	const ZydisAccessedFlags *flags;
	ZyanU32 open = ARITHMETIC;
	u32 step;

	for (step = 0; step < MAX_STEPS && at < len && open; step++) {
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(decoder_full(), NULL,
				code + at, len - at, &insn)))
			return true;
		flags = insn.cpu_flags;
		if (flags && flags->tested & open)
			return true;
		if (flags)
			open &= ~(flags->modified | flags->set_0 |
				  flags->set_1 | flags->undefined);
		switch (insn.meta.category) {
		case ZYDIS_CATEGORY_CALL:
		case ZYDIS_CATEGORY_RET:
			return false;
		case ZYDIS_CATEGORY_UNCOND_BR:
			at = jump_target(&insn, at, len);
			continue;
		default:
			at += insn.length;
		}
	}
	return false;
}
