/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <Zydis/Zydis.h>

#include "kernel_insn.h"

static const ZydisDecoder *decoder(void)
{
	static ZydisDecoder instance;
	static bool ready;

	if (!ready) {
		ZydisDecoderInit(&instance, ZYDIS_MACHINE_MODE_LONG_64,
				 ZYDIS_STACK_WIDTH_64);
		/* Lengths and fields are all that is asked for. */
		ZydisDecoderEnableMode(&instance, ZYDIS_DECODER_MODE_MINIMAL,
				       ZYAN_TRUE);
		ready = true;
	}
	return &instance;
}

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
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(decoder(), NULL, bytes,
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
