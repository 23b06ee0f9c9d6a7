/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sets and stacks of patches: what goes with what, and that one stop changes it all. */
#include <string.h>

#include "change.h"
#include "module_bench.h"
#include "patches.h"
#include "state.h"

#define F	SIM_FUNCTION
#define KEPT	6u

static struct blob kept[KEPT];
static u8 text[SIM_TEXT_LEN];

static const struct us_receipt *receipt = (const void *)bench_response;

static void start(void)
{
	bench_start_sealed();
	memcpy(text, sim.memory + SIM_TEXT, sizeof(text));
}

static bool text_as_before(void)
{
	return !memcmp(text, sim.memory + SIM_TEXT, sizeof(text));
}

static bool arena_empty(void)
{
	u64 i;

	for (i = 0; i < SIZE_2M; i++)
		if (sim.memory[SIM_ARENA + i] != 0xcc ||
		    sim.memory[SIM_SHADOW + i])
			return false;
	return true;
}

/* A bundle called @name for @function, to be changed before it is applied. */
static void make(u32 function, u64 generation, const char *name)
{
	bundle_spec_default(&bench_spec, function, generation);
	bench_spec.name = name;
}

static void add_link(enum us_link_kind kind, const char *name)
{
	struct us_bundle_link *link = &bench_spec.link[bench_spec.links++];

	memset(link, 0, sizeof(*link));
	link->kind = kind;
	strcpy(link->name, name);
}

/* Apply bench_spec and keep the file. */
static enum us_error apply(u32 index)
{
	enum us_error error = bench_apply_spec();

	kept[index] = bench_blob;
	return error;
}

static enum us_error revert(u32 index)
{
	make_revert(&kept[index], &bench_revert_blob);
	return bench_send(US_OP_REVERT, &bench_revert_blob, &bench_key, 0);
}

static u32 installed(void)
{
	struct us_request request = bench_request(US_OP_LIST);

	ASSERT_OK(bench_ring(&request));
	return bench_answer.out_len / sizeof(struct us_patch_info);
}

/* Where the jump in @function leads, from the arena's start on. */
static u64 leads_to(u32 function)
{
	u64 jump = sim_image_gpa(function + 5);
	s32 distance;

	CU_ASSERT_EQUAL(sim.memory[jump], 0xe9);
	memcpy(&distance, sim.memory + jump + 1, 4);
	return sim_image_gva(function + 10) + (u64)(s64)distance -
	       MODULE_BENCH_ARENA;
}

static void stack(void)
{
	start();
	make(F, 1, "a");
	ASSERT_OK(apply(0));
	make(F, 2, "b");
	ASSERT_REFUSED(HUNKS_OVERLAP, bench_apply_spec());
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "a");
	add_link(US_LINK_NEEDS, "a");
	ASSERT_OK(apply(1));
	CU_ASSERT_EQUAL(receipt->replaced, 0);
	CU_ASSERT_EQUAL(leads_to(F), 64);
	/* The newest one counts, and the place has to be the same. */
	make(F, 3, "c");
	add_link(US_LINK_NEEDS, "a");
	ASSERT_REFUSED(HUNKS_OVERLAP, bench_apply_spec());
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "b");
	make(F, 3, "c");
	add_link(US_LINK_NEEDS, "b");
	bench_spec.hunk[0].text_offset += 2;
	ASSERT_REFUSED(HUNKS_OVERLAP, bench_apply_spec());
	make(F, 3, "c");
	add_link(US_LINK_NEEDS, "b");
	ASSERT_OK(apply(2));
	CU_ASSERT_EQUAL(leads_to(F), 128);
	ASSERT_REFUSED(PATCH_NOT_LAST, revert(0));
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "c");
	ASSERT_REFUSED(PATCH_NOT_LAST, revert(1));
	ASSERT_OK(revert(2));
	CU_ASSERT_EQUAL(leads_to(F), 64);
	ASSERT_OK(revert(1));
	CU_ASSERT_EQUAL(leads_to(F), 0);
	ASSERT_OK(revert(0));
	CU_ASSERT(text_as_before() && arena_empty());
}

/* A stacked bundle expects what was linked there, not the jump that is there. */
static void stack_expects_linked(void)
{
	start();
	make(F, 1, "a");
	ASSERT_OK(apply(0));
	make(F, 2, "b");
	add_link(US_LINK_NEEDS, "a");
	bench_spec.hunk[0].expected[3] ^= 1;
	ASSERT_REFUSED(EXPECTED_BYTES, bench_apply_spec());
	CU_ASSERT_EQUAL(bench_answer.detail[1], (sim_linked[F + 8] ^ 1u) << 8 |
			sim_linked[F + 8]);
	memcpy(bench_spec.hunk[0].expected,
	       sim.memory + sim_image_gpa(F + 5), 5);
	ASSERT_REFUSED(EXPECTED_BYTES, bench_apply_spec());
	/* What the one below has put there is not there any more. */
	make(F, 2, "b");
	add_link(US_LINK_NEEDS, "a");
	sim_poke(sim_image_gpa(F + 7), "\x55", 1);
	ASSERT_REFUSED(EXPECTED_BYTES, bench_apply_spec());
	CU_ASSERT_EQUAL(bench_answer.detail[0], sim_image_gva(F + 7));
}

/* The body of the patch below is an old body, too. */
static void stack_in_use(void)
{
	start();
	make(F, 1, "a");
	ASSERT_OK(apply(0));
	make(F, 2, "b");
	add_link(US_LINK_NEEDS, "a");
	make_bundle(&bench_spec, &bench_blob);
	sim.vcpus[1].rip = MODULE_BENCH_ARENA + 30;
	ASSERT_REFUSED(FUNCTION_IN_USE, bench_send(US_OP_APPLY, &bench_blob,
						   &bench_key, 20));
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "sim_function in task swapper/1");
	/* At its first byte none of it has run. */
	sim.vcpus[1].rip = MODULE_BENCH_ARENA;
	ASSERT_OK(bench_send(US_OP_APPLY, &bench_blob, &bench_key, 20));
}

/* Three patches, one over another, and one bundle that has two of the three places. */
static void prepare_three(void)
{
	start();
	make(F, 1, "a");
	ASSERT_OK(apply(0));
	make(2 * F, 2, "b");
	ASSERT_OK(apply(1));
	make(F, 3, "c");
	add_link(US_LINK_NEEDS, "a");
	ASSERT_OK(apply(2));
	make(F, 4, "all");
	bench_spec.function[1] = bench_spec.function[0];
	bench_spec.function[1].text_offset = 3 * F;
	bench_spec.functions = 2;
	bench_spec.hunk[1] = bench_spec.hunk[0];
	bench_spec.hunk[1].text_offset = 3 * F + 5;
	memcpy(bench_spec.hunk[1].expected, sim_linked + 3 * F + 5, 5);
	bench_spec.hunks = 2;
	bench_spec.reloc[4] = bench_spec.reloc[3];
	bench_spec.reloc[4].where = 1 << 8 | 1;
	bench_spec.relocs = 5;
}

static void check_cumulative(void)
{
	u32 stops = sim.stops, commits = sim.commits;

	ASSERT_OK(apply(3));
	/* One look before at most, one stop, one commit. */
	CU_ASSERT_EQUAL(sim.stops, stops + 1);
	CU_ASSERT_EQUAL(sim.commits, commits + 1);
	CU_ASSERT_STRING_EQUAL(sim.last_change, "apply all generation 4");
	CU_ASSERT_EQUAL(receipt->replaced, 3);
	CU_ASSERT_EQUAL(leads_to(F), 192);
	CU_ASSERT_EQUAL(leads_to(3 * F), 192);
	CU_ASSERT_FALSE(memcmp(text + 2 * F, sim.memory + SIM_TEXT + 2 * F, 0xf0));
	CU_ASSERT_EQUAL(sim.memory[SIM_ARENA], 0xcc);
	CU_ASSERT_EQUAL(sim.memory[SIM_ARENA + 191], 0xcc);
	CU_ASSERT_EQUAL(installed(), 1);
	ASSERT_REFUSED(PATCH_NOT_FOUND, revert(0));
	ASSERT_OK(revert(3));
	CU_ASSERT(text_as_before() && arena_empty());
	CU_ASSERT_EQUAL(installed(), 0);
}

static void cumulative(void)
{
	prepare_three();
	bench_spec.flags = US_BUNDLE_CUMULATIVE;
	check_cumulative();
}

static void replaces(void)
{
	prepare_three();
	add_link(US_LINK_REPLACES, "a");
	add_link(US_LINK_REPLACES, "b");
	/* What stays is over what would go. */
	ASSERT_REFUSED(PATCH_NOT_LAST, bench_apply_spec());
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "c");
	add_link(US_LINK_REPLACES, "c");
	check_cumulative();
}

/* By its id, the others of the name stay; one that is not there does not matter. */
static void replaces_by_id(void)
{
	start();
	make(F, 1, "a");
	ASSERT_OK(apply(0));
	make(2 * F, 2, "a");
	ASSERT_OK(apply(1));
	memcpy(kept[2].data, receipt->bundle_id, US_DIGEST_SIZE);
	make(2 * F, 3, "b");
	add_link(US_LINK_REPLACES, "a");
	memset(bench_spec.link[0].bundle_id, 0x5a, US_DIGEST_SIZE);
	ASSERT_REFUSED(HUNKS_OVERLAP, bench_apply_spec());
	memcpy(bench_spec.link[0].bundle_id, kept[2].data, US_DIGEST_SIZE);
	add_link(US_LINK_REPLACES, "unknown");
	ASSERT_OK(apply(2));
	CU_ASSERT_EQUAL(receipt->replaced, 1);
	CU_ASSERT_EQUAL(installed(), 2);
	CU_ASSERT_EQUAL(leads_to(F), 0);
	/* Room of what went is free again. */
	make(3 * F, 4, "d");
	ASSERT_OK(apply(3));
	CU_ASSERT_EQUAL(receipt->arena_offset, 64);
}

/* What goes can have changed other bytes than those that its successor changes. */
static void replaces_part(void)
{
	start();
	make(F, 1, "a");
	bench_spec.hunk[0].len = 12;
	memcpy(bench_spec.hunk[0].expected, sim_linked + F + 5, 12);
	ASSERT_OK(apply(0));
	make(F, 2, "b");
	bench_spec.hunk[0].text_offset += 4;
	memset(bench_spec.hunk[0].expected, 0, US_HUNK_MAX);
	memcpy(bench_spec.hunk[0].expected, sim_linked + F + 9, 5);
	add_link(US_LINK_REPLACES, "a");
	ASSERT_OK(apply(1));
	CU_ASSERT_FALSE(memcmp(text + F, sim.memory + SIM_TEXT + F, 9));
	CU_ASSERT_EQUAL(sim.memory[SIM_TEXT + F + 9], 0xe9);
	CU_ASSERT_FALSE(memcmp(text + F + 14, sim.memory + SIM_TEXT + F + 14, 9));
	ASSERT_OK(revert(1));
	CU_ASSERT(text_as_before());
}

/* Somebody is in the code of one that would go. */
static void replaced_in_use(void)
{
	start();
	make(2 * F, 1, "a");
	ASSERT_OK(apply(0));
	make(F, 2, "b");
	add_link(US_LINK_REPLACES, "a");
	make_bundle(&bench_spec, &bench_blob);
	sim_poke64(sim_stack_word(SIM_INIT, 0x80), MODULE_BENCH_ARENA);
	ASSERT_REFUSED(FUNCTION_IN_USE, bench_send(US_OP_APPLY, &bench_blob,
						   &bench_key, 20));
	CU_ASSERT_EQUAL(bench_answer.detail[1], 1);
	CU_ASSERT_EQUAL(leads_to(2 * F), 0);
	sim_poke64(sim_stack_word(SIM_INIT, 0x80), sim_image_gva(2 * F + 0x33));
	ASSERT_REFUSED(FUNCTION_IN_USE, bench_send(US_OP_APPLY, &bench_blob,
						   &bench_key, 20));
	sim_poke64(sim_stack_word(SIM_INIT, 0x80), 0);
	ASSERT_OK(bench_send(US_OP_APPLY, &bench_blob, &bench_key, 20));
}

static void conflicts(void)
{
	start();
	make(F, 1, "a");
	add_link(US_LINK_CONFLICTS, "later");
	ASSERT_OK(apply(0));
	make(2 * F, 2, "b");
	add_link(US_LINK_CONFLICTS, "a");
	ASSERT_REFUSED(PATCH_CONFLICT, bench_apply_spec());
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "a");
	CU_ASSERT_EQUAL(bench_answer.detail[0], 1);
	/* It does not matter which of the two says so. */
	make(2 * F, 2, "later");
	ASSERT_REFUSED(PATCH_CONFLICT, bench_apply_spec());
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "a");
	/* They are never in together. */
	add_link(US_LINK_REPLACES, "a");
	ASSERT_OK(apply(1));
	CU_ASSERT_EQUAL(installed(), 1);
	make(F, 3, "a");
	add_link(US_LINK_CONFLICTS, "later");
	ASSERT_REFUSED(PATCH_CONFLICT, bench_apply_spec());
	ASSERT_OK(revert(1));
	ASSERT_OK(bench_apply_spec());
}

static void needs(void)
{
	start();
	make(2 * F, 1, "b");
	add_link(US_LINK_NEEDS, "a");
	ASSERT_REFUSED(PATCH_NEEDS, bench_apply_spec());
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "a");
	make(F, 1, "a");
	ASSERT_OK(apply(0));
	make(2 * F, 2, "b");
	add_link(US_LINK_NEEDS, "a");
	ASSERT_OK(apply(1));
	ASSERT_REFUSED(PATCH_NEEDED, revert(0));
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "b");
	CU_ASSERT_EQUAL(bench_answer.detail[0], 2);
	/* It would not stay. */
	make(3 * F, 3, "c");
	add_link(US_LINK_NEEDS, "b");
	bench_spec.flags = US_BUNDLE_CUMULATIVE;
	ASSERT_REFUSED(PATCH_NEEDS, bench_apply_spec());
	make(3 * F, 3, "c");
	add_link(US_LINK_REPLACES, "a");
	ASSERT_REFUSED(PATCH_NEEDED, bench_apply_spec());
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "b");
	/* Another of the same name will do. */
	make(3 * F, 3, "a");
	add_link(US_LINK_REPLACES, "a");
	ASSERT_OK(apply(2));
	ASSERT_REFUSED(PATCH_NEEDED, revert(2));
	ASSERT_OK(revert(1));
	ASSERT_OK(revert(2));
	CU_ASSERT(text_as_before() && arena_empty());
}

/* A kernel's bundle takes a module's out; then one whose module goes in the stop. */
static void unload(void)
{
	module_unload(0);
}

/* Its frames are opened by that, which is a change. */
static enum us_error apply_while_it_goes(void)
{
	struct us_request request = bench_request(US_OP_APPLY);
	struct control_caller who = sim_caller(BENCH_REQUEST);
	char signature[1024];
	enum us_error error;

	make_bundle(&bench_spec, &bench_blob);
	request.in[0].len = bench_blob.len;
	request.in[1].len = make_signature(&bench_key, bench_blob.data,
					   bench_blob.len, "file:test", signature,
					   sizeof(signature));
	sim_user_write(BENCH_INPUT, bench_blob.data, bench_blob.len);
	sim_user_write(BENCH_SIGNATURE, signature, request.in[1].len);
	sim_user_write(BENCH_REQUEST, &request, sizeof(request));
	sim.on_stop = unload;
	error = control_request(&who);
	sim.on_stop = NULL;
	return error;
}

static void other_text(void)
{
	static u8 before[MODULE_TEXT_LEN], after[MODULE_TEXT_LEN];

	module_bench_start();
	memcpy(text, sim.memory + SIM_TEXT, sizeof(text));
	module_bench_text(0, before);
	module_spec(&bench_spec, 0, 1);
	bench_spec.name = "in module";
	ASSERT_OK(apply(0));
	make(F, 1, "of kernel");
	add_link(US_LINK_REPLACES, "in module");
	ASSERT_OK(apply(1));
	CU_ASSERT_EQUAL(receipt->replaced, 1);
	module_bench_text(0, after);
	CU_ASSERT_FALSE(memcmp(before, after, sizeof(before)));
	module_spec(&bench_spec, 0, 2);
	bench_spec.name = "in module";
	ASSERT_OK(apply(0));
	make(2 * F, 2, "of kernel too");
	/* All of its own text: the module's stays. */
	bench_spec.flags = US_BUNDLE_CUMULATIVE;
	ASSERT_OK(apply(1));
	CU_ASSERT_EQUAL(receipt->replaced, 1);
	make(3 * F, 3, "third");
	add_link(US_LINK_REPLACES, "in module");
	ASSERT_REFUSED(PATCH_NOT_FOUND, apply_while_it_goes());
	CU_ASSERT_STRING_EQUAL(control.result.text, module_name(0));
	CU_ASSERT_EQUAL(sim.memory[sim_image_gpa(3 * F + 5)], text[3 * F + 5]);
	ASSERT_OK(bench_apply_spec());
	CU_ASSERT_EQUAL(receipt->replaced, 0);
}

/* Old and new may run side by side, but nobody comes back into the middle of what was
 * changed. */
static void consistency_none(void)
{
	start();
	make(F, 1, "a");
	bench_spec.reason = "both bodies do the same to shared data";
	make_bundle(&bench_spec, &bench_blob);
	kept[0] = bench_blob;
	sim.vcpus[1].rip = sim_image_gva(F + 7);
	ASSERT_REFUSED(FUNCTION_IN_USE, bench_send(US_OP_APPLY, &bench_blob,
						   &bench_key, 20));
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "sim_function in task swapper/1");
	sim.vcpus[1].rip = sim_image_gva(F + 0x33);
	sim_poke64(sim_stack_word(SIM_INIT, 0x80), sim_image_gva(F + 9));
	ASSERT_REFUSED(FUNCTION_IN_USE, bench_send(US_OP_APPLY, &bench_blob,
						   &bench_key, 20));
	/* At either end of it, or elsewhere in the function. */
	sim_poke64(sim_stack_word(SIM_INIT, 0x80), sim_image_gva(F + 5));
	sim_poke64(sim_stack_word(SIM_INIT, 0x88), sim_image_gva(F + 10));
	ASSERT_OK(bench_send(US_OP_APPLY, &bench_blob, &bench_key, 20));
	CU_ASSERT_EQUAL(receipt->consistency, US_CONSISTENCY_NONE);
	/* Its code in the arena goes, so nobody may be in that. */
	sim.vcpus[1].rip = MODULE_BENCH_ARENA + 1;
	make_revert(&kept[0], &bench_revert_blob);
	ASSERT_REFUSED(FUNCTION_IN_USE, bench_send(US_OP_REVERT,
		       &bench_revert_blob, &bench_key, 20));
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "sim_function in task swapper/1");
	sim.vcpus[1].rip = sim_image_gva(F + 0x33);
	ASSERT_OK(revert(0));
	CU_ASSERT(text_as_before() && arena_empty());
}

static u32 index_of(u32 which)
{
	const struct us_bundle_header *header = (const void *)kept[which].data;
	struct installed_patch patch;
	u32 i;

	for (i = 0; i < patches_count(); i++) {
		patches_get(i, &patch);
		if (patch.info.receipt.generation == header->generation)
			return i;
	}
	return ~0u;
}

static void withdraw(void)
{
	static struct change_withdrawn done;

	start();
	make(F, 1, "a");
	ASSERT_OK(apply(0));
	make(2 * F, 2, "b");
	ASSERT_OK(apply(1));
	make(F, 3, "c");
	add_link(US_LINK_NEEDS, "a");
	ASSERT_OK(apply(2));
	make(3 * F, 4, "d");
	add_link(US_LINK_NEEDS, "c");
	ASSERT_OK(apply(3));
	sim_snapshot();
	sim.vcpus[1].rip = sim_image_gva(3 * F + 8);
	ASSERT_REFUSED(FUNCTION_IN_USE, change_withdraw(index_of(0), &done));
	CU_ASSERT_EQUAL(sim.backoffs, 0);
	CU_ASSERT_EQUAL(done.count, 0);
	sim.vcpus[1].rip = sim_image_gva(0x25110);
	sim.fail_commit = 1;
	ASSERT_REFUSED(HOST_FAILED, change_withdraw(index_of(0), &done));
	control.running = true;
	ASSERT_REFUSED(BUSY, change_withdraw(index_of(0), &done));
	control.running = false;
	CU_ASSERT(sim_unchanged());
	ASSERT_OK(change_withdraw(index_of(0), &done));
	CU_ASSERT_EQUAL(done.count, 3);
	CU_ASSERT_STRING_EQUAL(done.receipts[0].name, "d");
	CU_ASSERT_STRING_EQUAL(done.receipts[1].name, "c");
	CU_ASSERT_STRING_EQUAL(done.receipts[2].name, "a");
	CU_ASSERT_STRING_EQUAL(sim.last_change, "withdraw a generation 1");
	CU_ASSERT_EQUAL(installed(), 1);
	ASSERT_OK(revert(1));
	CU_ASSERT(text_as_before() && arena_empty());
}

/* More links than can be kept of all patches together; what goes makes room. */
static void too_many_links(void)
{
	u32 i, k;

	start();
	for (i = 0; i <= PATCHES_MAX_LINKS / US_BUNDLE_MAX_LINKS; i++) {
		make((i + 1) * F, i + 1, "many");
		if ((i + 1) * F == US_BLOCK_BYTES) {
			bench_spec.hunk[0].text_offset += 0x10;
			memcpy(bench_spec.hunk[0].expected,
			       sim_linked + (i + 1) * F + 0x15, 5);
		}
		for (k = 0; k < US_BUNDLE_MAX_LINKS; k++) {
			add_link(US_LINK_CONFLICTS, "nobody");
			bench_spec.link[k].name[0] = (char)('a' + k);
		}
		if (i < PATCHES_MAX_LINKS / US_BUNDLE_MAX_LINKS)
			ASSERT_OK(bench_apply_spec());
	}
	ASSERT_REFUSED(TOO_MANY_PATCHES, bench_apply_spec());
	bench_spec.flags = US_BUNDLE_CUMULATIVE;
	ASSERT_OK(bench_apply_spec());
}

const struct test change_tests[] = {
	{ "stack", stack },
	{ "a stack expects linked bytes", stack_expects_linked },
	{ "body below in use", stack_in_use },
	{ "cumulative", cumulative },
	{ "replaces", replaces },
	{ "replaces by id", replaces_by_id },
	{ "replaces other bytes", replaces_part },
	{ "replaced code in use", replaced_in_use },
	{ "conflicts", conflicts },
	{ "needs", needs },
	{ "patches of other texts", other_text },
	{ "old and new side by side", consistency_none },
	{ "withdraw", withdraw },
	{ "too many links", too_many_links },
	{ 0 },
};
