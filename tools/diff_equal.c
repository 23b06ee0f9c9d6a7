/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether what two pointers lead to is the same thing. */
#include <stdlib.h>
#include <string.h>

#include "diff_match.h"

#define MAX_DEPTH	16u		/* constants that point to constants */
#define MAX_STEPS	100000u		/* and how many in all */
#define MAX_LITERAL	(64u << 10)
#define INSN_MAX	15u
#define SAME		1u
#define DIFFERENT	2u

static const struct side_symbol *old_symbol(const struct match *match, u32 i)
{
	return &match->old->symbols[i];
}

static const struct side_symbol *new_symbol(const struct match *match, u32 i)
{
	return &match->new->symbols[i];
}

/* Sections that begin with the same letters hold the same kind of thing. */
static bool same_kind(const struct match *match, u64 old, u64 new)
{
	return side_is_constant(match->old, old) ==
	       side_is_constant(match->new, new) &&
	       side_is_code(match->old, old) == side_is_code(match->new, new) &&
	       side_is_percpu(match->old, old) ==
	       side_is_percpu(match->new, new);
}

/* Two nameless objects of one function: equal contents for constants; for
 * variables the only thing known of them is name, size and place. */
static bool same_numbered(struct match *match, u32 old, u32 new,
			  unsigned int depth)
{
	const struct side_symbol *a = old_symbol(match, old);
	const struct side_symbol *b = new_symbol(match, new);
	size_t stem = match_numbered(a->name);
	bool same;

	if (!side_is_constant(match->old, a->address)) {
		if (match->to_new[old] != SIDE_NONE ||
		    match->to_old[new] != SIDE_NONE)
			return match->to_new[old] == new;
		if (stem != match_numbered(b->name) ||
		    memcmp(a->name, b->name, stem) || a->size != b->size)
			return false;
		if (match_debug_bytes(a->name) &&
		    (a->size < match_debug_bytes(a->name) ||
		     !match_data(match, a->address, b->address,
				 match_debug_bytes(a->name), depth + 1)))
			return false;
		match->to_new[old] = new;
		match->to_old[new] = old;
		return true;
	}
	if (a->size != b->size)
		return false;
	if (match->to_new[old] == new && match->memo[old])
		return match->memo[old] == SAME;
	same = match_data(match, a->address, b->address, a->size, depth + 1);
	if (match->to_new[old] == new)
		match->memo[old] = same ? SAME : DIFFERENT;
	return same;
}

static bool same_symbol(struct match *match, u32 old, u32 new,
			unsigned int depth)
{
	const struct side_symbol *a = old_symbol(match, old);
	const struct side_symbol *b = new_symbol(match, new);

	if (a->type != STT_FUNC && b->type != STT_FUNC &&
	    match_numbered(a->name) && match_numbered(b->name))
		return same_numbered(match, old, new, depth);
	return match->to_new[old] == new;
}

/* Do symbols that are twins stand at exactly these addresses? Aliases are
 * several names for one address. */
static bool same_exact(struct match *match, u64 old, u64 new,
		       unsigned int depth)
{
	const struct side *side = match->old;
	u32 i, index, twin;

	for (i = side_find_address(side, old); i < side->address_count; i++) {
		index = side->by_address[i];
		if (side->symbols[index].address != old)
			break;
		twin = match->to_new[index];
		if (twin != SIDE_NONE && new_symbol(match, twin)->address == new)
			return same_symbol(match, index, twin, depth);
	}
	return false;
}

/* The same distance from twins nearby: pointers before a table's first entry or
 * behind its last one. */
static bool same_nearby(struct match *match, u64 old, u64 new)
{
	const struct side *side = match->old;
	u32 behind = side_find_address(side, old), i, twin;

	for (i = behind > 4 ? behind - 4 : 0;
	     i < behind + 4 && i < side->address_count; i++) {
		twin = match->to_new[side->by_address[i]];
		if (twin != SIDE_NONE && new_symbol(match, twin)->address - new ==
		    side->symbols[side->by_address[i]].address - old)
			return true;
	}
	return false;
}

static bool is_feature_test(const struct side *side, u64 address)
{
	const struct side_section *section = side_section_at(side, address);

	return section && !strcmp(section->name, ".altinstr_aux");
}

/* static_cpu_has() before alternatives are applied: a TEST of a feature's bit,
 * then jumps back into the function. The bit is what tells two of them apart. */
static bool same_feature_test(struct match *match, u64 old, u64 new)
{
	const u8 *bytes = side_bytes(match->old, old, INSN_MAX);
	struct code_refs a = { 0 }, b = { 0 };
	struct code_insn insn;
	const u8 *other;
	bool same;

	if (!bytes || !code_decode(bytes, INSN_MAX, &insn))
		return false;
	other = side_bytes(match->new, new, insn.len);
	same = other && !code_collect(match->old, old, insn.len, &a) &&
	       !code_collect(match->new, new, insn.len, &b) &&
	       a.count == 1 && b.count == 1 &&
	       a.list[0].offset == b.list[0].offset &&
	       !memcmp(bytes, other, a.list[0].offset) &&
	       bytes[insn.len - 1] == other[insn.len - 1] &&
	       match_targets(match, &a.list[0].target, &b.list[0].target);
	code_free(&a);
	code_free(&b);
	return same;
}

static bool same_place(struct match *match, u64 old, u64 new,
		       unsigned int depth)
{
	u32 a = side_symbol_at(match->old, old);
	u32 b = side_symbol_at(match->new, new);

	if (!same_kind(match, old, new))
		return false;
	if (is_feature_test(match->old, old) && is_feature_test(match->new, new))
		return same_feature_test(match, old, new);
	if (same_exact(match, old, new, depth))
		return true;
	if (a != SIDE_NONE && b != SIDE_NONE)
		return old - old_symbol(match, a)->address ==
		       new - new_symbol(match, b)->address &&
		       same_symbol(match, a, b, depth);
	/* The end of a section's last table: nothing is there to compare. */
	if (a == SIDE_NONE && b == SIDE_NONE && !side_room(match->old, old) &&
	    !side_room(match->new, new))
		return same_nearby(match, old, new);
	if (a == SIDE_NONE && b == SIDE_NONE &&
	    side_is_constant(match->old, old))
		return match_literals(match, old, new, depth + 1);
	/* A string may have a name on one side only: __func__ of a function
	 * against the same text written out. */
	if (side_is_constant(match->old, old) && (a == SIDE_NONE ||
	    match_numbered(old_symbol(match, a)->name)) && (b == SIDE_NONE ||
	    match_numbered(new_symbol(match, b)->name)))
		return match_literals(match, old, new, depth + 1);
	return same_nearby(match, old, new);
}

static bool targets(struct match *match, const struct side_target *old,
		    const struct side_target *new, unsigned int depth)
{
	const struct side_symbol *a, *b;

	if (depth > MAX_DEPTH || match->steps++ > MAX_STEPS)
		return false;
	if (old->symbol != SIDE_NONE && new->symbol != SIDE_NONE) {
		a = old_symbol(match, old->symbol);
		b = new_symbol(match, new->symbol);
		if (a->absolute || b->absolute)
			return a->absolute && b->absolute &&
			       old->address == new->address;
		if (!strcmp(a->name, b->name) && old->addend == new->addend &&
		    match->to_new[old->symbol] == new->symbol)
			return same_symbol(match, old->symbol, new->symbol,
					   depth);
		/* An undefined name on one side, a definition on the other. */
		if (a->section == SIDE_NONE || b->section == SIDE_NONE)
			return !strcmp(a->name, b->name) &&
			       old->addend == new->addend;
	}
	return same_place(match, old->address, new->address, depth);
}

bool match_targets(struct match *match, const struct side_target *old,
		   const struct side_target *new)
{
	match->steps = 0;
	return targets(match, old, new, 0);
}

/* Walks the relocations of two equally long stretches of data in step. */
struct stretch {
	const struct side *side;
	const struct side_section *section;
	u64 address, len;
	const u8 *bytes;
	u32 rela;
};

static bool open_stretch(struct stretch *stretch, const struct side *side,
			 u64 address, u64 len)
{
	*stretch = (struct stretch){
		.side = side, .section = side_section_at(side, address),
		.address = address, .len = len,
	};
	if (!stretch->section || !span_inside(address -
	    stretch->section->address, len, stretch->section->size))
		return false;
	stretch->bytes = side_bytes(side, address, len);
	stretch->rela = side_find_rela(stretch->section,
				       address - stretch->section->address);
	return true;
}

/* The offset of the next relocation in the stretch, or its length. */
static u64 next_rela(const struct stretch *stretch)
{
	const struct side_section *section = stretch->section;
	u64 at = stretch->address - section->address;

	if (stretch->rela >= section->rela_count ||
	    section->relas[stretch->rela].r_offset - at >= stretch->len)
		return stretch->len;
	return section->relas[stretch->rela].r_offset - at;
}

static bool same_rela(struct match *match, struct stretch *old,
		      struct stretch *new, u64 *width, unsigned int depth)
{
	const Elf64_Rela *a = &old->section->relas[old->rela++];
	const Elf64_Rela *b = &new->section->relas[new->rela++];
	struct side_target x, y;

	*width = ELF64_R_TYPE(a->r_info) == R_X86_64_64 ||
		 ELF64_R_TYPE(a->r_info) == R_X86_64_PC64 ? 8 : 4;
	return ELF64_R_TYPE(a->r_info) == ELF64_R_TYPE(b->r_info) &&
	       side_rela_target(old->side, a, &x) &&
	       side_rela_target(new->side, b, &y) &&
	       targets(match, &x, &y, depth);
}

bool match_data(struct match *match, u64 old, u64 new, u64 len,
		unsigned int depth)
{
	struct stretch a, b;
	u64 at = 0, next, width;

	if (!depth)
		match->steps = 0;
	if (depth > MAX_DEPTH || !open_stretch(&a, match->old, old, len) ||
	    !open_stretch(&b, match->new, new, len))
		return false;
	/* Zeros from the start are equal to zeros from the start only. */
	if (!a.bytes || !b.bytes)
		return !a.bytes && !b.bytes;
	while (at < len) {
		next = next_rela(&a);
		if (next != next_rela(&b) || next < at ||
		    memcmp(a.bytes + at, b.bytes + at, next - at))
			return false;
		if (next == len)
			return true;
		if (!same_rela(match, &a, &b, &width, depth + 1))
			return false;
		at = next + width;
	}
	return true;
}

u64 match_literal_len(const struct side *side, u64 address)
{
	const struct side_section *section = side_section_at(side, address);
	u64 len = side_room(side, address), left, rela;
	const u8 *bytes = side_bytes(side, address, len), *nul;

	if (!bytes || len > MAX_LITERAL)
		return 0;
	left = section->size - (address - section->address);
	rela = side_find_rela(section, address - section->address);
	if (rela < section->rela_count && section->relas[rela].r_offset -
	    (address - section->address) < len)
		return len;
	/* Linkers let a string end in the middle of another one's. */
	if (!memchr(bytes, 0, len)) {
		if (left > MAX_LITERAL)
			left = MAX_LITERAL;
		nul = memchr(bytes, 0, left);
		return nul ? (u64)(nul - bytes) + 1 : len;
	}
	while (len > 1 && !bytes[len - 1] && !bytes[len - 2])
		len--;
	return len;
}

/* The length of @word when it stands at @text, else 0. */
static size_t word_at(const u8 *text, u64 len, const char *word)
{
	size_t word_len = strlen(word);

	return word_len <= len && !memcmp(text, word, word_len) ? word_len : 0;
}

/* Do both texts go on with what names the build? Sets how long that is. */
static bool same_word(const struct match *match, const u8 *old, u64 old_len,
		      const u8 *new, u64 new_len, size_t *old_skip,
		      size_t *new_skip)
{
	const struct build_text *a = &match->old_text, *b = &match->new_text;
	u32 i;

	for (i = 0; i < a->count && i < b->count; i++) {
		*old_skip = word_at(old, old_len, a->words[i]);
		*new_skip = word_at(new, new_len, b->words[i]);
		if (*old_skip && *new_skip)
			return true;
	}
	return false;
}

bool match_build_text(const struct match *match, const u8 *old, u64 old_len,
		      const u8 *new, u64 new_len)
{
	u64 i = 0, k = 0;
	size_t old_skip, new_skip;

	while (i < old_len && k < new_len) {
		if (same_word(match, old + i, old_len - i, new + k,
			      new_len - k, &old_skip, &new_skip)) {
			i += old_skip;
			k += new_skip;
		} else if (old[i++] != new[k++]) {
			return false;
		}
	}
	return i == old_len && k == new_len;
}

/* Compilers put literals of one size into a section of their own, ".rodata.cst8",
 * which linkers mix with others: the object knows the size. */
static u64 literal_size(const struct side *side, u64 address)
{
	static const char prefix[] = ".rodata.cst";
	const struct side_section *section = side_section_at(side, address);

	if (!section || strncmp(section->name, prefix, strlen(prefix)))
		return 0;
	return strtoull(section->name + strlen(prefix), NULL, 10);
}

static bool same_text(struct match *match, u64 old, u64 new, unsigned int depth)
{
	u64 old_len = match_literal_len(match->old, old);
	u64 new_len = match_literal_len(match->new, new);
	const u8 *a, *b;

	if (!old_len || !new_len)
		return false;
	if (old_len == new_len &&
	    match_data(match, old, new, old_len, depth))
		return true;
	a = side_bytes(match->old, old, old_len);
	b = side_bytes(match->new, new, new_len);
	return a && b && match_build_text(match, a, old_len, b, new_len);
}

bool match_literals(struct match *match, u64 old, u64 new, unsigned int depth)
{
	u64 size = literal_size(match->new, new);

	return size ? match_data(match, old, new, size, depth) :
		      same_text(match, old, new, depth);
}
