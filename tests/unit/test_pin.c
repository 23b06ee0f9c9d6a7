/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which changes of which registers a pinned vCPU may make, and when it is pinned. */
#include <string.h>

#include "fake_vmm.h"
#include "pin.h"
#include "suites.h"

/* An exit that does not say what would be loaded. */
static const struct vmexit decoded;

static u64 *reg(u32 cpu)
{
	return fake.reg[cpu];
}

static void start_pinned(u32 cpus)
{
	fake_start(cpus);
	pin_init();
	CU_ASSERT_EQUAL(pin_all(), US_OK);
}

/* MOV RAX to CR0 or CR4; true when it was carried out. */
static bool write_cr(u32 cpu, u32 number, u64 value)
{
	struct vcpu *vcpu = &hv.vcpu[cpu];
	const u8 code[] = { 0x0f, 0x22, (u8)(0xc0 | number << 3) };

	fake_code(vcpu, code, sizeof(code));
	vcpu->regs.gpr[GPR_RAX] = value;
	fake.injected = 0;
	pin_exit(vcpu, &decoded);
	if (!fake.injected)
		CU_ASSERT_EQUAL(vcpu->regs.rip, FAKE_MEMORY + 3);
	return !fake.injected;
}

/* The same with an exit that does. */
static bool told_cr(u32 cpu, enum guarded which, u64 value)
{
	struct vcpu *vcpu = &hv.vcpu[cpu];
	struct vmexit exit = { .cr = { true, which, value, 4 } };

	vcpu->regs.rip = FAKE_MEMORY;
	fake.injected = 0;
	pin_exit(vcpu, &exit);
	if (!fake.injected)
		CU_ASSERT_EQUAL(vcpu->regs.rip, FAKE_MEMORY + 4);
	return !fake.injected;
}

static bool load_table(u32 cpu, bool idt, u64 base, u16 limit)
{
	struct vcpu *vcpu = &hv.vcpu[cpu];
	const u8 code[] = { 0x0f, 0x01, idt ? 0x18 : 0x10 };

	fake_code(vcpu, code, sizeof(code));
	vcpu->regs.gpr[GPR_RAX] = FAKE_MEMORY + 32;
	memcpy(fake.memory + 32, &limit, 2);
	memcpy(fake.memory + 34, &base, 8);
	fake.injected = 0;
	pin_exit(vcpu, &decoded);
	return !fake.injected;
}

static void test_agreement(void)
{
	fake_start(4);
	pin_init();
	reg(2)[GUARD_LSTAR]++;
	CU_ASSERT_EQUAL(pin_all(), US_E_BAD_REQUEST);
	CU_ASSERT_FALSE(pin_active());
	CU_ASSERT_FALSE(fake.watched[0] || fake.msrs_watched);
	hv.vcpu[2].state = VCPU_WAIT_SIPI;	/* does not count */
	CU_ASSERT_EQUAL(pin_all(), US_OK);
	CU_ASSERT(fake.watched[0] && fake.watched[1] && fake.watched[3]);
	CU_ASSERT_FALSE(fake.watched[2]);
	CU_ASSERT(fake.msrs_watched);
}

static void test_no_write_protection(void)
{
	fake_start(1);
	pin_init();
	reg(0)[GUARD_CR0] &= ~(u64)CR0_WP;
	CU_ASSERT_EQUAL(pin_all(), US_E_BAD_REQUEST);
	CU_ASSERT_FALSE(pin_active());
}

static void test_cr0(void)
{
	u64 old;

	start_pinned(2);
	old = reg(1)[GUARD_CR0];
	CU_ASSERT_FALSE(write_cr(1, 0, old & ~(u64)CR0_WP));
	CU_ASSERT_FALSE(write_cr(1, 0, old & ~(u64)CR0_PG));
	CU_ASSERT_FALSE(write_cr(1, 0, old & ~(u64)(CR0_PG | CR0_PE)));
	CU_ASSERT_EQUAL(fake.lines, 3);
	CU_ASSERT_EQUAL(pin_refused(), 3);
	CU_ASSERT_FALSE(write_cr(1, 0, old | 1ull << 32));	/* no such bit */
	CU_ASSERT_FALSE(write_cr(1, 0, old | CR0_NW));
	CU_ASSERT_EQUAL(fake.lines, 3);
	CU_ASSERT_EQUAL(reg(1)[GUARD_CR0], old);
	CU_ASSERT(write_cr(1, 0, old | 1u << 18));		/* AM */
	CU_ASSERT_EQUAL(reg(1)[GUARD_CR0], old | 1u << 18);
}

static void test_cr4(void)
{
	u64 old;

	start_pinned(1);
	old = reg(0)[GUARD_CR4];
	CU_ASSERT_FALSE(write_cr(0, 4, old & ~(u64)CR4_SMEP));
	CU_ASSERT_FALSE(write_cr(0, 4, old & ~(u64)CR4_SMAP));
	CU_ASSERT_FALSE(write_cr(0, 4, old & ~(u64)CR4_PAE));
	CU_ASSERT_FALSE(write_cr(0, 4, old | 1ull << 40));
	CU_ASSERT_FALSE(told_cr(0, GUARD_CR4, old & ~(u64)CR4_SMEP));
	CU_ASSERT_FALSE(told_cr(0, GUARD_CR4, old | 1u << 13));	/* VMXE */
	CU_ASSERT(told_cr(0, GUARD_CR0, reg(0)[GUARD_CR0] ^ CR0_NE));
	CU_ASSERT_EQUAL(reg(0)[GUARD_CR4], old);
	CU_ASSERT_EQUAL(fake.flushes, 0);
	CU_ASSERT(write_cr(0, 4, old));
	CU_ASSERT_EQUAL(fake.flushes, 0);
	CU_ASSERT(write_cr(0, 4, old ^ CR4_PGE));
	CU_ASSERT(write_cr(0, 4, old));
	CU_ASSERT_EQUAL(fake.flushes, 2);
	/* A bit that was clear may be set, and cleared again. */
	CU_ASSERT(write_cr(0, 4, old | 1u << 2));		/* TSD */
	CU_ASSERT(write_cr(0, 4, old));
}

static void test_tables(void)
{
	u64 idt, gdt;

	start_pinned(2);
	idt = reg(1)[GUARD_IDTR];
	gdt = reg(1)[GUARD_GDTR];
	CU_ASSERT(load_table(1, true, idt, 0xfff));
	CU_ASSERT(load_table(1, false, gdt, 0x7f));
	CU_ASSERT_FALSE(load_table(1, true, idt + 16, 0xfff));
	CU_ASSERT_FALSE(load_table(1, false, reg(0)[GUARD_GDTR], 0x7f));
	/* No table at all: that is how a kernel makes a triple fault. */
	CU_ASSERT(load_table(1, true, 0, 0));
	CU_ASSERT_EQUAL(fake.limit[1], 0);
	CU_ASSERT_EQUAL(reg(1)[GUARD_IDTR], idt);
	CU_ASSERT_FALSE(load_table(1, false, 0, 0));
}

static void test_msrs(void)
{
	static const struct {
		u32 msr;
		enum guarded which;
	} msrs[] = {
		{ MSR_STAR, GUARD_STAR }, { MSR_LSTAR, GUARD_LSTAR },
		{ MSR_CSTAR, GUARD_CSTAR }, { MSR_SFMASK, GUARD_SFMASK },
		{ MSR_SYSENTER_CS, GUARD_SYSENTER_CS },
		{ MSR_SYSENTER_ESP, GUARD_SYSENTER_ESP },
		{ MSR_SYSENTER_EIP, GUARD_SYSENTER_EIP },
	};
	bool done;

	start_pinned(2);
	for (u32 i = 0; i < ARRAY_SIZE(msrs); i++) {
		u64 old = reg(1)[msrs[i].which];

		done = true;
		CU_ASSERT(pin_write_msr(&hv.vcpu[1], msrs[i].msr, old ^ 8, &done));
		CU_ASSERT_FALSE(done);
		CU_ASSERT_EQUAL(reg(1)[msrs[i].which], old);
		CU_ASSERT(pin_write_msr(&hv.vcpu[1], msrs[i].msr, old, &done));
		CU_ASSERT(done);
	}
	CU_ASSERT_FALSE(pin_write_msr(&hv.vcpu[1], MSR_TSC, 0, &done));
	CU_ASSERT_FALSE(pin_write_msr(&hv.vcpu[1], 0, 0, &done));
	CU_ASSERT(pin_allows_efer(&hv.vcpu[1], reg(1)[GUARD_EFER]));
	CU_ASSERT_FALSE(pin_allows_efer(&hv.vcpu[1], EFER_LME | EFER_LMA |
					EFER_SCE));
}

/* Offline and online again: free while it starts, pinned once all is as before. */
static void test_restart(void)
{
	u64 before[GUARDED];
	bool done;

	start_pinned(2);
	memcpy(before, reg(1), sizeof(before));
	pin_vcpu_reset(&hv.vcpu[1]);
	memset(reg(1), 0, sizeof(before));
	CU_ASSERT(pin_write_msr(&hv.vcpu[1], MSR_LSTAR, 0xffffffff80000000ull,
				&done));
	CU_ASSERT(done);
	CU_ASSERT(pin_write_msr(&hv.vcpu[1], MSR_LSTAR, 1ull << 63, &done));
	CU_ASSERT_FALSE(done);			/* not canonical */
	memcpy(reg(1), before, sizeof(before));
	reg(1)[GUARD_GDTR] ^= 0x1000;		/* not yet its own */
	fake.watched[1] = false;
	pin_vcpu_poll(&hv.vcpu[1]);
	CU_ASSERT_FALSE(hv.vcpu[1].pinned);
	reg(1)[GUARD_GDTR] ^= 0x1000;
	pin_vcpu_poll(&hv.vcpu[1]);
	CU_ASSERT(hv.vcpu[1].pinned && fake.watched[1]);
}

/* One that does not come back to the values of before is told of, once. */
static void test_late(void)
{
	u64 lstar;

	start_pinned(2);
	lstar = reg(1)[GUARD_LSTAR];
	pin_vcpu_reset(&hv.vcpu[1]);
	reg(1)[GUARD_LSTAR] = 0xffffffff80000000ull;
	fake.lines = 0;
	hv.boot.tsc_khz = 1000000000;		/* long before it is late */
	pin_vcpu_poll(&hv.vcpu[1]);
	pin_vcpu_poll(&hv.vcpu[1]);
	CU_ASSERT_EQUAL(fake.lines, 0);
	hv.boot.tsc_khz = 0;			/* late at once */
	pin_vcpu_poll(&hv.vcpu[1]);
	pin_vcpu_poll(&hv.vcpu[1]);
	CU_ASSERT_EQUAL(fake.lines, 1);
	CU_ASSERT_FALSE(hv.vcpu[1].pinned);
	reg(1)[GUARD_LSTAR] = lstar;
	pin_vcpu_poll(&hv.vcpu[1]);
	CU_ASSERT(hv.vcpu[1].pinned);
	/* The next time it is a new story. */
	pin_vcpu_reset(&hv.vcpu[1]);
	reg(1)[GUARD_LSTAR] = 0xffffffff80000000ull;
	fake.lines = 0;
	pin_vcpu_poll(&hv.vcpu[1]);
	CU_ASSERT_EQUAL(fake.lines, 1);
}

/* One that was never seen running has to show the same values for a while. */
static void test_first_start(void)
{
	fake_start(2);
	pin_init();
	hv.vcpu[1].state = VCPU_WAIT_SIPI;
	CU_ASSERT_EQUAL(pin_all(), US_OK);
	hv.vcpu[1].state = VCPU_RUNNING;
	hv.boot.tsc_khz = 1000000000;		/* so that nothing settles */
	pin_vcpu_poll(&hv.vcpu[1]);
	reg(1)[GUARD_GDTR] ^= 0x1000;
	pin_vcpu_poll(&hv.vcpu[1]);
	CU_ASSERT_FALSE(hv.vcpu[1].pinned);
	hv.boot.tsc_khz = 0;			/* at once */
	pin_vcpu_poll(&hv.vcpu[1]);
	CU_ASSERT(hv.vcpu[1].pinned);
	CU_ASSERT_FALSE(load_table(1, false, reg(1)[GUARD_GDTR] ^ 0x1000, 0x7f));
}

const struct test pin_tests[] = {
	{ "agreement", test_agreement },
	{ "no write protection", test_no_write_protection },
	{ "cr0", test_cr0 },
	{ "cr4", test_cr4 },
	{ "tables", test_tables },
	{ "msrs", test_msrs },
	{ "restart", test_restart },
	{ "late", test_late },
	{ "first start", test_first_start },
	{ 0 }
};
