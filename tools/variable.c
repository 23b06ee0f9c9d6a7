/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "cli.h"
#include "kernel_ranges.h"
#include "variable.h"

/* Why [@offset, + @len) of the image is sealed, or NULL. */
static const char *range_reason(const struct us_baseline_header *ranges,
				u64 offset, u64 len)
{
	static const char *const reasons[] = {
		[US_RANGE_TEXT] = "is code",
		[US_RANGE_RODATA] = "is a constant",
		[US_RANGE_AFTER_INIT] = "cannot be written after boot",
		[US_RANGE_IDT] = "is the interrupt table",
	};
	u32 i;

	for (i = 0; i < ranges->range_count; i++)
		if (spans_overlap(offset, len, ranges->ranges[i].offset,
				  ranges->ranges[i].len))
			return reasons[ranges->ranges[i].kind];
	return NULL;
}

/* What is freed when the kernel has booted lies between these. */
static bool map_is_init(const struct symbol_map *map, u64 address)
{
	u64 start, end;

	return !symbol_map_find(map, "__init_begin", &start) &&
	       !symbol_map_find(map, "__init_end", &end) &&
	       address >= start && address < end;
}

static enum us_error find_in_map(const struct variables *variables,
				 const char *name, struct variable *out)
{
	const struct us_baseline_header *kernel =
		variables->baseline->head.header;
	const u64 *facts = kernel->facts;
	enum us_error error;
	u64 address;

	error = symbol_map_find(variables->map, name, &address);
	if (error)
		return error;
	if (address < facts[US_FACT_LINK_BASE]) {
		*out = (struct variable){
			.space = US_SPACE_ABSOLUTE, .offset = address,
			.sealed = "is there once for each CPU, or is a number",
		};
		return US_OK;
	}
	*out = (struct variable){
		.space = US_SPACE_IMAGE,
		.offset = address - facts[US_FACT_LINK_BASE],
		.room = symbol_map_room(variables->map, address),
	};
	if (!span_inside(out->offset, 1, facts[US_FACT_IMAGE_END]))
		return fail(US_E_OBJECT_UNSUPPORTED, "%s lies outside the "
			    "kernel image", name);
	out->sealed = range_reason(kernel, out->offset,
				   out->room ? out->room : 1);
	if (!out->sealed && map_is_init(variables->map, address))
		out->sealed = "is gone after boot";
	return US_OK;
}

static bool starts_with(const char *name, const char *prefix)
{
	return !strncmp(name, prefix, strlen(prefix));
}

/* Bytes from @address to the next symbol of the image. */
static u64 image_room(const struct kernel_image *image, u64 address)
{
	u64 end = UINT64_MAX;
	size_t i;

	for (i = 0; i < image->symbol_count; i++)
		if (image->symbols[i].shndx != SHN_UNDEF &&
		    image->symbols[i].shndx != SHN_ABS &&
		    image->symbols[i].value > address &&
		    image->symbols[i].value < end)
			end = image->symbols[i].value;
	return end == UINT64_MAX ? 0 : end - address;
}

static const char *section_reason(const struct kernel_image *image,
				  const struct image_symbol *symbol)
{
	const struct image_section *section = &image->sections[symbol->shndx];

	if (starts_with(section->name, ".init") ||
	    starts_with(section->name, ".exit"))
		return "is gone after boot";
	return section->header.sh_flags & SHF_WRITE ? NULL : "is a constant";
}

static enum us_error find_in_kernel(const struct variables *variables,
				    const char *name, struct variable *out)
{
	const struct kernel_image *image = variables->kernel;
	const struct image_symbol *symbol;
	enum us_error error;
	u64 address;

	error = image_symbol(image, name, &address);
	if (error)
		return error;
	symbol = image_find_symbol(image, name);
	if (!symbol || symbol->shndx >= image->section_count ||
	    symbol->shndx == image->percpu_section || address < image->text) {
		*out = (struct variable){
			.space = US_SPACE_ABSOLUTE, .offset = address,
			.sealed = "is there once for each CPU, or is a number",
		};
		return US_OK;
	}
	*out = (struct variable){
		.space = US_SPACE_IMAGE, .offset = address - image->text,
		.size = symbol->size,
		.room = symbol->size ? symbol->size :
			image_room(image, address),
	};
	out->sealed = range_reason(&variables->ranges, out->offset,
				   out->room ? out->room : 1);
	if (!out->sealed)
		out->sealed = section_reason(image, symbol);
	return US_OK;
}

/* A module's own, but for what it asks others for: that is the kernel's. */
static u32 module_symbol(const struct variables *variables, const char *name,
			 bool *ambiguous)
{
	const struct side *side = variables->module;
	u32 i, index, found = SIDE_NONE;

	*ambiguous = false;
	for (i = side ? side_find_name(side, name) : 0;
	     side && i < side->name_count; i++) {
		index = side->by_name[i];
		if (strcmp(side->symbols[index].name, name))
			break;
		if (side->symbols[index].section == SIDE_NONE)
			continue;
		*ambiguous = found != SIDE_NONE;
		found = index;
	}
	return found;
}

static const char *module_reason(const struct side *side, u64 address)
{
	const struct side_section *section = side_section_at(side, address);

	if (side_is_code(side, address))
		return "is code";
	if (side_is_percpu(side, address))
		return "is there once for each CPU";
	if (!section || !(section->flags & SHF_WRITE) ||
	    side_is_constant(side, address))
		return "is a constant";
	/* What the loader protects behind it (module_enable_ro()). */
	if (starts_with(section->name, ".data..ro_after_init") ||
	    starts_with(section->name, "__jump_table"))
		return "cannot be written after the module was loaded";
	return NULL;
}

static enum us_error find_in_module(const struct variables *variables,
				    struct bundle_plan *plan, u32 index,
				    struct variable *out)
{
	const struct module_home *home = variables->home;
	const struct side *side = variables->module;
	const struct side_symbol *symbol = &side->symbols[index];
	struct home_place place = home_address(home, side, symbol->address);

	if (place.kind != HOME_BASE)
		return fail(US_E_OBJECT_UNSUPPORTED, "%s, %s", symbol->name,
			    place.why ? place.why : "which has no place");
	*out = (struct variable){
		.space = US_SPACE_BASE, .offset = (u64)place.value,
		.size = symbol->size,
		.room = symbol->size ? symbol->size :
			side_room(side, symbol->address),
		.sealed = module_reason(side, symbol->address),
	};
	return bundle_plan_base(plan, &home->module.bases[place.base],
				&out->base);
}

static bool find_new(const struct bundle_plan *plan, const char *name,
		     struct variable *out)
{
	u32 i;

	for (i = 0; i < plan->new_count; i++) {
		if (strcmp(plan->new_variables[i].name, name))
			continue;
		*out = (struct variable){
			.space = US_SPACE_SHADOW,
			.offset = plan->new_variables[i].offset,
			.size = plan->new_variables[i].size,
			.room = plan->new_variables[i].size,
		};
		return true;
	}
	return false;
}

enum us_error variable_find(const struct variables *variables,
			    struct bundle_plan *plan, const char *name,
			    struct variable *out)
{
	bool ambiguous;
	u32 own;

	if (find_new(plan, name, out))
		return US_OK;
	if (variables->map)
		return find_in_map(variables, name, out);
	own = module_symbol(variables, name, &ambiguous);
	if (own == SIDE_NONE)
		return find_in_kernel(variables, name, out);
	if (ambiguous)
		return fail(US_E_SYMBOL_AMBIGUOUS, "%s: %s",
			    variables->module->path, name);
	return find_in_module(variables, plan, own, out);
}

enum us_error variables_open(struct variables *variables,
			     const struct kernel_image *kernel,
			     const struct side *module,
			     const struct module_home *home)
{
	*variables = (struct variables){
		.kernel = home ? &home->image : kernel,
		.module = module, .home = home,
	};
	return ranges_collect(variables->kernel, &variables->ranges);
}
