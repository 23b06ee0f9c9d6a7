/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of an instruction that the kernel's patching looks at, under the names
 * that arch/x86/include/asm/insn.h has for them. */
#ifndef UNDERSEAL_KERNEL_INSN_H
#define UNDERSEAL_KERNEL_INSN_H

#include "types.h"

#define INSN_MAX	15	/* bytes */

struct insn {
	u8 length;
	u8 opcode[2];		/* 0F first for the two-byte opcodes; 0, 0 for VEX */
	u8 first_prefix;	/* 0 for none */
	u8 immediate_at, immediate_size; /* bytes; size 0: none */
	u8 displacement_at, displacement_size;
	bool rip_relative;
	s64 immediate;		/* sign-extended; the first one */
	s64 displacement;
};

/* Decode the 64-bit mode instruction in @bytes; false when there is none. */
bool insn_decode(const u8 *bytes, u64 len, struct insn *insn);

/* Jcc rel32. */
static inline bool insn_is_jcc32(const struct insn *insn)
{
	return insn->opcode[0] == 0x0f && (insn->opcode[1] & 0xf0) == 0x80;
}

/* CALL, JMP or Jcc with a distance of 32 bits. */
static inline bool insn_is_branch32(const struct insn *insn)
{
	return insn->immediate_size == 4 &&
	       (insn->opcode[0] == 0xe8 || insn->opcode[0] == 0xe9 ||
		insn_is_jcc32(insn));
}

#endif
