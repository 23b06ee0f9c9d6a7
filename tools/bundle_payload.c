/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The code that a bundle brings, and what its relocations become. */
#include <string.h>

#include "bundle_make.h"
#include "cli.h"

/* A relocation whose target is known: S + A, counted in @space. */
struct target {
	u8 space;	/* enum us_reloc_space */
	s64 value;
};

/* One relocation of the object, with all that messages need. */
struct place {
	const struct object_section *section;
	const Elf64_Rela *rela;
	const struct object_symbol *symbol;
	u32 where;		/* in the payload, or in shadow memory */
	u8 *bytes;
};

static enum us_error refuse(const struct bundle_plan *plan,
			    const struct place *place, const char *why)
{
	return fail(US_E_OBJECT_UNSUPPORTED, "%s: %s+%#llx, symbol %s: %s",
		    plan->object->path, place->section->name,
		    (unsigned long long)place->rela->r_offset,
		    place->symbol->name, why);
}

/* A name from the kernel: an address of the image, or below it a number (per-CPU
 * offsets count from 0). */
static enum us_error external_target(const struct bundle_plan *plan,
				     const struct place *place,
				     struct target *target)
{
	enum us_error error;
	u64 address;

	error = symbol_map_find(plan->map, place->symbol->name, &address);
	if (error)
		return error;
	if (address >= plan->link_base)
		*target = (struct target){
			US_SPACE_IMAGE, (s64)(address - plan->link_base),
		};
	else if (address < 1u << 31)
		*target = (struct target){ US_SPACE_ABSOLUTE, (s64)address };
	else
		return refuse(plan, place, "lies outside the kernel image");
	return US_OK;
}

static enum us_error find_target(const struct bundle_plan *plan,
				 const struct place *place,
				 struct target *target)
{
	const struct object_symbol *symbol = place->symbol;
	const struct object_section *home = object_home(plan->object, symbol,
							SECTION_PAYLOAD);
	const struct object_section *data = object_home(plan->object, symbol,
							SECTION_SHADOW);
	enum us_error error = US_OK;

	if (symbol->shndx == SHN_UNDEF)
		error = external_target(plan, place, target);
	else if (symbol->shndx == SHN_ABS)
		*target = (struct target){
			US_SPACE_ABSOLUTE, (s64)symbol->value,
		};
	else if (home)
		*target = (struct target){
			US_SPACE_PAYLOAD,
			home->offset + (s64)symbol->value,
		};
	else if (data)
		*target = (struct target){
			US_SPACE_SHADOW, data->offset + (s64)symbol->value,
		};
	else
		error = refuse(plan, place, "is in a section that a bundle "
			       "does not carry");
	if (error)
		return error;
	if (__builtin_add_overflow(target->value, place->rela->r_addend,
				   &target->value))
		return refuse(plan, place, "addend out of range");
	return US_OK;
}

static enum us_error put_number(const struct bundle_plan *plan,
				const struct place *place, s64 value,
				unsigned int width)
{
	if (width == 4 && value != (s32)value)
		return fail(US_E_RELOCATION, "%s: %s+%#llx, symbol %s",
			    plan->object->path, place->section->name,
			    (unsigned long long)place->rela->r_offset,
			    place->symbol->name);
	memcpy(place->bytes, &value, width);
	return US_OK;
}

static enum us_error add_reloc(struct bundle_plan *plan,
			       const struct place *place, u8 type,
			       const struct target *target)
{
	const struct us_bundle_reloc reloc = {
		.where = place->where,
		.where_space = US_SPACE_PAYLOAD, .type = type,
		.target_space = target->space, .target = target->value,
	};

	if (place->section->fate == SECTION_SHADOW)
		return buffer_append(&plan->content_relocs, &reloc,
				     sizeof(reloc));
	return bundle_plan_reloc(plan, &reloc);
}

static enum us_error resolve_absolute(struct bundle_plan *plan,
				      const struct place *place, u8 type)
{
	struct target target;
	enum us_error error = find_target(plan, place, &target);

	if (error)
		return error;
	if (target.space == US_SPACE_ABSOLUTE)
		return put_number(plan, place, target.value,
				  type == US_RELOC_ABS64 ? 8 : 4);
	return add_reloc(plan, place, type, &target);
}

/*
 * The compiler's call of __fentry__, for ftrace to find: the kernel's own have been
 * NOPs since boot, and ftrace does not know ours.
 */
static bool is_fentry_call(const struct place *place)
{
	return !strcmp(place->symbol->name, "__fentry__") &&
	       place->rela->r_offset >= 1 && place->bytes[-1] == 0xe8;
}

static void put_nop(const struct place *place)
{
	static const u8 nop5[] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };

	memcpy(place->bytes - 1, nop5, sizeof(nop5));
}

/* Is there at @site, as linked, a JMP to image offset @thunk? */
static bool is_jump_to(const struct bundle_plan *plan,
		       const struct us_site *site, u64 thunk)
{
	u8 code[5];
	s32 distance;

	if (site->kind != US_SITE_RETURN ||
	    !baseline_text(plan->baseline, site->offset, sizeof(code), code))
		return false;
	memcpy(&distance, code + 1, sizeof(distance));
	return *code == 0xe9 &&
	       site->offset + sizeof(code) + (u64)(s64)distance == thunk;
}

/*
 * The compiler's returns are jumps to __x86_return_thunk. When it boots, the kernel
 * replaces its own by what the processor needs (apply_returns() in
 * arch/x86/kernel/alternative.c); newer ones warn of any that is left. Ours go
 * through one of the kernel's.
 */
static void borrow_return(const struct bundle_plan *plan,
			  const struct place *place, struct target *target)
{
	struct us_block block;
	u32 index, i;

	if (strcmp(place->symbol->name, "__x86_return_thunk") ||
	    target->space != US_SPACE_IMAGE || place->rela->r_offset < 1 ||
	    place->bytes[-1] != 0xe9)
		return;
	for (index = 0; baseline_block(plan->baseline, index, &block); index++)
		for (i = 0; i < block.header->sites; i++)
			if (is_jump_to(plan, &block.sites[i],
				       (u64)(target->value + 4))) {
				target->value = (s64)block.sites[i].offset - 4;
				return;
			}
}

static enum us_error resolve_relative(struct bundle_plan *plan,
				      const struct place *place)
{
	struct target target;
	enum us_error error;

	if (place->section->fate != SECTION_PAYLOAD)
		return refuse(plan, place, "a distance in writable data");
	if (is_fentry_call(place)) {
		put_nop(place);
		return US_OK;
	}
	error = find_target(plan, place, &target);
	if (error)
		return error;
	borrow_return(plan, place, &target);
	/* Inside the payload the distance is known now. */
	if (target.space == US_SPACE_PAYLOAD)
		return put_number(plan, place,
				  target.value - place->where, 4);
	return add_reloc(plan, place, US_RELOC_PC32, &target);
}

static enum us_error resolve(struct bundle_plan *plan, const struct place *place)
{
	switch (ELF64_R_TYPE(place->rela->r_info)) {
	case R_X86_64_NONE:
		return US_OK;
	case R_X86_64_64:
		return resolve_absolute(plan, place, US_RELOC_ABS64);
	case R_X86_64_32S:
		return resolve_absolute(plan, place, US_RELOC_ABS32S);
	case R_X86_64_PC32:
	case R_X86_64_PLT32:
		return resolve_relative(plan, place);
	case R_X86_64_32:
		return refuse(plan, place, "zero-extended 32-bit address; "
			      "kernel code is sign-extended");
	case R_X86_64_GOTPCREL:
	case R_X86_64_GOTPCRELX:
	case R_X86_64_REX_GOTPCRELX:
		return refuse(plan, place, "needs a global offset table; "
			      "compile as the kernel is");
	}
	return refuse(plan, place, "relocation type not supported");
}

static enum us_error resolve_one(struct bundle_plan *plan,
				 const struct object_section *section,
				 const Elf64_Rela *rela)
{
	struct place place = { .section = section, .rela = rela };
	u64 width = ELF64_R_TYPE(rela->r_info) == R_X86_64_64 ? 8 : 4;

	if (ELF64_R_SYM(rela->r_info) >= plan->object->symbol_count ||
	    !span_inside(rela->r_offset, width, section->header.sh_size))
		return fail(US_E_ELF_FORMAT, "%s: bad relocation in %s",
			    plan->object->path, section->name);
	place.symbol = &plan->object->symbols[ELF64_R_SYM(rela->r_info)];
	place.where = section->offset + rela->r_offset;
	place.bytes = section->fate == SECTION_PAYLOAD ?
		      plan->payload.data + place.where :
		      plan->contents.data + place.where;
	return resolve(plan, &place);
}

static enum us_error resolve_section(struct bundle_plan *plan,
				     const struct object_section *relas)
{
	const struct object_section *section;
	enum us_error error = US_OK;
	Elf64_Rela rela;
	u64 at;

	if (relas->header.sh_info >= plan->object->section_count)
		return fail(US_E_ELF_FORMAT, "%s: bad section %s",
			    plan->object->path, relas->name);
	section = &plan->object->sections[relas->header.sh_info];
	if (section->fate == SECTION_IGNORED || !relas->data)
		return US_OK;
	for (at = 0; relas->header.sh_size - at >= sizeof(rela) && !error;
	     at += sizeof(rela)) {
		memcpy(&rela, relas->data + at, sizeof(rela));
		error = resolve_one(plan, section, &rela);
	}
	return error;
}

static enum us_error copy_sections(struct bundle_plan *plan)
{
	const struct object_section *section;
	enum us_error error;
	size_t i;

	error = buffer_append(&plan->payload, NULL,
			      plan->object->payload_bytes);
	if (!error)
		error = buffer_append(&plan->contents, NULL,
				      plan->object->shadow_bytes);
	/* What lies between sections is never to be run. */
	if (!error && plan->payload.len)
		memset(plan->payload.data, 0xcc, plan->payload.len);
	for (i = 1; i < plan->object->section_count && !error; i++) {
		section = &plan->object->sections[i];
		if (section->fate == SECTION_IGNORED || !section->data)
			continue;
		memcpy((section->fate == SECTION_PAYLOAD ? plan->payload.data :
			plan->contents.data) + section->offset, section->data,
		       section->header.sh_size);
	}
	return error;
}

enum us_error bundle_plan_payload(struct bundle_plan *plan)
{
	const struct object_section *section;
	enum us_error error = copy_sections(plan);
	size_t i;

	for (i = 1; i < plan->object->section_count && !error; i++) {
		section = &plan->object->sections[i];
		if (section->header.sh_type == SHT_RELA)
			error = resolve_section(plan, section);
	}
	return error;
}
