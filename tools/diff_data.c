/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Comparing objects: initial contents of variables and constants, exports. */
#include <string.h>

#include "diff_compare.h"

/* What names the build, its compiler or its time, and so always differs. */
static const char *const build_names[] = {
	"linux_banner", "linux_proc_banner", "init_uts_ns", "vermagic",
	"fips_version",
};

/* Tables that follow from the code, and the kernel's own description of itself. */
static const char *const derived[] = {
	"__ksymtab", "__kstrtab", "__kcrctab", "__crc_", "__UNIQUE_ID_",
	"__initcall", "__param_", "___ksymtab", "__modver", "__BTF_ID__",
	"_note_", "____versions", "__this_module",
};

static bool is_derived(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(build_names); i++)
		if (!strcmp(name, build_names[i]))
			return true;
	for (i = 0; i < ARRAY_SIZE(derived); i++)
		if (!strncmp(name, derived[i], strlen(derived[i])))
			return true;
	return false;
}

static bool is_object(const struct side *side, u32 index)
{
	const struct side_symbol *symbol = &side->symbols[index];

	return symbol->type == STT_OBJECT && symbol->size &&
	       symbol->section != SIDE_NONE &&
	       side->sections[symbol->section].flags & SHF_ALLOC &&
	       !is_derived(symbol->name) &&
	       !side_is_init(side, symbol->address);
}

/* Constants without a name of their own are judged where they are used; of other
 * things that belong to one function only the place counts. */
static bool is_nameless(const struct side *side, u32 index)
{
	return match_numbered(side->symbols[index].name);
}

/* The image of the vDSO carries the build's version in a note of its own. */
static bool is_vdso(const struct side_symbol *symbol)
{
	return !strcmp(symbol->name, "raw_data") && symbol->size >= 4096;
}

static bool same_contents(struct match *match, const struct side_symbol *a,
			  const struct side_symbol *b)
{
	u64 len = match_debug_bytes(a->name);

	if (is_vdso(a))
		return true;
	if (!len || len > a->size)
		len = a->size;
	return match_data(match, a->address, b->address, len, 0);
}

static enum us_error compare_object(struct match *match, u32 old,
				    struct changes *changes)
{
	struct change change = {
		.kind = CHANGE_DATA, .old = old, .new = match->to_new[old],
	};
	const struct side_symbol *a = &match->old->symbols[old], *b;

	if (change.new == SIDE_NONE) {
		change.kind = CHANGE_REMOVED_DATA;
		change.what = "it is gone";
		return is_nameless(match->old, old) ? US_OK :
		       changes_add(changes, &change);
	}
	b = &match->new->symbols[change.new];
	changes->objects++;
	if (a->size != b->size)
		change.what = "size";
	else if (!same_contents(match, a, b))
		change.what = "initial contents";
	else
		return US_OK;
	if (is_nameless(match->old, old) &&
	    side_is_constant(match->old, a->address))
		return US_OK;
	return changes_add(changes, &change);
}

static bool is_export(const char *name)
{
	return !strncmp(name, "__ksymtab_", 10);
}

static enum us_error compare_new(struct match *match, u32 new,
				 struct changes *changes)
{
	struct change change = {
		.old = SIDE_NONE, .new = new, .what = "it is new",
	};

	if (match->to_old[new] != SIDE_NONE)
		return US_OK;
	if (is_export(match->new->symbols[new].name))
		change.kind = CHANGE_NEW_EXPORT;
	else if (is_object(match->new, new) &&
		 !(is_nameless(match->new, new) && side_is_constant(match->new,
		   match->new->symbols[new].address)))
		change.kind = CHANGE_NEW_DATA;
	else
		return US_OK;
	return changes_add(changes, &change);
}

enum us_error compare_data(struct match *match, struct changes *changes)
{
	enum us_error error = US_OK;
	u32 i, index;

	for (i = 0; i < match->old->address_count && !error; i++) {
		index = match->old->by_address[i];
		if (is_object(match->old, index))
			error = compare_object(match, index, changes);
	}
	for (i = 0; i < match->new->address_count && !error; i++)
		error = compare_new(match, match->new->by_address[i], changes);
	return error;
}
