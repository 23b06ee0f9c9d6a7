/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The test bench with modules: both loaded, sealed, and bundles for them. */
#ifndef UNDERSEAL_MODULE_BENCH_H
#define UNDERSEAL_MODULE_BENCH_H

#include "bench.h"
#include "module_maker.h"

/* Where the arena runs: the first free entry of level2_kernel_pgt behind the image. */
#define MODULE_BENCH_ARENA	ALIGN_UP(sim_image_gva(SIM_IMAGE_END), SIZE_2M)

/* A new machine, its kernel sealed with @policy for modules without a baseline, both
 * modules loaded; with module_use_areas(). */
void module_bench_load(u8 policy, bool areas);
/* The same, both modules sealed. */
void module_bench_start(void);

enum us_error module_bench_seal(u32 index);
/* The good bundle for it, which is then in bench_blob. */
enum us_error module_bench_apply(u32 index, u64 generation);

/* How many patches the list has; they are in bench_response. */
u32 module_bench_patches(void);

/* The text of module @index as its frames have it. */
void module_bench_text(u32 index, u8 text[MODULE_TEXT_LEN]);

/* A store of the guest's to it. */
bool module_bench_write(u32 index, u64 offset, const void *bytes, u32 len);

/* @size bytes of guest memory. */
u64 module_bench_word(u64 gpa, u32 size);

#endif
