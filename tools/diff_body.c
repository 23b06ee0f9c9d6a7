/* SPDX-License-Identifier: GPL-2.0-or-later */
/* New bodies: taken apart into instructions, put together again for the arena. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "diff_author.h"
#include "kernel_image.h"

#define JMP_REL32	0xe9
#define UNMAPPED	(~0u)

enum us_error author_put(struct body *body, const void *bytes, u64 len)
{
	return buffer_append(&body->bytes, bytes, len);
}

enum us_error author_fixup(struct body *body, u32 at, u8 type, s64 addend,
			   const struct place *place)
{
	struct fixup *grown;

	if (body->fixup_count == body->fixup_room) {
		body->fixup_room = body->fixup_room ? body->fixup_room * 2 : 16;
		grown = reallocarray(body->fixups, body->fixup_room,
				     sizeof(*grown));
		if (!grown)
			return fail(US_E_NO_MEMORY, "code");
		body->fixups = grown;
	}
	body->fixups[body->fixup_count++] = (struct fixup){
		.at = at, .type = type, .addend = addend, .place = *place,
	};
	return US_OK;
}

enum us_error author_branch(struct author *author, u32 index, u16 opcode,
			    const struct place *place)
{
	struct body *body = &author->bodies[index];
	u8 bytes[6] = { opcode >> 8, opcode & 0xff };
	const u8 *start = opcode >> 8 ? bytes : bytes + 1;
	u64 len = opcode >> 8 ? 6 : 5;
	enum us_error error = author_put(body, start, len);

	return error ? error : author_fixup(body, body->bytes.len - 4,
					    US_RELOC_PC32, -4, place);
}

/* JMP rel8 and Jcc rel8 become rel32; LOOP and JRCXZ have no such form. */
static enum us_error widen(struct author *author, u32 index, const u8 *bytes,
			   const struct code_insn *insn,
			   const struct place *place)
{
	u8 opcode = bytes[insn->branch_offset - 1];

	if (opcode == 0xeb)
		return author_branch(author, index, JMP_REL32, place);
	if ((opcode & 0xf0) == 0x70)
		return author_branch(author, index,
				     0x0f80 | (opcode & 0xf), place);
	return author_refuse(author, REASON_ASSEMBLY,
			     "a LOOP or JRCXZ instruction");
}

static enum us_error reloc_type(struct author *author,
				const struct code_ref *ref, u8 *type)
{
	if (ref->form == FORM_RELATIVE && ref->width == 4)
		*type = US_RELOC_PC32;
	else if (ref->form == FORM_ABSOLUTE && ref->width == 8)
		*type = US_RELOC_ABS64;
	else if (ref->form == FORM_ABSOLUTE && ref->width == 4)
		*type = US_RELOC_ABS32S;
	else
		return author_refuse(author, REASON_REFERENCE, "a field of %u "
				     "bytes that points somewhere", ref->width);
	return US_OK;
}

/* What walks over a stretch of code. */
struct emission {
	struct author *author;
	u32 index;		/* of the body; bodies may move while we work */
	u64 address, len;
	const u8 *bytes;
	struct code_refs refs;
	u32 ref;		/* next one */
};

static enum us_error emit_ref(struct emission *work,
			      const struct code_ref *ref, u64 out)
{
	u32 from = work->author->bodies[work->index].symbol;
	struct place place;
	enum us_error error;
	s64 addend = 0;
	u8 type = 0;

	error = reloc_type(work->author, ref, &type);
	if (error)
		return error;
	if (!ref->branch || !author_borrow(work->author, from, &ref->target,
					   &place))
		error = author_place(work->author, &ref->target, from, &place);
	if (error)
		return error;
	if (ref->form == FORM_RELATIVE)
		addend = -(s64)(ref->insn + ref->insn_len - ref->offset);
	return author_fixup(&work->author->bodies[work->index],
			    out + ref->offset - ref->insn, type, addend,
			    &place);
}

static enum us_error emit_short(struct emission *work, const u8 *bytes,
				const struct code_insn *insn,
				const struct code_ref *ref)
{
	u32 from = work->author->bodies[work->index].symbol;
	struct place place;
	enum us_error error;

	error = author_place(work->author, &ref->target, from, &place);
	return error ? error : widen(work->author, work->index, bytes, insn,
				     &place);
}

static enum us_error emit_insn(struct emission *work, u64 at,
			       const struct code_insn *insn)
{
	const struct code_ref *ref;
	enum us_error error;
	u64 out;

	while (work->ref < work->refs.count &&
	       work->refs.list[work->ref].insn < at)
		work->ref++;
	ref = &work->refs.list[work->ref];
	if (work->ref < work->refs.count && ref->insn == at && ref->branch &&
	    ref->width == 1)
		return emit_short(work, work->bytes + at, insn, ref);
	out = work->author->bodies[work->index].bytes.len;
	error = author_put(&work->author->bodies[work->index],
			   work->bytes + at, insn->len);
	for (; work->ref < work->refs.count && !error; work->ref++) {
		ref = &work->refs.list[work->ref];
		if (ref->insn != at)
			break;
		error = emit_ref(work, ref, out);
	}
	return error;
}

/* Where instruction @address of the new side went. */
static void map_insn(struct emission *work, u64 address)
{
	struct body *body = &work->author->bodies[work->index];
	u64 offset = address - body->address;

	if (offset <= body->len && body->map[offset] == UNMAPPED)
		body->map[offset] = body->bytes.len;
}

static enum us_error emit_all(struct emission *work, bool sites)
{
	struct code_insn insn;
	enum us_error error;
	u64 at = 0, consumed;

	while (at < work->len) {
		error = author_unwind_as(work->author, work->index,
					 work->address + at +
					 work->author->unwind_shift);
		if (error)
			return error;
		if (!code_decode(work->bytes + at, work->len - at, &insn))
			return author_refuse(work->author, REASON_ASSEMBLY,
					     "unknown instruction at %#llx of "
					     "the new kernel",
					     (unsigned long long)
					     (work->address + at));
		map_insn(work, work->address + at);
		consumed = 0;
		if (sites)
			error = author_emit_site(work->author, work->index,
						 work->address + at, &insn,
						 &consumed);
		if (!error && !consumed) {
			error = emit_insn(work, at, &insn);
			consumed = insn.len;
		}
		if (error)
			return error;
		at += consumed;
	}
	map_insn(work, work->address + work->len);
	return US_OK;
}

enum us_error author_emit_code(struct author *author, u32 index, u64 address,
			       u64 len, bool sites)
{
	struct emission work = {
		.author = author, .index = index, .address = address,
		.len = len, .bytes = side_bytes(author->match->new, address,
						len),
	};
	enum us_error error;

	error = code_collect(author->match->new, address, len, &work.refs);
	if (!error)
		error = emit_all(&work, sites);
	code_free(&work.refs);
	return error;
}

static const struct code_prefix *find_prefix(const struct author *author,
					     u32 symbol)
{
	u32 i;

	for (i = 0; i < author->changes->count; i++)
		if (author->changes->list[i].prefix &&
		    author->changes->list[i].new == symbol)
			return author->changes->list[i].prefix;
	return NULL;
}

static enum us_error put_callee(struct author *author, u32 index,
				const char *name)
{
	u32 symbol = side_symbol_named(author->kernel, name);
	struct place place;

	if (symbol == SIDE_NONE ||
	    author->kernel->symbols[symbol].type != STT_FUNC)
		return author_refuse(author, REASON_REFERENCE,
				     "the kernel has no %s()", name);
	place = author_kernel(author, author->kernel->symbols[symbol].address);
	return author_branch(author, index, 0xe8, &place);
}

/* The prefix lies at the start of the body, as long as it is by itself. */
static enum us_error emit_prefix_code(struct author *author, u32 index,
				      const struct code_prefix *prefix)
{
	struct body *body = &author->bodies[index];
	enum us_error error = US_OK;
	u64 at = 0;
	u32 i;

	for (i = 0; i < prefix->mark_count && !error; i++) {
		const struct code_mark *mark = &prefix->marks[i];

		error = author_put(body, prefix->code + at, mark->at - at);
		at = mark->at;
		if (!error && mark->depth == CODE_MARK_CALL) {
			error = put_callee(author, index, prefix->callee);
			at += CODE_CALL_LEN;
		} else if (!error) {
			error = author_unwind_called(author, index, mark->depth);
		}
	}
	return error ? error : author_put(body, prefix->code + at,
					  prefix->len - at);
}

static enum us_error emit_prefix(struct author *author, u32 index)
{
	struct body *body = &author->bodies[index];
	const struct code_prefix *prefix = find_prefix(author, body->symbol);
	enum us_error error;

	if (!prefix)
		return US_OK;
	error = author_unwind_called(author, index, 0);
	if (!error)
		error = emit_prefix_code(author, index, prefix);
	if (!error)
		error = author_put_return(author, index);
	if (!error)
		author_land_here(body, prefix->skip);
	return error;
}

enum us_error author_emit(struct author *author, u32 index)
{
	struct body *body = &author->bodies[index];
	enum us_error error;

	if (side_is_init(author->match->new, body->address))
		return author_refuse(author, REASON_INIT, "%s is for boot only",
				     author->match->new->symbols[body->symbol].
				     name);
	if (author->strange_orc)
		return author_refuse(author, REASON_UNWIND, "the two kernels "
				     "differ in struct orc_entry");
	body->map = malloc((body->len + 1) * sizeof(u32));
	if (!body->map)
		return fail(US_E_NO_MEMORY, "code");
	memset(body->map, 0xff, (body->len + 1) * sizeof(u32));
	error = emit_prefix(author, index);
	if (!error)
		error = author_emit_code(author, index, body->address,
					 body->len, true);
	return error ? error : author_emit_warnings(author, index);
}

static enum us_error emit_constant_ref(struct author *author, u32 index,
				       const Elf64_Rela *rela, u64 at)
{
	struct side_target target;
	struct place place;
	enum us_error error;
	u32 type = ELF64_R_TYPE(rela->r_info);

	if (!side_rela_target(author->match->new, rela, &target) ||
	    (type != R_X86_64_64 && type != R_X86_64_32S &&
	     type != R_X86_64_PC32))
		return author_refuse(author, REASON_REFERENCE,
				     "a constant with relocation type %u",
				     type);
	error = author_place(author, &target, SIDE_NONE, &place);
	if (error)
		return error;
	return author_fixup(&author->bodies[index], at,
			    type == R_X86_64_64 ? US_RELOC_ABS64 :
			    type == R_X86_64_32S ? US_RELOC_ABS32S :
			    US_RELOC_PC32, 0, &place);
}

enum us_error author_emit_constant(struct author *author, u32 index)
{
	const struct side *side = author->match->new;
	u64 address = author->bodies[index].address;
	u64 len = author->bodies[index].len;
	const struct side_section *section = side_section_at(side, address);
	const u8 *bytes = side_bytes(side, address, len);
	enum us_error error;
	u32 rela;

	/* A new variable of zeros. */
	if (!bytes && author->bodies[index].variable != SIDE_NONE &&
	    section && section->type == SHT_NOBITS)
		return author_put(&author->bodies[index], NULL, len);
	if (!bytes)
		return author_refuse(author, REASON_REFERENCE,
				     "a constant without contents");
	error = author_put(&author->bodies[index], bytes, len);
	rela = side_find_rela(section, address - section->address);
	for (; rela < section->rela_count && !error; rela++) {
		u64 at = section->relas[rela].r_offset -
			 (address - section->address);

		if (at >= len)
			break;
		error = emit_constant_ref(author, index,
					  &section->relas[rela], at);
	}
	return error;
}
