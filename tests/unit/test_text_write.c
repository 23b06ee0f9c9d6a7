/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of the guest's own writes to sealed text are let through. */
#include <string.h>

#include "bench.h"

#define F	SIM_FUNCTION

static const u8 bytes[65] = { 0xcc, 0x01, 0x02, 0x03, 0x04, 0x05 };
static u32 allowed, refused;

static bool write_at(u64 gpa, u32 len)
{
	bool ok;

	sim_snapshot();
	ok = !control_text_write(gpa, bytes, len, 0xffffffff9d001234, 0x1234, 1);
	if (ok) {
		allowed++;
		CU_ASSERT_FALSE(memcmp(sim.memory + gpa, bytes, len));
	} else {
		refused++;
		CU_ASSERT(sim_unchanged());
	}
	return ok;
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

static void inside_site(void)
{
	start();
	CU_ASSERT(write_text(F, 5));
	CU_ASSERT(write_text(F, 1));
	CU_ASSERT(write_text(F + 1, 4));
	CU_ASSERT(write_text(F + 4, 1));
	CU_ASSERT(write_text(F + 0x40, 5));
	CU_ASSERT(write_text(0x24000, 5));
}

static void across_edges(void)
{
	start();
	CU_ASSERT_FALSE(write_text(F, 6));
	CU_ASSERT_FALSE(write_text(F - 1, 1));
	CU_ASSERT_FALSE(write_text(F - 1, 2));
	CU_ASSERT_FALSE(write_text(F - 1, 6));
	CU_ASSERT_FALSE(write_text(F + 4, 2));
	CU_ASSERT_FALSE(write_text(F + 5, 1));
	CU_ASSERT_FALSE(write_text(F, 64));
	CU_ASSERT_FALSE(write_text(F, 0));
	CU_ASSERT_FALSE(write_text(F, 65));
	CU_ASSERT_FALSE(write_text(0, 1));
	CU_ASSERT_FALSE(write_text(SIM_TEXT_LEN, 1));
}

/* Sites that the kernel patches while it boots only. */
static void boot_site(void)
{
	start();
	CU_ASSERT_FALSE(write_text(F + 0x80, 1));
	CU_ASSERT_FALSE(write_text(F + 0x84, 1));
}

static void elsewhere(void)
{
	start();
	CU_ASSERT_FALSE(write_at(SIM_ARENA, 1));
	CU_ASSERT_FALSE(write_at(SIM_HIDDEN, 1));
	CU_ASSERT_FALSE(write_at(SIM_TEXT - 1, 2));
	CU_ASSERT_FALSE(write_at(0, 1));
	CU_ASSERT_FALSE(control_text_write(~0ull, bytes, 2, 0, 0, 0) == US_OK);
	CU_ASSERT_FALSE(control_text_write(~0ull - 3, bytes, 4, 0, 0, 0) == US_OK);
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
	CU_ASSERT_FALSE(write_at(SIM_HIDDEN, 1));
	CU_ASSERT_FALSE(write_text(F, 0));
}

/* A write that would land in an installed hunk: bundles cannot be over sites, so
 * this needs one that was installed before the site was known. */
static void over_hunk(void)
{
	start();
	ASSERT_OK(bench_apply(F, 1));
	CU_ASSERT_FALSE(write_text(F + 5, 1));
	CU_ASSERT_FALSE(write_text(F + 4, 2));
	CU_ASSERT(write_text(F + 4, 1));
}

static void host_refuses(void)
{
	start();
	sim.fail_write = 1;
	CU_ASSERT_FALSE(write_text(F, 5));
}

static void counted_and_logged(void)
{
	struct us_request request = bench_request(US_OP_STATUS);
	const struct us_status *status = (void *)bench_response;

	start();
	CU_ASSERT(write_text(F, 5));
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

const struct test text_write_tests[] = {
	{ "inside a site", inside_site },
	{ "across a site's edges", across_edges },
	{ "sites of the boot", boot_site },
	{ "arena, hidden and other memory", elsewhere },
	{ "not sealed", not_sealed },
	{ "over an installed hunk", over_hunk },
	{ "host refuses", host_refuses },
	{ "counted and logged", counted_and_logged },
	{ 0 },
};
