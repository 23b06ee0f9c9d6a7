/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decoder.h"
#include "kernel_insn.h"

static void fill_opcode(const ZydisDecodedInstruction *found, struct insn *insn)
{
	if (found->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return;
	if (found->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT) {
		insn->opcode[0] = found->opcode;
	} else if (found->opcode_map == ZYDIS_OPCODE_MAP_0F) {
		insn->opcode[0] = 0x0f;
		insn->opcode[1] = found->opcode;
	}
}

bool insn_decode(const u8 *bytes, u64 len, struct insn *insn)
{
	ZydisDecodedInstruction found;

	*insn = (struct insn){ 0 };
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(decoder_minimal(), NULL, bytes,
							len, &found)))
		return false;
	insn->length = found.length;
	fill_opcode(&found, insn);
	if (found.raw.prefix_count)
		insn->first_prefix = found.raw.prefixes[0].value;
	insn->immediate_at = found.raw.imm[0].offset;
	insn->immediate_size = found.raw.imm[0].size / 8;
	insn->immediate = found.raw.imm[0].value.s;
	insn->displacement_at = found.raw.disp.offset;
	insn->displacement_size = found.raw.disp.size / 8;
	insn->displacement = found.raw.disp.value;
	insn->rip_relative = insn->displacement_size == 4 &&
			     found.raw.modrm.offset &&
			     found.raw.modrm.mod == 0 && found.raw.modrm.rm == 5;
	return true;
}
