/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A bundle's parts put together as a file. */
#include <stdlib.h>
#include <string.h>

#include "bundle_make.h"
#include "cli.h"

void bundle_plan_label(struct bundle_plan *plan, u64 generation,
		       const char *name, const char *description)
{
	plan->header.generation = generation;
	strcpy(plan->header.name, name);
	if (description)
		strcpy(plan->header.description, description);
}

static int compare_functions(const void *a, const void *b)
{
	const struct us_bundle_function *x = a, *y = b;

	return (x->text_offset > y->text_offset) -
	       (x->text_offset < y->text_offset);
}

static int compare_hunks(const void *a, const void *b)
{
	const struct us_bundle_hunk *x = a, *y = b;

	return (x->text_offset > y->text_offset) -
	       (x->text_offset < y->text_offset);
}

void bundle_plan_sort(struct bundle_plan *plan)
{
	qsort(plan->functions, plan->header.functions,
	      sizeof(*plan->functions), compare_functions);
	qsort(plan->hunks, plan->header.hunks, sizeof(*plan->hunks),
	      compare_hunks);
}

enum us_error bundle_plan_reloc(struct bundle_plan *plan,
				const struct us_bundle_reloc *reloc)
{
	if (plan->header.relocs == US_BUNDLE_MAX_RELOCS)
		return fail(US_E_TOO_LARGE, "more than %u relocations",
			    US_BUNDLE_MAX_RELOCS);
	plan->header.relocs++;
	return buffer_append(&plan->relocs, reloc, sizeof(*reloc));
}

enum us_error bundle_plan_string(struct bundle_plan *plan, const char *text,
				 u32 *offset)
{
	*offset = plan->strings.len;
	return buffer_append(&plan->strings, text, strlen(text) + 1);
}

static bool overlap(const struct us_bundle_write *a,
		    const struct us_bundle_write *b)
{
	return a->space == b->space && a->base == b->base &&
	       spans_overlap(a->offset, a->len, b->offset, b->len);
}

enum us_error bundle_plan_add_write(struct bundle_plan *plan,
				    const struct us_bundle_write *write,
				    const char *name, u32 *index)
{
	u32 i;

	if (plan->header.writes == US_BUNDLE_MAX_WRITES)
		return fail(US_E_TOO_LARGE, "%s: more than %u writes, of %u bytes "
			    "each", name, US_BUNDLE_MAX_WRITES, US_HUNK_MAX);
	for (i = 0; i < plan->header.writes; i++)
		if (overlap(&plan->writes[i], write))
			return fail(US_E_HUNKS_OVERLAP, "%s is written twice",
				    name);
	*index = plan->header.writes++;
	plan->writes[*index] = *write;
	return bundle_plan_string(plan, name, &plan->writes[*index].name);
}

enum us_error bundle_plan_base(struct bundle_plan *plan,
			       const struct us_module_base *base, u8 *index)
{
	struct us_bundle_base wanted = {
		.kind = base->kind, .area = base->area,
	};

	memcpy(wanted.module, base->module, sizeof(wanted.module));
	for (*index = 0; *index < plan->header.bases; ++*index)
		if (!memcmp(&plan->bases[*index], &wanted, sizeof(wanted)))
			return US_OK;
	if (plan->header.bases == US_BUNDLE_MAX_BASES)
		return fail(US_E_TOO_LARGE, "more than %u bases",
			    US_BUNDLE_MAX_BASES);
	plan->bases[plan->header.bases++] = wanted;
	return US_OK;
}

void bundle_plan_free(struct bundle_plan *plan)
{
	buffer_free(&plan->relocs);
	buffer_free(&plan->strings);
	buffer_free(&plan->payload);
	buffer_free(&plan->contents);
	buffer_free(&plan->content_relocs);
}

/* The order that the format asks for. */
static int compare_relocs(const void *a, const void *b)
{
	const struct us_bundle_reloc *x = a, *y = b;

	if (x->where_space != y->where_space)
		return (int)x->where_space - (int)y->where_space;
	return (x->where > y->where) - (x->where < y->where);
}

static void fill_header(struct bundle_plan *plan)
{
	struct us_bundle_header *header = &plan->header;
	const struct us_baseline_header *kernel;

	header->magic = US_BUNDLE_MAGIC;
	header->version = US_BUNDLE_VERSION;
	header->header_size = sizeof(*header);
	if (!header->consistency)
		header->consistency = US_CONSISTENCY_STACK;
	/* Without a baseline the caller has filled in the build id. */
	if (plan->baseline) {
		kernel = plan->baseline->head.header;
		memcpy(header->build_id, kernel->build_id,
		       sizeof(header->build_id));
		header->build_id_len = kernel->build_id_len;
	}
	header->string_bytes = plan->strings.len;
	header->payload_bytes = plan->payload.len;
}

static enum us_error append_part(struct buffer *out, const void *data, u64 len)
{
	enum us_error error = buffer_append(out, data, len);

	return error ? error : buffer_pad8(out);
}

enum us_error bundle_plan_write(struct bundle_plan *plan, struct buffer *out)
{
	struct us_bundle_header *header = &plan->header;
	enum us_error error;

	*out = (struct buffer){ 0 };
	fill_header(plan);
	if (plan->relocs.len)
		qsort(plan->relocs.data, header->relocs,
		      sizeof(struct us_bundle_reloc), compare_relocs);
	error = append_part(out, header, sizeof(*header));
	if (!error)
		error = append_part(out, plan->functions, header->functions *
				    sizeof(*plan->functions));
	if (!error)
		error = append_part(out, plan->hunks,
				    header->hunks * sizeof(*plan->hunks));
	if (!error)
		error = append_part(out, plan->relocs.data, plan->relocs.len);
	if (!error)
		error = append_part(out, plan->bases,
				    header->bases * sizeof(*plan->bases));
	if (!error)
		error = append_part(out, plan->links,
				    header->links * sizeof(*plan->links));
	if (!error)
		error = append_part(out, plan->writes,
				    header->writes * sizeof(*plan->writes));
	if (!error)
		error = append_part(out, plan->watches,
				    header->watches * sizeof(*plan->watches));
	if (!error)
		error = append_part(out, plan->strings.data, plan->strings.len);
	if (!error)
		error = append_part(out, plan->payload.data, plan->payload.len);
	if (error)
		return error;
	header->total_size = out->len;
	memcpy(out->data, header, sizeof(*header));
	if (out->len > US_MAX_BUNDLE)
		return fail(US_E_TOO_LARGE, "the bundle takes %llu bytes of %u",
			    (unsigned long long)out->len, US_MAX_BUNDLE);
	return US_OK;
}
