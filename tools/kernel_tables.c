/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "kernel_insn.h"
#include "kernel_tables.h"
#include "kernel_types.h"

enum us_error table_bounds(const struct kernel_image *image,
			   const struct kernel_memory *memory,
			   const char *start_name, const char *end_name,
			   u64 *start, u64 *len)
{
	u64 end;

	*len = 0;
	if (!image_find(image, start_name, start) ||
	    !image_find(image, end_name, &end) || *start == end)
		return US_OK;
	if (end < *start || !memory_has(memory, *start, end - *start))
		return fail(US_E_ELF_FORMAT, "%s: bad table %s", image->path,
			    start_name);
	*len = end - *start;
	return US_OK;
}

u64 table_pointer(const u8 *field, u64 address)
{
	return address + (u64)(s64)(s32)read_u32(field);
}

static enum us_error bad_patch(const struct kernel_image *image,
			       const char *table, u64 address)
{
	return fail(US_E_ELF_FORMAT, "%s: %s: unexpected code at %#llx",
		    image->path, table, (unsigned long long)address);
}

static enum us_error add(const struct kernel_image *image,
			 const struct kernel_memory *memory,
			 struct patch_table *out, const struct patch *patch)
{
	struct patch *grown;

	if (!memory_has(memory, patch->address, patch->len))
		return bad_patch(image, "patch table", patch->address);
	if (!(out->count & (out->count - 1))) {
		grown = reallocarray(out->list, out->count ? out->count * 2 : 1,
				     sizeof(*grown));
		if (!grown)
			return fail(US_E_NO_MEMORY, "patch sites");
		out->list = grown;
	}
	out->list[out->count++] = *patch;
	return US_OK;
}

/* What a length function answers for an entry that the kernel passes over. */
#define NOT_A_SITE	0xff

/* CALL or JMP rel32, or Jcc rel32, with prefixes that pad it. */
static u8 branch_length(const u8 *code, u64 room)
{
	struct insn insn;

	if (!insn_decode(code, room, &insn))
		return 0;
	if (insn.opcode[0] == 0xe8 || insn.opcode[0] == 0xe9 ||
	    insn_is_jcc32(&insn))
		return insn.length;
	return 0;
}

/* LOCK, or the DS prefix that stands for it on one CPU. The kernel looks at the
 * byte too: where another prefix stands first it changes nothing. */
static u8 lock_length(const u8 *code, u64 room)
{
	return room && (*code == 0xf0 || *code == 0x3e) ? 1 : NOT_A_SITE;
}

static u8 endbr_length(const u8 *code, u64 room)
{
	static const u8 endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };

	return room >= 4 && !memcmp(code, endbr64, 4) ? 4 : 0;
}

static u8 pointer_length(const u8 *code, u64 room)
{
	(void)code;
	return room < 8 ? 0 : 8;
}

static u8 shift_length(const u8 *code, u64 room)
{
	(void)code;
	return !!room;
}

/*
 * Tables of signed 32-bit distances from the entry to the site. The bounds are
 * symbols; a build without them has no such table.
 *
 * Left out on purpose, so that a kernel that used them is refused at seal
 * instead of being taken unseen: .call_sites (call depth tracking, only with
 * retbleed=stuff) and hypercall_page (filled in by Xen, which cannot be between
 * Underseal and the kernel).
 */
static const struct relative_table {
	const char *start, *end;
	u8 kind;		/* enum patch_kind */
	/* Bytes that the kernel rewrites there, NOT_A_SITE, or 0 when no such
	 * code is there. */
	u8 (*length)(const u8 *code, u64 room);
} relative_tables[] = {
	{ "__retpoline_sites", "__retpoline_sites_end", PATCH_RETPOLINE,
	  branch_length },
	{ "__return_sites", "__return_sites_end", PATCH_RETURN, branch_length },
	{ "__smp_locks", "__smp_locks_end", PATCH_LOCK, lock_length },
	{ "__ibt_endbr_seal", "__ibt_endbr_seal_end", PATCH_ENDBR,
	  endbr_length },
};

static enum us_error collect_relative(const struct kernel_image *image,
				      const struct kernel_memory *memory,
				      const struct relative_table *table,
				      const char *constant,
				      struct patch_table *out)
{
	struct patch patch = { .kind = table->kind, .constant = constant };
	u64 start, len, at, room;
	enum us_error error;
	const u8 *bytes;

	error = table_bounds(image, memory, table->start, table->end, &start,
			     &len);
	bytes = error ? NULL : memory_linked(memory, start, len);
	for (at = 0; !error && len - at >= 4; at += 4, patch.index++) {
		patch.address = table_pointer(bytes + at, start + at);
		/* .smp_locks is padded to a page with zeros. */
		if (!read_u32(bytes + at) ||
		    !memory_has(memory, patch.address, 1))
			continue;
		room = memory->base + memory->len - patch.address;
		patch.len = table->length(memory_linked(memory, patch.address,
							1), room);
		if (!patch.len)
			return bad_patch(image, table->start, patch.address);
		if (patch.len != NOT_A_SITE)
			error = add(image, memory, out, &patch);
	}
	return error;
}

/*
 * Constants that the kernel writes into its instructions at boot
 * (include/asm/runtime-const.h): a section for each, named by kind and symbol.
 */
static enum us_error collect_constants(const struct kernel_image *image,
				       const struct kernel_memory *memory,
				       struct patch_table *out)
{
	struct relative_table table = { .kind = PATCH_CONSTANT };
	char start[256], end[256];
	enum us_error error = US_OK;
	const char *name;
	size_t i;

	for (i = 1; i < image->section_count && !error; i++) {
		name = image->sections[i].name;
		if (!strncmp(name, "runtime_ptr_", 12))
			table.length = pointer_length;
		else if (!strncmp(name, "runtime_shift_", 14))
			table.length = shift_length;
		else
			continue;
		snprintf(start, sizeof(start), "__start_%s", name);
		snprintf(end, sizeof(end), "__stop_%s", name);
		table.start = start;
		table.end = end;
		error = collect_relative(image, memory, &table, name, out);
	}
	return error;
}

/* The size of @type, and the offset in it of each of @members. */
static enum us_error entry_layout(const struct kernel_image *image,
				  struct type_query *queries, size_t count)
{
	enum us_error error = types_resolve(image, queries, count);
	size_t i;

	if (error)
		return error;
	for (i = 0; i < count; i++)
		if (queries[i].answer > 64 ||
		    (i && queries[i].answer >= queries[0].answer))
			return fail(US_E_SYMBOL_MISSING, "%s: struct %s",
				    image->path, queries[i].type);
	return US_OK;
}

/*
 * One entry of .altinstructions. Only the first ten bytes differ between releases:
 * a 16-bit feature whose top bit negates it became a 16-bit feature and 16 bits of
 * flags. The two lengths come last in both.
 */
#define ALT_SIZE_6_1	12
#define ALT_SIZE_6_8	14
#define ALT_NOT_6_1	0x8000u

static struct patch alternative(const u8 *entry, u64 address, u64 size)
{
	struct patch patch = {
		.kind = PATCH_ALTERNATIVE,
		.address = table_pointer(entry, address),
		.replacement = table_pointer(entry + 4, address + 4),
		.feature = read_u16(entry + 8),
		.len = entry[size - 2],
		.replacement_len = entry[size - 1],
	};

	if (size == ALT_SIZE_6_1) {
		patch.flags = patch.feature & ALT_NOT_6_1 ? PATCH_NOT : 0;
		patch.feature &= ~ALT_NOT_6_1;
	} else {
		patch.flags = read_u16(entry + 10);
	}
	return patch;
}

/* Consecutive entries for one place all have the longest one's length: nested
 * ALTERNATIVE()s pad differently (apply_alternatives()). */
static void even_out(struct patch *list, size_t count)
{
	size_t i, k;
	u8 len;

	for (i = 0; i < count; i++)
		for (k = i + 1; k < count &&
		     list[k].address == list[i].address; k++) {
			len = list[i].len > list[k].len ? list[i].len :
			      list[k].len;
			list[i].len = list[k].len = len;
		}
}

static enum us_error read_alternatives(const struct kernel_image *image,
				       const struct kernel_memory *memory,
				       u64 start, u64 len, u64 size,
				       struct patch_table *out)
{
	const u8 *bytes = memory_linked(memory, start, len);
	enum us_error error = US_OK;
	size_t first = out->count;
	struct patch patch;
	u64 at;

	for (at = 0; at < len && !error; at += size) {
		patch = alternative(bytes + at, start + at, size);
		patch.index = at / size;
		if (patch.flags & ~(PATCH_NOT | PATCH_DIRECT_CALL) ||
		    patch.replacement_len > patch.len ||
		    !memory_has(memory, patch.replacement,
				patch.replacement_len))
			return bad_patch(image, ".altinstructions",
					 patch.address);
		error = add(image, memory, out, &patch);
	}
	if (!error && size == ALT_SIZE_6_8)
		even_out(out->list + first, out->count - first);
	return error;
}

static enum us_error collect_alternatives(const struct kernel_image *image,
					  const struct kernel_memory *memory,
					  struct patch_table *out)
{
	struct type_query queries[] = {
		{ "alt_instr", NULL, 0 }, { "alt_instr", "instr_offset", 0 },
		{ "alt_instr", "repl_offset", 0 },
		{ "alt_instr", "instrlen", 0 },
		{ "alt_instr", "replacementlen", 0 },
	};
	enum us_error error;
	u64 start, len, size;

	error = table_bounds(image, memory, "__alt_instructions",
			     "__alt_instructions_end", &start, &len);
	if (error || !len)
		return error;
	error = entry_layout(image, queries, ARRAY_SIZE(queries));
	if (error)
		return error;
	size = queries[0].answer;
	if ((size != ALT_SIZE_6_1 && size != ALT_SIZE_6_8) ||
	    queries[1].answer != 0 || queries[2].answer != 4 ||
	    queries[3].answer != size - 2 || queries[4].answer != size - 1 ||
	    len % size)
		return fail(US_E_ELF_FORMAT, "%s: .altinstructions is of a form "
			    "that is not known", image->path);
	out->rules = size == ALT_SIZE_6_1 ? RULES_6_1 : RULES_6_8;
	return read_alternatives(image, memory, start, len, size, out);
}

/* .parainstructions: up to 6.7, absolute pointers. */
static enum us_error collect_paravirt(const struct kernel_image *image,
				      const struct kernel_memory *memory,
				      struct patch_table *out)
{
	struct type_query queries[] = {
		{ "paravirt_patch_site", NULL, 0 },
		{ "paravirt_patch_site", "instr", 0 },
		{ "paravirt_patch_site", "type", 0 },
		{ "paravirt_patch_site", "len", 0 },
	};
	struct patch patch = { .kind = PATCH_PARAVIRT };
	enum us_error error;
	u64 start, len, at, size;
	const u8 *bytes;

	error = table_bounds(image, memory, "__parainstructions",
			     "__parainstructions_end", &start, &len);
	if (error || !len)
		return error;
	error = entry_layout(image, queries, ARRAY_SIZE(queries));
	if (error)
		return error;
	size = queries[0].answer;
	/* Between 6.1 and 6.8 rules of both sorts mix. */
	if (out->rules != RULES_6_1 || len % size ||
	    !span_inside(queries[1].answer, 8, size))
		return fail(US_E_ELF_FORMAT, "%s: .parainstructions is of a form "
			    "that is not known", image->path);
	bytes = memory_linked(memory, start, len);
	for (at = 0; at < len && !error; at += size, patch.index++) {
		patch.address = read_u64(bytes + at + queries[1].answer);
		patch.type = bytes[at + queries[2].answer];
		patch.len = bytes[at + queries[3].answer];
		if (patch.len < 5)
			return bad_patch(image, ".parainstructions",
					 patch.address);
		error = add(image, memory, out, &patch);
	}
	return error;
}

static int compare_patches(const void *a, const void *b)
{
	const struct patch *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	if (x->kind != y->kind)
		return (int)x->kind - (int)y->kind;
	return (x->index > y->index) - (x->index < y->index);
}

enum us_error patches_collect(const struct kernel_image *image,
			      const struct kernel_memory *memory,
			      struct patch_table *out)
{
	enum us_error error;
	size_t i;

	*out = (struct patch_table){ 0 };
	error = collect_alternatives(image, memory, out);
	if (!error)
		error = collect_paravirt(image, memory, out);
	for (i = 0; i < ARRAY_SIZE(relative_tables) && !error; i++)
		error = collect_relative(image, memory, &relative_tables[i],
					 NULL, out);
	if (!error)
		error = collect_constants(image, memory, out);
	if (error) {
		patches_free(out);
		return error;
	}
	if (out->count)
		qsort(out->list, out->count, sizeof(*out->list),
		      compare_patches);
	return US_OK;
}

void patches_free(struct patch_table *table)
{
	free(table->list);
	*table = (struct patch_table){ 0 };
}

size_t patches_from(const struct patch_table *table, u64 address)
{
	size_t low = 0, high = table->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (table->list[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
