/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "decoder.h"
#include "diff_code.h"
#include "kernel_image.h"

bool code_decode(const u8 *bytes, u64 room, struct code_insn *out)
{
	ZydisDecodedInstruction insn;
	int i;

	if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(decoder_minimal(), NULL, bytes,
							room, &insn)))
		return false;
	*out = (struct code_insn){ .len = insn.length };
	if (insn.attributes & ZYDIS_ATTRIB_HAS_MODRM &&
	    insn.raw.modrm.mod == 0 && insn.raw.modrm.rm == 5 &&
	    insn.raw.disp.size == 32)
		out->rip_offset = insn.raw.disp.offset;
	for (i = 0; i < 2; i++) {
		if (!insn.raw.imm[i].size)
			continue;
		if (insn.raw.imm[i].is_relative) {
			out->branch_offset = insn.raw.imm[i].offset;
			out->branch_size = insn.raw.imm[i].size / 8;
		} else if (!out->imm_size) {
			out->imm_offset = insn.raw.imm[i].offset;
			out->imm_size = insn.raw.imm[i].size / 8;
		}
	}
	return true;
}

static enum us_error append(struct code_refs *refs, const struct code_ref *ref)
{
	struct code_ref *grown;

	if (refs->count == refs->room) {
		refs->room = refs->room ? refs->room * 2 : 64;
		grown = reallocarray(refs->list, refs->room, sizeof(*grown));
		if (!grown)
			return fail(US_E_NO_MEMORY, "code");
		refs->list = grown;
	}
	refs->list[refs->count++] = *ref;
	return US_OK;
}

static u8 rela_width(u32 type)
{
	switch (type) {
	case R_X86_64_64:
	case R_X86_64_PC64:
		return 8;
	case R_X86_64_NONE:
		return 0;
	case R_X86_64_PC8:
	case R_X86_64_8:
		return 1;
	case R_X86_64_PC16:
	case R_X86_64_16:
		return 2;
	}
	return 4;
}

static bool rela_is_relative(u32 type)
{
	switch (type) {
	case R_X86_64_PC8:
	case R_X86_64_PC16:
	case R_X86_64_PC32:
	case R_X86_64_PC64:
	case R_X86_64_PLT32:
	case R_X86_64_GOTPCREL:
	case R_X86_64_GOTPCRELX:
	case R_X86_64_REX_GOTPCRELX:
		return true;
	}
	return false;
}

/* What walks over one function. */
struct walk {
	const struct side *side;
	const struct side_section *section;
	u64 address, len;
	const u8 *bytes;
	u32 rela;		/* next one */
	struct code_refs *refs;
};

static enum us_error add_rela(struct walk *walk, u64 at,
			      const struct code_insn *insn)
{
	const Elf64_Rela *rela = &walk->section->relas[walk->rela];
	u32 type = ELF64_R_TYPE(rela->r_info);
	struct code_ref ref = {
		.offset = walk->section->address + rela->r_offset -
			  walk->address,
		.insn = at, .insn_len = insn->len, .relocated = true,
		.width = rela_width(type),
		.form = rela_is_relative(type) ? FORM_RELATIVE : FORM_ABSOLUTE,
	};

	walk->rela++;
	if (!ref.width)
		return US_OK;
	if (!side_rela_target(walk->side, rela, &ref.target) ||
	    !span_inside(ref.offset, ref.width, at + insn->len))
		return fail(US_E_ELF_FORMAT, "%s: bad relocation at %#llx",
			    walk->side->path, (unsigned long long)
			    (walk->address + ref.offset));
	/* S + A counts from the field; what it means counts from the end. */
	if (ref.form == FORM_RELATIVE) {
		ref.target.addend += at + insn->len - ref.offset;
		ref.target.address += at + insn->len - ref.offset;
	}
	ref.branch = insn->branch_size && ref.offset - at == insn->branch_offset;
	return append(walk->refs, &ref);
}

/* A distance that the assembler knew: no relocation was needed. */
static enum us_error add_plain(struct walk *walk, u64 at, u8 offset, u8 width,
			       bool branch, const struct code_insn *insn)
{
	const u8 *field = walk->bytes + at + offset;
	s64 distance = width == 1 ? (int8_t)*field :
		       width == 2 ? (int16_t)read_u16(field) :
				    (s32)read_u32(field);
	struct code_ref ref = {
		.offset = at + offset, .insn = at, .insn_len = insn->len,
		.width = width, .form = FORM_RELATIVE, .branch = branch,
		.target = {
			.address = walk->address + at + insn->len +
				   (u64)distance,
			.symbol = SIDE_NONE,
		},
	};

	return append(walk->refs, &ref);
}

static bool has_ref(const struct code_refs *refs, u32 first, u32 offset)
{
	for (; first < refs->count; first++)
		if (refs->list[first].offset == offset)
			return true;
	return false;
}

static enum us_error walk_insn(struct walk *walk, u64 at,
			       const struct code_insn *insn)
{
	u64 end = walk->address + at + insn->len - walk->section->address;
	enum us_error error = US_OK;
	u32 first = walk->refs->count;

	while (walk->rela < walk->section->rela_count &&
	       walk->section->relas[walk->rela].r_offset < end && !error)
		error = add_rela(walk, at, insn);
	if (!error && insn->rip_offset &&
	    !has_ref(walk->refs, first, at + insn->rip_offset))
		error = add_plain(walk, at, insn->rip_offset, 4, false, insn);
	if (!error && insn->branch_size &&
	    !has_ref(walk->refs, first, at + insn->branch_offset))
		error = add_plain(walk, at, insn->branch_offset,
				  insn->branch_size, true, insn);
	return error;
}

enum us_error code_collect(const struct side *side, u64 address, u64 len,
			   struct code_refs *refs)
{
	struct walk walk = {
		.side = side, .section = side_section_at(side, address),
		.address = address, .len = len, .refs = refs,
		.bytes = side_bytes(side, address, len),
	};
	struct code_insn insn;
	enum us_error error = US_OK;
	u64 at;

	refs->count = 0;
	refs->undecoded = false;
	if (!walk.bytes)
		return fail(US_E_ELF_FORMAT, "%s: code at %#llx is not in the "
			    "file", side->path, (unsigned long long)address);
	walk.rela = side_find_rela(walk.section,
				   address - walk.section->address);
	for (at = 0; at < len && !error; at += insn.len) {
		if (!code_decode(walk.bytes + at, len - at, &insn)) {
			/* Data in assembly; its relocations count all the
			 * same. */
			insn = (struct code_insn){ .len = 1 };
			if (len - at >= 8)
				insn.len = 8;
			refs->undecoded = true;
		}
		error = walk_insn(&walk, at, &insn);
	}
	return error;
}

void code_free(struct code_refs *refs)
{
	free(refs->list);
	*refs = (struct code_refs){ 0 };
}
