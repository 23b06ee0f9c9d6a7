/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hypervisor's small decoder: stores, and loads of pinned registers. */
#include <string.h>

#include "decode.h"
#include "fake_vmm.h"
#include "suites.h"

#define DATA	(FAKE_MEMORY + 64)

static struct vcpu *vcpu;
static struct guest_system sys;
static struct store store;
static struct system_load load;

static void start(void)
{
	fake_start(1);
	vcpu = &hv.vcpu[0];
	hv.ops->get_system(vcpu, &sys);
	for (u32 i = 0; i < GPR_COUNT; i++)
		vcpu->regs.gpr[i] = 0x1111111111111111ull * i;
}

#define STORE(code) (fake_code(vcpu, code, sizeof(code) - 1), \
		     decode_store(vcpu, &sys, &store))
#define LOAD(code) (fake_code(vcpu, code, sizeof(code) - 1), \
		    decode_system_load(vcpu, &sys, &load))

static void expect_store(u64 gva, u64 value, u32 len, u32 insn_len)
{
	CU_ASSERT_EQUAL(store.gva, gva);
	CU_ASSERT_EQUAL(store.len, len);
	CU_ASSERT_EQUAL(store.insn_len, insn_len);
	CU_ASSERT_FALSE(memcmp(store.bytes, &value, len));
}

static void test_moves(void)
{
	start();
	vcpu->regs.gpr[GPR_RDI] = 0x5000;
	CU_ASSERT_EQUAL(STORE("\x88\x07"), US_OK);	/* mov %al,(%rdi) */
	expect_store(0x5000, 0, 1, 2);
	CU_ASSERT_EQUAL(STORE("\x88\x67\x08"), US_OK);	/* mov %ah,8(%rdi) */
	expect_store(0x5008, 0, 1, 3);
	CU_ASSERT_EQUAL(STORE("\x4c\x89\x4f\xf8"), US_OK); /* mov %r9,-8(%rdi) */
	expect_store(0x4ff8, 0x9999999999999999ull, 8, 4);
	CU_ASSERT_EQUAL(STORE("\x66\x89\x0f"), US_OK);	/* mov %cx,(%rdi) */
	expect_store(0x5000, 0x1111, 2, 3);
	/* movl $-2,16(%rip): relative to the end of the instruction */
	CU_ASSERT_EQUAL(STORE("\xc7\x05\x10\0\0\0\xfe\xff\xff\xff"), US_OK);
	expect_store(FAKE_MEMORY + 10 + 16, 0xfffffffe, 4, 10);
}

static void test_strings(void)
{
	start();
	vcpu->regs.gpr[GPR_RDI] = 0x5ffd;
	vcpu->regs.gpr[GPR_RSI] = DATA;
	vcpu->regs.gpr[GPR_RCX] = 8;
	memcpy(fake.memory + 64, "ABCDEFGH", 8);
	CU_ASSERT_EQUAL(STORE("\xf3\xa4"), US_OK);	/* rep movsb */
	CU_ASSERT_EQUAL(store.len, 3);			/* up to the page's end */
	CU_ASSERT_FALSE(memcmp(store.bytes, "ABC", 3));
	decode_complete(vcpu, &store);
	CU_ASSERT_EQUAL(vcpu->regs.gpr[GPR_RDI], 0x6000);
	CU_ASSERT_EQUAL(vcpu->regs.gpr[GPR_RCX], 5);
	CU_ASSERT_EQUAL(vcpu->regs.rip, FAKE_MEMORY);	/* not done yet */
	vcpu->regs.rflags |= RFLAGS_DF;
	CU_ASSERT_EQUAL(STORE("\xf3\xa4"), US_E_BAD_REQUEST);
}

static void test_other_stores(void)
{
	start();
	CU_ASSERT_EQUAL(STORE("\xf0\x48\x0f\xc1\x07"), US_E_BAD_REQUEST);
	CU_ASSERT_EQUAL(STORE("\x01\x07"), US_E_BAD_REQUEST);	/* add */
	CU_ASSERT_EQUAL(STORE("\x88\xc7"), US_E_BAD_REQUEST);	/* a register */
	CU_ASSERT_EQUAL(STORE("\x67\x88\x07"), US_E_BAD_REQUEST);
	vcpu->regs.rip = 0x9000;
	CU_ASSERT_EQUAL(decode_store(vcpu, &sys, &store), US_E_GUEST_ADDRESS);
}

static void expect_load(enum guarded target, u64 value, u32 insn_len)
{
	CU_ASSERT_EQUAL(load.target, target);
	CU_ASSERT_EQUAL(load.value, value);
	CU_ASSERT_EQUAL(load.insn_len, insn_len);
}

static void test_control_registers(void)
{
	start();
	CU_ASSERT_EQUAL(LOAD("\x0f\x22\xe2"), US_OK);	/* mov %rdx,%cr4 */
	expect_load(GUARD_CR4, 0x2222222222222222ull, 3);
	CU_ASSERT_EQUAL(LOAD("\x41\x0f\x22\xc1"), US_OK); /* mov %r9,%cr0 */
	expect_load(GUARD_CR0, 0x9999999999999999ull, 4);
	CU_ASSERT_EQUAL(LOAD("\x0f\x22\x22"), US_OK);	/* mod means nothing */
	expect_load(GUARD_CR4, 0x2222222222222222ull, 3);
	sys.code_bits = 32;
	CU_ASSERT_EQUAL(LOAD("\x0f\x22\xe2"), US_OK);
	expect_load(GUARD_CR4, 0x22222222u, 3);
	sys.code_bits = 64;
	CU_ASSERT_EQUAL(LOAD("\x0f\x22\xda"), US_E_BAD_REQUEST); /* CR3 */
	CU_ASSERT_EQUAL(LOAD("\x44\x0f\x22\xc2"), US_E_BAD_REQUEST); /* CR8 */
	CU_ASSERT_EQUAL(LOAD("\xf0\x0f\x22\xc2"), US_E_BAD_REQUEST); /* CR8 */
	CU_ASSERT_EQUAL(LOAD("\x0f\x20\xe2"), US_E_BAD_REQUEST); /* from CR4 */
}

static void test_lmsw(void)
{
	start();
	vcpu->regs.gpr[GPR_RAX] = 0xfff6;
	CU_ASSERT_EQUAL(LOAD("\x0f\x01\xf0"), US_OK);	/* lmsw %ax */
	/* PE stays, and nothing above the lower four bits is loaded. */
	expect_load(GUARD_CR0, (sys.cr0 & ~0xfull) | 7, 3);
	fake.memory[64] = 8;
	vcpu->regs.gpr[GPR_RBX] = DATA - 4;
	CU_ASSERT_EQUAL(LOAD("\x0f\x01\x73\x04"), US_OK); /* lmsw 4(%rbx) */
	expect_load(GUARD_CR0, (sys.cr0 & ~0xfull) | 9, 4);
}

static void test_tables(void)
{
	static const u8 table[10] = { 0xff, 0x0f, 1, 2, 3, 4, 5, 6, 0xff, 0xff };

	start();
	memcpy(fake.memory + 64, table, sizeof(table));
	vcpu->regs.gpr[GPR_RAX] = DATA - 8;
	vcpu->regs.gpr[GPR_RCX] = 4;
	CU_ASSERT_EQUAL(LOAD("\x0f\x01\x1c\x48"), US_OK); /* lidt (%rax,%rcx,2) */
	expect_load(GUARD_IDTR, 0xffff060504030201ull, 4);
	CU_ASSERT_EQUAL(load.limit, 0xfff);
	CU_ASSERT_EQUAL(LOAD("\x0f\x01\x50\x08"), US_OK); /* lgdt 8(%rax) */
	expect_load(GUARD_GDTR, 0xffff060504030201ull, 4);
	/* 64-bit mode knows no other operand size; 32-bit mode does. */
	CU_ASSERT_EQUAL(LOAD("\x66\x0f\x01\x50\x08"), US_OK);
	expect_load(GUARD_GDTR, 0xffff060504030201ull, 5);
	sys.code_bits = 32;
	CU_ASSERT_EQUAL(LOAD("\x0f\x01\x50\x08"), US_OK);
	expect_load(GUARD_GDTR, 0x04030201, 4);
	CU_ASSERT_EQUAL(LOAD("\x66\x0f\x01\x50\x08"), US_OK);
	expect_load(GUARD_GDTR, 0x030201, 5);
	sys.code_bits = 64;
	CU_ASSERT_EQUAL(LOAD("\x0f\x01\x40\x08"), US_E_BAD_REQUEST); /* sgdt */
	CU_ASSERT_EQUAL(LOAD("\x0f\x01\xd0"), US_E_BAD_REQUEST); /* xgetbv */
	CU_ASSERT_EQUAL(LOAD("\x0f\x01\x78\x08"), US_E_BAD_REQUEST); /* invlpg */
}

/* What cannot be read is said, to the byte. */
static void test_operand_unmapped(void)
{
	start();
	vcpu->regs.gpr[GPR_RAX] = FAKE_MEMORY + sizeof(fake.memory) - 6;
	CU_ASSERT_EQUAL(LOAD("\x0f\x01\x18"), US_E_GUEST_ADDRESS);
	CU_ASSERT_EQUAL(load.fault_gva, FAKE_MEMORY + sizeof(fake.memory));
}

const struct test decode_tests[] = {
	{ "moves", test_moves },
	{ "strings", test_strings },
	{ "other stores", test_other_stores },
	{ "control registers", test_control_registers },
	{ "lmsw", test_lmsw },
	{ "tables", test_tables },
	{ "operand unmapped", test_operand_unmapped },
	{ 0 }
};
