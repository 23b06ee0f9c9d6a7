/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The set of new bodies and constants, and its way into a bundle. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "diff_author.h"
#include "diff_module.h"

#define BODY_ALIGN	16u
#define CONSTANT_ALIGN	64u
#define INT3		0xcc
#define UNMAPPED	(~0u)

enum us_error author_open(struct author *author, struct match *match,
			  const struct changes *changes)
{
	const struct side *old = match->old;
	u32 text, i;

	*author = (struct author){ .match = match, .changes = changes };
	author->bodies = calloc(AUTHOR_BODIES, sizeof(*author->bodies));
	author->used_changed = calloc(AUTHOR_BODIES, sizeof(u32));
	author->old_changed = calloc(old->symbol_count + 1, 1);
	if (!author->bodies || !author->used_changed || !author->old_changed)
		return fail(US_E_NO_MEMORY, "bodies");
	if (orc_open(&author->orc, match->new))
		return fail_code();
	for (i = 0; i < changes->count; i++)
		if (changes->list[i].old != SIDE_NONE)
			author->old_changed[changes->list[i].old] =
				changes->list[i].kind + 1;
	author->strange_orc = orc_forms_differ(old, match->new);
	author->kernel = old->linked ? old : match->home ?
			 &match->home->kernel : NULL;
	/* For a report every address counts from the relocatable file's own. */
	if (!author->kernel) {
		author->link_base = 1;
		return US_OK;
	}
	text = side_symbol_named(author->kernel, "_text");
	if (text == SIDE_NONE)
		return fail(US_E_SYMBOL_MISSING, "%s: _text",
			    author->kernel->path);
	author->link_base = author->kernel->symbols[text].address;
	return US_OK;
}

void author_clear(struct author *author)
{
	u32 i;

	for (i = 0; i < author->body_count; i++) {
		buffer_free(&author->bodies[i].bytes);
		free(author->bodies[i].fixups);
		free(author->bodies[i].map);
		free(author->bodies[i].ranges);
		author->bodies[i] = (struct body){ 0 };
	}
	author->body_count = 0;
	author->used_count = 0;
	buffer_free(&author->contents);
	buffer_free(&author->content_relocs);
}

void author_close(struct author *author)
{
	if (author->bodies)
		author_clear(author);
	free(author->bodies);
	free(author->used_changed);
	free(author->old_changed);
	orc_close(&author->orc);
	*author = (struct author){ 0 };
}

enum us_error author_add_body(struct author *author, u32 symbol, u64 address,
			      u64 len, u32 *index)
{
	u32 i;

	for (i = 0; i < author->body_count; i++)
		if (author->bodies[i].address == address &&
		    author->bodies[i].symbol == symbol) {
			*index = i;
			return US_OK;
		}
	if (author->body_count == AUTHOR_BODIES || len > US_MAX_BUNDLE)
		return author_refuse(author, REASON_LARGE,
				     "too much code and data");
	*index = author->body_count++;
	author->bodies[*index] = (struct body){
		.symbol = symbol, .variable = SIDE_NONE, .address = address,
		.len = len,
	};
	return US_OK;
}

static bool is_emitted(const struct body *body)
{
	return body->map || body->bytes.len;
}

enum us_error author_carry(struct author *author, u32 symbol, u32 *index)
{
	const struct side_symbol *function =
		&author->match->new->symbols[symbol];
	enum us_error error;
	u32 i;

	error = author_add_body(author, symbol, function->address,
				function->size, index);
	/* Emitting one may add others behind it. */
	for (i = 0; i < author->body_count && !error; i++) {
		if (is_emitted(&author->bodies[i]))
			continue;
		error = author->bodies[i].symbol == SIDE_NONE ?
			author_emit_constant(author, i) :
			author_emit(author, i);
	}
	return error;
}

static bool is_variable(const struct body *body)
{
	return body->variable != SIDE_NONE;
}

/* New variables, in shadow memory, as aligned as they are. */
static enum us_error assign_variables(struct author *author, u64 *total)
{
	u64 at = 0;
	u32 i;

	for (i = 0; i < author->body_count; i++) {
		struct body *body = &author->bodies[i];

		if (!is_variable(body))
			continue;
		at += (body->address - at) % CONSTANT_ALIGN;
		if (!span_inside(at, body->bytes.len, US_BUNDLE_MAX_SHADOW))
			return fail(US_E_TOO_LARGE, "%s: more than %u bytes of "
				    "new variables", author->match->new->
				    symbols[body->variable].name,
				    US_BUNDLE_MAX_SHADOW);
		body->payload = at;
		at += body->bytes.len;
	}
	*total = at;
	return US_OK;
}

/* Unwind data, code, then constants; a constant keeps its alignment. */
static enum us_error assign_places(struct author *author, u64 *total)
{
	u64 at = author_unwind_size(author);
	u32 i, pass;

	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < author->body_count; i++) {
			struct body *body = &author->bodies[i];

			if ((body->symbol == SIDE_NONE) != pass ||
			    is_variable(body))
				continue;
			at = ALIGN_UP(at, BODY_ALIGN);
			if (pass)
				at += (body->address - at) % CONSTANT_ALIGN;
			if (!span_inside(at, body->bytes.len, US_MAX_BUNDLE))
				return fail(US_E_TOO_LARGE, "more than %u "
					    "bytes of code", US_MAX_BUNDLE);
			body->payload = at;
			at += body->bytes.len;
		}
	}
	*total = at;
	return US_OK;
}

static enum us_error target_of(const struct author *author,
			       const struct fixup *fixup,
			       struct us_bundle_reloc *reloc)
{
	const struct body *body;
	u32 mapped;

	reloc->target = fixup->place.value + fixup->addend;
	switch (fixup->place.kind) {
	case PLACE_IMAGE:
		reloc->target_space = US_SPACE_IMAGE;
		return US_OK;
	case PLACE_NUMBER:
		reloc->target_space = US_SPACE_ABSOLUTE;
		return US_OK;
	case PLACE_BASE:
		reloc->target_space = US_SPACE_BASE;
		reloc->base = fixup->place.index;
		return US_OK;
	case PLACE_CONSTANT:
		body = &author->bodies[fixup->place.index];
		reloc->target_space = is_variable(body) ? US_SPACE_SHADOW :
							  US_SPACE_PAYLOAD;
		reloc->target += body->payload;
		return US_OK;
	case PLACE_BODY:
		break;
	}
	body = &author->bodies[fixup->place.index];
	mapped = (u64)fixup->place.value <= body->len ?
		 body->map[fixup->place.value] : UNMAPPED;
	if (mapped == UNMAPPED)
		return fail(US_E_OBJECT_UNSUPPORTED, "%s: a branch into the "
			    "middle of an instruction",
			    author->match->new->symbols[body->symbol].name);
	reloc->target_space = US_SPACE_PAYLOAD;
	reloc->target = (s64)body->payload + mapped + fixup->addend;
	return US_OK;
}

/* Into @out, where @body lies. */
static enum us_error apply_fixup(const struct author *author,
				 const struct body *body,
				 const struct fixup *fixup, struct buffer *out,
				 struct buffer *relocs)
{
	struct us_bundle_reloc reloc = {
		.where = body->payload + fixup->at,
		.where_space = US_SPACE_PAYLOAD, .type = fixup->type,
	};
	unsigned int width = fixup->type == US_RELOC_ABS64 ? 8 : 4;
	enum us_error error;
	s64 value;

	error = target_of(author, fixup, &reloc);
	if (error)
		return error;
	value = reloc.target;
	memset(out->data + reloc.where, 0, width);
	/* Known now: distances inside the payload, and plain numbers. */
	if (reloc.target_space == US_SPACE_PAYLOAD && !is_variable(body) &&
	    reloc.type == US_RELOC_PC32)
		value -= reloc.where;
	else if (reloc.target_space != US_SPACE_ABSOLUTE ||
		 reloc.type == US_RELOC_PC32)
		return buffer_append(relocs, &reloc, sizeof(reloc));
	if (width == 4 && value != (s32)value)
		return fail(US_E_RELOCATION, "payload + %#x", reloc.where);
	memcpy(out->data + reloc.where, &value, width);
	return US_OK;
}

static enum us_error lay_out_body(struct author *author,
				  const struct body *body,
				  struct buffer *payload, struct buffer *relocs)
{
	bool variable = is_variable(body);
	struct buffer *out = variable ? &author->contents : payload;
	enum us_error error = US_OK;
	u32 i;

	memcpy(out->data + body->payload, body->bytes.data, body->bytes.len);
	for (i = 0; i < body->fixup_count && !error; i++)
		error = apply_fixup(author, body, &body->fixups[i], out,
				    variable ? &author->content_relocs : relocs);
	return error;
}

enum us_error author_lay_out(struct author *author, struct buffer *payload,
			     struct buffer *relocs)
{
	enum us_error error;
	u64 total = 0, shadow = 0;
	u32 i;

	error = assign_places(author, &total);
	if (!error)
		error = assign_variables(author, &shadow);
	if (!error)
		error = buffer_append(payload, NULL, total);
	if (!error)
		error = buffer_append(&author->contents, NULL, shadow);
	if (error)
		return error;
	memset(payload->data, INT3, total);
	for (i = 0; i < author->body_count && !error; i++)
		error = lay_out_body(author, &author->bodies[i], payload,
				     relocs);
	return error ? error : author_unwind_write(author, payload);
}
