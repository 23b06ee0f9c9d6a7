/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "module_list.h"

#define MAX_MEMBER	(64u << 10)	/* offset in struct module */
#define MAX_AREA_SIZE	1024u		/* struct module_memory with padding */

/* include/linux/module.h: MODULE_NAME_LEN. */
#define NAME_LEN	(64u - 8u)

bool module_list_facts_ok(const struct kernel *kernel)
{
	static const u8 members[] = {
		US_FACT_MODULE_LIST, US_FACT_MODULE_STATE, US_FACT_MODULE_NAME,
		US_FACT_MODULE_PERCPU, US_FACT_MODULE_AREAS,
	};
	const u64 *facts = kernel->facts;
	u64 size = facts[US_FACT_MODULE_AREA_SIZE];
	u32 i;

	for (i = 0; i < ARRAY_SIZE(members); i++)
		if (facts[members[i]] > MAX_MEMBER)
			return false;
	return facts[US_FACT_MODULES] && facts[US_FACT_MODULES] < kernel->image_len &&
	       (size == US_FACT_ABSENT || (size >= 12 && size <= MAX_AREA_SIZE));
}

bool module_names_equal(const char *a, const char *b)
{
	u32 i = 0;

	while (i < US_NAME_MAX && a[i] && a[i] == b[i])
		i++;
	return i == US_NAME_MAX || a[i] == b[i];
}

/* Every read is checked by itself; addresses of the guest's may wrap. */
static bool read(const struct kernel *kernel, u64 module, enum us_fact member,
		 u64 more, void *dst, u64 len)
{
	return !guest_read(&kernel->space, module + kernel->facts[member] + more,
			   dst, len);
}

static bool read_areas(const struct kernel *kernel, u64 module,
		       struct listed_module *out)
{
	u64 size = kernel->facts[US_FACT_MODULE_AREA_SIZE];
	u32 i, count = size == US_FACT_ABSENT ? 1 : US_MODULE_AREA_PERCPU;

	for (i = 0; i < count; i++) {
		u64 at = i * (size == US_FACT_ABSENT ? 0 : size);

		if (!read(kernel, module, US_FACT_MODULE_AREAS, at,
			  &out->areas[i].gva, 8) ||
		    !read(kernel, module, US_FACT_MODULE_AREAS, at + 8,
			  &out->areas[i].len, 4))
			return false;
	}
	return true;
}

static bool is_called(const struct kernel *kernel, u64 module, const char *name,
		      struct listed_module *out)
{
	return read(kernel, module, US_FACT_MODULE_NAME, 0, out->name, NAME_LEN) &&
	       module_names_equal(out->name, name);
}

static bool read_module(const struct kernel *kernel, u64 module,
			struct listed_module *out)
{
	return read(kernel, module, US_FACT_MODULE_STATE, 0, &out->state, 4) &&
	       read(kernel, module, US_FACT_MODULE_PERCPU, 0, &out->percpu, 8) &&
	       read_areas(kernel, module, out);
}

bool module_list_find(const struct kernel *kernel, const char *name,
		      struct listed_module *out)
{
	u64 head = kernel_symbol(kernel, US_FACT_MODULES), node = head, module;
	u32 i;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < MODULE_LIST_MAX; i++) {
		if (guest_read(&kernel->space, node, &node, sizeof(node)) ||
		    node == head)
			return false;
		module = node - kernel->facts[US_FACT_MODULE_LIST];
		if (is_called(kernel, module, name, out))
			return read_module(kernel, module, out) &&
			       out->state <= MODULE_LIST_COMING;
	}
	return false;
}
