/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "module_maker.h"
#include "sim.h"

#define LINK(index)	(0xffffffff7d000000ull + (index) * 0x100000ull)
#define LINK_FREED	0xffffffff7d800000ull
#define LINK_PERCPU	0x10000000ull
#define FREED_AT	0xffffffffc0f00000ull
#define CODE		PTE_PRESENT
#define STRUCT		0x2f0000ull	/* image offset; a page for each */
#define FRAMES		0x300000ull
#define LINK_AREA	0xffffffff7d400000ull
#define LINK_OTHER_AREA	0xffffffff7d500000ull

enum {
	BASE_TEXT, BASE_KERNEL, BASE_PERCPU, BASE_FREED,
	BASE_OTHER,			/* of the second module alone */
	BASE_AREA, BASE_OTHER_AREA,	/* and only with module_use_areas() */
	BASES,
};

static bool use_areas;

void module_use_areas(bool use)
{
	use_areas = use;
}

static u32 base_count(u32 index)
{
	if (!index)
		return BASE_OTHER;
	return use_areas ? BASES : BASE_AREA;
}

static const struct {
	u32 offset;
	u8 type, base;
	u64 target;		/* as linked; of the text: an offset */
} fields[] = {
	{ MODULE_FIELD, US_TEXT_SUB32, BASE_KERNEL, SIM_LINK_BASE + 0x5000 },
	{ 0x20, US_TEXT_ADD64, BASE_TEXT, 0x1234 },
	{ 0x30, US_TEXT_ADD32, BASE_KERNEL, SIM_LINK_BASE + 0x210010 },
	{ 0x40, US_TEXT_SUB32, BASE_TEXT, 0x30 },	/* does not move */
	{ 0x50, US_TEXT_ADD32, BASE_PERCPU, LINK_PERCPU + 0x18 },
	{ MODULE_FREED, US_TEXT_ADD64, BASE_FREED, LINK_FREED + 0x40 },
	{ MODULE_FREED + 8, US_TEXT_ADD64, BASE_FREED, LINK_FREED + 0x80 },
	{ MODULE_CALLS, US_TEXT_SUB32, BASE_OTHER, 0 },
};

const char *module_name(u32 index)
{
	return index ? "second_module" : "first";
}

u64 module_gva(u32 index)
{
	return 0xffffffffc0100000ull + index * 0x10000ull;
}

u64 module_area_gva(u32 index, u32 area)
{
	return module_gva(index) + (area ? 0x8000 + area * PAGE_SIZE : 0);
}

static u64 frame(u32 index, u32 page)
{
	static const u8 order[MODULE_PAGES] = { 2, 0, 7 };

	return sim_image_gpa(FRAMES + (index * 8 + order[page]) * PAGE_SIZE);
}

u64 module_gpa(u32 index, u64 offset)
{
	return frame(index, offset / PAGE_SIZE) + offset % PAGE_SIZE;
}

u64 module_struct(u32 index)
{
	return sim_image_gpa(STRUCT + index * PAGE_SIZE);
}

static void text_bytes(u8 *text)
{
	u32 i;

	for (i = 0; i < MODULE_TEXT_LEN; i++)
		text[i] = 0x40 + i % 7;
	memcpy(text + MODULE_FTRACE, "\x0f\x1f\x44\x00\x00", 5);
	memcpy(text + MODULE_JUMP, "\x66\x90", 2);
}

static u32 width(u8 type)
{
	return type == US_TEXT_ADD64 ? 8 : 4;
}

/* A field's content with its base @moved and the text at @text. */
static u64 field_value(u32 i, u64 text, u64 moved)
{
	u64 target = fields[i].target + moved;

	if (fields[i].base == BASE_TEXT && fields[i].type != US_TEXT_SUB32)
		target = fields[i].target + text;
	if (fields[i].type == US_TEXT_SUB32)
		target -= text + fields[i].offset;
	return fields[i].type == US_TEXT_ADD64 ? target : (u32)target;
}

static u64 linked_value(u32 index, u32 i)
{
	u64 other = fields[i].base == BASE_OTHER ? LINK(0) + 0x700 : 0;

	return field_value(i, LINK(index), other);
}

static u64 moved_by(u32 i)
{
	switch (fields[i].base) {
	case BASE_KERNEL:
		return SIM_SLIDE;
	case BASE_PERCPU:
		return MODULE_PERCPU_AT - LINK_PERCPU;
	case BASE_FREED:
		return FREED_AT - LINK_FREED;
	case BASE_OTHER:
		return module_gva(0) + 0x700;
	}
	return 0;
}

/* The value at the site that depends on where the kernel is. */
static void site_call(u8 *bytes, u64 text, u64 kernel)
{
	u32 distance = kernel + 0x6000 - (text + MODULE_SITE + 5);

	bytes[0] = 0xe8;
	memcpy(bytes + 1, &distance, 4);
}

static void load_text(u32 index)
{
	static u8 text[MODULE_PAGES * PAGE_SIZE];
	u64 value;
	u32 i;

	memset(text, 0, sizeof(text));
	text_bytes(text);
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		if (fields[i].base == BASE_OTHER && !index)
			continue;
		value = field_value(i, module_gva(index), moved_by(i));
		memcpy(text + fields[i].offset, &value, width(fields[i].type));
	}
	site_call(text + MODULE_SITE, module_gva(index), sim_image_gva(0));
	for (i = 0; i < MODULE_PAGES; i++) {
		sim_poke(frame(index, i), text + i * PAGE_SIZE, PAGE_SIZE);
		sim_map(sim.top_pgt, module_gva(index) + i * PAGE_SIZE,
			frame(index, i), CODE, PAGE_SIZE);
	}
}

/* Newest first, as the kernel does; the other one stays where it is. */
static void link_list(bool first, bool second)
{
	u64 head = sim_image_gva(SIM_MODULES);
	u64 node[2] = {
		sim_image_gva(STRUCT) + SIM_MODULE_LIST,
		sim_image_gva(STRUCT + PAGE_SIZE) + SIM_MODULE_LIST,
	};

	sim_poke64(sim_image_gpa(SIM_MODULES),
		   second ? node[1] : first ? node[0] : head);
	sim_poke64(module_struct(1) + SIM_MODULE_LIST, first ? node[0] : head);
	sim_poke64(module_struct(0) + SIM_MODULE_LIST, head);
}

static bool loaded[2];

void module_load(u32 index)
{
	u64 at = module_struct(index);
	char name[56] = "";
	u32 len = 0x5000, area;

	if (!sim.memory[sim_image_gpa(SIM_MODULES)] &&
	    !sim.memory[sim_image_gpa(SIM_MODULES) + 7])
		loaded[0] = loaded[1] = false;
	load_text(index);
	strcpy(name, module_name(index));
	sim_poke64(at, 0);
	sim_poke(at + SIM_MODULE_NAME, name, sizeof(name));
	sim_poke64(at + SIM_MODULE_PERCPU, MODULE_PERCPU_AT);
	for (area = 0; area < (use_areas ? US_MODULE_AREA_PERCPU : 1); area++) {
		u64 entry = at + SIM_MODULE_AREAS + area * MODULE_AREA_SIZE;

		sim_poke64(entry, module_area_gva(index, area));
		sim_poke(entry + 8, &len, sizeof(len));
	}
	loaded[index] = true;
	link_list(loaded[0], loaded[1]);
}

void module_unload(u32 index)
{
	u32 i;

	loaded[index] = false;
	link_list(loaded[0], loaded[1]);
	for (i = 0; i < MODULE_PAGES; i++)
		sim_map(sim.top_pgt, module_gva(index) + i * PAGE_SIZE, 0, 0,
			PAGE_SIZE);
}

static void append(struct blob *blob, const void *data, u64 len)
{
	memcpy(blob->data + blob->len, data, len);
	memset(blob->data + blob->len + len, 0, 8);
	blob->len = ALIGN_UP(blob->len + len, 8);
}

static void append_bases(u32 index, struct blob *blob)
{
	struct us_module_base bases[BASES] = {
		{ LINK(index), 0x4000, US_BASE_TEXT, 0, "" },
		{ SIM_LINK_BASE, SIM_IMAGE_END, US_BASE_KERNEL, 0, "" },
		{ LINK_PERCPU, 0x40, US_BASE_PERCPU, 0, "" },
		{ LINK_FREED, 0x1000, US_BASE_FREED, 4, "" },
		{ LINK(0), 0x4000, US_BASE_CODE, 0, "" },
		{ LINK_AREA, 0x800, US_BASE_AREA, MODULE_OWN_AREA, "" },
		{ LINK_OTHER_AREA, 0x800, US_BASE_MODULE, MODULE_OTHER_AREA, "" },
	};

	strcpy(bases[BASE_OTHER].module, module_name(0));
	strcpy(bases[BASE_OTHER_AREA].module, module_name(0));
	append(blob, bases, base_count(index) * sizeof(*bases));
}

static void append_runtime(struct blob *blob)
{
	static const struct us_runtime_site runtime[] = {
		{ MODULE_FTRACE, US_NO_TARGET, US_CLASS_FTRACE,
		  US_RUN_FTRACE << 4 | 5, 0 },
		{ MODULE_JUMP, MODULE_JUMP + 0x20, 0, US_RUN_JUMP << 4 | 2, 0 },
	};

	append(blob, runtime, sizeof(runtime));
}

static u32 append_fields(u32 index, struct blob *blob)
{
	struct us_text_reloc reloc;
	u32 i, count = 0;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		if (fields[i].base == BASE_OTHER && !index)
			continue;
		reloc = (struct us_text_reloc) {
			.offset = fields[i].offset, .type = fields[i].type,
			.base = fields[i].base, .value = linked_value(index, i),
		};
		append(blob, &reloc, sizeof(reloc));
		count++;
	}
	return count;
}

static void append_block(u32 index, struct blob *blob)
{
	u64 start = blob->len;
	const struct us_site site = { MODULE_SITE, 5, US_SITE_ALTERNATIVE, 0, 2,
				      0 };
	u8 values[8 + 6] = { 1, 1, US_RELOC_CODE(US_TEXT_SUB32, BASE_KERNEL) };
	static u8 text[MODULE_TEXT_LEN], probes[(MODULE_TEXT_LEN + 7) / 8];
	struct us_block_header header = {
		.len = MODULE_TEXT_LEN, .sites = 1,
		.values_len = sizeof(values), .probes_len = sizeof(probes),
	};
	u64 value;
	u32 i;

	text_bytes(text);
	memset(probes + MODULE_PATCHED / 8, 0xff, MODULE_PROBED / 8);
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		value = linked_value(index, i);
		if (fields[i].base != BASE_OTHER || index)
			memcpy(text + fields[i].offset, &value,
			       width(fields[i].type));
	}
	site_call(values + 3, LINK(index), SIM_LINK_BASE);
	memcpy(values + 9, "\x0f\x1f\x44\x00\x00", 5);
	append(blob, &header, sizeof(header));
	append(blob, text, sizeof(text));
	header.relocs = append_fields(index, blob);
	append(blob, &site, sizeof(site));
	append(blob, values, sizeof(values));
	append(blob, probes, sizeof(probes));
	memcpy(blob->data + start, &header, sizeof(header));
	*module_refs(blob) = (struct us_block_ref) { start, blob->len - start, 0 };
}

void make_module(u32 index, struct blob *blob)
{
	struct us_module_header header = {
		.magic = US_MODULE_MAGIC,
		.version = US_MODULE_VERSION,
		.header_size = sizeof(header),
		.text_len = MODULE_TEXT_LEN,
		.bases = base_count(index),
		.runtime_sites = 2,
		.blocks = 1,
		.build_id_len = SIM_BUILD_ID_LEN,
		.kernel_build_id_len = SIM_BUILD_ID_LEN,
		.kernel = "6.1.0-sim",
	};
	const struct us_block_ref none = { 0 };

	strcpy(header.name, module_name(index));
	memcpy(header.kernel_build_id, sim_build_id, SIM_BUILD_ID_LEN);
	memset(header.build_id, 0x80 + index, SIM_BUILD_ID_LEN);
	blob->len = 0;
	append(blob, &header, sizeof(header));
	append_bases(index, blob);
	append_runtime(blob);
	append(blob, &none, sizeof(none));
	append_block(index, blob);
	module_header(blob)->total_size = blob->len;
}

struct us_module_header *module_header(struct blob *blob)
{
	return (void *)blob->data;
}

struct us_module_base *module_bases(struct blob *blob)
{
	return (void *)(module_header(blob) + 1);
}

struct us_runtime_site *module_runtime(struct blob *blob)
{
	return (void *)(module_bases(blob) + module_header(blob)->bases);
}

struct us_block_ref *module_refs(struct blob *blob)
{
	return (void *)(module_runtime(blob) + 2);
}

struct us_block_header *module_block(struct blob *blob)
{
	return (void *)(blob->data + module_refs(blob)->file_offset);
}

void module_spec(struct bundle_spec *spec, u32 index, u64 generation)
{
	static u8 text[MODULE_TEXT_LEN];
	const u32 hunk = MODULE_PATCHED + 5;

	bundle_spec_default(spec, SIM_FUNCTION, generation);
	text_bytes(text);
	strcpy(spec->module, module_name(index));
	memset(spec->module_build_id, 0x80 + index, SIM_BUILD_ID_LEN);
	spec->module_build_id_len = SIM_BUILD_ID_LEN;
	spec->function[0].text_offset = MODULE_PATCHED;
	spec->hunk[0].text_offset = hunk;
	memcpy(spec->hunk[0].expected, text + hunk, 5);
}
