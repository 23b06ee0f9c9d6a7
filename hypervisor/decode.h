/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The few instructions that matter: the stores with which Linux writes its own
 * text (text_poke: MOV, REP MOVS, REP STOS) and its APIC (MOV), and the loads of
 * registers that are pinned. Not a general decoder: whatever is not listed here is
 * refused.
 */
#ifndef HV_DECODE_H
#define HV_DECODE_H

#include "hv.h"

struct store {
	u64 gva;		/* where the guest stores, linear */
	u32 len;		/* bytes of this step, <= sizeof(bytes) */
	u32 insn_len;
	u32 count;		/* string: elements in this step */
	bool string, rep, movs;
	u8 bytes[64];		/* what it stores */
};

/*
 * Decode the store at the guest's RIP. A repeated string store is cut to what fits
 * in the buffer and the page. BAD_REQUEST when it is no store of the known
 * kinds, GUEST_ADDRESS when code or source cannot be read. Changes nothing.
 */
enum us_error decode_store(const struct vcpu *vcpu,
			   const struct guest_system *system,
			   struct store *store);

/* The store was carried out: advance the guest's registers. */
void decode_complete(struct vcpu *vcpu, const struct store *store);

/* What MOV to CR0 or CR4, LMSW, LIDT or LGDT would load. */
struct system_load {
	enum guarded target;	/* GUARD_CR0, _CR4, _IDTR or _GDTR */
	u64 value;		/* the register's new value, the table's base */
	u16 limit;		/* of a table */
	u32 insn_len;
	u64 fault_gva;		/* GUEST_ADDRESS: what cannot be read */
};

/*
 * Decode the one at the guest's RIP. BAD_REQUEST when it is none of them,
 * GUEST_ADDRESS when code or operand are not mapped. Changes nothing.
 */
enum us_error decode_system_load(const struct vcpu *vcpu,
				 const struct guest_system *system,
				 struct system_load *load);

/* Address after the instruction at RIP whose opcode is @opcode_len bytes long,
 * whatever prefixes it has (CPUID, RDMSR, WRMSR, VMMCALL). */
u64 decode_skip(const struct vcpu *vcpu, u32 opcode_len);

#endif
