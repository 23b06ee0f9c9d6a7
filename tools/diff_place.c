/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where in the patched kernel is what a new body refers to? */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "diff_author.h"
#include "diff_module.h"

#define MAX_CONSTANT	(64u << 10)

static const struct {
	const char *slug, *text;
} reasons[] = {
#define REASON_ROW(name, slug, text) { slug, text },
	REASONS(REASON_ROW)
#undef REASON_ROW
};

const char *reason_slug(enum reason reason)
{
	return reasons[reason].slug;
}

const char *reason_text(enum reason reason)
{
	return reasons[reason].text;
}

enum us_error author_refuse(struct author *author, enum reason reason,
			    const char *format, ...)
{
	va_list args;

	author->verdict->reason = reason;
	va_start(args, format);
	vsnprintf(author->verdict->detail, sizeof(author->verdict->detail),
		  format, args);
	va_end(args);
	return fail(US_E_OBJECT_UNSUPPORTED, "%s", author->verdict->detail);
}

static const struct side_symbol *new_symbol(const struct author *author, u32 i)
{
	return &author->match->new->symbols[i];
}

struct place author_kernel(const struct author *author, u64 address)
{
	if (address < author->link_base)
		return (struct place){
			.kind = PLACE_NUMBER, .value = (s64)address,
		};
	return (struct place){
		.kind = PLACE_IMAGE,
		.value = (s64)(address - author->link_base),
	};
}

static struct place home_to_place(const struct home_place *found)
{
	static const u8 kinds[] = {
		[HOME_KERNEL] = PLACE_IMAGE, [HOME_NUMBER] = PLACE_NUMBER,
		[HOME_BASE] = PLACE_BASE,
	};

	return (struct place){
		.kind = kinds[found->kind], .index = found->base,
		.value = found->value,
	};
}

enum us_error author_old(struct author *author, u64 address,
			 struct place *place)
{
	const struct module_home *home = author->match->home;
	const struct side *side = author->match->old;
	struct home_place found;
	u32 symbol;

	if (!home) {
		*place = author_kernel(author, address);
		return US_OK;
	}
	found = home_address(home, side, address);
	symbol = side_symbol_at(side, address);
	if (found.kind == HOME_UNKNOWN)
		return author_refuse(author, REASON_REFERENCE, "refers to %s, "
				     "%s", symbol == SIDE_NONE ? "a place" :
				     side->symbols[symbol].name, found.why);
	*place = home_to_place(&found);
	return US_OK;
}

const u8 *author_old_text(const struct author *author, u64 address, u64 len,
			  u64 *offset)
{
	const struct module_home *home = author->match->home;
	struct home_place found;

	*offset = address - author->link_base;
	if (!home)
		return side_bytes(author->match->old, address, len);
	found = home_address(home, author->match->old, address);
	*offset = (u64)found.value;
	if (found.kind != HOME_BASE ||
	    home->module.bases[found.base].kind != US_BASE_TEXT)
		return NULL;
	return home_text(home, *offset, len);
}

/* What an object or module leaves to the loader of the old module to find. */
static bool is_import(const struct author *author, u32 symbol)
{
	u32 twin = author->match->to_old[symbol];

	return author->match->home &&
	       new_symbol(author, symbol)->section == SIDE_NONE &&
	       (twin == SIDE_NONE ||
		author->match->old->symbols[twin].section == SIDE_NONE);
}

static enum us_error place_import(struct author *author, u32 symbol,
				  u64 address, struct place *place)
{
	const struct side_symbol *wanted = new_symbol(author, symbol);
	struct home_place found = home_import(author->match->home,
					      author->match->new,
					      wanted->name);

	if (found.kind == HOME_UNKNOWN && wanted->bind == STB_WEAK)
		found = (struct home_place){ .kind = HOME_NUMBER };
	if (found.kind == HOME_UNKNOWN)
		return author_refuse(author, REASON_REFERENCE, "refers to %s, "
				     "%s", wanted->name, found.why);
	found.value += (s64)(address - wanted->address);
	*place = home_to_place(&found);
	return US_OK;
}

static bool is_function(const struct side *side, u32 index)
{
	return side->symbols[index].type == STT_FUNC;
}

/* "f.cold" or "f.cold.3" of "f". */
static bool is_cold_of(const char *cold, const char *whole)
{
	size_t len = strlen(whole);

	return !strncmp(cold, whole, len) &&
	       !strncmp(cold + len, ".cold", 5) &&
	       (!cold[len + 5] || cold[len + 5] == '.');
}

static bool belong_together(const struct author *author, u32 a, u32 b)
{
	const char *x = new_symbol(author, a)->name;
	const char *y = new_symbol(author, b)->name;

	return is_cold_of(x, y) || is_cold_of(y, x);
}

static enum us_error place_in_body(struct author *author, u32 symbol,
				   u64 address, struct place *place)
{
	const struct side_symbol *function = new_symbol(author, symbol);
	enum us_error error;

	*place = (struct place){
		.kind = PLACE_BODY,
		.value = (s64)(address - function->address),
	};
	error = author_add_body(author, symbol, function->address,
				function->size, &place->index);
	return error;
}

static enum us_error place_in_constant(struct author *author, u64 start,
				       u64 len, u64 address,
				       struct place *place)
{
	if (!len || len > MAX_CONSTANT)
		return author_refuse(author, REASON_REFERENCE, "a constant of "
				     "unknown size at %#llx of the new kernel",
				     (unsigned long long)address);
	*place = (struct place){
		.kind = PLACE_CONSTANT, .value = (s64)(address - start),
	};
	return author_add_body(author, SIDE_NONE, start, len, &place->index);
}

static enum us_error note_changed(struct author *author, u32 old)
{
	u32 i;

	for (i = 0; i < author->used_count; i++)
		if (author->used_changed[i] == old)
			return US_OK;
	if (author->used_count == AUTHOR_BODIES)
		return author_refuse(author, REASON_LARGE, "too many calls");
	author->used_changed[author->used_count++] = old;
	return US_OK;
}

/* Has the new side something of its own where the old one has nothing, or asks the
 * loader for something of that name? */
static bool is_new(const struct author *author, u32 symbol)
{
	u32 twin = author->match->to_old[symbol];

	return twin == SIDE_NONE || (author->match->home &&
	       author->match->old->symbols[twin].section == SIDE_NONE);
}

static enum us_error place_function(struct author *author, u32 symbol,
				    u32 from, u64 address, struct place *place)
{
	const struct side_symbol *function = new_symbol(author, symbol);
	u32 twin = author->match->to_old[symbol];
	u64 offset = address - function->address;

	if (symbol == from || (from != SIDE_NONE &&
			       belong_together(author, symbol, from)))
		return place_in_body(author, symbol, address, place);
	if (is_import(author, symbol))
		return place_import(author, symbol, address, place);
	if (is_new(author, symbol) && function->section != SIDE_NONE)
		return place_in_body(author, symbol, address, place);
	if (twin == SIDE_NONE)
		return author_refuse(author, REASON_REFERENCE, "calls %s, which "
				     "the old kernel does not have",
				     function->name);
	if (side_is_init(author->match->old,
			 author->match->old->symbols[twin].address))
		return author_refuse(author, REASON_INIT, "refers to %s",
				     function->name);
	if (author->old_changed[twin] == CHANGE_FUNCTION + 1) {
		if (offset)
			return author_refuse(author, REASON_REFERENCE,
					     "jumps into %s, which changed",
					     function->name);
		if (note_changed(author, twin))
			return fail_code();
	}
	return author_old(author, author->match->old->symbols[twin].address +
			  offset, place);
}

static bool is_constant_symbol(const struct author *author, u32 symbol)
{
	return side_is_constant(author->match->new,
				new_symbol(author, symbol)->address);
}

/* Does the compiler alone say what it begins as, and where it is? What other parts of
 * the kernel collect, set at boot or keep for each CPU lies elsewhere. */
static bool is_plain_variable(const struct author *author, u32 symbol)
{
	const struct side *side = author->match->new;
	const struct side_symbol *object = new_symbol(author, symbol);
	const struct side_section *section = side_section_at(side,
							     object->address);

	if (!section || side_is_percpu(side, object->address) ||
	    !strncmp(section->name, ".data..ro_after_init", 20) ||
	    !strncmp(section->name, ".data..init", 11))
		return false;
	return !strncmp(section->name, ".data", 5) ||
	       !strncmp(section->name, ".bss", 4);
}

static enum us_error place_in_shadow(struct author *author, u32 symbol,
				     u64 address, struct place *place)
{
	const struct side_symbol *object = new_symbol(author, symbol);
	enum us_error error;

	if (!object->size || object->size > US_BUNDLE_MAX_SHADOW)
		return author_refuse(author, REASON_NEW_DATA, "uses %s, of %llu "
				     "bytes", object->name,
				     (unsigned long long)object->size);
	*place = (struct place){
		.kind = PLACE_CONSTANT,
		.value = (s64)(address - object->address),
	};
	error = author_add_body(author, SIDE_NONE, object->address,
				object->size, &place->index);
	if (!error)
		author->bodies[place->index].variable = symbol;
	return error;
}

/* An object without a twin, or one whose twin has other contents. */
static enum us_error place_new_object(struct author *author, u32 symbol,
				      u64 address, struct place *place)
{
	const struct side_symbol *object = new_symbol(author, symbol);
	enum reason reason = side_is_percpu(author->match->new,
					    object->address) ?
			     REASON_PER_CPU : REASON_NEW_DATA;

	if (author->new_variables && is_plain_variable(author, symbol))
		return place_in_shadow(author, symbol, address, place);
	if (!is_constant_symbol(author, symbol))
		return author_refuse(author, reason, "uses %s, which the old "
				     "kernel does not have", object->name);
	return place_in_constant(author, object->address, object->size, address,
				 place);
}

/* Ends of what is gone after boot: addresses are compared with them, later too. */
static bool is_bound(const char *name)
{
	return !strcmp(name, "_sinittext") || !strcmp(name, "_einittext") ||
	       !strcmp(name, "__init_begin") || !strcmp(name, "__init_end");
}

static enum us_error place_object(struct author *author, u32 symbol,
				  u64 address, struct place *place)
{
	const struct side_symbol *object = new_symbol(author, symbol);
	struct match *match = author->match;
	u32 twin = match->to_old[symbol];
	const struct side_symbol *old;
	u64 offset = address - object->address;

	if (is_new(author, symbol))
		return place_new_object(author, symbol, address, place);
	old = &match->old->symbols[twin];
	if (match_numbered(object->name) &&
	    is_constant_symbol(author, symbol) &&
	    (old->size != object->size ||
	     !match_data(match, old->address, object->address, old->size, 0)))
		return place_new_object(author, symbol, address, place);
	if (author->old_changed[twin] == CHANGE_DATA + 1 &&
	    !match_numbered(object->name))
		return author_refuse(author, side_is_percpu(match->new,
				     object->address) ? REASON_PER_CPU :
				     REASON_CHANGED_DATA, "uses %s, which is "
				     "not as it was", object->name);
	if (side_is_init(match->old, old->address) && !is_bound(object->name))
		return author_refuse(author, REASON_INIT, "refers to %s",
				     object->name);
	return author_old(author, old->address + offset, place);
}

/* A symbol that stands exactly at @address, one with a twin first. */
static u32 symbol_exactly(const struct author *author, u64 address)
{
	const struct side *side = author->match->new;
	u32 i, index, found = SIDE_NONE;

	for (i = side_find_address(side, address); i < side->address_count;
	     i++) {
		index = side->by_address[i];
		if (side->symbols[index].address != address)
			break;
		if (author->match->to_old[index] != SIDE_NONE)
			return index;
		found = index;
	}
	return found;
}

/* In the same distance from twins on both sides: ends of tables, labels. */
static bool find_nearby(const struct author *author, u64 address, u64 *old)
{
	const struct side *side = author->match->new;
	u32 behind = side_find_address(side, address), i, twin, index;

	for (i = behind; i && i + 4 > behind; i--) {
		index = side->by_address[i - 1];
		twin = author->match->to_old[index];
		if (twin == SIDE_NONE || side_section_at(side, address) !=
		    side_section_at(side, side->symbols[index].address))
			continue;
		/* Right behind the object, as for the end of a loop. */
		if (address - side->symbols[index].address !=
		    side->symbols[index].size ||
		    side->symbols[index].size !=
		    author->match->old->symbols[twin].size)
			continue;
		*old = author->match->old->symbols[twin].address +
		       side->symbols[index].size;
		return true;
	}
	return false;
}

static enum us_error place_symbol(struct author *author, u32 symbol, u32 from,
				  u64 address, struct place *place)
{
	if (is_function(author->match->new, symbol) ||
	    new_symbol(author, symbol)->section == SIDE_NONE)
		return place_function(author, symbol, from, address, place);
	return place_object(author, symbol, address, place);
}

enum us_error author_place(struct author *author,
			   const struct side_target *target, u32 from,
			   struct place *place)
{
	const struct side *side = author->match->new;
	u32 symbol = side_symbol_at(side, target->address);
	u64 room, old;

	if (target->symbol != SIDE_NONE) {
		symbol = target->symbol;
		if (new_symbol(author, symbol)->absolute) {
			*place = (struct place){
				.kind = PLACE_NUMBER,
				.value = (s64)target->address,
			};
			return US_OK;
		}
		return place_symbol(author, symbol, from, target->address,
				    place);
	}
	if (symbol == SIDE_NONE)
		symbol = symbol_exactly(author, target->address);
	if (symbol != SIDE_NONE)
		return place_symbol(author, symbol, from, target->address,
				    place);
	if (find_nearby(author, target->address, &old))
		return author_old(author, old, place);
	if (!side_is_constant(side, target->address))
		return author_refuse(author, REASON_REFERENCE, "refers to %#llx "
				     "of the new kernel, which has no name",
				     (unsigned long long)target->address);
	room = side_room(side, target->address);
	if (match_literal_len(side, target->address) > room)
		room = match_literal_len(side, target->address);
	return place_in_constant(author, target->address, room,
				 target->address, place);
}
