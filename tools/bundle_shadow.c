/* SPDX-License-Identifier: GPL-2.0-or-later */
/* New variables: shadow memory, and the writes that give it its first contents. */
#include <stdio.h>
#include <string.h>

#include "bundle_make.h"
#include "cli.h"

enum us_error bundle_plan_variable(struct bundle_plan *plan, const char *name,
				   u64 offset, u64 size)
{
	struct new_variable *variable;

	if (plan->new_count == BUNDLE_NEW_VARIABLES ||
	    !span_inside(offset, size, US_BUNDLE_MAX_SHADOW))
		return fail(US_E_TOO_LARGE, "%s: more than %u new variables or "
			    "%u bytes of them", name, BUNDLE_NEW_VARIABLES,
			    US_BUNDLE_MAX_SHADOW);
	variable = &plan->new_variables[plan->new_count++];
	*variable = (struct new_variable){
		.offset = (u32)offset, .size = (u32)size,
	};
	snprintf(variable->name, sizeof(variable->name), "%s", name);
	return US_OK;
}

/* The first variable with bytes in [@at, + @len), for messages and reviewers. */
static const char *name_at(const struct bundle_plan *plan, u64 at, u64 len)
{
	u32 i;

	for (i = 0; i < plan->new_count; i++)
		if (spans_overlap(at, len, plan->new_variables[i].offset,
				  plan->new_variables[i].size))
			return plan->new_variables[i].name;
	return "new variables";
}

/* Its relocations become those of the write. */
static enum us_error move_relocs(struct bundle_plan *plan, u64 at, u64 len,
				 u32 index)
{
	const struct buffer *relocs = &plan->content_relocs;
	struct us_bundle_reloc reloc;
	enum us_error error = US_OK;
	u64 i;

	for (i = 0; i < relocs->len && !error; i += sizeof(reloc)) {
		memcpy(&reloc, relocs->data + i, sizeof(reloc));
		if (reloc.where < at || reloc.where - at >= len)
			continue;
		if (reloc.type != US_RELOC_ABS64 ||
		    !span_inside(reloc.where - at, 8, len))
			return fail(US_E_OBJECT_UNSUPPORTED, "%s: a field of "
				    "its first contents is no whole pointer",
				    name_at(plan, at, len));
		reloc.where = index << 8 | (u32)(reloc.where - at);
		reloc.where_space = US_SPACE_WRITE;
		error = bundle_plan_reloc(plan, &reloc);
	}
	return error;
}

/* Nothing but zeros, which shadow memory begins as? */
static bool is_zero(const struct bundle_plan *plan, u64 at, u64 len)
{
	struct us_bundle_reloc reloc;
	u64 i;

	for (i = 0; i < plan->content_relocs.len; i += sizeof(reloc)) {
		memcpy(&reloc, plan->content_relocs.data + i, sizeof(reloc));
		if (reloc.where >= at && reloc.where - at < len)
			return false;
	}
	for (i = 0; i < len; i++)
		if (plan->contents.data[at + i])
			return false;
	return true;
}

/* What the variable becomes later is nobody's business when the patch goes. */
static enum us_error add_contents(struct bundle_plan *plan, u64 at)
{
	u64 room = plan->contents.len - at;
	u64 len = room < US_HUNK_MAX ? room : US_HUNK_MAX;
	struct us_bundle_write write = {
		.when = US_WRITE_PRE_APPLY, .flags = US_WRITE_KEEP,
		.space = US_SPACE_SHADOW, .len = (u32)len, .offset = at,
	};
	enum us_error error;
	u32 index;

	if (is_zero(plan, at, len))
		return US_OK;
	memcpy(write.replacement, plan->contents.data + at, len);
	error = bundle_plan_add_write(plan, &write, name_at(plan, at, len),
				      &index);
	return error ? error : move_relocs(plan, at, len, index);
}

/* For reviewers: what the shadow memory is for. */
static enum us_error add_notes(struct bundle_plan *plan)
{
	enum us_error error = US_OK;
	char text[SHADOW_NAME_MAX + 80];
	u32 i, offset;

	for (i = 0; i < plan->new_count && !error; i++) {
		snprintf(text, sizeof(text), "new variable %s, %u bytes at "
			 "shadow+%#x", plan->new_variables[i].name,
			 plan->new_variables[i].size,
			 plan->new_variables[i].offset);
		error = bundle_plan_string(plan, text, &offset);
	}
	return error;
}

enum us_error bundle_plan_shadow(struct bundle_plan *plan)
{
	u64 len = plan->contents.len;
	enum us_error error;
	u64 at;

	if (len > US_BUNDLE_MAX_SHADOW)
		return fail(US_E_TOO_LARGE, "%llu bytes of new variables, of %u",
			    (unsigned long long)len, US_BUNDLE_MAX_SHADOW);
	plan->header.shadow_bytes = (u32)len;
	error = add_notes(plan);
	for (at = 0; at < len && !error; at += US_HUNK_MAX)
		error = add_contents(plan, at);
	return error;
}
