/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's build gives every instruction a range of .orc_unwind_ip with its entry of
 * .orc_unwind (tools/objtool; arch/x86/include/asm/orc_types.h of the kernel). A new
 * body's instructions keep the entries that they have on the new side.
 */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "diff_author.h"
#include "kernel_image.h"

/* struct orc_entry: s16 sp_offset, s16 bp_offset, u16 of bits from 0: the register
 * that sp_offset counts from, the one that bp_offset does, and more. */
#define ORC_BITS	4
#define ORC_SP		5u		/* ORC_REG_SP, and no BP: see ORC_REGS */
#define ORC_REGS	0xffu
#define RETURN_ADDRESS	8

struct orc_place {
	u64 address;
	u32 index;			/* in the file */
	u8 orc[US_UNWIND_ORC];
};

static bool is_undefined(const u8 *orc)
{
	static const u8 nothing[US_UNWIND_ORC];

	return !memcmp(orc, nothing, sizeof(nothing));
}

/* Of two entries for one address the one that says something comes last: it is
 * the one that a search ends at. */
static int compare_places(const void *a, const void *b)
{
	const struct orc_place *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	if (is_undefined(x->orc) != is_undefined(y->orc))
		return is_undefined(x->orc) ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

/* The address that entry @i of the table speaks of. A linked kernel's table was
 * sorted after linking, so its relocations are of no use; an object's has them
 * alone. */
static bool place_address(const struct side *side,
			  const struct side_section *ips, u32 i, u64 *address)
{
	struct side_target target;
	u32 rela;

	if (side->linked) {
		*address = ips->address + i * 4ull +
			   (u64)(s64)(s32)read_u32(ips->data + i * 4ull);
		return true;
	}
	rela = side_find_rela(ips, i * 4ull);
	if (rela >= ips->rela_count || ips->relas[rela].r_offset != i * 4ull ||
	    !side_rela_target(side, &ips->relas[rela], &target))
		return false;
	*address = target.address;
	return true;
}

static u32 find_place(const struct orc_tables *tables, u64 address)
{
	u32 low = 0, high = tables->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (tables->list[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The entry for @address; NULL: nothing is known of it. */
static const u8 *find_orc(const struct orc_tables *tables, u64 address)
{
	u32 i = find_place(tables, address);

	return i ? tables->list[i - 1].orc : NULL;
}

/* Functions begin with nothing but the return address on the stack: the first one
 * whose entry says so shows what such an entry looks like. */
static void find_called(struct orc_tables *tables, const struct side *side)
{
	const struct side_symbol *symbol;
	const u8 *orc;
	u32 i;

	for (i = 0; i < side->address_count && !tables->has_called; i++) {
		symbol = &side->symbols[side->by_address[i]];
		if (symbol->type != STT_FUNC ||
		    !side_is_code(side, symbol->address))
			continue;
		orc = find_orc(tables, symbol->address);
		if (!orc || read_u16(orc) != RETURN_ADDRESS ||
		    read_u16(orc + 2) ||
		    (read_u16(orc + ORC_BITS) & ORC_REGS) != ORC_SP)
			continue;
		memcpy(tables->called, orc, US_UNWIND_ORC);
		tables->has_called = true;
	}
}

enum us_error orc_open(struct orc_tables *tables, const struct side *side)
{
	const struct side_section *ips = side_section(side, ".orc_unwind_ip");
	const struct side_section *orcs = side_section(side, ".orc_unwind");
	u32 i, count;

	*tables = (struct orc_tables){ 0 };
	if (!ips || !orcs || !ips->data || !orcs->data)
		return US_OK;
	count = ips->size / 4;
	if (ips->size % 4 || orcs->size / US_UNWIND_ORC != count)
		return fail(US_E_ELF_FORMAT, "%s: unwind tables of %llu and %llu "
			    "bytes", side->path,
			    (unsigned long long)ips->size,
			    (unsigned long long)orcs->size);
	tables->list = calloc(count + 1, sizeof(*tables->list));
	if (!tables->list)
		return fail(US_E_NO_MEMORY, "unwind data");
	tables->count = count;
	for (i = 0; i < count; i++) {
		tables->list[i].index = i;
		memcpy(tables->list[i].orc, orcs->data + i * US_UNWIND_ORC,
		       US_UNWIND_ORC);
		if (!place_address(side, ips, i, &tables->list[i].address))
			return fail(US_E_ELF_FORMAT, "%s: entry %u of the unwind "
				    "table leads nowhere", side->path, i);
	}
	qsort(tables->list, count, sizeof(*tables->list), compare_places);
	find_called(tables, side);
	return US_OK;
}

void orc_close(struct orc_tables *tables)
{
	free(tables->list);
	*tables = (struct orc_tables){ 0 };
}

/* A digest of the definition of struct orc_entry, since Linux 6.4; not in objects. */
bool orc_forms_differ(const struct side *old, const struct side *new)
{
	const struct side_section *a = side_section(old, ".orc_header");
	const struct side_section *b = side_section(new, ".orc_header");

	return a && b && (a->size != b->size || !a->data || !b->data ||
			  memcmp(a->data, b->data, a->size));
}

static enum us_error add_range(struct author *author, u32 index,
			       const u8 *orc)
{
	struct body *body = &author->bodies[index];
	struct unwind_range *grown, *last;

	last = body->range_count ? &body->ranges[body->range_count - 1] : NULL;
	if (last && last->at == body->bytes.len)
		last = --body->range_count ? last - 1 : NULL;
	if (last && !memcmp(last->orc, orc, US_UNWIND_ORC))
		return US_OK;
	if (body->range_count == body->range_room) {
		body->range_room = body->range_room ? body->range_room * 2 : 16;
		grown = reallocarray(body->ranges, body->range_room,
				     sizeof(*grown));
		if (!grown)
			return fail(US_E_NO_MEMORY, "unwind data");
		body->ranges = grown;
	}
	last = &body->ranges[body->range_count++];
	last->at = body->bytes.len;
	memcpy(last->orc, orc, US_UNWIND_ORC);
	return US_OK;
}

enum us_error author_unwind_as(struct author *author, u32 index, u64 address)
{
	static const u8 nothing[US_UNWIND_ORC];
	const u8 *orc;

	if (!author->orc.count)
		return US_OK;
	orc = find_orc(&author->orc, address);
	return add_range(author, index, orc ? orc : nothing);
}

enum us_error author_unwind_called(struct author *author, u32 index, u32 depth)
{
	u8 orc[US_UNWIND_ORC];
	u16 offset = RETURN_ADDRESS + depth;

	if (!author->orc.count)
		return US_OK;
	if (!author->orc.has_called)
		return author_refuse(author, REASON_UNWIND, "no function of the "
				     "new kernel shows what a call looks like");
	memcpy(orc, author->orc.called, sizeof(orc));
	memcpy(orc, &offset, sizeof(offset));
	return add_range(author, index, orc);
}

/* Ranges of a payload: one for the table itself, those of each body, and one for
 * what follows each. */
static u32 count_ranges(const struct author *author)
{
	u32 count = 0, i;

	for (i = 0; i < author->body_count; i++)
		if (author->bodies[i].range_count)
			count += author->bodies[i].range_count + 1;
	return count ? count + 1 : 0;
}

u64 author_unwind_size(const struct author *author)
{
	u32 count = count_ranges(author);

	return count ? US_UNWIND_HEADER + count * (4ull + US_UNWIND_ORC) : 0;
}

/* What is written where. */
struct unwind_table {
	u8 *starts, *orcs;
	u32 count;
};

static void put_range(struct unwind_table *table, u32 at, const u8 *orc)
{
	memcpy(table->starts + table->count * 4ull, &at, 4);
	if (orc)
		memcpy(table->orcs + (u64)table->count * US_UNWIND_ORC, orc,
		       US_UNWIND_ORC);
	table->count++;
}

static const struct body *next_body(const struct author *author, u64 from)
{
	const struct body *body, *next = NULL;
	u32 i;

	for (i = 0; i < author->body_count; i++) {
		body = &author->bodies[i];
		if (body->range_count && body->payload >= from &&
		    (!next || body->payload < next->payload))
			next = body;
	}
	return next;
}

enum us_error author_unwind_write(const struct author *author,
				  struct buffer *payload)
{
	struct us_unwind_header header = {
		.magic = US_UNWIND_MAGIC, .len = payload->len,
		.count = count_ranges(author),
	};
	struct unwind_table table = {
		.starts = payload->data + sizeof(header),
		.orcs = payload->data + sizeof(header) + header.count * 4ull,
	};
	const struct body *body;
	u64 from = 0;
	u32 i;

	if (!header.count)
		return US_OK;
	header.check = ~(header.len | (u64)header.count << 32);
	memset(payload->data, 0, author_unwind_size(author));
	memcpy(payload->data, &header, sizeof(header));
	put_range(&table, 0, NULL);
	while ((body = next_body(author, from))) {
		for (i = 0; i < body->range_count; i++)
			put_range(&table, body->payload + body->ranges[i].at,
				  body->ranges[i].orc);
		from = body->payload + body->bytes.len;
		put_range(&table, from, NULL);
	}
	if (table.count != header.count)
		return fail(US_E_RELOCATION, "%u of %u unwind ranges",
			    table.count, header.count);
	return US_OK;
}
