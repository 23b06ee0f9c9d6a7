/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The variables of an object: they are new, or the bundle is refused. */
#include <ctype.h>
#include <string.h>

#include "bundle_make.h"
#include "cli.h"

/* What compilers number, they number anew each time: "count.7" may be "count.3". */
static size_t stem_length(const char *name)
{
	const char *dot = strrchr(name, '.');
	const char *at = dot ? dot + 1 : "";

	while (isdigit((unsigned char)*at))
		at++;
	return dot && dot != name && dot[1] && !*at ? (size_t)(dot - name) :
						      strlen(name);
}

/* One of the kernel's that may be the very same: code that is carried over has to share
 * it with the code that stays. */
static const char *find_twin(const struct symbol_map *map, const char *name)
{
	size_t len = stem_length(name), i;

	for (i = 0; i < map->count; i++)
		if (!strncmp(map->symbols[i].name, name, len) &&
		    stem_length(map->symbols[i].name) == len)
			return map->symbols[i].name;
	return NULL;
}

static enum us_error add_variable(struct bundle_plan *plan,
				  const struct object_symbol *symbol)
{
	const struct object_section *home = object_home(plan->object, symbol,
							SECTION_SHADOW);
	const char *twin;

	if (!home || symbol->type == STT_SECTION || !symbol->name[0])
		return US_OK;
	twin = find_twin(plan->map, symbol->name);
	if (twin)
		return fail(US_E_OBJECT_UNSUPPORTED, "%s: section %s: variable "
			    "%s: the kernel has %s; declare it extern, or give "
			    "a new one another name", plan->object->path,
			    home->name, symbol->name, twin);
	return bundle_plan_variable(plan, symbol->name,
				    home->offset + symbol->value, symbol->size);
}

enum us_error bundle_plan_data(struct bundle_plan *plan)
{
	enum us_error error = US_OK;
	size_t i;

	for (i = 0; i < plan->object->symbol_count && !error; i++)
		error = add_variable(plan, &plan->object->symbols[i]);
	return error ? error : bundle_plan_shadow(plan);
}
