/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "audit_checks.h"
#include "state.h"

#define CR0_GUARD	(1ull << 31 | 1ull << 16 | 1ull << 0) /* PG, WP, PE */
#define CR4_GUARD	(1ull << 21 | 1ull << 20 | 1ull << 11 | 1ull << 5)
				/* SMAP, SMEP, UMIP, PAE */
#define EFER_GUARD	(1ull << 11 | 1ull << 10 | 1ull << 8 | 1ull << 0)
				/* NXE, LMA, LME, SCE */

/* arch/x86/include/asm/segment.h: __KERNEL_CS */
#define KERNEL_CS	0x10u

/* APM volume 2, section 4.8.4. */
#define GATE_INTERRUPT	14u
#define GATE_TRAP	15u
#define MAX_IST		7u

struct gate {
	u16 offset_low;
	u16 selector;
	u8 ist;
	u8 type;		/* type 3:0, 0, DPL 6:5, P 7 */
	u16 offset_middle;
	u32 offset_high;
	u32 zero;
};
static_assert(sizeof(struct gate) == 16, "a gate of a 64-bit IDT");

static enum us_error bad_register(u32 vcpu, u64 value, const char *name)
{
	return control_fail(US_E_KERNEL_REGISTERS, vcpu, value, name);
}

static enum us_error check_vcpu(const struct kernel *kernel, u32 index,
				const struct us_vcpu_state *state,
				const struct us_vcpu_state *first)
{
	if ((state->cr0 & CR0_GUARD) != CR0_GUARD)
		return bad_register(index, state->cr0, "CR0");
	if ((state->efer & EFER_GUARD) != EFER_GUARD)
		return bad_register(index, state->efer, "EFER");
	if ((state->cr4 ^ first->cr4) & CR4_GUARD)
		return bad_register(index, state->cr4, "CR4");
	if (state->lstar != kernel_symbol(kernel, US_FACT_ENTRY_SYSCALL))
		return bad_register(index, state->lstar, "LSTAR");
	if (state->idtr_base != first->idtr_base)
		return bad_register(index, state->idtr_base, "IDTR");
	return US_OK;
}

enum us_error audit_check_registers(const struct kernel *kernel)
{
	struct us_vcpu_state state, first = { 0 };
	enum us_error error;
	u32 i;

	for (i = 0; i < host_info()->vcpus; i++) {
		error = host_vcpu(i, &state);
		if (error)
			return control_fail(US_E_HOST_FAILED, i, error, NULL);
		if (!state.started)
			continue;
		if (!first.started)
			first = state;
		error = check_vcpu(kernel, i, &state, &first);
		if (error)
			return error;
	}
	return US_OK;
}

/* Whether the baseline lists @offset for @class; entries are sorted. */
static bool listed(const struct us_baseline_head *head, u32 class, u64 offset)
{
	u32 low = 0, high = head->header->entries, middle;

	while (low < high) {
		const struct us_entry *entry;

		middle = low + (high - low) / 2;
		entry = &head->entries[middle];
		if (entry->class == class && entry->offset == offset)
			return true;
		if (entry->class < class ||
		    (entry->class == class && entry->offset < offset))
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* arch/x86/kernel/idt.c: SYSG() of int3, overflow, and the 32-bit system
 * call. */
static bool open_to_programs(u32 vector)
{
	return vector == 3 || vector == 4 || vector == 0x80;
}

/* The same: ISTG() of debug, NMI, double fault, machine check, VMM
 * communication. */
static bool has_own_stack(u32 vector)
{
	return vector == 1 || vector == 2 || vector == 8 || vector == 18 ||
	       vector == 29;
}

static bool gate_form_ok(const struct gate *gate, u32 vector)
{
	u32 type = gate->type & 0x1f, dpl = gate->type >> 5 & 3;

	return (type == GATE_INTERRUPT || type == GATE_TRAP) &&
	       gate->selector == KERNEL_CS && !gate->zero &&
	       (!dpl || (dpl == 3 && open_to_programs(vector))) &&
	       (!gate->ist || (gate->ist <= MAX_IST && has_own_stack(vector)));
}

static enum us_error check_gate(const struct kernel *kernel,
				const struct us_baseline_head *head,
				const struct gate *gate, u32 vector)
{
	u64 handler = gate->offset_low | (u64)gate->offset_middle << 16 |
		      (u64)gate->offset_high << 32;

	if (gate_form_ok(gate, vector) &&
	    listed(head, US_CLASS_GATE + vector, handler - kernel->text_gva))
		return US_OK;
	return control_fail(US_E_KERNEL_IDT, vector, handler, NULL);
}

static enum us_error check_gates(const struct kernel *kernel,
				 const struct us_baseline_head *head,
				 const struct us_range *range,
				 struct audit_idt *idt)
{
	struct gate gates[US_IDT_VECTORS];
	enum us_error error;
	u32 i;

	error = kernel_read(kernel, range->offset, gates, sizeof(gates));
	if (error)
		return control_fail(error, kernel->text_gva + range->offset,
				    sizeof(gates), NULL);
	for (i = 0; i < US_IDT_VECTORS; i++) {
		if (!(gates[i].type >> 7))
			continue;
		error = check_gate(kernel, head, &gates[i], i);
		if (error)
			return error;
		idt->gates++;
	}
	return US_OK;
}

static enum us_error check_idtr(const struct kernel *kernel,
				const struct us_range *range, u32 index,
				struct audit_idt *idt)
{
	struct control_caller who = { .vcpu = index };
	struct address_space space;
	struct us_vcpu_state state;
	struct page_mapping found = { 0 };
	u64 offset;

	if (host_vcpu(index, &state) || !state.started)
		return US_OK;
	who.cr0 = state.cr0;
	who.cr3 = state.cr3;
	who.cr4 = state.cr4;
	who.efer = state.efer;
	if (guest_caller_space(&who, &space) ||
	    guest_translate(&space, state.idtr_base, &found) ||
	    !IS_ALIGNED(state.idtr_base, PAGE_SIZE) ||
	    state.idtr_limit >= PAGE_SIZE ||
	    !frames_offset(&kernel->frames, found.gpa, PAGE_SIZE, US_RANGE_IDT,
			   &offset) ||
	    offset != range->offset)
		return control_fail(US_E_KERNEL_IDT, US_IDT_VECTORS + index,
				    state.idtr_base, NULL);
	idt->gva = state.idtr_base;
	idt->gpa = found.gpa;
	return US_OK;
}

enum us_error audit_check_idt(const struct kernel *kernel,
			      const struct us_baseline_head *head,
			      struct audit_idt *idt)
{
	const struct us_range *range = NULL;
	enum us_error error;
	u32 i;

	memset(idt, 0, sizeof(*idt));
	for (i = 0; i < head->header->range_count; i++)
		if (head->header->ranges[i].kind == US_RANGE_IDT)
			range = &head->header->ranges[i];
	if (!range)
		return US_OK;
	error = check_gates(kernel, head, range, idt);
	for (i = 0; i < host_info()->vcpus && !error; i++)
		error = check_idtr(kernel, range, i, idt);
	return error;
}
