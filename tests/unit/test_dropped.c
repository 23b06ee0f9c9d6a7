/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Patches of modules that go, in every way and at every moment; and that come back. */
#include <string.h>

#include "module_bench.h"

#define P	MODULE_PATCHED

static const struct us_patch_info *patches = (const void *)bench_response;
static const struct us_status *status = (const void *)bench_response;

static void tick(void)
{
	struct control_caller who = sim_caller(BENCH_REQUEST);

	control_tick(&who);
}

static void read_status(void)
{
	struct us_request request = bench_request(US_OP_STATUS);

	ASSERT_OK(bench_ring(&request));
}

static bool arena_empty(void)
{
	u64 i;

	for (i = 0; i < SIZE_2M; i++)
		if (sim.memory[SIM_ARENA + i] != 0xcc)
			return false;
	return true;
}

static bool logged(const char *text)
{
	return strstr(sim.all_logs, text) != NULL;
}

/* The module goes, and everybody has heard of it. */
static void unload(u32 index)
{
	module_unload(index);
	tick();
	tick();
}

static void load_again(u32 index)
{
	module_load(index);
	ASSERT_OK(module_bench_seal(index));
}

/* The frames are the guest's again, and nobody writes there. */
static void goes(void)
{
	static u8 before[MODULE_TEXT_LEN], after[MODULE_TEXT_LEN];

	module_bench_start();
	ASSERT_OK(module_bench_apply(0, 1));
	ASSERT_OK(bench_apply(SIM_FUNCTION, 2));
	module_bench_text(0, before);
	module_unload(1);
	module_unload(0);
	CU_ASSERT_EQUAL(module_bench_patches(), 1);
	CU_ASSERT_EQUAL(patches->receipt.generation, 2);
	CU_ASSERT(logged("patch dropped with its module: default generation 1"));
	/* The code stays until it is known that nobody is in it. */
	CU_ASSERT_EQUAL(sim.memory[SIM_ARENA + 60], 0x40 + 60);
	read_status();
	CU_ASSERT_EQUAL(status->patches, 1);
	CU_ASSERT_EQUAL(status->arena_used, 2 * 61);
	tick();
	CU_ASSERT_EQUAL(sim.memory[SIM_ARENA + 60], 0xcc);
	CU_ASSERT_EQUAL(sim.memory[SIM_ARENA + 64 + 60], 0x40 + 60);
	read_status();
	CU_ASSERT_EQUAL(status->patches, 1);
	CU_ASSERT_EQUAL(status->arena_used, 61);
	CU_ASSERT_EQUAL(status->generation, 2);
	module_bench_text(0, after);
	CU_ASSERT_FALSE(memcmp(before, after, sizeof(before)));
	/* The kernel's own patch can still be found by its place in the list. */
	ASSERT_OK(bench_revert());
	CU_ASSERT(arena_empty());
	CU_ASSERT_EQUAL(sim.violations, 0);
}

/* The room is used again only afterwards. */
static void arena_room(void)
{
	const struct us_receipt *receipt = (const void *)bench_response;

	module_bench_start();
	ASSERT_OK(module_bench_apply(0, 1));
	module_unload(0);
	CU_ASSERT_EQUAL(module_bench_patches(), 0);
	ASSERT_OK(bench_apply(SIM_FUNCTION, 2));
	CU_ASSERT_EQUAL(receipt->arena_offset, 64);
	tick();
	ASSERT_OK(bench_apply(2 * SIM_FUNCTION, 3));
	CU_ASSERT_EQUAL(receipt->arena_offset, 0);
}

/* Somebody is in the code: a vCPU, or a return address. Looked at less and less often,
 * and not in vain. */
static void still_in_use(void)
{
	u32 i, stops, kind;

	for (kind = 0; kind < 2; kind++) {
		module_bench_start();
		ASSERT_OK(module_bench_apply(0, 1));
		if (kind)
			sim.vcpus[1].rip = MODULE_BENCH_ARENA;
		else
			sim_poke64(sim_stack_word(SIM_INIT, 0x80),
				   MODULE_BENCH_ARENA + 60);
		module_unload(0);
		stops = sim.stops;
		for (i = 0; i < 100; i++)
			tick();
		CU_ASSERT(sim.stops - stops < 12);
		CU_ASSERT(logged("in use: code of a dropped patch"));
		CU_ASSERT_EQUAL(sim.memory[SIM_ARENA + 60], 0x40 + 60);
		sim.vcpus[1].rip = MODULE_BENCH_ARENA + 61;
		sim_poke64(sim_stack_word(SIM_INIT, 0x80), 0);
		for (i = 0; i < 65; i++)
			tick();
		CU_ASSERT(arena_empty());
		CU_ASSERT_FALSE(sim.stopped);
	}
}

/* The very same bundle comes back, as often as the module does. */
static void comes_back(void)
{
	u32 i;

	module_bench_start();
	ASSERT_OK(module_bench_apply(1, 5));
	for (i = 0; i < 3; i++) {
		ASSERT_REFUSED(OLD_GENERATION, module_bench_apply(1, 5));
		unload(1);
		ASSERT_REFUSED(MODULE_NOT_SEALED, module_bench_apply(1, 5));
		load_again(1);
		CU_ASSERT_EQUAL(sim.memory[module_gpa(1, P + 5)],
				bench_spec.hunk[0].expected[0]);
		ASSERT_OK(module_bench_apply(1, 5));
		CU_ASSERT_EQUAL(sim.memory[module_gpa(1, P + 5)], 0xe9);
		CU_ASSERT_EQUAL(module_bench_patches(), 1);
		read_status();
		CU_ASSERT_EQUAL(status->patches, 1);
		CU_ASSERT_EQUAL(status->generation, 0);
	}
	/* Before its code has been cleared, too. */
	module_unload(1);
	CU_ASSERT_EQUAL(module_bench_patches(), 0);
	load_again(1);
	ASSERT_OK(module_bench_apply(1, 5));
	CU_ASSERT_EQUAL(module_bench_patches(), 1);
	ASSERT_OK(bench_revert());
}

static enum us_error apply_at(u32 index, u32 place, u64 generation)
{
	static u8 text[MODULE_TEXT_LEN];

	module_bench_text(index, text);
	module_spec(&bench_spec, index, generation);
	bench_spec.function[0].text_offset = place;
	bench_spec.function[0].old_size = 0x10;
	bench_spec.hunk[0].text_offset = place;
	memcpy(bench_spec.hunk[0].expected, text + place, 5);
	return bench_apply_spec();
}

/* Nothing else is let in by that. */
static void nothing_else(void)
{
	module_bench_start();
	ASSERT_OK(module_bench_apply(1, 5));
	unload(1);
	load_again(1);
	/* Another bundle of that generation; the same one's neighbours. */
	module_spec(&bench_spec, 1, 5);
	bench_spec.payload[0] ^= 1;
	ASSERT_REFUSED(OLD_GENERATION, bench_apply_spec());
	ASSERT_REFUSED(OLD_GENERATION, module_bench_apply(1, 4));
	ASSERT_OK(module_bench_apply(1, 5));
	ASSERT_REFUSED(OLD_GENERATION, module_bench_apply(1, 5));
	/* Nor does its return open the way for one in between. */
	ASSERT_OK(apply_at(1, 0x400, 9));
	unload(1);
	load_again(1);
	ASSERT_OK(module_bench_apply(1, 5));
	ASSERT_REFUSED(OLD_GENERATION, apply_at(1, 0x420, 7));
	ASSERT_OK(apply_at(1, 0x400, 9));
	ASSERT_REFUSED(OLD_GENERATION, apply_at(1, 0x420, 9));
}

static void reverted(void)
{
	module_bench_start();
	ASSERT_OK(module_bench_apply(1, 5));
	unload(1);
	/* It is not there to be reverted. */
	ASSERT_REFUSED(PATCH_NOT_FOUND, bench_revert());
	load_again(1);
	ASSERT_OK(module_bench_apply(1, 5));
	ASSERT_OK(bench_revert());
	ASSERT_REFUSED(OLD_GENERATION, module_bench_apply(1, 5));
	unload(1);
	load_again(1);
	ASSERT_REFUSED(OLD_GENERATION, module_bench_apply(1, 5));
	ASSERT_REFUSED(PATCH_NOT_FOUND, bench_revert());
}

/* One that was dropped and overtaken stays away. */
static void overtaken(void)
{
	module_bench_start();
	ASSERT_OK(module_bench_apply(1, 5));
	unload(1);
	load_again(1);
	ASSERT_OK(module_bench_apply(1, 6));
	unload(1);
	load_again(1);
	ASSERT_REFUSED(OLD_GENERATION, module_bench_apply(1, 5));
	/* What happens to another module is its own matter. */
	ASSERT_OK(module_bench_apply(0, 7));
	ASSERT_OK(module_bench_apply(1, 6));
}

/* More than are remembered: those that were dropped first cannot return. */
static void too_many(void)
{
	const u32 half = US_MAX_PATCHES / 2 + 1;
	u32 i, index;

	module_bench_start();
	for (index = 0; index < 2; index++) {
		for (i = 0; i < half; i++)
			ASSERT_OK(apply_at(index, 0x400 + i * 0x10,
					   index * half + i + 1));
		unload(index);
	}
	CU_ASSERT(arena_empty());
	sim.all_logs[0] = '\0';
	load_again(0);
	load_again(1);
	ASSERT_REFUSED(OLD_GENERATION, apply_at(0, 0x400, 1));
	ASSERT_REFUSED(OLD_GENERATION, apply_at(0, 0x410, 2));
	ASSERT_OK(apply_at(0, 0x420, 3));
	ASSERT_OK(apply_at(1, 0x400, half + 1));
}

/* Dropped patches that have not been cleared yet count as patches. */
static void too_many_in_use(void)
{
	u32 i;

	module_bench_start();
	for (i = 0; i < US_MAX_PATCHES; i++)
		ASSERT_OK(apply_at(0, 0x400 + i * 0x10, i + 1));
	module_unload(0);
	CU_ASSERT_EQUAL(module_bench_patches(), 0);
	sim.all_logs[0] = '\0';
	ASSERT_REFUSED(TOO_MANY_PATCHES, bench_apply(SIM_FUNCTION, 100));
	tick();
	ASSERT_OK(bench_apply(SIM_FUNCTION, 100));
}

/* A request that meets the end of the module changes no more than that end does. */
static enum us_error send_file(const struct blob *blob, enum us_op op)
{
	struct us_request request = bench_request(op);
	struct control_caller who = sim_caller(BENCH_REQUEST);
	char signature[1024];

	request.in[0].len = blob->len;
	request.in[1].len = make_signature(&bench_key, blob->data, blob->len,
					   "file:test", signature,
					   sizeof(signature));
	request.arg = 50;
	sim_user_write(BENCH_INPUT, blob->data, blob->len);
	sim_user_write(BENCH_SIGNATURE, signature, request.in[1].len);
	sim_user_write(BENCH_REQUEST, &request, sizeof(request));
	return control_request(&who);
}

static u32 going;	/* the module that goes; 2: none */

static void go_now(void)
{
	if (going < 2)
		module_unload(going);
	going = 2;
}

static void go_and_tick(void)
{
	go_now();
	tick();
}

/* At the stop, and while apply waits for one that is in the function. */
static void goes_during_apply(void)
{
	static u8 before[MODULE_TEXT_LEN], after[MODULE_TEXT_LEN];
	u32 when;

	for (when = 0; when < 2; when++) {
		module_bench_start();
		module_bench_text(1, before);
		module_spec(&bench_spec, 1, 1);
		make_bundle(&bench_spec, &bench_blob);
		going = 1;
		if (when) {
			sim.vcpus[1].rip = module_gva(1) + P + 1;
			sim.on_backoff = go_and_tick;
		} else {
			sim.on_stop = go_now;
		}
		CU_ASSERT_EQUAL(send_file(&bench_blob, US_OP_APPLY),
				US_E_MODULE_NOT_SEALED);
		sim.on_stop = NULL;
		sim.on_backoff = NULL;
		module_bench_text(1, after);
		CU_ASSERT_FALSE(memcmp(before, after, sizeof(before)));
		CU_ASSERT(arena_empty());
		CU_ASSERT_FALSE(sim.stopped);
		CU_ASSERT_EQUAL(sim.violations, 0);
		CU_ASSERT_EQUAL(module_bench_patches(), 0);
	}
}

/* A module that the new code calls goes. */
static void callee_goes(void)
{
	u32 when;

	for (when = 0; when < 2; when++) {
		module_bench_start();
		module_spec(&bench_spec, 1, 1);
		bench_spec.base[0] = (struct us_bundle_base) {
			US_BASE_CODE, 0, "first" };
		bench_spec.bases = 1;
		make_bundle(&bench_spec, &bench_blob);
		going = 0;
		if (when)
			sim.on_stop = go_now;
		else
			unload(0);
		CU_ASSERT_EQUAL(send_file(&bench_blob, US_OP_APPLY),
				US_E_MODULE_DEPENDS);
		sim.on_stop = NULL;
		CU_ASSERT(arena_empty());
		CU_ASSERT_EQUAL(sim.memory[module_gpa(1, P + 5)],
				bench_spec.hunk[0].expected[0]);
	}
}

/* The patch that is to be reverted is dropped meanwhile; or another one is, and the
 * list changes. */
static void goes_during_revert(void)
{
	static u8 text[MODULE_TEXT_LEN];
	u32 who, when;

	for (who = 0; who < 2; who++) {
		for (when = 0; when < 2; when++) {
			module_bench_start();
			ASSERT_OK(module_bench_apply(1, 1));
			ASSERT_OK(module_bench_apply(0, 2));
			module_bench_text(1, text);
			if (!who) {
				module_spec(&bench_spec, 1, 1);
				make_bundle(&bench_spec, &bench_blob);
			}
			make_revert(&bench_blob, &bench_revert_blob);
			going = 1;
			if (when) {
				sim.vcpus[1].rip = module_gva(who ? 0 : 1) + P + 1;
				sim.on_backoff = go_and_tick;
			} else {
				sim.on_stop = go_now;
			}
			CU_ASSERT_EQUAL(send_file(&bench_revert_blob, US_OP_REVERT),
					who ? when ? US_E_FUNCTION_IN_USE : US_OK :
					US_E_PATCH_NOT_FOUND);
			sim.on_stop = NULL;
			sim.on_backoff = NULL;
			CU_ASSERT_EQUAL(sim.memory[module_gpa(1, P + 5)], 0xe9);
			CU_ASSERT_EQUAL(module_bench_patches(),
					who && !when ? 0 : 1);
			CU_ASSERT_EQUAL(sim.violations, 0);
			sim.vcpus[1].rip = 0;
			tick();
			CU_ASSERT_EQUAL(arena_empty(), who && !when);
		}
	}
}

/* Somebody maps other memory there: the frames are open, the patch is gone, and its
 * place in the arena holds nothing to jump to. */
static void remapped(void)
{
	module_bench_start();
	ASSERT_OK(module_bench_apply(1, 1));
	sim_map(sim.top_pgt, module_gva(1) + PAGE_SIZE, sim_image_gpa(0x340000),
		PTE_PRESENT, PAGE_SIZE);
	tick();
	CU_ASSERT(logged("patch dropped with its module"));
	tick();
	CU_ASSERT(arena_empty());
	CU_ASSERT_EQUAL(module_bench_patches(), 0);
}

/* Frames that cannot be opened: the module stays, and its patch with it. */
static void opening_fails(void)
{
	module_bench_start();
	ASSERT_OK(module_bench_apply(1, 1));
	module_unload(1);
	sim.fail_protect = 1;
	CU_ASSERT_FALSE(module_bench_write(1, 0x700, "", 1));
	CU_ASSERT_FALSE(logged("patch dropped"));
	CU_ASSERT(logged("frames stay sealed"));
	tick();
	CU_ASSERT(logged("patch dropped"));
}

const struct test dropped_tests[] = {
	{ "goes", goes },
	{ "room in the arena", arena_room },
	{ "still in use", still_in_use },
	{ "comes back", comes_back },
	{ "nothing else", nothing_else },
	{ "reverted", reverted },
	{ "overtaken", overtaken },
	{ "too many", too_many },
	{ "too many in use", too_many_in_use },
	{ "goes during apply", goes_during_apply },
	{ "callee goes", callee_goes },
	{ "goes during revert", goes_during_revert },
	{ "remapped", remapped },
	{ "opening fails", opening_fails },
	{ 0 },
};
