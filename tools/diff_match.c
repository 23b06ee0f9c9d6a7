/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pairing the symbols of two sides by name. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "diff_match.h"

#define UNIQUE	"__UNIQUE_ID_"

static size_t without_digits(const char *name, size_t len)
{
	while (len && isdigit((unsigned char)name[len - 1]))
		len--;
	return len;
}

size_t match_numbered(const char *name)
{
	size_t whole = strlen(name), len = without_digits(name, whole);

	if (len == whole || !len)
		return 0;
	if (name[len - 1] == '.')
		len--;
	else if (strncmp(name, UNIQUE, strlen(UNIQUE)))
		return 0;
	if (!strncmp(name, UNIQUE, strlen(UNIQUE)))
		len = without_digits(name, len);
	return len;
}

u64 match_debug_bytes(const char *name)
{
	/* struct _ddebug: four pointers, then the line number and flags. */
	if (!strncmp(name, UNIQUE "ddebug", strlen(UNIQUE "ddebug")) ||
	    !strncmp(name, "descriptor.", strlen("descriptor.")))
		return 32;
	return 0;
}

/* A symbol with what it is sorted by. */
struct key {
	const char *name;
	size_t len;		/* of the name that counts */
	bool numbered;
	u32 file;		/* ordinal of its file's name; 0 for globals */
	u32 index;
	u64 address;
};

static int compare_keys(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	size_t len = x->len < y->len ? x->len : y->len;
	int order = memcmp(x->name, y->name, len);

	if (order)
		return order;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	if (x->numbered != y->numbered)
		return (int)x->numbered - (int)y->numbered;
	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

/* The same name, ignoring the file unless @files. */
static bool same_key(const struct key *x, const struct key *y, bool files)
{
	return x->len == y->len && x->numbered == y->numbered &&
	       !memcmp(x->name, y->name, x->len) &&
	       (!files || x->file == y->file);
}

static enum us_error make_keys(const struct side *side, const u32 *ordinals,
			       struct key **out)
{
	struct key *keys = calloc(side->name_count + 1, sizeof(*keys));
	const struct side_symbol *symbol;
	size_t stem;
	u32 i;

	*out = keys;
	if (!keys)
		return fail(US_E_NO_MEMORY, "symbols");
	for (i = 0; i < side->name_count; i++) {
		symbol = &side->symbols[side->by_name[i]];
		stem = symbol->bind == STB_LOCAL ?
		       match_numbered(symbol->name) : 0;
		/* Clones of functions keep their number: ".isra.0". */
		if (symbol->type == STT_FUNC)
			stem = 0;
		keys[i] = (struct key){
			.name = symbol->name,
			.len = stem ? stem : strlen(symbol->name),
			.numbered = stem,
			.index = side->by_name[i], .address = symbol->address,
		};
		if (symbol->bind == STB_LOCAL && symbol->file != SIDE_NONE)
			keys[i].file = ordinals[symbol->file];
	}
	qsort(keys, side->name_count, sizeof(*keys), compare_keys);
	return US_OK;
}

static enum us_error make_both(const struct side *old, const struct side *new,
			       struct key **old_keys, struct key **new_keys)
{
	u32 *old_ordinals = calloc(old->symbol_count + 1, sizeof(u32));
	u32 *new_ordinals = calloc(new->symbol_count + 1, sizeof(u32));
	enum us_error error;

	if (old_ordinals && new_ordinals)
		error = match_files(old, new, old_ordinals, new_ordinals);
	else
		error = fail(US_E_NO_MEMORY, "files");
	if (!error)
		error = make_keys(old, old_ordinals, old_keys);
	if (!error)
		error = make_keys(new, new_ordinals, new_keys);
	free(old_ordinals);
	free(new_ordinals);
	return error;
}

static u32 run_length(const struct key *keys, u32 at, u32 count, bool files)
{
	u32 end = at + 1;

	while (end < count && same_key(&keys[at], &keys[end], files))
		end++;
	return end - at;
}

static bool paired(const struct match *match, const struct key *old,
		   const struct key *new)
{
	return match->to_new[old->index] != SIDE_NONE ||
	       match->to_old[new->index] != SIDE_NONE;
}

static void pair(struct match *match, u32 old, u32 new)
{
	match->to_new[old] = new;
	match->to_old[new] = old;
}

/* As many on both sides, and of the same sizes where they have no number of
 * their own: the first is the first, the second the second. */
static void pair_runs(struct match *match, const struct key *old,
		      const struct key *new, u32 count)
{
	u32 i;

	for (i = 0; i < count && old->numbered; i++)
		if (match->old->symbols[old[i].index].size !=
		    match->new->symbols[new[i].index].size)
			return;
	for (i = 0; i < count; i++)
		if (!paired(match, &old[i], &new[i]))
			pair(match, old[i].index, new[i].index);
}

static void pair_keys(struct match *match, const struct key *old,
		      const struct key *new, bool files)
{
	u32 i = 0, k = 0, old_run, new_run;
	u32 old_count = match->old->name_count;
	u32 new_count = match->new->name_count;

	while (i < old_count && k < new_count) {
		old_run = run_length(old, i, old_count, files);
		new_run = run_length(new, k, new_count, files);
		if (same_key(&old[i], &new[k], files)) {
			/* Without files, only what is the one of its name. */
			if (old_run == new_run && (files || old_run == 1))
				pair_runs(match, &old[i], &new[k], old_run);
			i += old_run;
			k += new_run;
		} else if (compare_keys(&old[i], &new[k]) < 0) {
			i += old_run;
		} else {
			k += new_run;
		}
	}
}

static void add_word(struct build_text *text, const char *from, size_t len)
{
	if (text->count == ARRAY_SIZE(text->words) || !len ||
	    len >= sizeof(text->words[0]))
		return;
	memcpy(text->words[text->count], from, len);
	text->words[text->count++][len] = 0;
}

/* The words of a version that have a digit: "Debian 6.1.192-1 (2026-11-14)". */
static void add_version(struct build_text *text, const char *at)
{
	size_t len;

	for (; *at && *at != '\n'; at += len + strspn(at + len, " ")) {
		len = strcspn(at, " \n");
		if (strcspn(at, "0123456789") < len)
			add_word(text, at, len);
	}
}

/* "Linux version RELEASE (who) (compiler) VERSION\n", and in modules
 * "vermagic=RELEASE ...". */
static void read_build_text(const struct side *side, struct build_text *text)
{
	u32 banner = side_symbol_named(side, "linux_banner");
	const struct side_section *info = side_section(side, ".modinfo");
	const char *at;
	const u8 *bytes;
	u64 len;

	if (banner != SIDE_NONE) {
		len = side->symbols[banner].size;
		bytes = side_bytes(side, side->symbols[banner].address, len);
		if (!bytes || !len || bytes[len - 1] ||
		    strncmp((const char *)bytes, "Linux version ", 14))
			return;
		at = (const char *)bytes + 14;
		add_word(text, at, strcspn(at, " "));
		at = strstr(at, ") #");
		if (at)
			add_version(text, at + 2);
	} else if (info && info->data && info->size &&
		   !info->data[info->size - 1]) {
		at = memmem(info->data, info->size, "vermagic=", 9);
		if (at)
			add_word(text, at + 9, strcspn(at + 9, " "));
	}
}

enum us_error match_symbols(struct match *match, const struct side *old,
			    const struct side *new)
{
	struct key *old_keys = NULL, *new_keys = NULL;
	enum us_error error;

	*match = (struct match){ .old = old, .new = new };
	match->to_new = malloc((old->symbol_count + 1) * sizeof(u32));
	match->to_old = malloc((new->symbol_count + 1) * sizeof(u32));
	match->memo = calloc(old->symbol_count + 1, 1);
	if (!match->to_new || !match->to_old || !match->memo)
		return fail(US_E_NO_MEMORY, "symbols");
	memset(match->to_new, 0xff, (old->symbol_count + 1) * sizeof(u32));
	memset(match->to_old, 0xff, (new->symbol_count + 1) * sizeof(u32));
	read_build_text(old, &match->old_text);
	read_build_text(new, &match->new_text);
	error = make_both(old, new, &old_keys, &new_keys);
	if (!error) {
		pair_keys(match, old_keys, new_keys, true);
		pair_keys(match, old_keys, new_keys, false);
	}
	free(old_keys);
	free(new_keys);
	return error;
}

void match_free(struct match *match)
{
	free(match->to_new);
	free(match->to_old);
	free(match->memo);
	*match = (struct match){ 0 };
}
