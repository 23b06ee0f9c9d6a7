/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of the guest's own writes to sealed text get as far as being judged. What is
 * then let through is in test_site_rule.c and test_probes.c. */
#include <string.h>

#include "bench.h"

#define F	SIM_FUNCTION

static const u8 bytes[65] = { 0xcc, 0x01, 0x02, 0x03, 0x04, 0x05 };
static const u8 nop5[] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };
static u32 allowed, refused;

static bool write_bytes(u64 gpa, const void *what, u32 len)
{
	bool ok;

	sim_snapshot();
	ok = !sim_guest_write(gpa, what, len);
	if (ok) {
		allowed++;
		CU_ASSERT_FALSE(memcmp(sim.memory + gpa, what, len));
	} else {
		refused++;
	}
	CU_ASSERT(sim_unchanged());
	return ok;
}

static bool write_at(u64 gpa, u32 len)
{
	return write_bytes(gpa, bytes, len);
}

static bool write_text(u64 offset, u32 len)
{
	return write_at(sim_image_gpa(offset), len);
}

static void start(void)
{
	bench_start_sealed();
	allowed = refused = 0;
}

static void across_edges(void)
{
	start();
	CU_ASSERT(write_bytes(sim_image_gpa(F), nop5, 5));
	CU_ASSERT_FALSE(write_text(F, 6));
	CU_ASSERT_FALSE(write_text(F - 1, 2));
	CU_ASSERT_FALSE(write_text(F - 1, 6));
	CU_ASSERT_FALSE(write_text(F + 4, 2));
	CU_ASSERT_FALSE(write_text(F, 64));
	CU_ASSERT_FALSE(write_text(F, 0));
	CU_ASSERT_FALSE(write_text(F, 65));
	CU_ASSERT_FALSE(write_text(SIM_TEXT_LEN, 1));
	CU_ASSERT(write_text(F, 1));
}

/* Sites that the kernel patches while it boots only, and constants. */
static void boot_site(void)
{
	start();
	CU_ASSERT_FALSE(write_bytes(sim_image_gpa(F + 0x80), "\x0f", 1));
	CU_ASSERT_FALSE(write_bytes(sim_image_gpa(F + 0xd0), "\x0f", 1));
	CU_ASSERT_FALSE(write_bytes(sim_image_gpa(SIM_RODATA), "\x0f", 1));
	CU_ASSERT_FALSE(write_bytes(sim_image_gpa(SIM_AFTER_INIT), "\x0f", 1));
	CU_ASSERT_FALSE(write_bytes(sim_image_gpa(SIM_IDT), "\x0f", 1));
	/* Not a change, and nobody's business either. */
	CU_ASSERT_FALSE(write_bytes(sim_image_gpa(F + 0x20), sim_linked + F + 0x20,
				    1));
}

static void elsewhere(void)
{
	start();
	CU_ASSERT_FALSE(write_at(SIM_ARENA, 1));
	CU_ASSERT_FALSE(write_at(SIM_HIDDEN, 1));
	CU_ASSERT_FALSE(write_at(SIM_TEXT - 1, 2));
	/* Of a module that is gone: the frame is not sealed any more. */
	CU_ASSERT(write_at(0, 1));
}

/* A host that does not keep to core.h. */
static void bad_host(void)
{
	u8 around[PAGE_SIZE] = { 0 }, nops[128] = { 0x0f, 0x1f, 0x44 };
	const struct text_write good = {
		.gpa = sim_image_gpa(F), .len = 5, .bytes = nops,
		.around = around, .around_len = 16,
	};
	struct text_write write;

	start();
#define BAD_WRITE(change)						\
	write = good;							\
	change;								\
	ASSERT_REFUSED(BAD_REQUEST, control_text_write(&write))
	write = good;
	memcpy(around, sim.memory + good.gpa, 16);
	ASSERT_OK(control_text_write(&write));
	BAD_WRITE(write.len = 0);
	BAD_WRITE(write.len = 65);
	BAD_WRITE(write.around_len = 4);
	BAD_WRITE(write.around_before = 1);
	BAD_WRITE(write.around_len = PAGE_SIZE + 1);
	BAD_WRITE(write.gpa = ~0ull);
	BAD_WRITE(write.gpa += PAGE_SIZE - 4);
}

/* A write that waited while a seal had frozen the text, and was refused in the
 * end, must not be lost. The arena is never the guest's. */
static void not_sealed(void)
{
	bench_start(0);
	CU_ASSERT(write_text(F, 1));
	CU_ASSERT(write_text(F + 0x20, 1));
	CU_ASSERT_FALSE(write_at(SIM_ARENA, 1));
	CU_ASSERT_FALSE(write_at(SIM_ARENA - 1, 2));
	CU_ASSERT_FALSE(write_text(F, 0));
}

static void over_hunk(void)
{
	start();
	ASSERT_OK(bench_apply(F, 1));
	CU_ASSERT_FALSE(write_text(F + 5, 1));
	CU_ASSERT_FALSE(write_text(F + 4, 2));
	CU_ASSERT(write_text(F, 1));
}

/* In the usual case the host has sent along all that is needed. */
static void reads_nothing(void)
{
	start();
	CU_ASSERT(write_text(F, 1));	/* the audit may look at its page */
	sim.reads = 0;
	CU_ASSERT(write_text(F, 1));
	CU_ASSERT(write_bytes(sim_image_gpa(F + 1), nop5 + 1, 4));
	CU_ASSERT(write_bytes(sim_image_gpa(F), nop5, 1));
	CU_ASSERT(write_text(F + 0x20, 1));
	CU_ASSERT(write_bytes(sim_image_gpa(F + 0x20), sim_linked + F + 0x20, 1));
	CU_ASSERT_EQUAL(sim.reads, 0);
}

static void counted_and_logged(void)
{
	struct us_request request = bench_request(US_OP_STATUS);
	const struct us_status *status = (void *)bench_response;

	start();
	CU_ASSERT(write_bytes(sim_image_gpa(F), nop5, 5));
	CU_ASSERT(write_text(F, 1));
	CU_ASSERT_FALSE(write_text(F + 5, 3));
	CU_ASSERT_PTR_NOT_NULL(strstr(sim.last_log, "write refused: 1234"));
	CU_ASSERT_PTR_NOT_NULL(strstr(sim.last_log, "<- cc0102 (3) vCPU 1 rip "
				      "ffffffff9d001234"));
	ASSERT_OK(bench_ring(&request));
	CU_ASSERT_EQUAL(status->writes_allowed, 2);
	CU_ASSERT_EQUAL(status->writes_refused, 1);
	CU_ASSERT_EQUAL(allowed, 2);
	CU_ASSERT_EQUAL(refused, 1);
}

static void seal_with_policy(enum us_policy_row row, u8 value)
{
	bench_start(0);
	make_baseline(&bench_blob);
	baseline_header(&bench_blob)->policy[row] = value;
	CU_ASSERT_EQUAL_FATAL(bench_send(US_OP_SEAL, &bench_blob, &bench_key, 0),
			      US_OK);
	sim.last_log[0] = '\0';
}

/* Each row with a write that it decides: refused, silent, logged. */
static void policy(void)
{
	static const struct {
		u8 row;
		u32 offset;
		const char *bytes;
	} rows[] = {
		{ US_POLICY_JUMP_LABEL, F + 0x40, "\xcc" },
		{ US_POLICY_STATIC_CALL, F + 0xa0, "\xcc" },
		{ US_POLICY_STATIC_CALL, F + 0xa8, "\xcc" },
		{ US_POLICY_STATIC_CALL, F + 0xb0, "\xcc" },
		{ US_POLICY_FTRACE, F, "\xcc" },
		{ US_POLICY_FTRACE, F + 0xd8, "\xcc" },
		{ US_POLICY_FTRACE, F + 0xe0, "\xcc" },
		{ US_POLICY_SMP_LOCK, F + 0x90, "\x3e" },
		{ US_POLICY_KPROBE, F + 0x90, "\xcc" },
		{ US_POLICY_KPROBE, F + 0x20, "\xcc" },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 gpa;

		seal_with_policy(rows[i].row, US_DENY);
		gpa = sim_image_gpa(rows[i].offset);
		CU_ASSERT_FALSE(write_bytes(gpa, rows[i].bytes, 1));
		seal_with_policy(rows[i].row, US_ALLOW);
		CU_ASSERT(write_bytes(gpa, rows[i].bytes, 1));
		CU_ASSERT_EQUAL(sim.last_log[0], '\0');
		seal_with_policy(rows[i].row, US_ALLOW_LOG);
		CU_ASSERT(write_bytes(gpa, rows[i].bytes, 1));
		CU_ASSERT_PTR_NOT_NULL(strstr(sim.last_log, "write allowed: "));
	}
}

/* Out of the image: a row of its own, beside the site's. */
static void policy_of_trampolines(void)
{
	u64 gpa, out = 0xffffffffc0001000ull;
	u8 call[5];
	u8 value;

	for (value = US_DENY; value <= US_ALLOW_LOG; value++) {
		seal_with_policy(US_POLICY_TRAMPOLINE, value);
		gpa = sim_image_gpa(F);
		sim_branch(call, 5, 0xe8, F, out - sim_image_gva(0));
		CU_ASSERT_EQUAL(write_bytes(gpa, call, 5), value != US_DENY);
		CU_ASSERT_EQUAL(!!strstr(sim.last_log, "write allowed"),
				value == US_ALLOW_LOG);
	}
}

const struct test text_write_tests[] = {
	{ "across a site's edges", across_edges },
	{ "sites of the boot, constants", boot_site },
	{ "arena, hidden and other memory", elsewhere },
	{ "bad host", bad_host },
	{ "not sealed", not_sealed },
	{ "over an installed hunk", over_hunk },
	{ "no memory is read", reads_nothing },
	{ "counted and logged", counted_and_logged },
	{ "policy", policy },
	{ "policy of trampolines", policy_of_trampolines },
	{ 0 },
};
