/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "module_bench.h"

static struct blob file;

enum us_error module_bench_seal(u32 index)
{
	make_module(index, &file);
	return bench_send(US_OP_SEAL_MODULE, &file, &bench_key, 0);
}

void module_bench_load(u8 policy, bool areas)
{
	bench_start(0);
	module_use_areas(areas);
	make_baseline(&file);
	baseline_header(&file)->policy[US_POLICY_MODULE] = policy;
	if (areas)
		baseline_header(&file)->facts[US_FACT_MODULE_AREA_SIZE] =
			MODULE_AREA_SIZE;
	CU_ASSERT_EQUAL_FATAL(bench_send(US_OP_SEAL, &file, &bench_key, 0), US_OK);
	module_load(0);
	module_load(1);
}

void module_bench_start(void)
{
	module_bench_load(US_MODULE_OPEN, false);
	CU_ASSERT_EQUAL_FATAL(module_bench_seal(0), US_OK);
	CU_ASSERT_EQUAL_FATAL(module_bench_seal(1), US_OK);
}

enum us_error module_bench_apply(u32 index, u64 generation)
{
	module_spec(&bench_spec, index, generation);
	return bench_apply_spec();
}

u32 module_bench_patches(void)
{
	struct us_request request = bench_request(US_OP_LIST);

	ASSERT_OK(bench_ring(&request));
	return bench_answer.out_len / sizeof(struct us_patch_info);
}

void module_bench_text(u32 index, u8 text[MODULE_TEXT_LEN])
{
	u32 i;

	for (i = 0; i < MODULE_TEXT_LEN; i++)
		text[i] = sim.memory[module_gpa(index, i)];
}

bool module_bench_write(u32 index, u64 offset, const void *bytes, u32 len)
{
	return !sim_guest_write(module_gpa(index, offset), bytes, len);
}

u64 module_bench_word(u64 gpa, u32 size)
{
	u64 value = 0;

	memcpy(&value, sim.memory + gpa, size);
	return value;
}
