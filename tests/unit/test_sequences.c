/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Long random sequences of applies and reverts, against a model that knows no more than
 * the rules of common/bundle.h: sets of patches, and who stands on whom. After each
 * step every byte of text, of the arena, of shadow memory and of the variables is
 * what the model says.
 */
#include <string.h>

#include "module_bench.h"

#define STEPS		1000u
#define SEED		0x243f6a8885a308d3ull
#define PLACES		8u		/* functions that bundles choose from */
#define MAX_MODEL	US_MAX_PATCHES
#define VAR		0x250000ull	/* 8 bytes for each id */

typedef u64 set;	/* of ids modulo 64, of which no two are alive at once */

struct model {
	u32 id;
	set places;
	set needs, conflicts;
	u64 generation;
	u8 bundle_id[US_DIGEST_SIZE];
	u64 arena_offset, shadow_offset, shadow_bytes;
};

static struct model alive[MAX_MODEL];	/* oldest first */
static u32 alive_count;
static u64 state, generation;
static u8 text[SIM_TEXT_LEN];

/* xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift
 * generators"). */
static u32 random_below(u32 limit)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (u32)((state * 2685821657736338717ull >> 33) % limit);
}

static set bit(u32 id)
{
	return 1ull << id % 64;
}

static u32 place_offset(u32 place)
{
	return (place + 1) * SIM_FUNCTION;
}

/* A set of up to @count ids of patches that are alive, or of any. */
static set choose(u32 count, bool any)
{
	set chosen = 0;

	while (count--)
		if (any && random_below(4) == 0)
			chosen |= bit(random_below(64));
		else if (alive_count)
			chosen |= bit(alive[random_below(alive_count)].id);
	return chosen;
}

static void name_of(u32 id, char name[US_NAME_MAX])
{
	memset(name, 0, US_NAME_MAX);
	name[0] = 'p';
	name[1] = (char)('0' + id % 64 / 10);
	name[2] = (char)('0' + id % 64 % 10);
}

static void add_links(enum us_link_kind kind, set ids)
{
	u32 i;

	for (i = 0; i < 64; i++) {
		if (!(ids & 1ull << i))
			continue;
		bench_spec.link[bench_spec.links].kind = kind;
		name_of(i, bench_spec.link[bench_spec.links++].name);
	}
}

static void add_place(u32 place)
{
	u32 i = bench_spec.functions++;

	bench_spec.function[i] = bench_spec.function[0];
	bench_spec.function[i].text_offset = place_offset(place);
	bench_spec.hunk[i] = bench_spec.hunk[0];
	bench_spec.hunk[i].text_offset = place_offset(place) + 5;
	memcpy(bench_spec.hunk[i].expected,
	       sim_linked + place_offset(place) + 5, 5);
	bench_spec.hunks = bench_spec.functions;
	bench_spec.reloc[3 + i] = bench_spec.reloc[3];
	bench_spec.reloc[3 + i].where = i << 8 | 1;
	bench_spec.relocs = 4 + i;
}

/* A variable of the patch's own becomes its id and one. */
static void add_variable(const struct model *m)
{
	bench_spec.writes = 1;
	bench_spec.write[0] = (struct us_bundle_write) {
		.when = US_WRITE_POST_APPLY, .space = US_SPACE_IMAGE, .len = 8,
		.offset = VAR + 8 * (m->id % 64),
		.replacement = { (u8)(m->id % 64 + 1) },
	};
}

static set make(struct model *m, set replaces, bool all)
{
	static char name[US_NAME_MAX];
	u32 place, first = 0;

	while (!(m->places & 1ull << first))
		first++;
	bundle_spec_default(&bench_spec, place_offset(first), m->generation);
	for (place = first + 1; place < PLACES; place++)
		if (m->places & 1ull << place)
			add_place(place);
	name_of(m->id, name);
	bench_spec.name = name;
	bench_spec.flags = all ? US_BUNDLE_CUMULATIVE : 0;
	bench_spec.shadow_bytes = (u32)m->shadow_bytes;
	/* One kind of link to one bundle. */
	replaces &= ~m->needs;
	m->conflicts &= ~(m->needs | replaces);
	add_links(US_LINK_NEEDS, m->needs);
	add_links(US_LINK_CONFLICTS, m->conflicts);
	add_links(US_LINK_REPLACES, replaces);
	add_variable(m);
	return replaces;
}

static bool out(const struct model *m, set gone)
{
	return gone & bit(m->id);
}

/* May @gone go from below what stays? */
static enum us_error judge_out(set gone, set comes)
{
	u32 i, k;

	for (i = 0; i < alive_count; i++)
		for (k = i + 1; k < alive_count; k++)
			if (out(&alive[i], gone) && !out(&alive[k], gone) &&
			    alive[i].places & alive[k].places)
				return US_E_PATCH_NOT_LAST;
	for (i = 0; i < alive_count; i++)
		if (!out(&alive[i], gone) && alive[i].needs & gone & ~comes)
			return US_E_PATCH_NEEDED;
	return US_OK;
}

static set all_alive(void)
{
	set ids = 0;
	u32 i;

	for (i = 0; i < alive_count; i++)
		ids |= bit(alive[i].id);
	return ids;
}

static enum us_error judge_stack(const struct model *m, set stays)
{
	u32 place, i;

	for (place = 0; place < PLACES; place++) {
		if (!(m->places & 1ull << place))
			continue;
		for (i = alive_count; i-- > 0;)
			if (stays & bit(alive[i].id) &&
			    alive[i].places & 1ull << place)
				break;
		if (i < alive_count && !(m->needs & bit(alive[i].id)))
			return US_E_HUNKS_OVERLAP;
	}
	return US_OK;
}

static enum us_error judge(const struct model *m, set gone)
{
	enum us_error error = judge_out(gone, bit(m->id));
	set stays = all_alive() & ~gone;
	u32 i;

	if (error)
		return error;
	if (m->needs & ~stays)
		return US_E_PATCH_NEEDS;
	if (m->conflicts & stays)
		return US_E_PATCH_CONFLICT;
	for (i = 0; i < alive_count; i++)
		if (stays & bit(alive[i].id) && alive[i].conflicts & bit(m->id))
			return US_E_PATCH_CONFLICT;
	return judge_stack(m, stays);
}

static void forget(set gone)
{
	u32 i, kept = 0;

	for (i = 0; i < alive_count; i++)
		if (!out(&alive[i], gone))
			alive[kept++] = alive[i];
	alive_count = kept;
}

static u32 unused_id(void)
{
	set used = all_alive();
	u32 id = random_below(64);

	while (used & bit(id))
		id++;
	return id % 64;
}

static enum us_error step_apply(void)
{
	const struct us_receipt *receipt = (const void *)bench_response;
	bool all = random_below(24) == 0;
	enum us_error expected;
	struct model m = { 0 };
	set gone;

	m.id = unused_id();
	m.generation = ++generation;
	m.places = bit(random_below(PLACES)) | bit(random_below(PLACES));
	m.shadow_bytes = random_below(2) ? random_below(3000) : 0;
	m.needs = choose(random_below(4), false);
	m.conflicts = random_below(4) ? 0 : choose(1, true);
	gone = make(&m, random_below(3) ? 0 : choose(3, true), all);
	gone = all ? all_alive() : gone & all_alive();
	expected = judge(&m, gone);
	CU_ASSERT_EQUAL_FATAL(bench_apply_spec(), expected);
	if (expected)
		return expected;
	CU_ASSERT_EQUAL(receipt->replaced, (u32)__builtin_popcountll(gone));
	forget(gone);
	memcpy(m.bundle_id, receipt->bundle_id, US_DIGEST_SIZE);
	m.arena_offset = receipt->arena_offset;
	m.shadow_offset = receipt->shadow_offset;
	alive[alive_count++] = m;
	return US_OK;
}

static enum us_error step_revert(void)
{
	const struct model m = alive[random_below(alive_count)];
	enum us_error expected = judge_out(bit(m.id), 0);
	struct us_revert *revert = (void *)bench_revert_blob.data;

	make_revert(&bench_blob, &bench_revert_blob);
	memcpy(revert->bundle_id, m.bundle_id, US_DIGEST_SIZE);
	revert->generation = m.generation;
	CU_ASSERT_EQUAL_FATAL(bench_send(US_OP_REVERT, &bench_revert_blob,
					 &bench_key, 0), expected);
	if (!expected)
		forget(bit(m.id));
	return expected;
}

/* The text as it was, with the jumps of those on top. */
static void check_text(void)
{
	static u8 wanted[SIM_TEXT_LEN];
	u32 i, place, at;
	u64 target;

	memcpy(wanted, text, sizeof(wanted));
	for (i = 0; i < alive_count; i++)
		for (place = 0; place < PLACES; place++) {
			if (!(alive[i].places & 1ull << place))
				continue;
			at = place_offset(place) + 5;
			target = MODULE_BENCH_ARENA + alive[i].arena_offset -
				 sim_image_gva(0);
			sim_branch(wanted + at, 5, 0xe9, at, target);
		}
	CU_ASSERT_FALSE_FATAL(memcmp(wanted, sim.memory + SIM_TEXT,
				     sizeof(wanted)));
}

/* What nobody has is as if nobody had ever had it; no two have the same. */
static void check_room(void)
{
	static u8 arena[SIZE_2M], shadow[SIZE_2M], clear[SIZE_2M];
	const struct model *m = alive, *other;

	memcpy(arena, sim.memory + SIM_ARENA, sizeof(arena));
	memcpy(shadow, sim.memory + SIM_SHADOW, sizeof(shadow));
	for (; m < alive + alive_count; m++) {
		CU_ASSERT_EQUAL_FATAL(arena[m->arena_offset + 60], 0x40 + 60);
		memset(arena + m->arena_offset, 0xcc, 61);
		memset(shadow + m->shadow_offset, 0, m->shadow_bytes);
		for (other = alive; other < m; other++)
			CU_ASSERT_FALSE_FATAL(spans_overlap(
				m->shadow_offset, m->shadow_bytes,
				other->shadow_offset, other->shadow_bytes));
	}
	CU_ASSERT_FALSE_FATAL(memcmp(shadow, clear, sizeof(clear)));
	memset(clear, 0xcc, sizeof(clear));
	CU_ASSERT_FALSE_FATAL(memcmp(arena, clear, sizeof(clear)));
	memset(clear, 0, sizeof(clear));
}

static void check_variables(void)
{
	u64 values[64] = { 0 };
	u32 i;

	for (i = 0; i < alive_count; i++)
		values[alive[i].id] = alive[i].id + 1;
	CU_ASSERT_FALSE_FATAL(memcmp(values, sim.memory + sim_image_gpa(VAR),
				     sizeof(values)));
}

/* The guest uses what it was given. */
static void use_shadow(void)
{
	u32 i;

	for (i = 0; i < alive_count; i++)
		if (alive[i].shadow_bytes)
			sim_poke(SIM_SHADOW + alive[i].shadow_offset +
				 random_below((u32)alive[i].shadow_bytes),
				 "\x5a", 1);
}

static void check_list(void)
{
	const struct us_patch_info *list = (const void *)bench_response;
	struct us_request request = bench_request(US_OP_LIST);
	u32 i;

	CU_ASSERT_EQUAL_FATAL(bench_ring(&request), US_OK);
	CU_ASSERT_EQUAL_FATAL(bench_answer.out_len / sizeof(*list), alive_count);
	for (i = 0; i < alive_count; i++)
		CU_ASSERT_FALSE_FATAL(memcmp(list[i].receipt.bundle_id,
					     alive[i].bundle_id,
					     US_DIGEST_SIZE));
}

static void start(void)
{
	bench_start_sealed();
	memcpy(text, sim.memory + SIM_TEXT, sizeof(text));
	alive_count = 0;
	generation = 0;
	state = SEED;
}

static void against_model(void)
{
	u32 counts[US_E_SHADOW_FULL + 1] = { 0 }, step;
	bool full;

	start();
	for (step = 0; step < STEPS; step++) {
		/* So that it fills and empties in turn. */
		full = random_below(100) < (step / 100 % 2 ? 75 : 25);
		counts[alive_count && full ? step_revert() : step_apply()]++;
		check_text();
		check_variables();
		if (step % 10 == 0)
			check_room();
		use_shadow();
	}
	check_list();
	/* All of the rules have had their say. */
	CU_ASSERT(counts[US_OK] > STEPS / 4);
	CU_ASSERT(counts[US_E_PATCH_NOT_LAST] > 5);
	CU_ASSERT(counts[US_E_PATCH_NEEDED] > 5);
	CU_ASSERT(counts[US_E_PATCH_NEEDS] > 5);
	CU_ASSERT(counts[US_E_PATCH_CONFLICT] > 5);
	CU_ASSERT(counts[US_E_HUNKS_OVERLAP] > 5);
	while (alive_count)
		step_revert();
	check_text();
	check_variables();
	check_room();
}

/* The same when commits fail now and then: nothing has changed then, and the model goes
 * on. */
static void failing_commits(void)
{
	u32 step, failed = 0;

	start();
	for (step = 0; step < 100; step++) {
		struct model m = { .id = unused_id(), .generation = ++generation,
				   .places = bit(random_below(PLACES)) };
		set gone = all_alive();

		make(&m, 0, true);
		sim.fail_commit = 1 + random_below(2);
		if (bench_apply_spec()) {
			failed++;
			check_text();
			check_room();
			sim.fail_commit = 0;
			continue;
		}
		sim.fail_commit = 0;
		forget(gone);
		m.arena_offset =
			((const struct us_receipt *)bench_response)->arena_offset;
		alive[alive_count++] = m;
		check_text();
	}
	CU_ASSERT(failed > 20 && failed < 80);
}

const struct test sequences_tests[] = {
	{ "against a model", against_model },
	{ "failing commits", failing_commits },
	{ 0 },
};
