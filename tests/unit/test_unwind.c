/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The code that goes in front of two functions of the kernel, run as it is: what it finds
 * in tables, and that it reads nothing outside the arena. */
#include <string.h>
#include <sys/mman.h>

#include "arena.h"
#include "suites.h"
#include "unwind.h"

extern const u8 us_hook_text[], us_hook_text_else[], us_hook_text_end[];
extern const u8 us_hook_orc[], us_hook_orc_else[], us_hook_orc_end[];

#define ARENA_SIZE	(1ull << US_ARENA_SHIFT)
#define ORC_CODE	0x1000u		/* where the code lies */
#define TEXT_CODE	0x2000u
#define TABLE		0x8040u
#define TABLE_LEN	0x400u
#define ELSEWHERE	0x1234567u	/* what the functions' own bodies return */

static_assert(ARENA_ALIGN == US_UNWIND_ALIGN, "where payloads begin");

static u8 *arena;

static u8 *put(u8 *at, const void *bytes, u64 len)
{
	memcpy(at, bytes, len);
	return at + len;
}

/* As the tool does: the code, a return, the function's own body. */
static void put_hook(u32 where, const u8 *start, const u8 *skip, const u8 *end)
{
	static const u8 ret[] = { 0xc3 };
	const u8 own[] = { 0xb8, ELSEWHERE & 0xff, ELSEWHERE >> 8 & 0xff,
			   ELSEWHERE >> 16 & 0xff, ELSEWHERE >> 24, 0xc3 };
	u8 *at = put(arena + where, start, (u64)(end - start));
	u32 distance;

	at = put(at, ret, sizeof(ret));
	distance = at - (arena + where + (skip - start));
	put(at, own, sizeof(own));
	memcpy(arena + where + (skip - start) - 4, &distance, 4);
}

/* An arena at a multiple of its size; around it is nothing. */
static void make_arena(void)
{
	u8 *room;

	if (!arena) {
		room = mmap(NULL, 3 * ARENA_SIZE, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CU_ASSERT_FATAL(room != MAP_FAILED);
		arena = (u8 *)ALIGN_UP((u64)room + 1, ARENA_SIZE);
		CU_ASSERT_FATAL(!mprotect(arena, ARENA_SIZE, PROT_READ |
					  PROT_WRITE | PROT_EXEC));
	}
	memset(arena, 0xcc, ARENA_SIZE);
	put_hook(ORC_CODE, us_hook_orc, us_hook_orc_else, us_hook_orc_end);
	put_hook(TEXT_CODE, us_hook_text, us_hook_text_else, us_hook_text_end);
}

static u64 call(u32 where, u64 address)
{
	u64 (*code)(u64) = (u64 (*)(u64))(arena + where);

	return code(address);
}

static struct us_unwind_header header_of(u32 len, u32 count)
{
	return (struct us_unwind_header){
		US_UNWIND_MAGIC, len, count, ~(len | (u64)count << 32),
	};
}

/* A payload whose range @i begins at @step * @i. */
static void put_table(u32 where, u32 len, u32 count, u32 step)
{
	const struct us_unwind_header header = header_of(len, count);
	u8 *at = put(arena + where, &header, sizeof(header));
	u32 i, start;

	for (i = 0; i < count; i++) {
		start = i * step;
		at = put(at, &start, 4);
	}
}

static u64 entry(u32 where, u32 count, u32 i)
{
	return (u64)arena + where + US_UNWIND_HEADER + count * 4 +
	       (u64)i * US_UNWIND_ORC;
}

static void outside(void)
{
	u32 i;

	make_arena();
	for (i = 0; i < 6; i++) {
		const u64 start = (u64)arena;
		const u64 far[] = { 0, 1, start - 1, start - ARENA_SIZE,
				    start + ARENA_SIZE, ~0ull };

		CU_ASSERT_EQUAL(call(ORC_CODE, far[i]), ELSEWHERE);
		CU_ASSERT_EQUAL(call(TEXT_CODE, far[i]), ELSEWHERE);
	}
}

static void is_text(void)
{
	make_arena();
	CU_ASSERT_EQUAL(call(TEXT_CODE, (u64)arena), 1);
	CU_ASSERT_EQUAL(call(TEXT_CODE, (u64)arena + ARENA_SIZE - 1), 1);
	CU_ASSERT_EQUAL(call(TEXT_CODE, (u64)arena + ARENA_SIZE), ELSEWHERE);
	CU_ASSERT_EQUAL(call(TEXT_CODE, (u64)arena - 1), ELSEWHERE);
}

static void no_table(void)
{
	u64 at;

	make_arena();
	for (at = 0; at < ARENA_SIZE; at += 65535)
		CU_ASSERT_EQUAL(call(ORC_CODE, (u64)arena + at), 0);
}

static void every_range(void)
{
	u32 count, at;

	for (count = 1; count < 40; count++) {
		make_arena();
		put_table(TABLE, TABLE_LEN, count, TABLE_LEN / count);
		for (at = 0; at < TABLE_LEN; at++) {
			u32 i = at / (TABLE_LEN / count);

			CU_ASSERT_EQUAL(call(ORC_CODE,
					     (u64)arena + TABLE + at),
					entry(TABLE, count, i < count ? i :
					      count - 1));
		}
		CU_ASSERT_EQUAL(call(ORC_CODE, (u64)arena + TABLE + at), 0);
		CU_ASSERT_EQUAL(call(ORC_CODE, (u64)arena + TABLE - 1), 0);
	}
}

/* The nearest payload that has a table is the one that counts. */
static void two_payloads(void)
{
	make_arena();
	put_table(0, 0x100, 2, 0x80);
	put_table(0x140, 0x80, 1, 0);
	CU_ASSERT_EQUAL(call(ORC_CODE, (u64)arena + 0xff), entry(0, 2, 1));
	CU_ASSERT_EQUAL(call(ORC_CODE, (u64)arena + 0x100), 0);
	CU_ASSERT_EQUAL(call(ORC_CODE, (u64)arena + 0x13f), 0);
	CU_ASSERT_EQUAL(call(ORC_CODE, (u64)arena + 0x140), entry(0x140, 1, 0));
	CU_ASSERT_EQUAL(call(ORC_CODE, (u64)arena + 0x1c0), 0);
}

static void last_bytes(void)
{
	const u32 where = ARENA_SIZE - US_UNWIND_ALIGN;

	make_arena();
	put_table(where, US_UNWIND_ALIGN, 1, 0);
	CU_ASSERT_EQUAL(call(ORC_CODE, (u64)arena + ARENA_SIZE - 1),
			entry(where, 1, 0));
}

/* Written or wiped in part, or only looking like one. */
static void no_header(void)
{
	struct us_unwind_header header = header_of(TABLE_LEN, 3);
	u32 done;

	for (done = 8; done < sizeof(header); done++) {
		make_arena();
		memcpy(arena + TABLE, &header, done);
		CU_ASSERT_EQUAL(call(ORC_CODE, (u64)arena + TABLE + 0x90), 0);
		make_arena();
		put_table(TABLE, TABLE_LEN, 3, 0x80);
		header.check++;
		memcpy(arena + TABLE + 0x80, &header, sizeof(header));
		CU_ASSERT_EQUAL(call(ORC_CODE, (u64)arena + TABLE + 0x90),
				entry(TABLE, 3, 1));
		header.check--;
	}
}

const struct test unwind_tests[] = {
	{ "outside the arena the function's own body runs", outside },
	{ "inside is code", is_text },
	{ "an arena without tables", no_table },
	{ "every address of tables with 1 to 39 ranges", every_range },
	{ "the nearest payload below counts", two_payloads },
	{ "the arena's last bytes", last_bytes },
	{ "what is no header", no_header },
	{ 0 }
};
