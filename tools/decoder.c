/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decoder.h"
#include "types.h"

const ZydisDecoder *decoder_full(void)
{
	static ZydisDecoder instance;
	static bool ready;

	if (!ready) {
		ZydisDecoderInit(&instance, ZYDIS_MACHINE_MODE_LONG_64,
				 ZYDIS_STACK_WIDTH_64);
		ready = true;
	}
	return &instance;
}

const ZydisDecoder *decoder_minimal(void)
{
	static ZydisDecoder instance;
	static bool ready;

	if (!ready) {
		instance = *decoder_full();
		ZydisDecoderEnableMode(&instance, ZYDIS_DECODER_MODE_MINIMAL,
				       ZYAN_TRUE);
		ready = true;
	}
	return &instance;
}
