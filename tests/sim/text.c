/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fake kernel's text as the linker would leave it. */
#include <string.h>

#include "sim.h"

#define STEP		0x1000u

u8 sim_linked[SIM_TEXT_LEN];
u8 sim_constants[SIM_RODATA_LEN];
struct us_site sim_sites[512];
u32 sim_site_count;
struct us_text_reloc sim_relocs[512];
u32 sim_reloc_count;

const u8 sim_build_id[SIM_BUILD_ID_LEN] = {
	0x5e, 0xa1, 0xed, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc,
	0xfe, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x42,
};

static void fill_random(void)
{
	u64 state = 0x9e3779b97f4a7c15ull;
	u32 i;

	for (i = 0; i < SIM_TEXT_LEN; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		sim_linked[i] = (u8)state;
	}
}

static void add_site(u32 offset, u8 len, enum us_site_kind kind)
{
	sim_sites[sim_site_count++] = (struct us_site) { offset, len, kind, 0 };
}

static void add_reloc(u32 offset, enum us_text_reloc_type type)
{
	struct us_text_reloc *reloc = &sim_relocs[sim_reloc_count++];

	memset(reloc, 0, sizeof(*reloc));
	reloc->offset = offset;
	reloc->type = type;
	memcpy(&reloc->value, sim_linked + offset, type == US_TEXT_ADD64 ? 8 : 4);
}

/* One function with every kind of field. At the start of block 1 a field runs
 * over from the block before, at the start of block 2 a site does. */
static void describe_function(u32 at)
{
	if (at == US_BLOCK_TEXT) {
		add_reloc(at - 2, US_TEXT_ADD32);
	} else {
		add_site(at, 5, US_SITE_FTRACE);
		add_reloc(at + 8, US_TEXT_ADD32);
	}
	add_site(at + 0x40, 5, US_SITE_JUMP_LABEL);
	add_reloc(at + 0x60, US_TEXT_ADD64);
	add_site(at + 0x80, 8, US_SITE_ALTERNATIVE);
	add_site(at + 0x84, 1, US_SITE_SMP_LOCK);
	add_reloc(at + 0xc0, US_TEXT_SUB32);
	if (at + STEP == 2 * US_BLOCK_TEXT)
		add_site(at + STEP - 6, 9, US_SITE_OTHER);
}

void sim_make_text(void)
{
	u32 at;

	fill_random();
	sim_site_count = 0;
	sim_reloc_count = 0;
	for (at = SIM_FUNCTION; at + 0x100 <= SIM_TEXT_LEN; at += STEP)
		describe_function(at);
}
