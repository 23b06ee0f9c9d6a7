/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Zydis, set up for the code of a 64-bit kernel. */
#ifndef UNDERSEAL_DECODER_H
#define UNDERSEAL_DECODER_H

#include <Zydis/Zydis.h>

/* Lengths and raw fields only: no operands, no flags; the faster one. */
const ZydisDecoder *decoder_minimal(void);

/* All that Zydis knows of an instruction. */
const ZydisDecoder *decoder_full(void);

#endif
