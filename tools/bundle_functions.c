/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which functions a bundle replaces, and the jump that does it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle_make.h"
#include "cli.h"
#include "report.h"

#define JMP_REL32	0xe9
#define JMP_LEN		5u
#define FTRACE_LEN	5u
#define ENDBR_LEN	4u

static const u8 endbr64[ENDBR_LEN] = { 0xf3, 0x0f, 0x1e, 0xfa };

/* Parts of functions and padding that compilers and objtool give names to. */
static bool is_fragment(const char *name)
{
	const char *dot = strstr(name, ".cold");

	return !strncmp(name, "__pfx_", 6) || !strncmp(name, "__cfi_", 6) ||
	       (dot && (!dot[5] || dot[5] == '.'));
}

static bool is_candidate(const struct bundle_plan *plan,
			 const struct object_symbol *symbol)
{
	return symbol->type == STT_FUNC &&
	       object_home(plan->object, symbol, SECTION_PAYLOAD) &&
	       !is_fragment(symbol->name) &&
	       symbol_map_has_function(plan->map, symbol->name);
}

static bool has_function(const struct bundle_plan *plan, u64 offset)
{
	u32 i;

	for (i = 0; i < plan->header.functions; i++)
		if (plan->functions[i].text_offset == offset)
			return true;
	return false;
}

/* The old body runs up to the next symbol of the map, padding included. */
static enum us_error add_function(struct bundle_plan *plan, const char *name,
				  u64 address, u32 arena_offset, u32 new_size,
				  struct us_bundle_function **out)
{
	struct us_bundle_function *function;
	u64 room = symbol_map_room(plan->map, address);
	u64 offset = address - plan->link_base;

	if (plan->header.functions == US_BUNDLE_MAX_FUNCTIONS)
		return fail(US_E_TOO_LARGE, "more than %u functions",
			    US_BUNDLE_MAX_FUNCTIONS);
	if (address < plan->link_base ||
	    !span_inside(offset, room, plan->baseline->head.header->text_len))
		return fail(US_E_OBJECT_UNSUPPORTED, "%s: %s is not in the "
			    "kernel's permanent text", plan->object->path,
			    name);
	function = &plan->functions[plan->header.functions++];
	*function = (struct us_bundle_function){
		.text_offset = offset, .old_size = room,
		.arena_offset = arena_offset, .new_size = new_size,
	};
	*out = function;
	return bundle_plan_string(plan, name, &function->name);
}

/*
 * The cold part of a replaced function counts as in use with it; it is not
 * written to, because only the function itself leads there.
 */
static enum us_error add_cold_part(struct bundle_plan *plan, const char *name,
				   const struct us_bundle_function *whole)
{
	struct us_bundle_function *cold;
	char cold_name[512];
	u64 address;

	snprintf(cold_name, sizeof(cold_name), "%s.cold", name);
	if (!symbol_map_has_function(plan->map, cold_name))
		return US_OK;
	if (symbol_map_function(plan->map, cold_name, &address))
		return fail_code();
	return add_function(plan, cold_name, address, whole->arena_offset,
			    whole->new_size, &cold);
}

/* Behind the landing pad and ftrace's call, which the kernel goes on using. */
static u64 redirect_offset(const struct bundle_plan *plan, u64 start)
{
	struct baseline_site site;
	u8 first[ENDBR_LEN];
	u64 at = start;

	if (baseline_text(plan->baseline, at, sizeof(first), first) &&
	    !memcmp(first, endbr64, sizeof(first)))
		at += ENDBR_LEN;
	if (baseline_site(plan->baseline, at, 1, &site) &&
	    site.kind == US_SITE_FTRACE && site.offset == at)
		at += FTRACE_LEN;
	return at;
}

static enum us_error check_redirect(const struct bundle_plan *plan,
				    const char *name, u64 at,
				    const struct us_bundle_function *function)
{
	struct baseline_site site;

	if (!span_inside(at - function->text_offset, JMP_LEN,
			 function->old_size))
		return fail(US_E_FUNCTION_TOO_SHORT, "%s: %u bytes, %llu are "
			    "needed", name, function->old_size,
			    (unsigned long long)(at - function->text_offset +
						 JMP_LEN));
	if (baseline_site(plan->baseline, at, JMP_LEN, &site))
		return fail(US_E_SITE_OVERLAP, "%s: the jump at %#llx would lie "
			    "on a site of kind %s at %#llx", name,
			    (unsigned long long)(plan->link_base + at),
			    site_kind_name(site.kind),
			    (unsigned long long)(plan->link_base +
						 site.offset));
	return US_OK;
}

static enum us_error add_redirect(struct bundle_plan *plan, const char *name,
				  const struct us_bundle_function *function)
{
	u64 at = redirect_offset(plan, function->text_offset);
	struct us_bundle_hunk *hunk;
	enum us_error error;

	error = check_redirect(plan, name, at, function);
	if (error)
		return error;
	/* One hunk a function at most, and fewer functions than hunks. */
	hunk = &plan->hunks[plan->header.hunks++];
	*hunk = (struct us_bundle_hunk){
		.text_offset = at, .len = JMP_LEN,
		.replacement = { JMP_REL32 },
	};
	if (!baseline_text(plan->baseline, at, JMP_LEN, hunk->expected))
		return fail(US_E_BASELINE_FIELD, "%s", plan->baseline->path);
	return US_OK;
}

static enum us_error replace(struct bundle_plan *plan,
			     const struct object_symbol *symbol)
{
	const struct object_section *home = object_home(plan->object, symbol,
							SECTION_PAYLOAD);
	struct us_bundle_function *function = NULL;
	enum us_error error;
	u64 address;

	if (!symbol->size ||
	    !span_inside(symbol->value, symbol->size, home->header.sh_size))
		return fail(US_E_ELF_FORMAT, "%s: function %s has no size",
			    plan->object->path, symbol->name);
	error = symbol_map_function(plan->map, symbol->name, &address);
	if (error || has_function(plan, address - plan->link_base))
		return error;
	error = add_function(plan, symbol->name, address,
			     home->offset + symbol->value,
			     symbol->size, &function);
	if (!error)
		error = add_redirect(plan, symbol->name, function);
	if (!error)
		error = add_cold_part(plan, symbol->name, function);
	return error;
}

/* The function that a hunk lies in; there is one. */
static const struct us_bundle_function *
hunk_function(const struct bundle_plan *plan, const struct us_bundle_hunk *hunk)
{
	const struct us_bundle_function *function = plan->functions;

	while (hunk->text_offset < function->text_offset ||
	       hunk->text_offset - function->text_offset >=
	       function->old_size)
		function++;
	return function;
}

/* Each jump's distance, counted from the end of its four bytes. */
static enum us_error add_jump_relocs(struct bundle_plan *plan)
{
	enum us_error error = US_OK;
	u32 i;

	for (i = 0; i < plan->header.hunks && !error; i++) {
		const struct us_bundle_reloc reloc = {
			.where = i << 8 | 1, .where_space = US_SPACE_HUNK,
			.type = US_RELOC_PC32,
			.target_space = US_SPACE_PAYLOAD,
			.target = (s64)hunk_function(plan, &plan->hunks[i])->
				  arena_offset - 4,
		};

		error = bundle_plan_reloc(plan, &reloc);
	}
	return error;
}

enum us_error bundle_plan_functions(struct bundle_plan *plan)
{
	enum us_error error = US_OK;
	size_t i;

	for (i = 0; i < plan->object->symbol_count && !error; i++)
		if (is_candidate(plan, &plan->object->symbols[i]))
			error = replace(plan, &plan->object->symbols[i]);
	if (error)
		return error;
	if (!plan->header.hunks)
		return fail(US_E_NOTHING_TO_REPLACE, "%s",
			    plan->object->path);
	bundle_plan_sort(plan);
	return add_jump_relocs(plan);
}
