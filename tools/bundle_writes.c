/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "bundle_writes.h"
#include "cli.h"

static bool is_word(u64 len)
{
	return len == 1 || len == 2 || len == 4 || len == 8;
}

static enum us_error wrong_size(const struct variable_spec *spec,
				const struct variable *variable, u64 len)
{
	u64 size = variable->size ? variable->size : variable->room;

	if (!len && !variable->size)
		return fail(US_E_VARIABLE_SIZE, "%s: nothing here tells its "
			    "size; say %s/SIZE", spec->name, spec->name);
	return fail(US_E_VARIABLE_SIZE, "%s: %llu bytes at offset %llu of %llu%s",
		    spec->name, (unsigned long long)len,
		    (unsigned long long)spec->offset, (unsigned long long)size,
		    variable->size ? "" : " (up to what lies behind it)");
}

/* What @spec means, if it can be written. */
static enum us_error find_writable(struct bundle_plan *plan,
				   const struct variables *variables,
				   const struct variable_spec *spec,
				   struct variable *out)
{
	enum us_error error = variable_find(variables, plan, spec->name, out);

	if (!error && out->sealed)
		return fail(US_E_VARIABLE_SEALED, "%s %s", spec->name,
			    out->sealed);
	return error;
}

/* Bytes that a write takes: as it says, else as its values do, else all that is
 * behind the offset. */
static u64 length_of(const struct write_spec *spec,
		     const struct variable *variable)
{
	const struct value_spec *a = &spec->expected, *b = &spec->replacement;
	u64 offset = spec->variable.offset;

	if (spec->variable.size)
		return spec->variable.size;
	if (a->kind == VALUE_BYTES || b->kind == VALUE_BYTES)
		return a->kind == VALUE_BYTES ? a->len : b->len;
	if (a->kind == VALUE_ADDRESS || b->kind == VALUE_ADDRESS)
		return 8;
	return offset < variable->size ? variable->size - offset : 0;
}

static bool number_fits(const struct value_spec *value, u64 len)
{
	s64 number = (s64)value->number;

	if (!is_word(len))
		return false;
	if (len == 8)
		return true;
	if (value->negative)
		return number >= -(1ll << (8 * len - 1));
	return value->number < 1ull << 8 * len;
}

static enum us_error put_address(struct bundle_plan *plan,
				 const struct variables *variables,
				 const struct value_spec *value, u32 where,
				 u8 *bytes)
{
	struct us_bundle_reloc reloc = {
		.where = where, .where_space = US_SPACE_WRITE,
		.type = US_RELOC_ABS64,
	};
	struct variable target;
	enum us_error error;
	u64 address;

	error = variable_find(variables, plan, value->address.name, &target);
	if (error)
		return error;
	address = target.offset + value->address.offset;
	if (target.space == US_SPACE_ABSOLUTE) {
		memcpy(bytes, &address, sizeof(address));
		return US_OK;
	}
	reloc.target_space = target.space;
	reloc.base = target.base;
	reloc.target = (s64)address;
	return bundle_plan_reloc(plan, &reloc);
}

/* @where: of the value's first byte, as a relocation counts. */
static enum us_error put_value(struct bundle_plan *plan,
			       const struct variables *variables,
			       const struct write_spec *spec,
			       const struct value_spec *value, u64 len,
			       u32 where, u8 *bytes)
{
	const char *name = spec->variable.name;

	switch (value->kind) {
	case VALUE_BYTES:
		if (value->len != len)
			break;
		memcpy(bytes, value->bytes, len);
		return US_OK;
	case VALUE_ADDRESS:
		if (len != 8)
			break;
		return put_address(plan, variables, value, where, bytes);
	case VALUE_NUMBER:
		if (!number_fits(value, len))
			break;
		memcpy(bytes, &value->number, len);
		return US_OK;
	}
	return fail(US_E_VARIABLE_SIZE, "%s: a value that does not fill %llu "
		    "bytes", name, (unsigned long long)len);
}

static enum us_error add_write(struct bundle_plan *plan,
			       const struct variables *variables,
			       const struct write_spec *spec)
{
	struct us_bundle_write write = { .when = spec->when };
	struct variable variable;
	enum us_error error;
	u32 index;
	u64 len;

	error = find_writable(plan, variables, &spec->variable, &variable);
	if (error)
		return error;
	len = length_of(spec, &variable);
	if (!len || len > US_HUNK_MAX ||
	    !span_inside(spec->variable.offset, len,
			 variable.size ? variable.size : variable.room))
		return wrong_size(&spec->variable, &variable, len);
	write.flags = spec->keep ? US_WRITE_KEEP : 0;
	write.space = variable.space;
	write.base = variable.base;
	write.len = (u32)len;
	write.offset = variable.offset + spec->variable.offset;
	error = bundle_plan_add_write(plan, &write, spec->variable.name, &index);
	if (!error)
		error = put_value(plan, variables, spec, &spec->expected, len,
				  index << 8 | US_HUNK_MAX,
				  plan->writes[index].expected);
	if (!error)
		error = put_value(plan, variables, spec, &spec->replacement,
				  len, index << 8,
				  plan->writes[index].replacement);
	return error;
}

static enum us_error add_watch(struct bundle_plan *plan,
			       const struct variables *variables,
			       const struct watch_spec *spec)
{
	const struct variable_spec *what = &spec->variable;
	struct us_bundle_watch *watch;
	struct variable variable;
	enum us_error error;
	u64 len, room;

	error = find_writable(plan, variables, what, &variable);
	if (error)
		return error;
	if (variable.space != US_SPACE_IMAGE)
		return fail(US_E_OBJECT_UNSUPPORTED, "%s is no variable of the "
			    "kernel itself", what->name);
	room = variable.size ? variable.size : variable.room;
	len = what->size ? what->size : variable.size - what->offset;
	if (!what->size && !variable.size)
		len = 0;
	if (!span_inside(what->offset, len, room) || (len != 4 && len != 8) ||
	    (variable.offset + what->offset) % len)
		return wrong_size(what, &variable, len);
	watch = &plan->watches[plan->header.watches++];
	*watch = (struct us_bundle_watch){
		.offset = variable.offset + what->offset,
		.allowed = spec->allowed, .len = (u32)len,
	};
	return bundle_plan_string(plan, what->name, &watch->name);
}

static enum us_error add_writes(struct bundle_plan *plan,
				const struct bundle_options *options,
				const struct variables *variables, u8 when)
{
	enum us_error error = US_OK;
	u32 i;

	for (i = 0; i < options->write_count && !error; i++)
		if (options->writes[i].when == when)
			error = add_write(plan, variables, &options->writes[i]);
	return error;
}

enum us_error bundle_plan_writes(struct bundle_plan *plan,
				 const struct bundle_options *options,
				 const struct variables *variables)
{
	enum us_error error;
	u32 i;

	error = add_writes(plan, options, variables, US_WRITE_PRE_APPLY);
	if (!error)
		error = add_writes(plan, options, variables,
				   US_WRITE_POST_APPLY);
	for (i = 0; i < options->watch_count && !error; i++)
		error = add_watch(plan, variables, &options->watches[i]);
	return error;
}
