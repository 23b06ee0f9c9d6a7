/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Machine code taken apart into instructions and the fields that point somewhere. */
#ifndef UNDERSEAL_DIFF_CODE_H
#define UNDERSEAL_DIFF_CODE_H

#include "diff_side.h"

enum code_form {
	FORM_RELATIVE,		/* distance from the instruction's end */
	FORM_ABSOLUTE,		/* the address itself, sign-extended or 8 bytes */
};

/* A field of an instruction that points somewhere. */
struct code_ref {
	u32 offset;		/* in the function */
	u32 insn;		/* offset of its instruction */
	u8 insn_len;
	u8 width;		/* bytes of the field: 1, 4, 8 */
	u8 form;		/* enum code_form */
	bool branch;		/* a jump's or call's target */
	bool relocated;		/* the file has a relocation here */
	struct side_target target;
};

struct code_insn {
	u8 len;
	u8 branch_offset, branch_size;	/* rel8/rel32 field, size 0: none */
	u8 rip_offset;			/* disp32 relative to RIP, 0: none */
	u8 imm_offset, imm_size;	/* first plain immediate, size 0: none */
};

struct code_refs {
	struct code_ref *list;
	u32 count, room;
	bool undecoded;		/* not all of it is code that Zydis knows */
};

/* Decode the instruction at @bytes, of which @room can be read. */
bool code_decode(const u8 *bytes, u64 room, struct code_insn *insn);

/* Append every pointing field in [@address, @address + @len) of @side to
 * @refs, which is emptied first. ELF_FORMAT, NO_MEMORY. */
enum us_error code_collect(const struct side *side, u64 address, u64 len,
			   struct code_refs *refs);
void code_free(struct code_refs *refs);

#endif
