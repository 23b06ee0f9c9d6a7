/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Places in new bodies that the kernel would patch if they were in its text. */
#include <string.h>

#include "cli.h"
#include "diff_author.h"
#include "kernel_image.h"

#define CALL_REL32	0xe8
#define JMP_REL32	0xe9
#define JCC_EQUAL	0x0f84
#define JCC_NOT_EQUAL	0x0f85

/* enum of features: word * 32 + bit; this one is set everywhere. */
#define FEATURE_ALWAYS	(3 * 32 + 21)
#define FEATURE_WORDS	32u
#define MAX_ALTERNATIVES	8u

struct alternative {
	u16 feature;
	bool inverted;
	u8 len;			/* of the instructions replaced */
	u8 replacement_len;
	u64 replacement;
};

/* 12 bytes: feature with the inversion in its top bit. 14 bytes: feature, then
 * flags, of which bit 0 inverts. Both end with the two lengths. */
static enum us_error read_alternative(struct author *author,
				      const struct side_site *site,
				      struct alternative *out)
{
	const struct side *side = author->match->new;
	unsigned int size = side->alternative_size;
	const u8 *entry = side_bytes(side, site->entry, size);
	struct side_target target;
	u16 flags = 0;

	if (!entry || size == 13 ||
	    !side_pointer(side, site->entry + 4, 4, true, &target))
		return author_refuse(author, REASON_ALTERNATIVE,
				     "an alternative that is not understood");
	*out = (struct alternative){
		.feature = read_u16(entry + 8), .len = entry[size - 2],
		.replacement_len = entry[size - 1],
		.replacement = target.address,
	};
	if (size == 12) {
		out->inverted = out->feature >> 15;
		out->feature &= 0x7fff;
	} else {
		flags = read_u16(entry + 10);
		out->inverted = flags & 1;
	}
	if (flags & ~1u || out->feature >= FEATURE_WORDS * 32)
		return author_refuse(author, REASON_ALTERNATIVE, "an "
				     "alternative with flags %#x, feature %u",
				     flags, out->feature);
	return US_OK;
}

/* TESTB $bit, byte of x86_capability: what the kernel's own test of a feature
 * does before alternatives are applied. */
static enum us_error emit_feature_test(struct author *author, u32 index,
				       const struct alternative *alternative)
{
	u16 feature = alternative->feature;
	const u8 bytes[] = { 0xf6, 0x05, 0, 0, 0, 0, 1u << feature % 8 };
	struct body *body = &author->bodies[index];
	const struct place place = author_kernel(author, author->capability +
						 feature / 8);
	enum us_error error = author_put(body, bytes, sizeof(bytes));

	return error ? error : author_fixup(body, body->bytes.len - 5,
					    US_RELOC_PC32, -5, &place);
}

void author_land_here(struct body *body, u64 at)
{
	u32 distance = body->bytes.len - at;

	memcpy(body->bytes.data + at - 4, &distance, 4);
}

enum us_error author_put_branch(struct body *body, u16 opcode, u64 *end)
{
	const u8 bytes[6] = { opcode >> 8, opcode & 0xff };
	enum us_error error = author_put(body, bytes + !(opcode >> 8),
					 opcode >> 8 ? 6 : 5);

	*end = body->bytes.len;
	return error;
}

/* The kernel puts a variant where the site is, and its instructions have the unwind
 * data of those that they replace (objtool sees to it that this is right). */
static enum us_error emit_replacement(struct author *author, u32 index,
				      const struct alternative *alternative,
				      u64 address)
{
	enum us_error error;

	author->unwind_shift = address - alternative->replacement;
	error = author_emit_code(author, index, alternative->replacement,
				 alternative->replacement_len, false);
	author->unwind_shift = 0;
	return error;
}

static enum us_error emit_variant(struct author *author, u32 index,
				  const struct alternative *alternative,
				  u64 address, u64 *done)
{
	enum us_error error = author_unwind_as(author, index, address);
	u64 next;

	if (!error)
		error = emit_feature_test(author, index, alternative);
	if (!error)
		error = author_put_branch(&author->bodies[index],
				   alternative->inverted ? JCC_NOT_EQUAL :
				   JCC_EQUAL, &next);
	if (!error && alternative->replacement_len)
		error = emit_replacement(author, index, alternative, address);
	if (!error)
		error = author_unwind_as(author, index,
					 address + alternative->len);
	if (!error)
		error = author_put_branch(&author->bodies[index], JMP_REL32, done);
	if (!error)
		author_land_here(&author->bodies[index], next);
	return error;
}

/* The kernel writes the entries in order, so the last that holds wins. */
static enum us_error emit_variants(struct author *author, u32 index,
				   const struct alternative *list, u32 count,
				   u64 address, u64 len)
{
	u64 done[MAX_ALTERNATIVES];
	enum us_error error = US_OK;
	u32 i, used = 0;
	bool always = false;

	for (i = count; i-- && !error && !always;) {
		always = list[i].feature == FEATURE_ALWAYS &&
			 !list[i].inverted;
		if (always && list[i].replacement_len)
			error = emit_replacement(author, index, &list[i],
						 address);
		else if (!always)
			error = emit_variant(author, index, &list[i], address,
					     &done[used++]);
	}
	if (!error && !always)
		error = author_emit_code(author, index, address, len, false);
	for (i = 0; i < used && !error; i++)
		author_land_here(&author->bodies[index], done[i]);
	return error;
}

static const u8 *body_code(const struct author *author, u32 index)
{
	return side_bytes(author->match->new, author->bodies[index].address,
			  author->bodies[index].len);
}

static enum us_error check_flags(struct author *author, u32 index, u64 address,
				 enum reason reason)
{
	const struct body *body = &author->bodies[index];

	if (!author_flags_live(body_code(author, index), body->len,
			       address - body->address))
		return US_OK;
	return author_refuse(author, reason, "flags are in use at %#llx of the "
			     "new kernel", (unsigned long long)address);
}

static enum us_error emit_alternatives(struct author *author, u32 index,
				       u32 site, u64 *consumed)
{
	const struct side *side = author->match->new;
	const struct body *body = &author->bodies[index];
	u64 address = side->sites[site].address;
	struct alternative list[MAX_ALTERNATIVES];
	enum us_error error = US_OK;
	u32 count = 0;

	if (!author->capability)
		return author_refuse(author, REASON_ALTERNATIVE, "the old "
				     "kernel's CPU features are not known");
	for (; site < side->site_count && !error &&
	     side->sites[site].address == address; site++) {
		if (side->sites[site].table != TABLE_ALTERNATIVE)
			continue;
		if (count == MAX_ALTERNATIVES)
			return author_refuse(author, REASON_ALTERNATIVE,
					     "too many variants");
		error = read_alternative(author, &side->sites[site],
					 &list[count++]);
		if (!error && list[count - 1].len > *consumed)
			*consumed = list[count - 1].len;
	}
	if (error)
		return error;
	if (!span_inside(address - body->address, *consumed, body->len))
		return author_refuse(author, REASON_ALTERNATIVE, "an "
				     "alternative that leaves its function");
	error = check_flags(author, index, address + *consumed,
			    REASON_ALTERNATIVE);
	return error ? error : emit_variants(author, index, list, count,
					     address, *consumed);
}

/*
 * Jump when key->enabled, its first four bytes, is not zero; or when it is zero,
 * if bit 0 of the entry's key says so (include/linux/jump_label.h).
 */
static enum us_error emit_jump_label(struct author *author, u32 index,
				     const struct side_site *site)
{
	static const u8 compare[] = { 0x83, 0x3d, 0, 0, 0, 0, 0 };
	const struct side *side = author->match->new;
	u32 from = author->bodies[index].symbol;
	struct side_target target, key;
	struct place key_place, place;
	enum us_error error;
	bool inverted;

	if (!side_pointer(side, site->entry + 4, 4, true, &target) ||
	    !side_pointer(side, site->entry + 8, 8, true, &key))
		return author_refuse(author, REASON_JUMP_LABEL,
				     "a jump label that is not understood");
	inverted = key.address & 1;
	key.addend -= key.address & 3;
	key.address &= ~3ull;
	error = check_flags(author, index, site->address, REASON_JUMP_LABEL);
	if (!error)
		error = author_place(author, &key, from, &key_place);
	if (!error)
		error = author_place(author, &target, from, &place);
	if (!error && ((key_place.kind != PLACE_IMAGE &&
			key_place.kind != PLACE_BASE) ||
		       place.kind != PLACE_BODY))
		error = author_refuse(author, REASON_JUMP_LABEL,
				      "a jump label of a new key");
	if (!error)
		error = author_put(&author->bodies[index], compare,
				   sizeof(compare));
	if (!error)
		error = author_fixup(&author->bodies[index],
				     author->bodies[index].bytes.len - 5,
				     US_RELOC_PC32, -5, &key_place);
	return error ? error : author_branch(author, index, inverted ?
					     JCC_EQUAL : JCC_NOT_EQUAL, &place);
}

/* What is to be done at a site of @table; *@consumed 0: nothing but copy. */
static enum us_error emit_one(struct author *author, u32 index, u32 site,
			      const struct code_insn *insn, u64 *consumed)
{
	const struct side_site *entry = &author->match->new->sites[site];

	switch (entry->table) {
	case TABLE_ALTERNATIVE:
		return emit_alternatives(author, index, site, consumed);
	case TABLE_FTRACE:
		*consumed = insn->len;
		return US_OK;
	case TABLE_JUMP_LABEL:
		*consumed = insn->len;
		return emit_jump_label(author, index, entry);
	case TABLE_BUG:
		return author_emit_bug(author, index, site, consumed);
	case TABLE_EXCEPTION:
		return author_refuse(author, REASON_EXCEPTION, "an access at "
				     "%#llx of the new kernel that may fault",
				     (unsigned long long)entry->address);
	}
	return US_OK;
}

enum us_error author_emit_site(struct author *author, u32 index, u64 address,
			       const struct code_insn *insn, u64 *consumed)
{
	const struct side *side = author->match->new;
	u32 i = side_find_site(side, address);
	enum us_error error = US_OK;

	for (; i < side->site_count && !error && !*consumed &&
	     side->sites[i].address < address + insn->len; i++) {
		/* In the middle of an instruction only tables that say nothing
		 * to us have entries: the LOCK behind another prefix. */
		if (side->sites[i].address != address &&
		    side->sites[i].table != TABLE_LOCK)
			return author_refuse(author, REASON_ALTERNATIVE,
					     "a %s site inside an instruction",
					     side_table_name(side->sites[i].
							     table));
		error = emit_one(author, index, i, insn, consumed);
	}
	return error;
}

static bool is_thunk(const char *name)
{
	return !strcmp(name, "__x86_return_thunk") ||
	       !strncmp(name, "__x86_indirect_thunk_r", 22);
}

/* @thunk: the symbol of the old kernel. */
static bool names_thunk(const struct author *author,
			const struct side_target *target, u32 *thunk)
{
	const struct side *side = author->match->new;
	const char *name;
	u32 i, index;

	/* An object only names it. */
	if (target->symbol != SIDE_NONE &&
	    is_thunk(side->symbols[target->symbol].name)) {
		name = side->symbols[target->symbol].name;
		*thunk = side_symbol_named(author->kernel, name);
		return *thunk != SIDE_NONE;
	}
	for (i = side_find_address(side, target->address);
	     i < side->address_count; i++) {
		index = side->by_address[i];
		if (side->symbols[index].address != target->address)
			return false;
		if (!is_thunk(side->symbols[index].name))
			continue;
		*thunk = side_symbol_named(author->kernel,
					   side->symbols[index].name);
		return *thunk != SIDE_NONE;
	}
	return false;
}

/* Is there at @address of the old kernel a plain JMP rel32 to @target? */
static bool is_jump_to(const struct side *side, u64 address, u64 target)
{
	const u8 *code = side_bytes(side, address, 5);

	return code && *code == JMP_REL32 &&
	       address + 5 + (u64)(s64)(s32)read_u32(code + 1) == target;
}

/* The first site of the kind in code that stays as it is. */
static bool find_jump(const struct author *author, u64 thunk, u64 from,
		      u64 len, u64 *address)
{
	const struct side *side = author->kernel;
	u32 i = side_find_site(side, from), symbol;

	for (; i < side->site_count && side->sites[i].address - from < len;
	     i++) {
		if ((side->sites[i].table != TABLE_RETURN &&
		     side->sites[i].table != TABLE_RETPOLINE) ||
		    !is_jump_to(side, side->sites[i].address, thunk) ||
		    side_is_init(side, side->sites[i].address))
			continue;
		symbol = side_symbol_at(side, side->sites[i].address);
		if (symbol == SIDE_NONE || side->symbols[symbol].type !=
		    STT_FUNC || (side == author->match->old &&
				 author->old_changed[symbol]))
			continue;
		*address = side->sites[i].address;
		return true;
	}
	return false;
}

bool author_borrow(const struct author *author, u32 from,
		   const struct side_target *target, struct place *place)
{
	u64 thunk, address, start = 0;
	u32 symbol, twin;

	if (!author->kernel || !names_thunk(author, target, &symbol))
		return false;
	/* Neighbours first: code like the function's own. */
	twin = from == SIDE_NONE ? SIDE_NONE : author->match->to_old[from];
	if (twin != SIDE_NONE && author->kernel == author->match->old)
		start = author->kernel->symbols[twin].address;
	thunk = author->kernel->symbols[symbol].address;
	if (!find_jump(author, thunk, start, ~0ull - start, &address) &&
	    !find_jump(author, thunk, 0, ~0ull, &address))
		return false;
	*place = author_kernel(author, address);
	return true;
}

enum us_error author_put_return(struct author *author, u32 index)
{
	static const u8 plain[] = { 0xc3, 0xcc };
	const struct side *side = author->match->new;
	u32 thunk = side_find_name(side, "__x86_return_thunk");
	struct side_target target = { .symbol = SIDE_NONE };
	struct place place;

	if (!author->kernel || thunk == side->name_count ||
	    strcmp(side->symbols[side->by_name[thunk]].name,
		   "__x86_return_thunk"))
		return author_put(&author->bodies[index], plain,
				  sizeof(plain));
	target.symbol = side->by_name[thunk];
	target.address = side->symbols[target.symbol].address;
	if (!author_borrow(author, author->bodies[index].symbol, &target,
			   &place))
		return author_refuse(author, REASON_REFERENCE,
				     "no return of the old kernel to share");
	return author_branch(author, index, JMP_REL32, &place);
}
