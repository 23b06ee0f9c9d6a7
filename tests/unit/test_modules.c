/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Modules of the simulated machine: sealed, refused, gone. */
#include <string.h>

#include "bench.h"
#include "module_maker.h"
#include "modules.h"

static const struct us_module_info *info = (const void *)bench_response;

static void start_with(u8 policy)
{
	bench_start(0);
	make_baseline(&bench_blob);
	baseline_header(&bench_blob)->policy[US_POLICY_MODULE] = policy;
	CU_ASSERT_EQUAL_FATAL(bench_send(US_OP_SEAL, &bench_blob, &bench_key, 0),
			      US_OK);
	module_load(0);
}

static void start(void)
{
	start_with(US_MODULE_OPEN);
}

static enum us_error seal(u32 index)
{
	make_module(index, &bench_blob);
	return bench_send(US_OP_SEAL_MODULE, &bench_blob, &bench_key, 0);
}

static enum us_error send(void)
{
	return bench_send(US_OP_SEAL_MODULE, &bench_blob, &bench_key, 0);
}

/* How many the list has; the first is in *info. */
static u32 listed(void)
{
	struct us_request request = bench_request(US_OP_MODULES);

	ASSERT_OK(bench_ring(&request));
	return bench_answer.out_len / sizeof(*info);
}

static bool sealed_pages(u32 index, u8 prot)
{
	u32 i;

	for (i = 0; i < MODULE_PAGES; i++)
		if (sim.prot[module_gpa(index, i * PAGE_SIZE) / PAGE_SIZE] != prot)
			return false;
	return true;
}

static bool write_text(u32 index, u64 offset, const void *bytes, u32 len)
{
	return !sim_guest_write(module_gpa(index, offset), bytes, len);
}

static void seal_and_list(void)
{
	start();
	ASSERT_OK(seal(0));
	CU_ASSERT_EQUAL(info->state, US_MODULE_VERIFIED);
	CU_ASSERT_EQUAL(info->text_gva, module_gva(0));
	CU_ASSERT_EQUAL(info->text_len, MODULE_PAGES * PAGE_SIZE);
	CU_ASSERT_EQUAL(info->bytes_enumerated, 5 + 5 + 2);
	CU_ASSERT_EQUAL(info->bytes_masked, 8);
	CU_ASSERT_EQUAL(info->bytes_exact, MODULE_TEXT_LEN - 12 - 8);
	CU_ASSERT_EQUAL(info->relocations, 7);
	CU_ASSERT(sealed_pages(0, US_PROT_SEALED));
	CU_ASSERT_EQUAL(listed(), 1);
	CU_ASSERT_STRING_EQUAL(info->name, module_name(0));
	ASSERT_REFUSED(MODULE_SEALED, seal(0));
	CU_ASSERT_EQUAL(listed(), 1);
}

static void not_sealed(void)
{
	bench_start(0);
	module_load(0);
	ASSERT_REFUSED(NOT_SEALED, seal(0));
}

/* Any byte at all, but for the field that nobody can check. */
static void altered_text(void)
{
	static const u8 one = 1;
	u64 offset;
	u8 was;

	for (offset = 0; offset < MODULE_PAGES * PAGE_SIZE;
	     offset += offset < 0x240 ? 5 : 397) {
		start();
		if (offset >= MODULE_FREED && offset < MODULE_FREED + 8)
			continue;
		was = sim.memory[module_gpa(0, offset)] ^ one;
		sim_poke(module_gpa(0, offset), &was, 1);
		ASSERT_REFUSED(MODULE_TEXT, seal(0));
		CU_ASSERT(sealed_pages(0, US_PROT_OPEN));
		CU_ASSERT_EQUAL(listed(), 1);
		CU_ASSERT_EQUAL(info->state, US_MODULE_UNPROTECTED);
		CU_ASSERT_EQUAL(info->error, US_E_MODULE_TEXT);
	}
}

/* The first field tells, but the others do not agree. */
static void freed_base(void)
{
	start();
	sim_poke64(module_gpa(0, MODULE_FREED), 0x1234);
	ASSERT_REFUSED(MODULE_TEXT, seal(0));
}

static void lying_lists(void)
{
	u64 node, head;
	u32 i;

	start();
	module_load(1);
	head = sim_image_gpa(SIM_MODULES);
	node = sim_image_gva(0x2f0000 + PAGE_SIZE) + SIM_MODULE_LIST;
	/* A list that never comes back. */
	sim_poke64(module_struct(1) + SIM_MODULE_LIST, node);
	ASSERT_REFUSED(MODULE_NOT_FOUND, seal(0));
	static const u64 bad[] = { 0, 8, ~0ull, 0x8000000000000000ull,
				   0xffffffffbffffff9ull, SIM_DIRECT + SIM_HIDDEN };
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		sim_poke64(head, bad[i]);
		ASSERT_REFUSED(MODULE_NOT_FOUND, seal(0));
	}
	module_load(0);
	sim_poke64(module_struct(0), 3);	/* not formed yet */
	ASSERT_REFUSED(MODULE_NOT_FOUND, seal(0));
	sim_poke64(module_struct(0), 0);
	static const u64 gva[] = { 0, 0x1000, 0xffffffffc0100001ull,
				   0xffffffffbfff0000ull, 0xfffffffffefff000ull,
				   0xffffffffffffffffull, SIM_DIRECT };
	for (i = 0; i < ARRAY_SIZE(gva); i++) {
		sim_poke64(module_struct(0) + SIM_MODULE_AREAS, gva[i]);
		CU_ASSERT(seal(0) != US_OK);
	}
	/* The other module's text, under this one's name. */
	sim_poke64(module_struct(0) + SIM_MODULE_AREAS, module_gva(1));
	ASSERT_REFUSED(MODULE_TEXT, seal(0));
	sim_poke64(module_struct(0) + SIM_MODULE_AREAS, module_gva(0));
	sim_poke(module_struct(0) + SIM_MODULE_AREAS + 8, "\x00\x10\x00\x00", 4);
	ASSERT_REFUSED(MODULE_NOT_FOUND, seal(0));
	module_load(0);
	sim_poke64(module_struct(0) + SIM_MODULE_PERCPU, 0x30000);
	ASSERT_REFUSED(MODULE_TEXT, seal(0));
	module_load(0);
	ASSERT_OK(seal(0));
}

static void bad_mappings(void)
{
	const struct {
		u64 gpa, flags;
	} bad[] = {
		{ module_gpa(0, PAGE_SIZE), PTE_PRESENT | PTE_WRITE },
		{ module_gpa(0, PAGE_SIZE), PTE_PRESENT | PTE_USER },
		{ module_gpa(0, PAGE_SIZE), PTE_PRESENT | PTE_NX },
		{ module_gpa(0, PAGE_SIZE), 0 },
		{ module_gpa(0, 0), PTE_PRESENT },	/* twice */
		{ SIM_ARENA, PTE_PRESENT },
		{ SIM_HIDDEN, PTE_PRESENT },
		{ SIM_TEXT, PTE_PRESENT },
		{ SIM_END, PTE_PRESENT },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		start();
		sim_map(sim.top_pgt, module_gva(0) + PAGE_SIZE, bad[i].gpa,
			bad[i].flags, PAGE_SIZE);
		CU_ASSERT(seal(0) != US_OK);
		CU_ASSERT_EQUAL(bench_answer.status, US_E_KERNEL_MAPPING);
	}
}

static void own_patching(void)
{
	static const u8 int3 = 0xcc, nop = 0x66;
	static const u8 jump[] = { 0xeb, 0x1e };

	start();
	ASSERT_OK(seal(0));
	CU_ASSERT_FALSE(write_text(0, 0x700, &int3, 1));
	CU_ASSERT_FALSE(write_text(0, MODULE_FIELD, &int3, 1));
	CU_ASSERT_FALSE(write_text(0, MODULE_SITE, &int3, 1));
	CU_ASSERT(write_text(0, MODULE_FTRACE, &int3, 1));
	CU_ASSERT(write_text(0, MODULE_FTRACE, "\x0f", 1));
	CU_ASSERT(write_text(0, MODULE_JUMP, &int3, 1));
	CU_ASSERT(write_text(0, MODULE_JUMP + 1, jump + 1, 1));
	CU_ASSERT(write_text(0, MODULE_JUMP, jump, 1));
	CU_ASSERT_FALSE(write_text(0, MODULE_JUMP, &nop, 1));
	CU_ASSERT_EQUAL(listed(), 1);
}

/* Found by a write, by the timer, by the list, by the next seal. */
static void lapses(void)
{
	static const u8 zero[16];
	struct control_caller who;

	start();
	ASSERT_OK(seal(0));
	module_unload(0);
	CU_ASSERT(write_text(0, 0x700, zero, sizeof(zero)));
	CU_ASSERT(sealed_pages(0, US_PROT_OPEN));
	CU_ASSERT(write_text(0, 0x1000, zero, 1));	/* one that came late */
	CU_ASSERT_EQUAL(listed(), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(sim.all_logs, "module gone"));

	module_load(0);
	ASSERT_OK(seal(0));
	module_unload(0);
	who = sim_caller(BENCH_REQUEST);
	control_tick(&who);
	CU_ASSERT(sealed_pages(0, US_PROT_OPEN));

	module_load(0);
	ASSERT_OK(seal(0));
	module_unload(0);
	CU_ASSERT_EQUAL(listed(), 0);
	CU_ASSERT(sealed_pages(0, US_PROT_OPEN));

	module_load(0);
	ASSERT_OK(seal(0));
	module_unload(0);
	/* Back in its frames before anybody has looked: as if it had stayed, since
	 * nothing was written there. */
	module_load(0);
	ASSERT_REFUSED(MODULE_SEALED, seal(0));
	CU_ASSERT_EQUAL(sim.violations, 0);
}

/* It is loaded again at once, into the same frames at the same place: the loader
 * writes there while the pages are not code yet. */
static void loaded_again(void)
{
	static const u8 zero[16];
	u32 i;

	for (i = 0; i < 2; i++) {
		start();
		ASSERT_OK(seal(0));
		sim_map(sim.top_pgt, module_gva(0), module_gpa(0, 0),
			PTE_PRESENT | PTE_WRITE | PTE_NX, PAGE_SIZE);
		/* Live: no loader is at work there. */
		CU_ASSERT_FALSE(write_text(0, 0x700, zero, sizeof(zero)));
		CU_ASSERT(sealed_pages(0, US_PROT_SEALED));
		if (i)
			sim_poke64(module_struct(0), 3);	/* not formed */
		else
			sim_poke64(sim_image_gpa(SIM_MODULES),
				   sim_image_gva(SIM_MODULES));
		CU_ASSERT(write_text(0, 0x700, zero, sizeof(zero)));
		CU_ASSERT(sealed_pages(0, US_PROT_OPEN));
		module_load(0);
		ASSERT_OK(seal(0));
	}
}

/* Frames of a module that is gone hold a new one. */
static void frames_reused(void)
{
	u32 i;

	start();
	ASSERT_OK(seal(0));
	module_unload(0);
	module_load(1);
	for (i = 0; i < MODULE_PAGES; i++) {
		sim_poke(module_gpa(0, i * PAGE_SIZE),
			 sim.memory + module_gpa(1, i * PAGE_SIZE), PAGE_SIZE);
		sim_map(sim.top_pgt, module_gva(1) + i * PAGE_SIZE,
			module_gpa(0, i * PAGE_SIZE), PTE_PRESENT, PAGE_SIZE);
	}
	/* It calls the first one, which is not there. */
	make_module(1, &bench_blob);
	CU_ASSERT(send() != US_OK);
	CU_ASSERT_EQUAL(modules_overlap(module_gpa(0, 0), PAGE_SIZE), true);
	CU_ASSERT_EQUAL(listed(), 1);
	CU_ASSERT_EQUAL(info->state, US_MODULE_UNPROTECTED);
	CU_ASSERT_FALSE(modules_overlap(module_gpa(0, 0), PAGE_SIZE));
}

/* The module is in the list and its page leads to other memory: loaded again, or
 * somebody's doing. Either way it is not what was sealed. */
static void remapped(void)
{
	static const u8 one = 1;
	struct control_caller who;

	start();
	ASSERT_OK(seal(0));
	sim_map(sim.top_pgt, module_gva(0) + PAGE_SIZE,
		sim_image_gpa(0x340000), PTE_PRESENT, PAGE_SIZE);
	/* Its other pages are what they were. */
	CU_ASSERT_FALSE(write_text(0, 0x700, &one, 1));
	CU_ASSERT(sealed_pages(0, US_PROT_SEALED));
	who = sim_caller(BENCH_REQUEST);
	control_tick(&who);
	CU_ASSERT(sealed_pages(0, US_PROT_OPEN));
	CU_ASSERT_PTR_NOT_NULL(strstr(sim.all_logs, "module gone"));
	CU_ASSERT_PTR_NULL(strstr(sim.all_logs, "mapping of"));
	CU_ASSERT_EQUAL(listed(), 0);
	/* What is there now is no module's. */
	ASSERT_REFUSED(MODULE_TEXT, seal(0));
}

static void dependencies(void)
{
	start();
	module_load(1);
	ASSERT_REFUSED(MODULE_DEPENDS, seal(1));
	CU_ASSERT_STRING_EQUAL(bench_answer.text, module_name(0));
	ASSERT_OK(seal(0));
	ASSERT_OK(seal(1));
	CU_ASSERT_EQUAL(listed(), 2);
	/* It has to be the one that is sealed. */
	module_unload(1);
	CU_ASSERT_EQUAL(listed(), 1);
	module_load(1);
	sim_poke64(module_struct(0) + SIM_MODULE_AREAS, module_gva(0) + PAGE_SIZE);
	ASSERT_REFUSED(MODULE_DEPENDS, seal(1));
}

static void no_room(void)
{
	u32 len = 16u << 20;

	start();
	sim_poke(module_struct(0) + SIM_MODULE_AREAS + 8, &len, 4);
	make_module(0, &bench_blob);
	module_header(&bench_blob)->text_len = 12u << 20;
	module_header(&bench_blob)->blocks = (12u << 20) / US_BLOCK_BYTES;
	bench_blob.len += 4096;
	ASSERT_REFUSED(MODULE_ROOM, send());
	CU_ASSERT_EQUAL(listed(), 1);
	CU_ASSERT_EQUAL(info->error, US_E_MODULE_ROOM);
	ASSERT_OK(seal(0));
}

static enum us_error send_name(const char *name, u64 len)
{
	struct us_request request = bench_request(US_OP_SEAL_MODULE);

	sim_user_write(BENCH_INPUT, name, len);
	request.in[0].len = len;
	request.in[1].gva = 0;
	return bench_ring(&request);
}

static void without_baseline(void)
{
	static const u8 int3 = 0xcc;

	u32 lines;

	start();
	lines = sim.logs;
	ASSERT_REFUSED(MODULE_POLICY, send_name("first", 5));
	CU_ASSERT_EQUAL(sim.logs, lines);
	CU_ASSERT_EQUAL(listed(), 1);
	CU_ASSERT_EQUAL(info->state, US_MODULE_UNPROTECTED);
	ASSERT_REFUSED(MODULE_NOT_FOUND, send_name("other", 5));
	ASSERT_REFUSED(BAD_REQUEST, send_name("", 0));
	ASSERT_REFUSED(BAD_REQUEST, send_name("a b", 3));
	ASSERT_REFUSED(BAD_REQUEST, send_name("a\n", 2));

	start_with(US_MODULE_AS_FOUND);
	ASSERT_OK(send_name("first", 5));
	CU_ASSERT_EQUAL(info->state, US_MODULE_UNVERIFIED);
	CU_ASSERT_EQUAL(info->text_len, MODULE_PAGES * PAGE_SIZE);
	CU_ASSERT_EQUAL(info->bytes_exact, 0);
	CU_ASSERT(sealed_pages(0, US_PROT_SEALED));
	CU_ASSERT_FALSE(write_text(0, MODULE_FTRACE, &int3, 1));
	/* What calls it wants it verified. */
	module_load(1);
	ASSERT_REFUSED(MODULE_DEPENDS, seal(1));
	module_unload(0);
	CU_ASSERT_EQUAL(listed(), 1);
}

static void bad_baselines(void)
{
	u64 len;

	start();
	make_module(0, &bench_blob);
	module_header(&bench_blob)->kernel_build_id[0] ^= 1;
	ASSERT_REFUSED(MODULE_KERNEL, send());
	make_module(0, &bench_blob);
	module_header(&bench_blob)->version++;
	ASSERT_REFUSED(BASELINE_VERSION, send());
	make_module(0, &bench_blob);
	module_block(&bench_blob)->sites = 2;
	ASSERT_REFUSED(BASELINE_FIELD, send());
	make_module(0, &bench_blob);
	ASSERT_REFUSED(SIG_KEY_UNKNOWN, bench_send(US_OP_SEAL_MODULE, &bench_blob,
						   &bench_stranger, 0));
	make_module(0, &bench_blob);
	for (len = 64; len < bench_blob.len; len += 301) {
		make_module(0, &bench_blob);
		bench_blob.len = len;
		ASSERT_REFUSED(BASELINE_TRUNCATED, send());
	}
	/* A kernel's baseline is none of a module. */
	make_baseline(&bench_blob);
	ASSERT_REFUSED(BASELINE_MAGIC, send());
	ASSERT_OK(seal(0));
}

static void set_state(u32 index, u32 state)
{
	sim_poke(module_struct(index), &state, sizeof(state));
}

/* A module that is being loaded can be sealed before any of it has run, though not
 * before its text is in its final form, nor without a baseline. */
static void coming(void)
{
	start();
	set_state(0, 3);
	ASSERT_REFUSED(MODULE_NOT_FOUND, seal(0));
	set_state(0, 2);
	ASSERT_REFUSED(MODULE_NOT_FOUND, seal(0));
	set_state(0, 1);
	ASSERT_OK(seal(0));
	/* It goes on to patch itself, and lives. */
	CU_ASSERT(write_text(0, MODULE_JUMP, "\xcc", 1));
	CU_ASSERT(write_text(0, MODULE_JUMP + 1, "\x1e", 1));
	CU_ASSERT(write_text(0, MODULE_JUMP, "\xeb", 1));
	set_state(0, 0);
	CU_ASSERT_EQUAL(listed(), 1);
	CU_ASSERT_EQUAL(info->state, US_MODULE_VERIFIED);
	start_with(US_MODULE_AS_FOUND);
	set_state(0, 1);
	ASSERT_REFUSED(MODULE_NOT_FOUND, send_name("first", 5));
	set_state(0, 0);
	ASSERT_OK(send_name("first", 5));
}

/* Answers never land in a sealed module. */
static void answers(void)
{
	struct us_request request = bench_request(US_OP_STATUS);

	start();
	ASSERT_OK(seal(0));
	sim_map(sim.caller_pgt, BENCH_OUT & PAGE_MASK, module_gpa(0, 0),
		PTE_PRESENT | PTE_WRITE | PTE_USER, PAGE_SIZE);
	ASSERT_REFUSED(GUEST_ADDRESS, bench_ring(&request));
}

/* Freezing fails at each of its steps; nothing stays frozen. */
static void freeze_fails(void)
{
	u32 i;

	for (i = 1; i <= MODULE_PAGES; i++) {
		start();
		sim.fail_protect = i;
		CU_ASSERT(seal(0) != US_OK);
		CU_ASSERT(sealed_pages(0, US_PROT_OPEN));
		sim.fail_protect = 0;
		ASSERT_OK(seal(0));
	}
}

const struct test modules_tests[] = {
	{ "seal and list", seal_and_list },
	{ "kernel not sealed", not_sealed },
	{ "altered text", altered_text },
	{ "a base that is gone", freed_base },
	{ "lying lists", lying_lists },
	{ "bad mappings", bad_mappings },
	{ "own patching", own_patching },
	{ "lapses", lapses },
	{ "loaded again in its place", loaded_again },
	{ "frames used again", frames_reused },
	{ "remapped", remapped },
	{ "dependencies", dependencies },
	{ "no room", no_room },
	{ "without a baseline", without_baseline },
	{ "bad baselines", bad_baselines },
	{ "coming", coming },
	{ "answers", answers },
	{ "freezing fails", freeze_fails },
	{ 0 },
};
