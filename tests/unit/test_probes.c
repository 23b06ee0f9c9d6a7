/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lives of kprobes in sealed text. Instructions of the simulated text are 1, 1 and 2
 * bytes long, over and over: none begins at an offset of 3 modulo 4.
 */
#include <string.h>

#include "bench.h"

#define F	SIM_FUNCTION
#define SLOT	0xffffffffc0123400ull	/* generated code */

static const u8 int3 = 0xcc, jmp = 0xe9;

static bool write(u64 offset, const void *bytes, u32 len)
{
	u64 gpa = sim_image_gpa(offset);
	u8 before[8], after[8];
	bool ok;

	memcpy(before, sim.memory + gpa, len);
	sim_snapshot();
	ok = !sim_guest_write(gpa, bytes, len);
	CU_ASSERT(sim_unchanged());
	memcpy(after, sim.memory + gpa, len);
	CU_ASSERT_FALSE(memcmp(after, ok ? bytes : before, len));
	return ok;
}

static bool arm(u64 offset)
{
	return write(offset, &int3, 1);
}

static bool disarm(u64 offset)
{
	return write(offset, sim.memory + SIM_USER + offset, 1);
}

/* The text as sealed is kept where tests can look it up. */
static void start(void)
{
	bench_start_sealed();
	memcpy(sim.memory + SIM_USER, sim.memory + SIM_TEXT, SIM_TEXT_LEN);
}

static const u8 *original(u64 offset)
{
	return sim.memory + SIM_USER + offset;
}

static u32 live(void)
{
	struct us_request request = bench_request(US_OP_STATUS);

	sim_snapshot();
	ASSERT_OK(bench_ring(&request));
	return ((const struct us_status *)(void *)bench_response)->probes;
}

static bool as_sealed(u64 offset)
{
	return !memcmp(sim.memory + sim_image_gpa(offset), original(offset), 8);
}

static void jump_to(u8 *bytes, u64 offset, u64 gva)
{
	sim_branch(bytes, 5, jmp, offset, gva - sim_image_gva(0));
}

/* arch_optimize_kprobes(): text_poke_bp() over an INT3. */
static bool optimise(u64 offset, u64 slot)
{
	u8 bytes[5];

	jump_to(bytes, offset, slot);
	return write(offset, &int3, 1) && write(offset + 1, bytes + 1, 4) &&
	       write(offset, bytes, 1);
}

/* arch_unoptimize_kprobe() */
static bool unoptimise(u64 offset)
{
	return write(offset, &int3, 1) &&
	       write(offset + 1, original(offset + 1), 4);
}

static void simple_life(void)
{
	start();
	CU_ASSERT(arm(F + 0x20));
	CU_ASSERT_EQUAL(live(), 1);
	CU_ASSERT(arm(F + 0x20));	/* again */
	CU_ASSERT_EQUAL(live(), 1);
	CU_ASSERT(disarm(F + 0x20));
	CU_ASSERT_EQUAL(live(), 0);
	CU_ASSERT(as_sealed(F + 0x20));
	CU_ASSERT(arm(F + 0x20));
	CU_ASSERT(disarm(F + 0x20));
}

static void only_way_back(void)
{
	u32 byte;

	start();
	CU_ASSERT(arm(F + 0x20));
	for (byte = 0; byte < 256; byte++) {
		u8 value = (u8)byte;

		if (value == *original(F + 0x20))
			continue;
		CU_ASSERT_EQUAL(write(F + 0x20, &value, 1), value == int3);
	}
	/* More than that byte at once. */
	CU_ASSERT_FALSE(write(F + 0x20, original(F + 0x20), 2));
	CU_ASSERT_FALSE(write(F + 0x1f, original(F + 0x1f), 2));
	CU_ASSERT(disarm(F + 0x20));
}

static void where(void)
{
	u64 offset;

	start();
	/* In the middle of an instruction, in sites, in what only boots patch. */
	CU_ASSERT_FALSE(arm(F + 0x23));
	CU_ASSERT_FALSE(arm(F + 0x41));
	CU_ASSERT_FALSE(arm(F + 0xa2));
	for (offset = SIM_TEXT_LEN; offset < 0x26000; offset += 0xdd)
		CU_ASSERT_FALSE(arm(offset));
	CU_ASSERT_FALSE(arm(SIM_TEXT_LEN));
	/* An instruction that begins with a lock prefix. */
	CU_ASSERT(arm(F + 0x90));
	CU_ASSERT_FALSE(write(F + 0x90, "\x3e", 1));
	CU_ASSERT(disarm(F + 0x90));
	CU_ASSERT(write(F + 0x90, "\x3e", 1));
	CU_ASSERT(arm(F + 0x90));
	CU_ASSERT_FALSE(write(F + 0x90, "\xf0", 1));
	CU_ASSERT(write(F + 0x90, "\x3e", 1));
	CU_ASSERT_EQUAL(live(), 0);
}

static void optimised_life(void)
{
	u64 p = F + 0x20;
	u8 jump[5];

	start();
	CU_ASSERT(arm(p));
	CU_ASSERT(optimise(p, SLOT));
	jump_to(jump, p, SLOT);
	CU_ASSERT_FALSE(memcmp(sim.memory + sim_image_gpa(p), jump, 5));
	CU_ASSERT_EQUAL(live(), 1);
	CU_ASSERT(unoptimise(p));
	CU_ASSERT(optimise(p, SLOT + 0x100));
	CU_ASSERT(unoptimise(p));
	CU_ASSERT(disarm(p));
	CU_ASSERT(as_sealed(p));
	CU_ASSERT_EQUAL(live(), 0);
}

/* memcpy() stores the distance as two words that are the same. */
static void words_twice(void)
{
	u64 p = F + 0x20;
	u8 jump[5];

	start();
	jump_to(jump, p, SLOT);
	CU_ASSERT(arm(p));
	CU_ASSERT(write(p + 1, jump + 1, 4));
	CU_ASSERT(write(p + 1, jump + 1, 4));
	CU_ASSERT(write(p, &jmp, 1));
	CU_ASSERT(arm(p));
	CU_ASSERT(write(p + 1, original(p + 1), 4));
	CU_ASSERT(write(p + 1, original(p + 1), 4));
	CU_ASSERT(disarm(p));
}

static void out_of_order(void)
{
	u64 p = F + 0x20;
	u8 jump[5];

	start();
	jump_to(jump, p, SLOT);
	/* No probe; no INT3 first; the whole at once. */
	CU_ASSERT_FALSE(write(p + 1, jump + 1, 4));
	CU_ASSERT_FALSE(write(p, jump, 5));
	CU_ASSERT(arm(p));
	CU_ASSERT_FALSE(write(p, jump, 5));
	CU_ASSERT_FALSE(write(p, &jmp, 1));	/* over the own four bytes */
	CU_ASSERT_FALSE(write(p + 1, jump + 1, 3));
	CU_ASSERT_FALSE(write(p + 2, jump + 2, 3));
	CU_ASSERT_FALSE(write(p + 1, "\1\2\3\4\5", 5));
	CU_ASSERT(write(p + 1, jump + 1, 4));
	/* The distance is there: neither instruction nor another may go first. */
	CU_ASSERT_FALSE(disarm(p));
	CU_ASSERT_FALSE(write(p, "\xe8", 1));
	CU_ASSERT(write(p, &jmp, 1));
	CU_ASSERT_FALSE(disarm(p));
	CU_ASSERT_FALSE(write(p + 1, original(p + 1), 4));
	CU_ASSERT_FALSE(write(p, original(p), 5));
	CU_ASSERT(arm(p));
	CU_ASSERT(write(p, &jmp, 1));		/* back again is no harm */
	CU_ASSERT(arm(p));
	CU_ASSERT_FALSE(disarm(p));
	CU_ASSERT(write(p + 1, original(p + 1), 4));
	CU_ASSERT_FALSE(write(p, &jmp, 1));
	CU_ASSERT(disarm(p));
	CU_ASSERT(as_sealed(p));
}

static void where_jumps_lead(void)
{
	static const struct {
		u64 gva;
		bool ok;
	} slots[] = {
		{ 0xffffffffc0000000, true }, { 0xffffffffbfffffff, false },
		{ 0xfffffffffeffffff, true }, { 0xffffffffff000000, false },
		{ SIM_LINK_BASE + SIM_SLIDE + 0x2000, false },
		{ 0xffffffffbfe00000, false },
	};
	u64 p = F + 0x20;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(slots); i++) {
		start();
		CU_ASSERT(arm(p));
		CU_ASSERT_EQUAL(optimise(p, slots[i].gva), slots[i].ok);
		CU_ASSERT(unoptimise(p));
		CU_ASSERT(disarm(p));
	}
}

/* Nothing else may want the bytes that a jump takes. */
static void neighbours(void)
{
	u64 p = F + 0x20;
	u32 i;

	/* Another probe. */
	for (i = 1; i < 5; i++) {
		start();
		if (i == 3)	/* no instruction begins there */
			continue;
		CU_ASSERT(arm(p));
		CU_ASSERT(arm(p + i));
		CU_ASSERT_FALSE(optimise(p, SLOT));
		CU_ASSERT(disarm(p + i));
		CU_ASSERT(optimise(p, SLOT));
		CU_ASSERT_FALSE(arm(p + i));
		CU_ASSERT(unoptimise(p));
		CU_ASSERT(arm(p + i));
		CU_ASSERT(disarm(p));
		CU_ASSERT(disarm(p + i));
		CU_ASSERT(as_sealed(p));
	}
	/* A probe five bytes away is no neighbour. */
	start();
	CU_ASSERT(arm(F + 0x20));
	CU_ASSERT(arm(F + 0x25));
	CU_ASSERT(optimise(F + 0x20, SLOT));
	CU_ASSERT(optimise(F + 0x25, SLOT));
	/* Runtime sites: before, and under a lock prefix. */
	CU_ASSERT(arm(F + 0x3c));
	CU_ASSERT_FALSE(optimise(F + 0x3c, SLOT));
	CU_ASSERT(arm(F + 0x90));
	CU_ASSERT_FALSE(optimise(F + 0x90, SLOT));
	/* The text's end. */
	CU_ASSERT(arm(SIM_TEXT_LEN - 5));
	CU_ASSERT(optimise(SIM_TEXT_LEN - 5, SLOT));
	start();
	CU_ASSERT(arm(0x25122));
	CU_ASSERT_FALSE(optimise(0x25122, SLOT));
}

/* The distance lies on two pages, and is stored in two pieces. */
static bool split(u64 offset, const u8 *rest)
{
	u32 first = PAGE_SIZE - (offset + 1) % PAGE_SIZE;

	return write(offset + 1, rest, first) &&
	       write(offset + 1 + first, rest + first, 4 - first);
}

static u64 target_of(u64 offset)
{
	s32 distance;

	memcpy(&distance, sim.memory + sim_image_gpa(offset + 1), 4);
	return sim_image_gva(offset + 5) + (u64)distance;
}

/* With the first piece alone a jump must lead outside as well. */
static u32 half_a_jump(u64 offset, const u8 *jump)
{
	u32 first = PAGE_SIZE - (offset + 1) % PAGE_SIZE;
	bool outside;

	CU_ASSERT(write(offset + 1, jump + 1, first));
	outside = target_of(offset) >= 0xffffffffc0000000 &&
		  target_of(offset) < 0xffffffffff000000;
	CU_ASSERT_EQUAL(write(offset, &jmp, 1), outside);
	CU_ASSERT(arm(offset));
	return !outside;
}

static void on_two_pages(void)
{
	static const u32 places[] = { 0xffd, 0xffe, 0xffc };
	u8 jump[5], bad[4] = { 1, 2, 3, 4 };
	u32 i, inside = 0;

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		/* The function at 0x10000 has no site in its first bytes. */
		u64 p = 0xf000 + places[i];

		start();
		jump_to(jump, p, SLOT + 0x34);
		CU_ASSERT(arm(p));
		inside += half_a_jump(p, jump);
		CU_ASSERT(split(p, jump + 1));
		CU_ASSERT_FALSE(disarm(p));
		CU_ASSERT(write(p, &jmp, 1));
		CU_ASSERT_FALSE(split(p, original(p + 1)));
		CU_ASSERT(arm(p));
		CU_ASSERT_FALSE(split(p, bad));
		/* The first piece says nothing: what comes of it does. */
		if (write(p, &jmp, 1))
			CU_ASSERT(target_of(p) >= 0xffffffffc0000000);
		CU_ASSERT(arm(p));
		CU_ASSERT(split(p, original(p + 1)));
		CU_ASSERT(disarm(p));
		CU_ASSERT(as_sealed(p));
		CU_ASSERT_EQUAL(live(), 0);
	}
	CU_ASSERT(inside > 0);
	/* With a probe that ends the page there is no first piece. */
	start();
	CU_ASSERT_FALSE(arm(0xffff));
}

static void hunks(void)
{
	start();
	CU_ASSERT(arm(F + 6));
	ASSERT_REFUSED(EXPECTED_BYTES, bench_apply(F, 1));
	CU_ASSERT(disarm(F + 6));
	/* What the kernel has yet to make a jump of. */
	CU_ASSERT(arm(2 * F + 0x1d));
	bundle_spec_default(&bench_spec, 2 * F, 1);
	bench_spec.hunk[0].text_offset = 2 * F + 0x21;
	memcpy(bench_spec.hunk[0].expected, original(2 * F + 0x21), 5);
	ASSERT_REFUSED(EXPECTED_BYTES, bench_apply_spec());
	CU_ASSERT_EQUAL(bench_answer.detail[0], sim_image_gva(2 * F + 0x21));
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "kprobe");
	bench_spec.hunk[0].text_offset++;
	memcpy(bench_spec.hunk[0].expected, original(2 * F + 0x22), 5);
	ASSERT_OK(bench_apply_spec());
	/* And the other way round. */
	CU_ASSERT_FALSE(arm(2 * F + 0x22));
	CU_ASSERT(arm(2 * F + 0x20));
	CU_ASSERT_FALSE(optimise(2 * F + 0x20, SLOT));
	CU_ASSERT(disarm(2 * F + 0x20));
	CU_ASSERT(optimise(2 * F + 0x1d, SLOT));
	ASSERT_OK(bench_revert());
}

/* A new seal, and a new start, know of no probes. */
static void table_is_full(void)
{
	u32 set = 0, offset;

	start();
	for (offset = 0; offset < SIM_TEXT_LEN && set < 4096; offset++)
		if (offset % 4 != 3 && arm(offset))
			set += sim.memory[sim_image_gpa(offset)] == int3 &&
			       *original(offset) != int3;
	/* Steps of sites count, too; the status knows how many are probes. */
	while (live() < 4096 && offset < SIM_TEXT_LEN)
		arm(offset++);
	CU_ASSERT_EQUAL(live(), 4096);
	while (offset % 4 == 3 || *original(offset) == int3 ||
	       !(sim_probes[offset / 8] >> offset % 8 & 1) ||
	       offset % 0x1000 < 0x10 || offset % 0x1000 > 0x3f)
		offset++;
	CU_ASSERT_FALSE(arm(offset));
	CU_ASSERT_EQUAL(live(), 4096);
	CU_ASSERT(disarm(F + 0x20));
	CU_ASSERT(arm(offset));
	bench_start_sealed();
	CU_ASSERT_EQUAL(live(), 0);
}

static u64 random_state = 362436069362436069ull;

static u32 random_below(u32 limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (u32)(random_state >> 20) % limit;
}

/* What an instruction's bytes may be: its own, or those of one probe. */
static bool state_ok(u64 from, u64 to)
{
	u64 at;

	for (at = from; at < to; at++) {
		const u8 *now = sim.memory + sim_image_gpa(at);
		s32 distance;
		u64 target;

		if (*now == *original(at))
			continue;
		if (*now != int3 && *now != jmp)
			return false;
		memcpy(&distance, now + 1, 4);
		target = sim_image_gva(at + 5) + (u64)distance;
		if (target == SLOT || target == SLOT + 0x100)
			at += 4;
		else if (*now == jmp)
			return false;
	}
	return true;
}

static void random_walk(void)
{
	u64 low = F + 0x10, high = F + 0x3c, at;
	u32 i, taken = 0;
	u8 bytes[5];

	start();
	for (i = 0; i < 60000; i++) {
		at = low + random_below(high - low - 4);
		jump_to(bytes, at, SLOT + 0x100 * random_below(2));
		switch (random_below(7)) {
		case 0: taken += arm(at); break;
		case 1: taken += disarm(at); break;
		case 2: taken += write(at, &jmp, 1); break;
		case 3: taken += write(at + 1, bytes + 1, 4); break;
		case 4: taken += write(at + 1, original(at + 1), 4); break;
		case 5: taken += write(at, bytes, 5); break;
		default:
			bytes[random_below(5)] ^= 1u << random_below(8);
			/* A distance that the test could not tell apart. */
			taken += write(at, bytes, 1 + random_below(3));
		}
		if (!state_ok(low, high)) {
			CU_FAIL("a state that no probe explains");
			return;
		}
	}
	CU_ASSERT(taken > 5000);
	CU_ASSERT(taken < 40000);
}

const struct test probes_tests[] = {
	{ "armed and disarmed", simple_life },
	{ "only way back", only_way_back },
	{ "where", where },
	{ "optimised", optimised_life },
	{ "words stored twice", words_twice },
	{ "out of order", out_of_order },
	{ "where jumps lead", where_jumps_lead },
	{ "neighbours", neighbours },
	{ "on two pages", on_two_pages },
	{ "hunks", hunks },
	{ "table is full", table_is_full },
	{ "random walk", random_walk },
	{ 0 },
};
