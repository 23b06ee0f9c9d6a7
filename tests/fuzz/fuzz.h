/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNDERSEAL_FUZZ_H
#define UNDERSEAL_FUZZ_H

#include <stddef.h>

#include "types.h"

/* libFuzzer calls these. */
int LLVMFuzzerTestOneInput(const u8 *data, size_t len);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#endif
