/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Encodings: APM volume 3, chapters 1 and 2, appendix A. */
#include "decode.h"

#include <string.h>

#include "memory.h"
#include "vmm.h"

#define MAX_INSN 15

struct cursor {
	u8 bytes[MAX_INSN];
	u32 len, at;
	bool rep, operand16, bad;
	bool has_rex;		/* 0x40 is one, too, and changes byte registers */
	u8 rex;			/* W R X B */
	u8 segment;		/* override prefix byte, 0 if none */
};

#define REX_W	8
#define REX_R	4
#define REX_X	2
#define REX_B	1

static u8 next(struct cursor *c)
{
	if (c->at >= c->len) {
		c->bad = true;
		return 0;
	}
	return c->bytes[c->at++];
}

static u64 next_signed(struct cursor *c, u32 size)
{
	u64 value = 0;

	for (u32 i = 0; i < size; i++)
		value |= (u64)next(c) << i * 8;
	if (size < 8 && value >> (size * 8 - 1))
		value |= ~0ull << size * 8;
	return value;
}

static void read_prefixes(struct cursor *c, bool long_mode)
{
	for (;;) {
		u8 byte = next(c);

		switch (byte) {
		case 0x66: c->operand16 = true; continue;
		case 0xf2:
		case 0xf3: c->rep = true; continue;
		case 0x26: case 0x2e: case 0x36: case 0x3e:
		case 0x64: case 0x65: c->segment = byte; continue;
		case 0x67:		/* other address sizes: not used */
		case 0xf0: c->bad = true; return;
		}
		c->has_rex = long_mode && (byte & 0xf0) == 0x40;
		if (c->has_rex)
			c->rex = byte & 15;	/* must come last */
		else
			c->at--;
		return;
	}
}

static void fetch(const struct vcpu *vcpu, const struct guest_system *system,
		  struct cursor *c)
{
	memset(c, 0, sizeof(*c));
	c->len = guest_read_linear(system, vcpu->regs.rip +
				   (system->code_bits == 64 ? 0 :
				    system->cs_base),
				   c->bytes, MAX_INSN);
}

static u64 segment_base(const struct cursor *c,
			const struct guest_system *system)
{
	switch (c->segment) {
	case 0x64: return system->fs_base;
	case 0x65: return system->gs_base;
	}
	/* The rest are flat in long mode, and in all that starts CPUs. */
	return system->code_bits == 64 ? 0 : system->ds_base;
}

/* ModRM with a memory operand; *@reg is the register field. */
static u64 read_modrm(struct cursor *c, const struct vcpu *vcpu,
		      const struct guest_system *system, u32 *reg,
		      u32 immediate_len)
{
	const u64 *gpr = vcpu->regs.gpr;
	u8 modrm = next(c);
	u32 mod = modrm >> 6, rm = modrm & 7;
	bool long_mode = system->code_bits == 64;
	u64 address = 0;

	*reg = (modrm >> 3 & 7) | (c->rex & REX_R ? 8 : 0);
	if (mod == 3) {
		c->bad = true;	/* a register: no store to memory */
		return 0;
	}
	if (rm == 4) {
		u8 sib = next(c);
		u32 index = (sib >> 3 & 7) | (c->rex & REX_X ? 8 : 0);
		u32 base = sib & 7;

		if (index != 4)
			address += gpr[index] << (sib >> 6);
		if (base == 5 && mod == 0)
			address += next_signed(c, 4);
		else
			address += gpr[base | (c->rex & REX_B ? 8 : 0)];
	} else if (rm == 5 && mod == 0) {
		address = next_signed(c, 4);
		if (long_mode)	/* relative to the next instruction */
			address += vcpu->regs.rip + c->at + immediate_len;
	} else {
		address = gpr[rm | (c->rex & REX_B ? 8 : 0)];
	}
	if (mod == 1)
		address += next_signed(c, 1);
	else if (mod == 2)
		address += next_signed(c, 4);
	address += segment_base(c, system);
	return long_mode ? address : (u32)address;
}

static u64 register_value(const struct vcpu *vcpu, const struct cursor *c,
			  u32 reg, u32 size)
{
	/* Without REX, byte registers 4..7 are AH, CH, DH, BH. */
	if (size == 1 && !c->has_rex && reg >= 4)
		return vcpu->regs.gpr[reg - 4] >> 8;
	return vcpu->regs.gpr[reg];
}

static u32 operand_size(const struct cursor *c, u8 opcode)
{
	if (!(opcode & 1))
		return 1;
	if (c->rex & REX_W)
		return 8;
	return c->operand16 ? 2 : 4;
}

static void put(struct store *store, u64 value, u32 size)
{
	memcpy(store->bytes, &value, size);	/* little-endian */
	store->len = size;
}

/* MOVS, STOS: how many elements fit into the page and the buffer; an element
 * that crosses the page goes alone. */
static enum us_error decode_string(const struct vcpu *vcpu,
				   const struct guest_system *system,
				   const struct cursor *c, u8 opcode,
				   struct store *store)
{
	const u64 *gpr = vcpu->regs.gpr;
	u32 size = operand_size(c, opcode);
	u64 count = c->rep ? gpr[GPR_RCX] : 1;
	u64 in_page, fit;

	if (system->code_bits != 64 || (vcpu->regs.rflags & RFLAGS_DF) ||
	    c->segment || !count)
		return US_E_BAD_REQUEST;
	store->gva = gpr[GPR_RDI];
	store->string = true;
	store->rep = c->rep;
	store->movs = opcode < 0xa8;
	in_page = PAGE_SIZE - (store->gva & ~PAGE_MASK);
	fit = (in_page < sizeof(store->bytes) ? in_page : sizeof(store->bytes)) /
		size;
	if (!fit)
		fit = 1;
	store->count = (u32)(count < fit ? count : fit);
	store->len = store->count * size;
	if (!store->movs) {
		for (u32 i = 0; i < store->count; i++)
			memcpy(store->bytes + i * size, &gpr[GPR_RAX], size);
		return US_OK;
	}
	if (guest_read_linear(system, gpr[GPR_RSI], store->bytes, store->len) !=
	    store->len)
		return US_E_GUEST_ADDRESS;
	return US_OK;
}

enum us_error decode_store(const struct vcpu *vcpu,
			   const struct guest_system *system,
			   struct store *store)
{
	enum us_error error = US_OK;
	struct cursor c;
	u32 reg, size;
	u8 opcode;

	memset(store, 0, sizeof(*store));
	if (system->code_bits == 16)
		return US_E_BAD_REQUEST;
	fetch(vcpu, system, &c);
	if (!c.len)
		return US_E_GUEST_ADDRESS;
	read_prefixes(&c, system->code_bits == 64);
	opcode = next(&c);
	size = operand_size(&c, opcode);
	switch (opcode) {
	case 0x88: case 0x89:		/* MOV r/m, reg */
		store->gva = read_modrm(&c, vcpu, system, &reg, 0);
		put(store, register_value(vcpu, &c, reg, size), size);
		break;
	case 0xc6: case 0xc7:		/* MOV r/m, imm */
		store->gva = read_modrm(&c, vcpu, system, &reg,
					size < 4 ? size : 4);
		if (reg & 7)
			return US_E_BAD_REQUEST;
		put(store, next_signed(&c, size < 4 ? size : 4), size);
		break;
	case 0xa4: case 0xa5:		/* MOVS */
	case 0xaa: case 0xab:		/* STOS */
		error = decode_string(vcpu, system, &c, opcode, store);
		break;
	default:
		return US_E_BAD_REQUEST;
	}
	if (c.bad || (c.rep && !store->string))
		return US_E_BAD_REQUEST;
	store->insn_len = c.at;
	return error;
}

void decode_complete(struct vcpu *vcpu, const struct store *store)
{
	u64 *gpr = vcpu->regs.gpr;

	vcpu->regs.rflags &= ~(u64)RFLAGS_RF;
	if (!store->string) {
		vcpu->regs.rip += store->insn_len;
		return;
	}
	gpr[GPR_RDI] += store->len;
	if (store->movs)
		gpr[GPR_RSI] += store->len;
	if (store->rep)
		gpr[GPR_RCX] -= store->count;
	if (!store->rep || !gpr[GPR_RCX])
		vcpu->regs.rip += store->insn_len;
}

static enum us_error decode_cr_write(struct cursor *c, const struct vcpu *vcpu,
				     const struct guest_system *system,
				     struct system_load *load)
{
	u8 modrm = next(c);	/* always registers, whatever its upper bits say */
	u32 cr = (modrm >> 3 & 7) | (c->rex & REX_R ? 8 : 0);

	if (cr != 0 && cr != 4)
		return US_E_BAD_REQUEST;
	load->target = cr ? GUARD_CR4 : GUARD_CR0;
	load->value = vcpu->regs.gpr[(modrm & 7) | (c->rex & REX_B ? 8 : 0)];
	if (system->code_bits != 64)
		load->value = (u32)load->value;
	return US_OK;
}

#define OP_LGDT	2
#define OP_LIDT	3
#define OP_LMSW	6

/* The memory operand of the group 0F 01, @len bytes. */
static enum us_error read_operand(const struct guest_system *system, u64 gva,
				  void *dst, u32 len, struct system_load *load)
{
	u32 done = guest_read_linear(system, gva, dst, len);

	load->fault_gva = gva + done;
	return done == len ? US_OK : US_E_GUEST_ADDRESS;
}

static enum us_error decode_table_load(const struct cursor *c,
				       const struct guest_system *system,
				       u64 gva, struct system_load *load)
{
	u32 base_len = system->code_bits == 64 ? 8 : 4;
	enum us_error error;
	u8 bytes[10] = { 0 };

	error = read_operand(system, gva, bytes, 2 + base_len, load);
	memcpy(&load->limit, bytes, sizeof(load->limit));
	memcpy(&load->value, bytes + 2, sizeof(load->value));
	if (base_len == 4 && c->operand16)
		load->value &= 0xffffff;
	return error;
}

/* It loads the lower four bits of CR0, and cannot clear PE. */
static enum us_error decode_lmsw(const struct guest_system *system,
				 const u64 *in_register, u64 gva,
				 struct system_load *load)
{
	enum us_error error = US_OK;
	u16 word = 0;

	if (in_register)
		word = (u16)*in_register;
	else
		error = read_operand(system, gva, &word, sizeof(word), load);
	load->target = GUARD_CR0;
	load->value = (system->cr0 & ~0xeull) | (word & 0xf);
	return error;
}

static enum us_error decode_group_7(struct cursor *c, const struct vcpu *vcpu,
				    const struct guest_system *system,
				    struct system_load *load)
{
	u8 modrm = c->at < c->len ? c->bytes[c->at] : 0;
	bool in_register = modrm >> 6 == 3;
	u32 op = modrm >> 3 & 7;
	u32 rm = (modrm & 7) | (c->rex & REX_B ? 8 : 0);
	u64 gva = 0;

	if (in_register)
		next(c);
	else
		gva = read_modrm(c, vcpu, system, &op, 0);
	if (c->bad)
		return US_E_BAD_REQUEST;
	op &= 7;		/* REX.R means nothing here */
	if (op == OP_LMSW)
		return decode_lmsw(system, in_register ? &vcpu->regs.gpr[rm] :
				   NULL, gva, load);
	if (in_register || (op != OP_LGDT && op != OP_LIDT))
		return US_E_BAD_REQUEST;
	load->target = op == OP_LGDT ? GUARD_GDTR : GUARD_IDTR;
	return decode_table_load(c, system, gva, load);
}

enum us_error decode_system_load(const struct vcpu *vcpu,
				 const struct guest_system *system,
				 struct system_load *load)
{
	enum us_error error = US_E_BAD_REQUEST;
	struct cursor c;
	u8 opcode;

	memset(load, 0, sizeof(*load));
	load->fault_gva = vcpu->regs.rip;
	if (system->code_bits == 16)
		return US_E_BAD_REQUEST;
	fetch(vcpu, system, &c);
	if (!c.len)
		return US_E_GUEST_ADDRESS;
	read_prefixes(&c, system->code_bits == 64);
	if (next(&c) != 0x0f)
		return US_E_BAD_REQUEST;
	opcode = next(&c);
	if (opcode == 0x22)
		error = decode_cr_write(&c, vcpu, system, load);
	else if (opcode == 0x01)
		error = decode_group_7(&c, vcpu, system, load);
	load->insn_len = c.at;
	return c.bad || c.rep ? US_E_BAD_REQUEST : error;
}

u64 decode_skip(const struct vcpu *vcpu, u32 opcode_len)
{
	u64 told = hv.ops->next_rip(vcpu);
	struct guest_system system;
	struct cursor c;

	if (told)
		return told;
	hv.ops->get_system(vcpu, &system);
	fetch(vcpu, &system, &c);
	for (c.at = 0; c.at < c.len; c.at++) {
		u8 byte = c.bytes[c.at];

		if (byte == 0x0f)
			return vcpu->regs.rip + c.at + opcode_len;
	}
	return vcpu->regs.rip + opcode_len;
}
