/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "cli.h"
#include "kernel_strings.h"

/*
 * Strings that the kernel takes apart with strsep(), though they are constants: it
 * writes a NUL over every comma. Skylake servers do so in
 * arch/x86/kernel/cpu/resctrl/core.c, __check_quirks_intel().
 */
static const char *const lists[] = {
	"!cmt,!mbmtotal,!mbmlocal,!l3cat",
};

static enum us_error append_value(struct value_list *values, const u8 *bytes,
				  u32 len)
{
	if (buffer_append(&values->pool, NULL, 1) ||
	    buffer_append(&values->pool, bytes, len))
		return fail(US_E_NO_MEMORY, "values");
	return US_OK;
}

static enum us_error add_list(struct value_list *values, const char *list,
			      u32 offset)
{
	struct value_site site = {
		.offset = offset, .len = strlen(list), .count = 2,
		.kind = US_SITE_OTHER, .first = values->pool.len,
	};
	enum us_error error;
	char apart[128];
	u32 i;

	for (i = 0; i < site.len; i++)
		apart[i] = list[i] == ',' ? 0 : list[i];
	error = append_value(values, (const u8 *)list, site.len);
	if (!error)
		error = append_value(values, (const u8 *)apart, site.len);
	site.size = values->pool.len - site.first;
	return error ? error : values_add(values, &site);
}

/* In one range of constants: with the NUL that ends it. */
static enum us_error search(const struct kernel_memory *memory,
			    const struct us_range *range, const char *list,
			    struct value_list *values)
{
	const u8 *start = memory_linked(memory, memory->base + range->offset,
					range->len);
	const u8 *found;

	if (!start)
		return US_OK;
	found = memmem(start, range->len, list, strlen(list) + 1);
	return found ? add_list(values, list, range->offset + (found - start)) :
	       US_OK;
}

enum us_error strings_derive(const struct kernel_memory *memory,
			     const struct us_baseline_header *header,
			     struct value_list *values)
{
	enum us_error error = US_OK;
	size_t i;
	u32 k;

	static_assert(ARRAY_SIZE(lists) == 1, "several need sorting");
	for (k = 0; k < header->range_count && !error; k++)
		for (i = 0; i < ARRAY_SIZE(lists) && !error &&
		     header->ranges[k].kind == US_RANGE_RODATA; i++)
			error = search(memory, &header->ranges[k], lists[i],
				       values);
	return error;
}
