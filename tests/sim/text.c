/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fake kernel's text as the linker would leave it, with sites of every kind. */
#include <string.h>

#include "sim.h"

#define STEP		0x1000u

u8 sim_linked[SIM_TEXT_LEN];
u8 sim_constants[SIM_RODATA_LEN];
struct sim_site sim_sites[256];
u32 sim_site_count;
struct us_runtime_site sim_runtime[512];
u32 sim_runtime_count;
struct us_entry sim_entries[512];
u32 sim_entry_count;
struct us_text_reloc sim_relocs[512];
u32 sim_reloc_count;
u8 sim_probes[(SIM_TEXT_LEN + 7) / 8];

const u8 sim_build_id[SIM_BUILD_ID_LEN] = {
	0x5e, 0xa1, 0xed, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc,
	0xfe, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x42,
};

static const u8 nop8[] = { 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 };

static void fill_random(u8 *bytes, u32 len, u64 state)
{
	u32 i;

	for (i = 0; i < len; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		bytes[i] = (u8)state;
	}
}

static struct sim_site *add_site(u32 offset, u16 len, enum us_site_kind kind)
{
	struct sim_site *site = &sim_sites[sim_site_count++];

	memset(site, 0, sizeof(*site));
	site->offset = offset;
	site->len = len;
	site->kind = kind;
	return site;
}

/* A value: the @len bytes of the site, with a field at @field unless 0. */
static void add_value(struct sim_site *site, const u8 *bytes, u8 field, u8 type)
{
	struct sim_value *value = &site->value[site->values++];

	memcpy(value->bytes, bytes, site->len);
	value->field = field;
	value->type = type;
}

static void add_reloc(u32 offset, enum us_text_reloc_type type)
{
	struct us_text_reloc *reloc = &sim_relocs[sim_reloc_count++];

	memset(reloc, 0, sizeof(*reloc));
	reloc->offset = offset;
	reloc->type = type;
	memcpy(&reloc->value, sim_linked + offset, type == US_TEXT_ADD64 ? 8 : 4);
}

void sim_branch(u8 *bytes, u32 len, u8 opcode, u32 offset, u64 target)
{
	s32 distance = (s32)(target - (offset + len));

	bytes[0] = opcode;
	if (len == 2)
		bytes[1] = (u8)distance;
	else
		memcpy(bytes + len - 4, &distance, 4);
}

/* As linked every one of them leads to where it says first. */
static void add_runtime(u32 offset, enum us_runtime_kind kind, u8 len, u8 opcode,
			u32 target, u16 class)
{
	struct us_runtime_site *site = &sim_runtime[sim_runtime_count++];
	u32 first = target == US_NO_TARGET ? SIM_FENTRY : target;

	*site = (struct us_runtime_site) {
		.offset = offset, .target = target, .class = class,
		.kind_len = (u8)(kind << 4 | len),
		.jcc = kind == US_RUN_JCC ? 0x84 : 0,
	};
	if (kind == US_RUN_LOCK) {
		sim_linked[offset] = 0xf0;
		return;
	}
	sim_branch(sim_linked + offset, len, opcode, offset, first);
	if (kind == US_RUN_JCC)
		sim_linked[offset + 1] = site->jcc;
}

/* Sites that lie on two pages, in place of the next function's ftrace site. */
static bool add_crossing(u32 next)
{
	switch (next) {
	case 0x22000:
		add_runtime(next - 3, US_RUN_CALL, 5, 0xe8, SIM_CALLEE,
			    US_CLASS_FREE);
		return true;
	case 0x23000:
		add_runtime(next - 4, US_RUN_JCC, 6, 0x0f, SIM_CALLEE,
			    US_CLASS_FREE);
		return true;
	case 0x24000:
		add_runtime(next - 2, US_RUN_JUMP, 5, 0xe9, next - 0x20,
			    0);
		return true;
	}
	return false;
}

/* One function with every kind of field and site. At the start of block 1 a field
 * runs over from the block before, at the start of block 2 a site does. */
static void describe_function(u32 at)
{
	u8 call[5] = { 0xe8, 0x11, 0x22, 0x33, 0x44 };
	struct sim_site *site;
	u8 nops[9];

	if (at == US_BLOCK_BYTES) {
		add_reloc(at - 2, US_TEXT_ADD32);
	} else if (at != 2 * US_BLOCK_BYTES && !add_crossing(at)) {
		add_runtime(at, US_RUN_FTRACE, 5, 0xe8, US_NO_TARGET,
			    US_CLASS_FTRACE);
		add_reloc(at + 8, US_TEXT_ADD32);
	}
	add_runtime(at + 0x40, US_RUN_JUMP, 5, 0xe9, at + 0x58, 0);
	add_reloc(at + 0x60, US_TEXT_ADD64);
	site = add_site(at + 0x80, 8, US_SITE_ALTERNATIVE);
	sim_linked[at + 0x84] = 0xf0;
	add_value(site, sim_linked + site->offset, 0, 0);
	add_value(site, nop8, 0, 0);
	add_runtime(at + 0x84, US_RUN_LOCK, 1, 0, US_NO_TARGET, 0);
	add_runtime(at + 0x90, US_RUN_LOCK, 1, 0, US_NO_TARGET, 0);
	add_runtime(at + 0x96, US_RUN_JUMP, 2, 0xeb, at + 0x9c, 0);
	add_runtime(at + 0xa0, US_RUN_CALL, 5, 0xe8, SIM_CALLEE, US_CLASS_FREE);
	add_runtime(at + 0xa8, US_RUN_TAIL, 5, 0xe9, SIM_CALLEE, US_CLASS_FREE);
	add_runtime(at + 0xb0, US_RUN_JCC, 6, 0x0f, SIM_CALLEE, US_CLASS_FREE);
	add_reloc(at + 0xc0, US_TEXT_SUB32);
	site = add_site(at + 0xc8, 5, US_SITE_RETPOLINE);
	add_value(site, sim_linked + site->offset, 0, 0);
	add_value(site, call, 1, US_TEXT_SUB32);
	add_site(at + 0xd0, 4, US_SITE_CONSTANT);
	add_runtime(at + 0xd8, US_RUN_TRACER, 5, 0xe8, SIM_FENTRY,
		    US_CLASS_FTRACE);
	add_runtime(at + 0xe0, US_RUN_GRAPH, 5, 0xe9, SIM_FENTRY, US_CLASS_FTRACE);
	if (at + STEP == 2 * US_BLOCK_BYTES) {
		site = add_site(at + STEP - 6, 9, US_SITE_OTHER);
		add_value(site, sim_linked + site->offset, 0, 0);
		memset(nops, 0x90, sizeof(nops));
		add_value(site, nops, 0, 0);
	}
}

static void add_entry(u16 class, u32 offset)
{
	sim_entries[sim_entry_count++] = (struct us_entry) { offset, class, 0 };
}

static void describe_entries(void)
{
	u32 i;

	for (i = 0; i < 8; i++)
		add_entry(US_CLASS_ANY, SIM_FUNCTION + i * STEP);
	add_entry(US_CLASS_THUNK, SIM_THUNK);
	add_entry(US_CLASS_THUNK, SIM_THUNK + 0x20);
	add_entry(US_CLASS_FTRACE, SIM_FENTRY);
	add_entry(US_CLASS_FTRACE, SIM_FENTRY + 0x20);
	add_entry(US_CLASS_FREE, 0x3000);
	add_entry(US_CLASS_FREE, 0x9000);
	for (i = 0; i < 256; i++)
		add_entry(US_CLASS_GATE + i, SIM_GATES + 8 * i);
}

/* Instructions of 1, 1 and 2 bytes over and over; none begins inside a site. */
static void describe_probes(void)
{
	u32 i, k;

	for (i = 0; i < SIM_TEXT_LEN; i++)
		if (i % 4 != 3)
			sim_probes[i / 8] |= (u8)(1u << i % 8);
	for (i = 0; i < sim_runtime_count; i++)
		for (k = 1; k < us_runtime_len(&sim_runtime[i]); k++)
			sim_probes[(sim_runtime[i].offset + k) / 8] &=
				(u8)~(1u << (sim_runtime[i].offset + k) % 8);
}

void sim_make_text(void)
{
	u32 at;

	if (sim_site_count)
		return;
	fill_random(sim_linked, SIM_TEXT_LEN, 0x9e3779b97f4a7c15ull);
	fill_random(sim_constants, SIM_RODATA_LEN, 0xd1342543de82ef95ull);
	for (at = SIM_FUNCTION; at + 0x100 <= SIM_TEXT_LEN; at += STEP)
		describe_function(at);
	describe_entries();
	describe_probes();
}

void sim_value_bytes(const struct sim_site *site, u32 index, u64 slide, u8 *bytes)
{
	const struct sim_value *value = &site->value[index];
	u32 number;

	memcpy(bytes, value->bytes, site->len);
	if (!value->field)
		return;
	memcpy(&number, bytes + value->field, 4);
	number += value->type == US_TEXT_SUB32 ? 0 - (u32)slide : (u32)slide;
	memcpy(bytes + value->field, &number, 4);
}
