/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which places in code the tables of a kernel or module speak of. The layouts are
 * those of 6.1 to 6.12: struct alt_instr, paravirt_patch_site, jump_entry,
 * static_call_site, bug_entry, exception_table_entry.
 */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "diff_side.h"

static const struct table {
	const char *name;		/* for people */
	const char *section;		/* in relocatable files */
	const char *start, *end;	/* symbols in a kernel; NULL: the section */
	unsigned int entry_size;	/* 0: alternative_size */
	bool absolute;			/* begins with 8 bytes; else 4, relative */
} tables[TABLE_COUNT] = {
	[TABLE_ALTERNATIVE] = { "alternative", ".altinstructions", NULL, NULL,
				0, false },
	[TABLE_PARAVIRT] = { "paravirt", ".parainstructions", NULL, NULL, 16,
			     true },
	[TABLE_RETPOLINE] = { "retpoline", ".retpoline_sites", NULL, NULL, 4,
			      false },
	[TABLE_RETURN] = { "return", ".return_sites", NULL, NULL, 4, false },
	[TABLE_CALL] = { "call depth", ".call_sites", NULL, NULL, 4, false },
	[TABLE_ENDBR] = { "landing pad", ".ibt_endbr_seal", NULL, NULL, 4,
			  false },
	[TABLE_LOCK] = { "lock prefix", ".smp_locks", NULL, NULL, 4, false },
	[TABLE_FTRACE] = { "ftrace", "__mcount_loc", "__start_mcount_loc",
			   "__stop_mcount_loc", 8, true },
	[TABLE_JUMP_LABEL] = { "jump label", "__jump_table",
			       "__start___jump_table", "__stop___jump_table",
			       16, false },
	[TABLE_STATIC_CALL] = { "static call", ".static_call_sites",
				"__start_static_call_sites",
				"__stop_static_call_sites", 8, false },
	[TABLE_BUG] = { "WARN or BUG", "__bug_table", NULL, NULL, 12, false },
	[TABLE_EXCEPTION] = { "exception table", "__ex_table", NULL, NULL, 12,
			      false },
};

unsigned int side_entry_size(const struct side *side, enum side_table table)
{
	return tables[table].entry_size ? tables[table].entry_size :
	       side->alternative_size;
}

const char *side_table_name(enum side_table table)
{
	return tables[table].name;
}

static bool table_span(const struct side *side, const struct table *table,
		       u64 *start, u64 *len)
{
	const struct side_section *section;
	u32 first, last;

	if (side->linked && table->start) {
		first = side_symbol_named(side, table->start);
		last = side_symbol_named(side, table->end);
		if (first == SIDE_NONE || last == SIDE_NONE ||
		    side->symbols[last].address < side->symbols[first].address)
			return false;
		*start = side->symbols[first].address;
		*len = side->symbols[last].address - *start;
		return side_bytes(side, *start, *len);
	}
	section = side_section(side, table->section);
	if (!section || !section->data)
		return false;
	*start = section->address;
	*len = section->size;
	return true;
}

/* Do all entries of .altinstructions speak of code when they take @size bytes? */
static bool alternatives_fit(const struct side *side, u64 start, u64 len,
			     unsigned int size)
{
	struct side_target target;
	u64 at;

	if (len % size)
		return false;
	for (at = 0; at < len; at += size)
		if (!side_pointer(side, start + at, 4, true, &target) ||
		    !side_is_code(side, target.address) ||
		    !side_pointer(side, start + at + 4, 4, true, &target) ||
		    !side_section_at(side, target.address))
			return false;
	return true;
}

static enum us_error find_alternative_size(struct side *side)
{
	static const u8 sizes[] = { 12, 14, 13 };
	u64 start, len;
	size_t i;

	side->alternative_size = sizes[0];
	if (!table_span(side, &tables[TABLE_ALTERNATIVE], &start, &len) || !len)
		return US_OK;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		side->alternative_size = sizes[i];
		if (alternatives_fit(side, start, len, sizes[i]))
			return US_OK;
	}
	return fail(US_E_ELF_FORMAT, "%s: .altinstructions has an unknown "
		    "layout", side->path);
}

static enum us_error add_site(struct side *side, u32 *room,
			      const struct side_site *site)
{
	struct side_site *grown;

	if (side->site_count == *room) {
		*room = *room ? *room * 2 : 1024;
		grown = reallocarray(side->sites, *room, sizeof(*grown));
		if (!grown)
			return fail(US_E_NO_MEMORY, "%s", side->path);
		side->sites = grown;
	}
	side->sites[side->site_count++] = *site;
	return US_OK;
}

static enum us_error collect_table(struct side *side, enum side_table which,
				   u32 *room)
{
	const struct table *table = &tables[which];
	unsigned int size = side_entry_size(side, which);
	struct side_target target;
	enum us_error error;
	u64 start, len, at;

	if (!table_span(side, table, &start, &len))
		return US_OK;
	for (at = 0; len - at >= size; at += size) {
		const struct side_site site = {
			.entry = start + at, .table = which,
		};

		if (!side_pointer(side, start + at, table->absolute ? 8 : 4,
				  !table->absolute, &target))
			continue;
		error = add_site(side, room, &site);
		if (error)
			return error;
		side->sites[side->site_count - 1].address = target.address;
	}
	return US_OK;
}

static int compare_sites(const void *a, const void *b)
{
	const struct side_site *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	if (x->table != y->table)
		return (int)x->table - (int)y->table;
	return (x->entry > y->entry) - (x->entry < y->entry);
}

enum us_error side_collect_sites(struct side *side)
{
	enum us_error error = find_alternative_size(side);
	u32 room = 0;
	int i;

	for (i = 0; i < TABLE_COUNT && !error; i++)
		error = collect_table(side, i, &room);
	if (!error && side->site_count)
		qsort(side->sites, side->site_count, sizeof(*side->sites),
		      compare_sites);
	return error;
}
