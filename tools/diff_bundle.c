/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From decisions to a bundle. */
#include <stdlib.h>
#include <string.h>

#include "bundle_writes.h"
#include "cli.h"
#include "diff_module.h"
#include "diff_plan.h"
#include "kernel_image.h"

#define JMP_REL32	0xe9
#define JMP_LEN		5u
#define NOTE_BUILD_ID	3u

/* The GNU build id in the kernel's notes (ELF gABI, "Note Section"). */
static enum us_error find_build_id(const struct side *side,
				   struct us_bundle_header *header)
{
	const struct side_section *notes = side_section(side, ".notes");
	u64 at = 0, name, desc;

	if (!notes)
		notes = side_section(side, ".note.gnu.build-id");
	while (notes && notes->data && notes->size - at >= 12) {
		name = ALIGN_UP(read_u32(notes->data + at), 4);
		desc = read_u32(notes->data + at + 4);
		if (!span_inside(at + 12, name, notes->size) ||
		    !span_inside(at + 12 + name, desc, notes->size))
			break;
		if (read_u32(notes->data + at + 8) == NOTE_BUILD_ID &&
		    name == 4 && !memcmp(notes->data + at + 12, "GNU", 4) &&
		    desc >= 8 && desc <= US_BUILD_ID_MAX) {
			memcpy(header->build_id, notes->data + at + 12 + name,
			       desc);
			header->build_id_len = desc;
			return US_OK;
		}
		at += 12 + name + ALIGN_UP(desc, 4);
		if (at > notes->size)
			break;
	}
	return fail(US_E_ELF_FORMAT, "%s: no build id", side->path);
}

/* What the bundle says of the module whose text it changes. */
static void describe_module(const struct module_home *home,
			    struct us_bundle_header *header)
{
	const struct module_file *file = &home->module.file;

	memcpy(header->module, file->name, sizeof(header->module));
	memcpy(header->module_build_id, file->build_id,
	       sizeof(header->module_build_id));
	header->module_build_id_len = file->build_id_len;
}

static enum us_error add_function(struct bundle_plan *out,
				  const struct author *author, u32 old,
				  const struct body *body)
{
	const struct side_symbol *function = &author->match->old->symbols[old];
	struct us_bundle_function *entry;
	u64 offset;

	if (!author_old_text(author, function->address, function->size,
			     &offset))
		return fail(US_E_OBJECT_UNSUPPORTED, "%s is not in the text",
			    function->name);
	if (out->header.functions == US_BUNDLE_MAX_FUNCTIONS)
		return fail(US_E_TOO_LARGE, "more than %u functions",
			    US_BUNDLE_MAX_FUNCTIONS);
	entry = &out->functions[out->header.functions++];
	*entry = (struct us_bundle_function){
		.text_offset = offset,
		.old_size = function->size,
		.arena_offset = body->payload, .new_size = body->bytes.len,
		.name = out->strings.len,
	};
	return buffer_append(&out->strings, function->name,
			     strlen(function->name) + 1);
}

/* The old cold part counts as in use with its function. */
static enum us_error add_cold(struct bundle_plan *out,
			      const struct author *author, u32 old,
			      const struct body *body)
{
	const struct side *side = author->match->old;
	const char *name = side->symbols[old].name;
	size_t len = strlen(name);
	enum us_error error = US_OK;
	u32 i, index;

	for (i = 0; i < side->address_count && !error; i++) {
		index = side->by_address[i];
		if (side->symbols[index].type == STT_FUNC &&
		    side->symbols[index].size &&
		    cold_stem(side->symbols[index].name) == len &&
		    !strncmp(side->symbols[index].name, name, len) &&
		    (side->symbols[old].bind != STB_LOCAL ||
		     side->symbols[index].file == side->symbols[old].file))
			error = add_function(out, author, index, body);
	}
	return error;
}

/* @at lies in the text, as its function does. */
static void add_hunk(struct bundle_plan *out, const struct author *author,
		     u64 at)
{
	struct us_bundle_hunk *hunk = &out->hunks[out->header.hunks++];
	u64 offset;
	const u8 *code = author_old_text(author, at, JMP_LEN, &offset);

	*hunk = (struct us_bundle_hunk){
		.text_offset = offset, .len = JMP_LEN,
		.replacement = { JMP_REL32 },
	};
	memcpy(hunk->expected, code, JMP_LEN);
}

static const struct us_bundle_function *
function_at(const struct bundle_plan *out, u32 text_offset)
{
	u32 i;

	for (i = 0; i < out->header.functions; i++)
		if (text_offset - out->functions[i].text_offset <
		    out->functions[i].old_size)
			return &out->functions[i];
	return NULL;
}

static enum us_error add_jumps(struct bundle_plan *out)
{
	const struct us_bundle_function *function;
	enum us_error error = US_OK;
	u32 i;

	for (i = 0; i < out->header.hunks && !error; i++) {
		struct us_bundle_reloc reloc = {
			.where = i << 8 | 1, .where_space = US_SPACE_HUNK,
			.type = US_RELOC_PC32,
			.target_space = US_SPACE_PAYLOAD,
		};

		function = function_at(out, out->hunks[i].text_offset);
		reloc.target = (s64)function->arena_offset - 4;
		error = bundle_plan_reloc(out, &reloc);
	}
	return error;
}

static enum us_error add_entries(struct plan *plan, struct author *author,
				 const u32 *bodies, struct bundle_plan *out)
{
	enum us_error error = US_OK;
	struct decision *decision;
	const struct body *body;
	u64 at;
	u32 i;

	for (i = 0; i < plan->changes.count && !error; i++) {
		decision = &plan->decisions[i];
		if (!decision->chosen)
			continue;
		author->verdict = &decision->verdict;
		body = &author->bodies[bodies[i]];
		decision->new_size = body->bytes.len;
		error = plan_check_entry(author, decision->change.old, &at);
		if (!error)
			error = add_function(out, author, decision->change.old,
					     body);
		if (!error)
			error = add_cold(out, author, decision->change.old,
					 body);
		if (!error)
			add_hunk(out, author, at);
	}
	if (error)
		return error;
	bundle_plan_sort(out);
	return add_jumps(out);
}

static enum us_error carry_chosen(struct plan *plan, struct author *author,
				  u32 *bodies)
{
	enum us_error error = US_OK;
	u32 i, chosen = 0;

	for (i = 0; i < plan->changes.count && !error; i++) {
		if (!plan->decisions[i].chosen)
			continue;
		author->verdict = &plan->decisions[i].verdict;
		error = author_carry(author, plan->decisions[i].change.new,
				     &bodies[i]);
		chosen++;
	}
	if (!error && !chosen)
		return fail(US_E_NOTHING_TO_REPLACE, "no function that can be "
			    "patched differs");
	return error;
}

/* Relocations as the author counts bases, to @out or the end of @list. */
static enum us_error copy_relocs(struct bundle_plan *out,
				 const struct module_home *home,
				 const struct buffer *relocs,
				 struct buffer *list)
{
	struct us_bundle_reloc reloc;
	enum us_error error = US_OK;
	u64 at;

	for (at = 0; at < relocs->len && !error; at += sizeof(reloc)) {
		memcpy(&reloc, relocs->data + at, sizeof(reloc));
		/* Only bases that are used are listed. */
		if (reloc.target_space == US_SPACE_BASE)
			error = bundle_plan_base(out,
						 &home->module.bases[reloc.base],
						 &reloc.base);
		if (!error)
			error = list ? buffer_append(list, &reloc,
						     sizeof(reloc)) :
				       bundle_plan_reloc(out, &reloc);
	}
	return error;
}

/* New variables with all that is said of them. */
static enum us_error add_variables(struct bundle_plan *out,
				   const struct module_home *home,
				   const struct author *author)
{
	const struct side *side = author->match->new;
	const struct body *body;
	enum us_error error;
	u32 i;

	error = buffer_append(&out->contents, author->contents.data,
			      author->contents.len);
	if (!error)
		error = copy_relocs(out, home, &author->content_relocs,
				    &out->content_relocs);
	for (i = 0; i < author->body_count && !error; i++) {
		body = &author->bodies[i];
		if (body->variable != SIDE_NONE)
			error = bundle_plan_variable(out,
				side->symbols[body->variable].name,
				body->payload, body->bytes.len);
	}
	return error ? error : bundle_plan_shadow(out);
}

enum us_error plan_bundle(struct plan *plan, struct bundle_plan *out)
{
	const struct module_home *home = plan->match->home;
	u32 *bodies = calloc(plan->changes.count + 1, sizeof(u32));
	struct buffer relocs = { 0 };
	struct author author = { 0 };
	enum us_error error = US_OK;

	if (!bodies)
		error = fail(US_E_NO_MEMORY, "bundle");
	if (!error)
		error = find_build_id(home ? &home->kernel : plan->match->old,
				      &out->header);
	if (home)
		describe_module(home, &out->header);
	if (!error)
		error = author_open(&author, plan->match, &plan->changes);
	author.capability = plan->capability;
	author.strange_warn = plan->strange_warn;
	author.strange_orc |= plan->strange_orc;
	author.new_variables = plan->new_variables;
	if (!error)
		error = carry_chosen(plan, &author, bodies);
	if (!error)
		error = author_lay_out(&author, &out->payload, &relocs);
	if (!error)
		error = copy_relocs(out, home, &relocs, NULL);
	if (!error)
		error = add_entries(plan, &author, bodies, out);
	if (!error)
		error = add_variables(out, home, &author);
	buffer_free(&relocs);
	author_close(&author);
	free(bodies);
	return error;
}

enum us_error plan_writes(struct plan *plan, struct bundle_plan *out,
			  const char *kernel,
			  const struct bundle_options *options)
{
	const struct module_home *home = plan->match->home;
	struct kernel_image image = { .fd = -1 };
	struct variables variables;
	enum us_error error = US_OK;

	if (!options->write_count && !options->watch_count)
		return US_OK;
	if (!home)
		error = image_open(&image, kernel);
	if (!error)
		error = variables_open(&variables, &image,
				       home ? plan->match->old : NULL, home);
	if (!error)
		error = bundle_plan_writes(out, options, &variables);
	image_close(&image);
	return error;
}
