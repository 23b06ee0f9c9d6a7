/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HV_COMMIT: a change is made whole or not at all. */
#include <string.h>

#include "bench.h"
#include "commit.h"
#include "fake_vmm.h"
#include "memory.h"

#define STORES	8u

/* What went through the gate. */
static struct {
	u64 gpa, len;
	u8 bytes[16];
} stores[STORES];
static u32 stored;

enum us_error guest_store(u64 gpa, const void *src, u64 len)
{
	stores[stored].gpa = gpa;
	stores[stored].len = len;
	memcpy(stores[stored].bytes, src, len);
	stored = (stored + 1) % STORES;
	return US_OK;
}

static struct us_commit_write writes[3];
static char label[US_CHANGE_MAX] = "apply fix generation 7";

static void prepare(void)
{
	u32 i;

	for (i = 0; i < 3; i++) {
		writes[i] = (struct us_commit_write) {
			.gpa = 0x200ff0 + i * PAGE_SIZE, .len = 16 >> i };
		memset(writes[i].bytes, 0xa0 + i, sizeof(writes[i].bytes));
	}
	memset(stores, 0, sizeof(stores));
	stored = 0;
	fake_start(1);
}

static void in_order(void)
{
	u32 before = commit_count(), i;

	prepare();
	ASSERT_OK(commit_do(writes, 3, label));
	CU_ASSERT_EQUAL(stored, 3);
	for (i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(stores[i].gpa, writes[i].gpa);
		CU_ASSERT_EQUAL(stores[i].len, writes[i].len);
		CU_ASSERT(!memcmp(stores[i].bytes, writes[i].bytes,
				  writes[i].len));
	}
	CU_ASSERT_EQUAL(commit_count(), before + 1);
	CU_ASSERT_STRING_EQUAL(commit_last(), label);
}

/* Whichever write is wrong, in whatever way, none is done. */
static void refuse(u32 index, u64 gpa, u32 len, u32 reserved,
		   enum us_error error)
{
	static const char bad[US_CHANGE_MAX] = "apply bad generation 8";
	u32 before = commit_count();

	prepare();
	writes[index] = (struct us_commit_write) {
		.gpa = gpa, .len = len, .reserved = reserved };
	CU_ASSERT_EQUAL(commit_do(writes, 3, bad), error);
	CU_ASSERT_EQUAL(stored, 0);
	CU_ASSERT_EQUAL(commit_count(), before);
	CU_ASSERT_PTR_NULL(strstr(commit_last(), "bad"));
}

static void all_or_none(void)
{
	u32 i;

	for (i = 0; i < 3; i++) {
		refuse(i, 0x1000, 0, 0, US_E_BAD_REQUEST);
		refuse(i, 0x1000, 17, 0, US_E_BAD_REQUEST);
		refuse(i, 0x1000, ~0u, 0, US_E_BAD_REQUEST);
		refuse(i, 0x1ffd, 4, 0, US_E_BAD_REQUEST);
		refuse(i, 0x1000, 4, 1, US_E_BAD_REQUEST);
		refuse(i, 8 * SIZE_1G, 4, 0, US_E_GUEST_ADDRESS);
		refuse(i, ~0ull - 3, 4, 0, US_E_GUEST_ADDRESS);
		refuse(i, 0xfee00000, 4, 0, US_E_GUEST_ADDRESS);
	}
	prepare();
	ASSERT_REFUSED(BAD_REQUEST, commit_do(writes, 0, label));
}

/* It is printed on the serial line, and told by CPUID as bytes. */
static void labels(void)
{
	char odd[US_CHANGE_MAX];
	u32 i;

	prepare();
	memset(odd, 'x', sizeof(odd));
	memcpy(odd, "a\x1b[2J\xff", 6);
	ASSERT_OK(commit_do(writes, 1, odd));
	CU_ASSERT_EQUAL(strlen(commit_last()), US_CHANGE_MAX - 1);
	CU_ASSERT(!memcmp(commit_last(), "a?[2J?", 6));
	memcpy(odd, "short\0 and then something else", 31);
	ASSERT_OK(commit_do(writes, 1, odd));
	for (i = 5; i < US_CHANGE_MAX; i++)
		CU_ASSERT_EQUAL(commit_last()[i], 0);
}

/* The simulated host keeps the same promise. */
static void simulated(void)
{
	bench_start(0);
	prepare();
	sim_snapshot();
	ASSERT_OK(host_stop());
	sim.fail_commit = 1;
	ASSERT_REFUSED(GUEST_ADDRESS, host_commit(writes, 3, label));
	writes[2].gpa = SIM_HIDDEN;
	ASSERT_REFUSED(GUEST_ADDRESS, host_commit(writes, 3, label));
	CU_ASSERT(sim_unchanged());
	CU_ASSERT_EQUAL(sim.commits, 0);
	writes[2].gpa = SIM_USER;
	ASSERT_OK(host_commit(writes, 3, label));
	host_release();
	CU_ASSERT_EQUAL(sim.memory[0x200fff], 0xa0);
	CU_ASSERT_EQUAL(sim.memory[SIM_USER + 3], 0xa2);
	CU_ASSERT_EQUAL(sim.commits, 1);
	CU_ASSERT_STRING_EQUAL(sim.last_change, label);
	CU_ASSERT_EQUAL(sim.violations, 0);
	/* Not while the guest runs. */
	ASSERT_REFUSED(STOP_FAILED, host_commit(writes, 3, label));
	CU_ASSERT_EQUAL(sim.violations, 1);
}

const struct test commit_tests[] = {
	{ "in order", in_order },
	{ "all or none", all_or_none },
	{ "labels", labels },
	{ "simulated host", simulated },
	{ 0 },
};
