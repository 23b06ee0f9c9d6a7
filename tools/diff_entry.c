/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The old side of a replacement: where the jump goes, what it may not touch. */
#include <string.h>

#include "cli.h"
#include "diff_plan.h"

#define JMP_LEN		5u
#define ENDBR_LEN	4u
#define FTRACE_LEN	5u

static const u8 endbr64[ENDBR_LEN] = { 0xf3, 0x0f, 0x1e, 0xfa };

/* Code that runs before the kernel is fit for anything else, or that tools which
 * work by redirection must leave alone. */
static const struct {
	const char *start, *end;
} forbidden[] = {
	{ "__noinstr_text_start", "__noinstr_text_end" },
	{ "__entry_text_start", "__entry_text_end" },
	{ "__irqentry_text_start", "__irqentry_text_end" },
	{ "__static_call_text_start", "__static_call_text_end" },
	{ "__indirect_thunk_start", "__indirect_thunk_end" },
};

/* In a module such code has sections of its own. */
static bool is_forbidden_section(const struct side *side, u64 address)
{
	static const char *const names[] = {
		".noinstr.text", ".entry.text", ".static_call.text",
	};
	const struct side_section *section = side_section_at(side, address);
	size_t i;

	for (i = 0; section && i < ARRAY_SIZE(names); i++)
		if (!strncmp(section->name, names[i], strlen(names[i])))
			return true;
	return false;
}

static bool is_forbidden(const struct side *side, u64 address)
{
	u32 start, end;
	size_t i;

	if (!side->linked)
		return is_forbidden_section(side, address);

	for (i = 0; i < ARRAY_SIZE(forbidden); i++) {
		start = side_symbol_named(side, forbidden[i].start);
		end = side_symbol_named(side, forbidden[i].end);
		if (start != SIDE_NONE && end != SIDE_NONE &&
		    address >= side->symbols[start].address &&
		    address < side->symbols[end].address)
			return true;
	}
	return false;
}

static const struct side_site *site_in(const struct side *side, u64 address,
				       u64 len)
{
	u32 i = side_find_site(side, address);

	return i < side->site_count && side->sites[i].address - address < len ?
	       &side->sites[i] : NULL;
}

static bool is_ftrace_site(const struct side *side, u64 address)
{
	u32 i = side_find_site(side, address);

	for (; i < side->site_count && side->sites[i].address == address; i++)
		if (side->sites[i].table == TABLE_FTRACE)
			return true;
	return false;
}

static bool is_traced(const struct side *side, u32 index)
{
	const struct side_symbol *function = &side->symbols[index];
	const u8 *code = side_bytes(side, function->address, function->size);
	u64 at = function->address;

	if (code && function->size >= ENDBR_LEN &&
	    !memcmp(code, endbr64, ENDBR_LEN))
		at += ENDBR_LEN;
	return is_ftrace_site(side, at);
}

/* Only local symbols tell which file they are of. */
static bool is_of_traced_file(const struct side *side, u32 index)
{
	u32 i, file = side->symbols[index].file;

	for (i = 0; file != SIDE_NONE && i < side->symbol_count; i++)
		if (side->symbols[i].file == file &&
		    side_is_function(side, i) && is_traced(side, i))
			return true;
	return false;
}

static bool has_ftrace_sites(const struct side *side)
{
	u32 i;

	for (i = 0; i < side->site_count; i++)
		if (side->sites[i].table == TABLE_FTRACE)
			return true;
	return false;
}

/*
 * GCC tells callers in the same file which registers a function leaves alone
 * (-fipa-ra), but not in files that it instruments for ftrace: there every function
 * but those marked notrace has a site. A kernel without any site says nothing of that.
 */
enum us_error plan_check_registers(struct author *author, u32 old)
{
	const struct side *side = author->match->old;

	if (is_traced(side, old) || is_of_traced_file(side, old) ||
	    (!has_ftrace_sites(side) &&
	     (!author->kernel || !has_ftrace_sites(author->kernel))))
		return US_OK;
	return author_refuse(author, REASON_UNTRACED, "no call to ftrace, nor "
			     "in its source file as far as is known");
}

enum us_error plan_check_entry(struct author *author, u32 old, u64 *out)
{
	const struct side *side = author->match->old;
	const struct side_symbol *function = &side->symbols[old];
	const struct side_site *site;
	const u8 *code = side_bytes(side, function->address, function->size);
	u64 at = function->address, offset;

	if (side_is_init(side, at))
		return author_refuse(author, REASON_INIT, "it lies in %s",
				     side_section_at(side, at)->name);
	if (is_forbidden(side, at))
		return author_refuse(author, REASON_ENTRY,
				     "it lies among code for entries");
	if (code && function->size >= ENDBR_LEN &&
	    !memcmp(code, endbr64, ENDBR_LEN))
		at += ENDBR_LEN;
	if (is_ftrace_site(side, at))
		at += FTRACE_LEN;
	if (!code || !span_inside(at - function->address, JMP_LEN,
				  function->size))
		return author_refuse(author, REASON_TOO_SHORT, "%llu bytes; "
				     "%llu are needed",
				     (unsigned long long)function->size,
				     (unsigned long long)(at + JMP_LEN -
							  function->address));
	site = site_in(side, at, JMP_LEN);
	if (site)
		return author_refuse(author, REASON_ENTRY_SITE, "a %s site in "
				     "its first instructions",
				     side_table_name(site->table));
	if (!author_old_text(author, function->address, function->size,
			     &offset))
		return author_refuse(author, REASON_REFERENCE,
				     "the old module has no place for it");
	*out = at;
	return US_OK;
}
