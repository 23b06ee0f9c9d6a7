/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What seal asks of the IDT, the registers and the address spaces of all
 * vCPUs. */
#include <string.h>

#include "bench.h"

#define INTERRUPT	0x8e
#define TRAP		0x8f
#define OPEN		0xee	/* DPL 3 */

static const struct us_seal_report *report(void)
{
	return (const void *)bench_response;
}

static u64 handler(u32 vector)
{
	return SIM_GATES + 8 * vector;
}

static void good(void)
{
	bench_start(0);
	ASSERT_OK(bench_seal());
	CU_ASSERT_EQUAL(report()->idt_gates, 246);
	CU_ASSERT_EQUAL(sim.prot[sim_image_gpa(SIM_IDT) / PAGE_SIZE],
			US_PROT_READ_ONLY);
	CU_ASSERT(sim.pinned);
}

/* A gate that is bad, or in place of @vector's own. */
static void bad_gate(u32 vector, u64 offset, u8 type, u8 ist)
{
	bench_start(0);
	sim_set_gate(vector, offset, type, ist);
	ASSERT_REFUSED(KERNEL_IDT, bench_seal());
	CU_ASSERT_EQUAL(bench_answer.detail[0], vector);
	CU_ASSERT_EQUAL(bench_answer.detail[1], sim_image_gva(offset));
	CU_ASSERT_FALSE(sim.pinned);
}

static void good_gate(u32 vector, u64 offset, u8 type, u8 ist)
{
	bench_start(0);
	sim_set_gate(vector, offset, type, ist);
	ASSERT_OK(bench_seal());
}

static void gates(void)
{
	/* Every type but the two. */
	for (u32 type = 0; type < 32; type++) {
		u8 byte = (u8)(0x80 | type);

		if (byte != INTERRUPT && byte != TRAP)
			bad_gate(14, handler(14), byte, 0);
	}
	good_gate(14, handler(14), TRAP, 0);
	/* Another vector's handler, and no handler at all. */
	bad_gate(14, handler(13), INTERRUPT, 0);
	bad_gate(0x21, handler(0x20), INTERRUPT, 0);
	bad_gate(14, handler(14) + 1, INTERRUPT, 0);
	bad_gate(14, SIM_FUNCTION, INTERRUPT, 0);
	bad_gate(14, 0ull - SIM_LINK_BASE - SIM_SLIDE, INTERRUPT, 0);
	bad_gate(14, handler(14) + (1ull << 32), INTERRUPT, 0);
	/* Open to programs. */
	bad_gate(14, handler(14), OPEN, 0);
	bad_gate(0x81, handler(0x81), OPEN, 0);
	bad_gate(3, handler(3), 0xae, 0);	/* DPL 1 */
	good_gate(3, handler(3), INTERRUPT, 0);
	good_gate(4, handler(4), OPEN, 0);
	good_gate(0x80, handler(0x80), OPEN, 0);
	/* A stack of its own. */
	bad_gate(14, handler(14), INTERRUPT, 1);
	bad_gate(2, handler(2), INTERRUPT, 8);
	good_gate(2, handler(2), INTERRUPT, 7);
	good_gate(2, handler(2), INTERRUPT, 0);
	/* A vector that has no gate must not get one that is not listed. */
	bad_gate(25, SIM_FUNCTION, INTERRUPT, 0);
	good_gate(14, SIM_FUNCTION, 0x0e, 0);	/* not present */
}

/* Selector and reserved bits. */
static void gate_fields(void)
{
	const u64 at = sim_image_gpa(SIM_IDT) + 16 * 14;
	const struct { u32 byte; u8 value; } fields[] = {
		{ 2, 0x08 }, { 2, 0x18 }, { 2, 0x33 }, { 3, 1 }, { 12, 1 },
		{ 15, 0x80 },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		bench_start(0);
		sim_poke(at + fields[i].byte, &fields[i].value, 1);
		ASSERT_REFUSED(KERNEL_IDT, bench_seal());
		CU_ASSERT_EQUAL(bench_answer.detail[0], 14);
	}
}

/* The IDTR of every vCPU has to lead to the verified frame. */
static void idt_register(void)
{
	u32 i;

	for (i = 0; i < SIM_VCPUS; i++) {
		bench_start(0);
		sim.vcpus[i].idtr_limit = 0x1fff;
		ASSERT_REFUSED(KERNEL_IDT, bench_seal());
		CU_ASSERT_EQUAL(bench_answer.detail[0], 256 + i);
	}
	/* All the same, and all wrong. */
	const u64 wrong[] = { SIM_DIRECT + SIM_USER, SIM_USER_GVA, 0,
			      sim_image_gva(SIM_IDT) + 16, 1ull << 60 };
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		bench_start(0);
		sim.vcpus[0].idtr_base = sim.vcpus[1].idtr_base = wrong[i];
		ASSERT_REFUSED(KERNEL_IDT, bench_seal());
		CU_ASSERT_EQUAL(bench_answer.detail[1], wrong[i]);
	}
	/* The image's own mapping will do. */
	bench_start(0);
	sim.vcpus[0].idtr_base = sim.vcpus[1].idtr_base = sim_image_gva(SIM_IDT);
	ASSERT_OK(bench_seal());
	/* The alias leads elsewhere for one of them. */
	bench_start(0);
	sim_map(sim.top_pgt, SIM_IDT_ALIAS, SIM_USER, PTE_PRESENT | PTE_NX,
		PAGE_SIZE);
	ASSERT_REFUSED(KERNEL_IDT, bench_seal());
}

static void bad_register(u32 vcpu, const char *name, u64 value)
{
	ASSERT_REFUSED(KERNEL_REGISTERS, bench_seal());
	CU_ASSERT_EQUAL(bench_answer.detail[0], vcpu);
	CU_ASSERT_EQUAL(bench_answer.detail[1], value);
	CU_ASSERT_STRING_EQUAL(bench_answer.text, name);
	CU_ASSERT_FALSE(sim.pinned);
	bench_start(0);
}

static void registers(void)
{
	const u64 cr0[] = { 1ull << 16, 1, 1ull << 31 };
	const u64 efer[] = { 1ull << 11, 1ull << 10, 1ull << 8, 1 };
	const u64 cr4[] = { 1ull << 21, 1ull << 20, 1ull << 11 };
	struct us_vcpu_state *vcpu = &sim.vcpus[1];
	u32 i;

	bench_start(0);
	for (i = 0; i < ARRAY_SIZE(cr0); i++) {
		vcpu->cr0 ^= cr0[i];
		bad_register(1, "CR0", vcpu->cr0);
	}
	for (i = 0; i < ARRAY_SIZE(efer); i++) {
		vcpu->efer ^= efer[i];
		bad_register(1, "EFER", vcpu->efer);
	}
	for (i = 0; i < ARRAY_SIZE(cr4); i++) {
		vcpu->cr4 ^= cr4[i];
		bad_register(1, "CR4", vcpu->cr4);
	}
	vcpu->lstar += 1;
	bad_register(1, "LSTAR", vcpu->lstar);
	vcpu->idtr_base = SIM_DIRECT;
	bad_register(1, "IDTR", vcpu->idtr_base);
	/* Off on all of them is a processor that lacks it. */
	sim.vcpus[0].cr4 ^= 1ull << 21;
	vcpu->cr4 ^= 1ull << 21;
	ASSERT_OK(bench_seal());
}

/* A vCPU that waits for its first SIPI has no registers yet. */
static void not_started(void)
{
	const struct us_request request = bench_request(US_OP_STATUS);
	const struct us_status *status = (const void *)bench_response;

	bench_start(0);
	memset(&sim.vcpus[1], 0, sizeof(sim.vcpus[1]));
	ASSERT_OK(bench_seal());
	ASSERT_OK(bench_ring(&request));
	CU_ASSERT_EQUAL(status->pinned_vcpus, 1);
}

static void cannot_pin(void)
{
	bench_start(0);
	sim.pin_error = US_E_BAD_REQUEST;
	ASSERT_REFUSED(KERNEL_REGISTERS, bench_seal());
	CU_ASSERT_EQUAL(bench_answer.detail[0], US_MAX_VCPUS);
	sim.pin_error = US_E_STOP_FAILED;
	ASSERT_REFUSED(STOP_FAILED, bench_seal());
	sim.pin_error = US_OK;
	ASSERT_OK(bench_seal());
}

static void cannot_stop(void)
{
	u32 i;

	/* The first stop looks for the kernel, the last is the audit's. */
	for (i = 1;; i++) {
		bench_start(0);
		sim.fail_stop = i;
		if (!bench_seal())
			break;
		CU_ASSERT_EQUAL(bench_answer.status, US_E_STOP_FAILED);
		CU_ASSERT_FALSE(sim.pinned);
	}
	CU_ASSERT(i > 2);
}

/* Another vCPU maps the image elsewhere already. */
static void other_space(void)
{
	u64 copy, pud;

	bench_start(0);
	copy = sim.next_table;
	sim.next_table += 2 * PAGE_SIZE;
	pud = copy + PAGE_SIZE;
	sim_poke(copy, sim.memory + sim.top_pgt, PAGE_SIZE);
	sim_poke64(copy + 8 * 511, pud | PTE_PRESENT | PTE_WRITE);
	sim_poke64(pud + 8 * 510, PTE_PRESENT | PTE_LARGE);
	sim.vcpus[1].cr3 = copy;
	ASSERT_REFUSED(KERNEL_MAPPING, bench_seal());
	CU_ASSERT_EQUAL(bench_answer.detail[0], sim_image_gva(0));
	CU_ASSERT_FALSE(sim.pinned);
	sim.vcpus[1].cr3 = sim.top_pgt;
	ASSERT_OK(bench_seal());
}

const struct test guards_tests[] = {
	{ "good", good },
	{ "gates", gates },
	{ "fields of a gate", gate_fields },
	{ "IDTR", idt_register },
	{ "registers", registers },
	{ "a vCPU that has not started", not_started },
	{ "pins refused", cannot_pin },
	{ "stops refused", cannot_stop },
	{ "another address space", other_space },
	{ 0 },
};
