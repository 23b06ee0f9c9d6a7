/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel may write to its runtime sites, against a list of states and steps
 * that is made here from the sites' description alone: every step between any two
 * states, and from any state to near misses of all states, by writes of one byte,
 * of the rest, and of the whole.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define F		SIM_FUNCTION
#define INT3		0xcc
#define MAX_STEADY	16u
#define MODULES		0xffffffffc0000000ull
#define MODULES_END	0xffffffffff000000ull

/* The site under test, and what may stand there for good. */
static struct {
	u32 offset, len;
	u8 steady[MAX_STEADY][8];
	u32 count;
	bool outside;		/* branches out of the image are allowed */
	u8 branch;
} site;

static void add_fixed(const void *bytes)
{
	memcpy(site.steady[site.count++], bytes, site.len);
}

static void branch_to(u8 *bytes, u64 target)
{
	sim_branch(bytes, site.len, site.branch, site.offset, target);
	if (site.branch == 0x0f)
		bytes[1] = 0x84;
}

static void add_branch(u64 target)
{
	branch_to(site.steady[site.count++], target);
}

static u64 from_gva(u64 gva)
{
	return gva - sim_image_gva(0);
}

/* The edges of where modules live. */
static void add_outside(void)
{
	site.outside = true;
	add_branch(from_gva(MODULES));
	add_branch(from_gva(MODULES + 0x12345678));
	add_branch(from_gva(MODULES_END - 1));
}

static void add_callees(void)
{
	add_branch(SIM_CALLEE);
	add_branch(0x3000);
	add_branch(0x9000);
	add_outside();
}

static const struct us_runtime_site *runtime_at(u32 offset)
{
	u32 i;

	for (i = 0; i < sim_runtime_count; i++)
		if (sim_runtime[i].offset == offset)
			return &sim_runtime[i];
	abort();
}

static void choose(u32 offset)
{
	static const char nop5[] = "\x0f\x1f\x44\x00\x00";
	const struct us_runtime_site *from = runtime_at(offset);

	memset(&site, 0, sizeof(site));
	site.offset = offset;
	site.len = us_runtime_len(from);
	switch (us_runtime_kind(from)) {
	case US_RUN_LOCK:
		add_fixed("\xf0");
		add_fixed("\x3e");
		break;
	case US_RUN_JUMP:
		site.branch = site.len == 2 ? 0xeb : 0xe9;
		add_fixed(site.len == 2 ? "\x66\x90" : nop5);
		add_branch(from->target);
		break;
	case US_RUN_FTRACE:
	case US_RUN_TRACER:
		site.branch = 0xe8;
		add_fixed(nop5);
		add_branch(SIM_FENTRY);
		add_branch(SIM_FENTRY + 0x20);
		add_outside();
		break;
	case US_RUN_GRAPH:
		site.branch = 0xe9;
		add_fixed(nop5);
		add_branch(SIM_FENTRY);
		add_branch(SIM_FENTRY + 0x20);
		break;
	case US_RUN_CALL:
		site.branch = 0xe8;
		add_fixed(nop5);
		add_fixed("\x2e\x2e\x2e\x31\xc0");
		add_callees();
		break;
	case US_RUN_TAIL:
		site.branch = 0xe9;
		add_fixed("\xc3\xcc\xcc\xcc\xcc");
		add_branch(SIM_THUNK);
		add_branch(SIM_THUNK + 0x20);
		add_callees();
		break;
	case US_RUN_JCC:
		site.branch = 0x0f;
		add_branch(SIM_THUNK);
		add_branch(SIM_THUNK + 0x20);
		add_callees();
		break;
	}
}

/* Also what was not put on the list because there are too many of them. */
static bool leads_outside(const u8 *bytes)
{
	s32 distance;
	u64 target;

	if (!site.outside || bytes[0] != site.branch ||
	    (site.branch == 0x0f && bytes[1] != 0x84))
		return false;
	memcpy(&distance, bytes + site.len - 4, 4);
	target = sim_image_gva(site.offset + site.len) + (u64)distance;
	return target >= MODULES && target < MODULES_END;
}

static bool is_steady(const u8 *bytes)
{
	u32 i;

	for (i = 0; i < site.count; i++)
		if (!memcmp(bytes, site.steady[i], site.len))
			return true;
	return leads_outside(bytes);
}

static bool is_transit(const u8 *bytes)
{
	u8 with_branch[8];
	u32 i;

	if (bytes[0] != INT3 || site.len == 1)
		return false;
	for (i = 0; i < site.count; i++)
		if (!memcmp(bytes + 1, site.steady[i] + 1, site.len - 1))
			return true;
	memcpy(with_branch, bytes, site.len);
	with_branch[0] = site.branch;
	return leads_outside(with_branch);
}

/* May @from become @to? The table in control/site_rule.h. */
static bool legal(const u8 *from, const u8 *to)
{
	bool same_rest = !memcmp(from + 1, to + 1, site.len - 1);

	if (!memcmp(from, to, site.len))
		return true;
	if (is_steady(from) && is_steady(to))
		return true;
	if (is_steady(from) && is_transit(to))
		return same_rest;
	if (is_transit(from) && is_transit(to))
		return true;
	return is_transit(from) && is_steady(to) && same_rest;
}

static bool on_two_pages(void)
{
	return site.offset / PAGE_SIZE != (site.offset + site.len - 1) / PAGE_SIZE;
}

static bool may_tear(void)
{
	return on_two_pages() || site.len == 6;
}

/* A part of the rest that is that of some steady value. */
static bool is_piece(const u8 *bytes, u32 at, u32 len)
{
	u32 distance = site.len - 4, i;

	for (i = 0; i < site.count; i++)
		if (!memcmp(bytes + at, site.steady[i] + at, len))
			return true;
	/* Any distance may be half of one that leads outside. */
	return site.outside && (at >= distance || bytes[1] == 0x84);
}

static void set_memory(const u8 *bytes)
{
	u32 i;

	for (i = 0; i < site.len; i++)
		sim.memory[sim_image_gpa(site.offset + i)] = bytes[i];
}

static void get_memory(u8 *bytes)
{
	u32 i;

	for (i = 0; i < site.len; i++)
		bytes[i] = sim.memory[sim_image_gpa(site.offset + i)];
}

/* One store into the site, and what came of it. */
static bool store(u32 at, const u8 *bytes, u32 len)
{
	u8 before[8], after[8];
	bool ok;

	get_memory(before);
	sim_snapshot();
	ok = !sim_guest_write(sim_image_gpa(site.offset + at), bytes, len);
	CU_ASSERT(sim_unchanged());
	get_memory(after);
	if (ok)
		memcpy(before + at, bytes, len);
	CU_ASSERT_FALSE(memcmp(before, after, site.len));
	return ok;
}

/* From @from by a store of bytes [at, at + len) of @to. */
static void step(const u8 *from, const u8 *to, u32 at, u32 len)
{
	u8 after[8];
	bool want;

	set_memory(from);
	memcpy(after, from, site.len);
	memcpy(after + at, to + at, len);
	want = legal(from, after);
	if (!want && from[0] == INT3 && at && len < site.len - 1 && may_tear())
		want = is_piece(after, at, len);
	if (store(at, to + at, len) != want)
		CU_FAIL("another answer than the list's");
}

/* The whole, the rest, and each page's part of a site that lies on two. */
static void steps_to(const u8 *from, const u8 *to)
{
	u32 first = PAGE_SIZE - site.offset % PAGE_SIZE;

	if (!on_two_pages()) {
		step(from, to, 0, site.len);
		if (site.len > 1)
			step(from, to, 1, site.len - 1);
		return;
	}
	step(from, to, 0, first);
	step(from, to, first, site.len - first);
	if (first > 1)
		step(from, to, 1, first - 1);
}

static void every_byte(const u8 *from)
{
	u8 to[8];
	u32 at, byte;

	for (at = 0; at < site.len; at++) {
		memcpy(to, from, site.len);
		for (byte = 0; byte < 256; byte++) {
			/* A kprobe on a lock prefix is another matter. */
			if (site.len == 1 && byte == INT3)
				continue;
			to[at] = (u8)byte;
			step(from, to, at, 1);
		}
	}
}

/* @to itself, and with each of its bits changed. */
static void near(const u8 *from, const u8 *to)
{
	u8 miss[8];
	u32 bit;

	steps_to(from, to);
	for (bit = 0; bit < 8 * site.len; bit++) {
		memcpy(miss, to, site.len);
		miss[bit / 8] ^= 1u << bit % 8;
		if (site.len == 1 && miss[0] == INT3)
			continue;
		steps_to(from, miss);
	}
}

/* Branches to where none may lead: beside each callee, into other classes, around
 * the module area, past the image, to the arena's place. */
static void misses(const u8 *from)
{
	const u64 targets[] = {
		0, SIM_CALLEE + 1, 0x3000 - 1, 0x9001, 0x5000, SIM_THUNK - 1,
		SIM_FENTRY + 1, 0x400, SIM_IMAGE_END, SIM_IMAGE_END + SIZE_2M,
		from_gva(MODULES - 1), from_gva(MODULES_END), SIM_TEXT_LEN,
		from_gva(0xffffffffbfe00000ull), from_gva(~0ull),
		0x80000000ull - site.offset - site.len,
	};
	u8 bytes[8] = { 0 };
	u32 i;

	if (!site.branch || site.len == 2)
		return;
	for (i = 0; i < ARRAY_SIZE(targets); i++) {
		branch_to(bytes, targets[i]);
		steps_to(from, bytes);
		bytes[0] = INT3;
		steps_to(from, bytes);
		bytes[0] = site.branch ^ 1;	/* CALL for JMP */
		steps_to(from, bytes);
	}
}

static void from_state(const u8 *from)
{
	u8 to[8];
	u32 i;

	every_byte(from);
	misses(from);
	for (i = 0; i < site.count; i++) {
		near(from, site.steady[i]);
		memcpy(to, site.steady[i], site.len);
		to[0] = INT3;
		if (site.len > 1)
			near(from, to);
	}
}

static void all_steps(u32 offset)
{
	u8 from[8];
	u32 i;

	choose(offset);
	for (i = 0; i < site.count; i++) {
		memcpy(from, site.steady[i], site.len);
		from_state(from);
		from[0] = INT3;
		if (site.len > 1)
			from_state(from);
	}
}

#define STEPS_OF(name, offset)		\
	static void name(void)		\
	{				\
		bench_start_sealed();	\
		all_steps(offset);	\
	}
STEPS_OF(lock, F + 0x90)
STEPS_OF(jump, F + 0x40)
STEPS_OF(short_jump, F + 0x96)
STEPS_OF(ftrace, F)
STEPS_OF(call, F + 0xa0)
STEPS_OF(tail, F + 0xa8)
STEPS_OF(jcc, F + 0xb0)
STEPS_OF(tracer, F + 0xd8)
STEPS_OF(graph, F + 0xe0)
STEPS_OF(call_on_two_pages, 0x22000 - 3)
STEPS_OF(jcc_on_two_pages, 0x23000 - 4)
STEPS_OF(jump_on_two_pages, 0x24000 - 2)

static void nothing_outside(void)
{
	bench_start(0);
	make_baseline(&bench_blob);
	baseline_header(&bench_blob)->policy[US_POLICY_TRAMPOLINE] = US_DENY;
	ASSERT_OK(bench_send(US_OP_SEAL, &bench_blob, &bench_key, 0));
	choose(F + 0xa0);
	/* Without the last three, which lead outside. */
	site.outside = false;
	site.count -= 3;
	from_state(site.steady[2]);
	choose(0x23000 - 4);
	site.outside = false;
	site.count -= 3;
	from_state(site.steady[2]);
	memcpy(site.steady[MAX_STEADY - 1], site.steady[1], 8);
	site.steady[MAX_STEADY - 1][0] = INT3;
	from_state(site.steady[MAX_STEADY - 1]);
}

/* A lock prefix that the boot has replaced with part of an alternative. */
static void replaced_by_boot(void)
{
	bench_start_sealed();
	/* Every other function's, see sim_build(). */
	choose(F + 0x84);
	set_memory((const u8 *)"\x00");
	CU_ASSERT_FALSE(store(0, (const u8 *)"\xf0", 1));
	CU_ASSERT_FALSE(store(0, (const u8 *)"\x3e", 1));
	set_memory((const u8 *)"\xf0");
	CU_ASSERT(store(0, (const u8 *)"\x3e", 1));
}

/* How memcpy() in arch/x86/lib/memcpy_64.S stores the rest: as one string; or as
 * words from either end, which for 4 bytes are the same word twice. */
enum copy { AS_STRING, AS_WORDS };

static bool store_split(u32 at, const u8 *bytes, u32 len)
{
	u32 first = PAGE_SIZE - (site.offset + at) % PAGE_SIZE;

	if (len <= first)
		return store(at, bytes, len);
	return store(at, bytes, first) &&
	       store(at + first, bytes + first, len - first);
}

static bool copy_rest(const u8 *to, enum copy copy)
{
	u32 len = site.len - 1;

	if (copy == AS_STRING || len < 4)
		return store_split(1, to + 1, len);
	return store_split(1, to + 1, 4) &&
	       store_split(1 + len - 4, to + 1 + len - 4, 4);
}

/* text_poke_bp_batch() for one site. */
static bool poke_breakpoint(const u8 *to, enum copy copy)
{
	static const u8 int3[] = { INT3 };
	u8 now[8];

	if (!store(0, int3, 1) || (site.len > 1 && !copy_rest(to, copy)) ||
	    !store(0, to, 1))
		return false;
	get_memory(now);
	return !memcmp(now, to, site.len);
}

static void as_the_kernel_does(void)
{
	u32 i, from, to;

	bench_start_sealed();
	for (i = 0; i < sim_runtime_count; i++) {
		if (us_runtime_kind(&sim_runtime[i]) == US_RUN_LOCK)
			continue;
		choose(sim_runtime[i].offset);
		for (from = 0; from < site.count; from++) {
			for (to = 0; to < site.count; to++) {
				set_memory(site.steady[from]);
				CU_ASSERT(poke_breakpoint(site.steady[to],
							  AS_STRING));
				CU_ASSERT(poke_breakpoint(site.steady[from],
							  AS_WORDS));
			}
		}
		set_memory(sim_linked + site.offset);
	}
}

static u64 random_state = 88172645463325252ull;

static u32 random_below(u32 limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (u32)(random_state >> 20) % limit;
}

/* Any part of any state, or noise. */
static bool random_store(void)
{
	const u8 *value = site.steady[random_below(site.count)];
	u32 at = random_below(site.len), len = 1 + random_below(site.len - at);
	u32 first = PAGE_SIZE - (site.offset + at) % PAGE_SIZE;
	u8 bytes[8];

	memcpy(bytes, value, site.len);
	if (random_below(3) == 0)
		bytes[0] = INT3;
	if (random_below(8) == 0)
		bytes[random_below(site.len)] ^= 1u << random_below(8);
	if (site.len == 1 && bytes[0] == INT3)
		return false;
	return store(at, bytes + at, len < first ? len : first);
}

/* Whatever is tried, in whatever order: a value of the list stands there, or INT3
 * does; and a refused store changes nothing (store() looks). */
static void random_walk(void)
{
	u32 i, steps, taken = 0;
	u8 now[8];

	bench_start_sealed();
	for (i = 0; i < sim_runtime_count; i++) {
		choose(sim_runtime[i].offset);
		if (site.offset % PAGE_SIZE == 0x84)
			continue;
		for (steps = 0; steps < 400; steps++) {
			taken += random_store();
			get_memory(now);
			if (!is_steady(now) && !is_transit(now) &&
			    !(now[0] == INT3 && may_tear()))
				CU_FAIL("a state that is not on the list");
		}
	}
	CU_ASSERT(taken > 10000);
}

const struct test site_rule_tests[] = {
	{ "lock prefix", lock },
	{ "jump label", jump },
	{ "short jump label", short_jump },
	{ "ftrace", ftrace },
	{ "static call", call },
	{ "static tail call", tail },
	{ "conditional static tail call", jcc },
	{ "tracer", tracer },
	{ "graph tracer", graph },
	{ "static call on two pages", call_on_two_pages },
	{ "conditional tail call on two pages", jcc_on_two_pages },
	{ "jump label on two pages", jump_on_two_pages },
	{ "nothing outside the image", nothing_outside },
	{ "replaced by the boot", replaced_by_boot },
	{ "as the kernel does it", as_the_kernel_does },
	{ "random walk", random_walk },
	{ 0 },
};
