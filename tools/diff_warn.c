/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * WARN and BUG in new bodies. Both are a UD2, which the kernel looks up in its bug
 * table by address; it does not know the arena's. A BUG therefore jumps to one that
 * the table has. In place of a WARN stands a call of __warn(), with what lib/bug.c,
 * report_bug(), would give it, and all registers kept as a trap keeps them.
 */
#include <string.h>

#include "cli.h"
#include "diff_author.h"
#include "kernel_image.h"

#define CALL_REL32	0xe8
#define JMP_REL32	0xe9
#define JCC_NOT_EQUAL	0x0f85

/* struct bug_entry: address, file, line, flags (asm-generic/bug.h). */
#define BUG_FILE	4
#define BUG_LINE	8
#define BUG_FLAGS	10
#define FLAG_WARNING	(1u << 0)
#define FLAG_ONCE	(1u << 1)
#define FLAG_DONE	(1u << 2)
#define FLAG_NO_CUT	(1u << 3)
#define FLAG_TAINT	8		/* shift */
#define UD2_LEN		2u

static const char cut_here[] = "------------[ cut here ]------------\n";

struct bug {
	struct side_target file;
	u16 line, flags;
};

static bool read_bug(const struct side *side, const struct side_site *site,
		     struct bug *bug)
{
	const u8 *entry = side_bytes(side, site->entry, BUG_FLAGS + 2);

	if (!entry || !side_pointer(side, site->entry + BUG_FILE, 4, true,
				    &bug->file))
		return false;
	bug->line = read_u16(entry + BUG_LINE);
	bug->flags = read_u16(entry + BUG_FLAGS);
	return true;
}

/* Is @site of the old side a bug of the same flags in the same source file? */
static bool is_like(struct author *author, const struct side_site *site,
		    const struct bug *wanted)
{
	const struct side *side = author->match->old;
	struct bug bug;

	return site->table == TABLE_BUG && read_bug(side, site, &bug) &&
	       (bug.flags & ~FLAG_DONE) == (wanted->flags & ~FLAG_DONE) &&
	       !side_is_init(side, site->address) &&
	       match_literals(author->match, bug.file.address,
			      wanted->file.address, 0);
}

static bool find_bug(struct author *author, const struct bug *bug, u64 *address)
{
	const struct side *side = author->match->old;
	u32 i;

	for (i = 0; i < side->site_count; i++)
		if (is_like(author, &side->sites[i], bug)) {
			*address = side->sites[i].address;
			return true;
		}
	return false;
}

/* The old function of the new one that @site lies in; of a cold part, the cold
 * part. */
static u32 old_function(const struct author *author, u64 address)
{
	u32 symbol = side_symbol_at(author->match->new, address);

	return symbol == SIDE_NONE ? SIDE_NONE : author->match->to_old[symbol];
}

/* Which of its function's bugs of these flags and file is it? */
static u32 ordinal(struct author *author, u32 site, const struct bug *bug)
{
	const struct side *side = author->match->new;
	u32 symbol = side_symbol_at(side, side->sites[site].address), nth = 0;
	struct bug other;
	u32 i;

	for (i = side_find_site(side, side->symbols[symbol].address);
	     i < site; i++)
		if (side->sites[i].table == TABLE_BUG &&
		    read_bug(side, &side->sites[i], &other) &&
		    other.flags == bug->flags &&
		    other.file.address == bug->file.address)
			nth++;
	return nth;
}

/* The old table's entry that remembers whether the warning was given: that of
 * the function's n-th one of the kind. */
static bool find_mark(struct author *author, u32 site, const struct bug *bug,
		      u64 *entry)
{
	const struct side *side = author->match->old;
	u32 old = old_function(author,
			       author->match->new->sites[site].address);
	u32 nth, i;
	u64 start;

	if (old == SIDE_NONE)
		return false;
	nth = ordinal(author, site, bug);
	start = side->symbols[old].address;
	for (i = side_find_site(side, start); i < side->site_count &&
	     side->sites[i].address - start < side->symbols[old].size; i++) {
		if (!is_like(author, &side->sites[i], bug) || nth--)
			continue;
		*entry = side->sites[i].entry;
		return true;
	}
	return false;
}

enum us_error author_emit_bug(struct author *author, u32 index, u32 site,
			      u64 *consumed)
{
	const struct side_site *entry = &author->match->new->sites[site];
	struct body *body = &author->bodies[index];
	struct place place;
	struct bug bug;
	enum us_error error;
	u64 address, end;

	if (!read_bug(author->match->new, entry, &bug))
		return author_refuse(author, REASON_WARN,
				     "a BUG that is not understood");
	*consumed = UD2_LEN;
	if (!(bug.flags & FLAG_WARNING)) {
		if (!find_bug(author, &bug, &address))
			return author_refuse(author, REASON_WARN, "the first "
					     "BUG of its source file");
		error = author_old(author, address, &place);
		return error ? error : author_branch(author, index, JMP_REL32,
						     &place);
	}
	if (author->strange_warn)
		return author_refuse(author, REASON_WARN,
				     "__warn() does not take %u parameters",
				     WARN_PARAMETERS);
	if (body->warning_count == BODY_WARNINGS)
		return author_refuse(author, REASON_WARN, "more than %u WARNs",
				     BODY_WARNINGS);
	error = author_put_branch(body, CALL_REL32, &end);
	body->warnings[body->warning_count++] = (struct warning){
		.site = site, .call_end = end,
	};
	return error;
}

/* An instruction whose last four bytes are a distance to @place, with @tail bytes
 * of immediate operand behind them. */
static enum us_error put_relative(struct author *author, u32 index,
				  const u8 *bytes, u64 len, u8 tail,
				  const struct place *place)
{
	struct body *body = &author->bodies[index];
	enum us_error error = author_put(body, bytes, len);

	return error ? error : author_fixup(body, body->bytes.len - 4 - tail,
					    US_RELOC_PC32, -4 - (s64)tail,
					    place);
}

static enum us_error put_call(struct author *author, u32 index,
			      const char *name)
{
	const struct side *side = author->kernel;
	struct place place = { .kind = PLACE_IMAGE };
	u32 symbol;

	/* A module's kernel has it: its own code warns by the same way. */
	if (!side)
		return author_branch(author, index, CALL_REL32, &place);
	symbol = side_symbol_named(side, name);
	if (symbol == SIDE_NONE || side->symbols[symbol].type != STT_FUNC)
		return author_refuse(author, REASON_WARN, "the old kernel has "
				     "no %s()", name);
	place = author_kernel(author, side->symbols[symbol].address);
	return author_branch(author, index, CALL_REL32, &place);
}

/* Go on only if the warning was not given before, and remember it. */
static enum us_error put_once(struct author *author, u32 index, u32 site,
			      const struct bug *bug, u64 *skip)
{
	static const u8 test[] = { 0xf6, 0x05, 0, 0, 0, 0, FLAG_DONE };
	static const u8 set[] = { 0x80, 0x0d, 0, 0, 0, 0, FLAG_DONE };
	enum us_error error;
	struct place place;
	u64 entry;

	if (!find_mark(author, site, bug, &entry))
		return author_refuse(author, REASON_WARN, "a WARN_ONCE that "
				     "the old function lacks");
	error = author_old(author, entry + BUG_FLAGS, &place);
	if (!error)
		error = put_relative(author, index, test, sizeof(test), 1,
				     &place);
	if (!error)
		error = author_put_branch(&author->bodies[index],
					  JCC_NOT_EQUAL, skip);
	if (!error)
		error = put_relative(author, index, set, sizeof(set), 1,
				     &place);
	return error;
}

/* _printk(CUT_HERE); the text stands in the code, behind a jump. */
static enum us_error put_cut_here(struct author *author, u32 index)
{
	static const u8 lea[] = { 0x48, 0x8d, 0x3d };
	static const u8 clear[] = { 0x31, 0xc0 };
	struct body *body = &author->bodies[index];
	s32 distance;
	enum us_error error;
	u64 end;

	error = author_put_branch(body, JMP_REL32, &end);
	if (!error)
		error = author_put(body, cut_here, sizeof(cut_here));
	if (error)
		return error;
	author_land_here(body, end);
	error = author_put(body, lea, sizeof(lea));
	distance = (s32)(end - (body->bytes.len + 4));
	if (!error)
		error = author_put(body, &distance, 4);
	if (!error)
		error = author_put(body, clear, sizeof(clear));
	return error ? error : put_call(author, index, "_printk");
}

static enum us_error put_number(struct author *author, u32 index, u8 opcode,
				u32 number)
{
	struct body *body = &author->bodies[index];
	enum us_error error = author_put(body, &opcode, 1);

	return error ? error : author_put(body, &number, 4);
}

/* The address that the warning names: the old function's, which has a name. */
static enum us_error caller_place(struct author *author, u32 index, u64 address,
				  struct place *place)
{
	u32 old = old_function(author, address);

	*place = (struct place){ .kind = PLACE_BODY, .index = index };
	return old == SIDE_NONE ? US_OK :
	       author_old(author, author->match->old->symbols[old].address,
			  place);
}

/* __warn(file, line, caller, taint, NULL, NULL). */
static enum us_error put_warn(struct author *author, u32 index, u64 address,
			      const struct bug *bug)
{
	static const u8 lea_rdi[] = { 0x48, 0x8d, 0x3d, 0, 0, 0, 0 };
	static const u8 lea_rdx[] = { 0x48, 0x8d, 0x15, 0, 0, 0, 0 };
	static const u8 nulls[] = { 0x45, 0x31, 0xc0, 0x45, 0x31, 0xc9 };
	struct place place;
	enum us_error error;

	error = author_place(author, &bug->file, author->bodies[index].symbol,
			     &place);
	if (!error)
		error = put_relative(author, index, lea_rdi, sizeof(lea_rdi), 0,
				     &place);
	if (!error)
		error = put_number(author, index, 0xbe, bug->line);
	if (!error)
		error = caller_place(author, index, address, &place);
	if (!error)
		error = put_relative(author, index, lea_rdx, sizeof(lea_rdx), 0,
				     &place);
	if (!error)
		error = put_number(author, index, 0xb9,
				   bug->flags >> FLAG_TAINT);
	if (!error)
		error = author_put(&author->bodies[index], nulls,
				   sizeof(nulls));
	return error ? error : put_call(author, index, "__warn");
}

/* Flags, rax, rcx, rdx, rsi, rdi, r8 to r11: PUSH; POP is 8 more, POPF 1 more. */
static const u8 saved[] = { 0x9c, 0x50, 0x51, 0x52, 0x56, 0x57, 0x50, 0x51, 0x52,
			    0x53 };
#define SAVED_OLD	6u	/* that have no REX prefix */

/* One PUSH or POP; @depth bytes are on the stack before it. */
static enum us_error put_saved(struct author *author, u32 index, u32 i,
			       u8 change, u32 depth)
{
	const u8 bytes[] = { 0x41, (u8)(saved[i] + change) };
	enum us_error error = author_unwind_called(author, index, depth);

	return error ? error : author_put(&author->bodies[index],
					  bytes + (i < SAVED_OLD),
					  i < SAVED_OLD ? 1 : 2);
}

static enum us_error put_save(struct author *author, u32 index)
{
	enum us_error error = US_OK;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(saved) && !error; i++)
		error = put_saved(author, index, i, 0, i * 8);
	return error ? error : author_unwind_called(author, index, i * 8);
}

static enum us_error put_restore(struct author *author, u32 index)
{
	enum us_error error = US_OK;
	u32 i;

	for (i = ARRAY_SIZE(saved); i-- && !error;)
		error = put_saved(author, index, i, i ? 8 : 1, (i + 1) * 8);
	return error ? error : author_unwind_called(author, index, 0);
}

static enum us_error emit_warning(struct author *author, u32 index,
				  const struct warning *warning)
{
	const struct side_site *site =
		&author->match->new->sites[warning->site];
	struct body *body = &author->bodies[index];
	enum us_error error;
	u64 skip = 0;
	struct bug bug;

	if (!read_bug(author->match->new, site, &bug))
		return author_refuse(author, REASON_WARN, "a WARN");
	author_land_here(body, warning->call_end);
	error = put_save(author, index);
	if (!error && bug.flags & FLAG_ONCE)
		error = put_once(author, index, warning->site, &bug, &skip);
	if (!error && !(bug.flags & FLAG_NO_CUT))
		error = put_cut_here(author, index);
	if (!error)
		error = put_warn(author, index, site->address, &bug);
	if (error)
		return error;
	if (skip)
		author_land_here(body, skip);
	error = put_restore(author, index);
	return error ? error : author_put_return(author, index);
}

enum us_error author_emit_warnings(struct author *author, u32 index)
{
	enum us_error error = US_OK;
	u32 i;

	for (i = 0; i < author->bodies[index].warning_count && !error; i++)
		error = emit_warning(author, index,
				     &author->bodies[index].warnings[i]);
	return error;
}
