/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "kernel_values.h"

#define MAX_STEPS	256	/* patches that decide about one place */

/* A place: patches that overlap, and what they draw in. */
struct place {
	const struct kernel_image *image;
	struct kernel_memory *memory;
	const struct patch_table *table;
	struct patch_symbols symbols;
	u64 start, end;
	const struct patch *steps[MAX_STEPS]; /* in the kernel's order */
	u32 step_count;
	struct patch_world world;
	bool returns, locks, calls;	/* which choices matter */
	const struct patch *constant;
};

static enum us_error too_complex(const struct place *place)
{
	return fail(US_E_TOO_LARGE, "%s: too many ways to patch the code at "
		    "%#llx", place->image->path,
		    (unsigned long long)place->start);
}

static enum us_error add_feature(struct place *place, u16 feature)
{
	struct patch_world *world = &place->world;
	u32 i;

	if (feature == FEATURE_ALWAYS || feature == FEATURE_XENPV)
		return US_OK;
	for (i = 0; i < world->feature_count; i++)
		if (world->features[i] == feature)
			return US_OK;
	if (world->feature_count == MAX_FEATURES)
		return too_complex(place);
	world->features[world->feature_count++] = feature;
	return US_OK;
}

static enum us_error add_range(struct place *place, u64 start, u64 end);

/* One more patch of the place, and all that its replacement depends on. */
static enum us_error add_step(struct place *place, const struct patch *patch)
{
	enum us_error error = US_OK;
	u32 i;

	for (i = 0; i < place->step_count; i++)
		if (place->steps[i] == patch)
			return US_OK;
	if (place->step_count == MAX_STEPS)
		return too_complex(place);
	place->steps[place->step_count++] = patch;
	switch (patch->kind) {
	case PATCH_RETPOLINE:
		error = add_feature(place, FEATURE_RETPOLINE);
		return error ? error :
		       add_feature(place, FEATURE_RETPOLINE_LFENCE);
	case PATCH_RETURN:
		place->returns = true;
		return US_OK;
	case PATCH_LOCK:
		place->locks = true;
		return US_OK;
	case PATCH_CONSTANT:
		place->constant = patch;
		return US_OK;
	case PATCH_PARAVIRT:
		place->calls = true;
		return US_OK;
	case PATCH_ALTERNATIVE:
		place->calls |= !!(patch->flags & PATCH_DIRECT_CALL);
		error = add_feature(place, patch->feature);
		return error ? error :
		       add_range(place, patch->replacement,
				 patch->replacement + patch->replacement_len);
	}
	return US_OK;
}

/* All patches that begin in [@start, @end). Replacements are not in the text, and
 * the kernel takes LOCK prefixes out of the text alone. */
static enum us_error add_range(struct place *place, u64 start, u64 end)
{
	const struct patch_table *table = place->table;
	enum us_error error = US_OK;
	size_t i;

	for (i = patches_from(table, start); i < table->count && !error &&
	     table->list[i].address < end; i++) {
		if (table->list[i].kind == PATCH_LOCK &&
		    !image_in_text(place->image, table->list[i].address, 1))
			continue;
		error = add_step(place, &table->list[i]);
	}
	return error;
}

static int compare_steps(const void *a, const void *b)
{
	const struct patch *x = *(const struct patch *const *)a;
	const struct patch *y = *(const struct patch *const *)b;

	if (x->kind != y->kind)
		return (int)x->kind - (int)y->kind;
	return (x->index > y->index) - (x->index < y->index);
}

/* Fields that reach into the place from either side become part of it. */
static void widen(struct place *place)
{
	const struct kernel_memory *memory = place->memory;
	const u8 *marks = memory->linked_marks;
	u64 start = place->start - memory->base, end = place->end - memory->base;
	u64 at = start > 8 ? start - 8 : 0;

	for (; at < end; at++) {
		if (!marks[at] || at + field_size(marks[at]) <= start)
			continue;
		if (at < start)
			start = at;
		if (at + field_size(marks[at]) > end)
			end = at + field_size(marks[at]);
	}
	place->start = start + memory->base;
	place->end = end + memory->base;
}

static void restore(struct place *place)
{
	const struct patch *step;
	u32 i;

	memory_restore(place->memory, place->start, place->end - place->start);
	for (i = 0; i < place->step_count; i++) {
		step = place->steps[i];
		memory_restore(place->memory, step->address, step->len);
		if (step->kind == PATCH_ALTERNATIVE)
			memory_restore(place->memory, step->replacement,
				       step->replacement_len);
	}
}

static bool run(struct place *place)
{
	bool possible = true;
	u32 i;

	restore(place);
	for (i = 0; i < place->step_count && possible; i++)
		possible = patch_apply(place->memory, &place->symbols,
				       place->table->rules, &place->world,
				       place->steps[i]);
	return possible;
}

/* The place as it stands now, as the format has it. */
static enum us_error encode(const struct place *place, struct buffer *out)
{
	const u8 *marks = memory_marks(place->memory, place->start);
	u64 len = place->end - place->start, at;
	u8 head[1 + 2 * 255];
	u32 fields = 0;

	memory_mark_distances(place->memory, place->start, len);
	for (at = 0; at < len; at++) {
		if (!marks[at])
			continue;
		if (at > UINT8_MAX || fields == 255)
			return too_complex(place);
		head[1 + 2 * fields] = at;
		head[2 + 2 * fields] = marks[at];
		fields++;
	}
	head[0] = fields;
	if (buffer_append(out, head, 1 + 2 * fields) ||
	    buffer_append(out, memory_at(place->memory, place->start), len))
		return fail(US_E_NO_MEMORY, "values");
	return US_OK;
}

static u64 value_size(const u8 *value, u64 len)
{
	return 1 + 2 * (u64)value[0] + len;
}

/* Keep the value just appended at @at unless the site has it already. */
static enum us_error keep_new(const struct place *place,
			      struct value_site *site, struct buffer *pool,
			      u64 at)
{
	u64 size = pool->len - at, seen;

	for (seen = site->first; seen < at;
	     seen += value_size(pool->data + seen, site->len))
		if (value_size(pool->data + seen, site->len) == size &&
		    !memcmp(pool->data + seen, pool->data + at, size)) {
			pool->len = at;
			return US_OK;
		}
	if (++site->count > US_SITE_MAX_VALUES)
		return too_complex(place);
	return US_OK;
}

/* LFENCE in front of indirect branches is a kind of retpoline to the kernel. */
static bool features_agree(const struct patch_world *world)
{
	bool retpoline = true;	/* where it does not matter */
	u32 i;

	for (i = 0; i < world->feature_count; i++)
		if (world->features[i] == FEATURE_RETPOLINE)
			retpoline = world->set >> i & 1;
	return retpoline || !world_has(world, FEATURE_RETPOLINE_LFENCE);
}

static enum us_error one_outcome(struct place *place, struct value_site *site,
				 struct buffer *pool)
{
	u64 at = pool->len;
	enum us_error error;

	if (!features_agree(&place->world) || !run(place))
		return US_OK;
	error = encode(place, pool);
	return error ? error : keep_new(place, site, pool, at);
}

/* All processors and command lines, for the choices that do not matter just one. */
static enum us_error all_outcomes(struct place *place, struct value_site *site,
				  struct buffer *pool)
{
	struct patch_world *world = &place->world;
	u32 thunks = place->returns ? place->symbols.thunk_count + 1 : 1;
	u32 locks = place->locks ? 2 : 1;
	u32 calls = place->calls && place->symbols.lkgs ? 2 : 1;
	u32 all = thunks * locks * calls, i, rest;
	enum us_error error = US_OK;

	for (world->set = 0; world->set < 1u << world->feature_count &&
	     !error; world->set++) {
		for (i = 0; i < all && !error; i++) {
			rest = i / thunks;
			world->return_thunk = i % thunks ?
				place->symbols.thunks[i % thunks - 1] : 0;
			world->one_cpu = rest % locks;
			world->lkgs = rest / locks;
			error = one_outcome(place, site, pool);
		}
	}
	restore(place);
	return error;
}

static u8 site_kind(u8 kind)
{
	static const u8 kinds[] = {
		[PATCH_PARAVIRT] = US_SITE_PARAVIRT,
		[PATCH_RETPOLINE] = US_SITE_RETPOLINE,
		[PATCH_RETURN] = US_SITE_RETURN,
		[PATCH_ALTERNATIVE] = US_SITE_ALTERNATIVE,
		[PATCH_ENDBR] = US_SITE_ENDBR,
		[PATCH_LOCK] = US_SITE_SMP_LOCK,
		[PATCH_CONSTANT] = US_SITE_CONSTANT,
	};

	return kinds[kind];
}

enum us_error values_add(struct value_list *out, const struct value_site *site)
{
	struct value_site *grown;

	if (!(out->count & (out->count - 1))) {
		grown = reallocarray(out->list, out->count ?
				     out->count * 2 : 1, sizeof(*grown));
		if (!grown)
			return fail(US_E_NO_MEMORY, "sites");
		out->list = grown;
	}
	out->list[out->count++] = *site;
	return US_OK;
}

/*
 * Values of a constant that the kernel computes while it boots, where they can be
 * told beforehand: a shift count, and the end of the user's addresses
 * (arch/x86/kernel/cpu/common.c, arch_cpu_finalize_init()) with four and five
 * levels of page tables and with LAM. An address that is allocated cannot.
 */
static enum us_error constant_values(const struct place *place,
				     struct value_site *site,
				     struct buffer *pool)
{
	static const u64 user_ends[] = {
		(1ull << 47) - PAGE_SIZE, (1ull << 56) - PAGE_SIZE,
		(1ull << 63) - PAGE_SIZE,
	};
	const char *name = place->constant->constant;
	bool shift = !strncmp(name, "runtime_shift_", 14);
	bool user_end = !strcmp(name, "runtime_ptr_USER_PTR_MAX");
	u64 count = shift ? 64 : user_end ? ARRAY_SIZE(user_ends) : 0, i, value;

	if (site->len != place->constant->len || place->step_count != 1)
		return US_OK;
	for (i = 0; i < count; i++) {
		value = shift ? i : user_ends[i];
		if (buffer_append(pool, NULL, 1) ||
		    buffer_append(pool, &value, site->len))
			return fail(US_E_NO_MEMORY, "values");
		site->count++;
	}
	return US_OK;
}

/* Derive the site that begins with the patches from @place->start to @place->end. */
static enum us_error derive(struct place *place, struct value_list *out,
			    u8 first_kind)
{
	struct value_site site = { .first = out->pool.len };
	enum us_error error;

	error = add_range(place, place->start, place->end);
	if (error)
		return error;
	qsort(place->steps, place->step_count, sizeof(place->steps[0]),
	      compare_steps);
	widen(place);
	site.offset = place->start - place->memory->base;
	site.len = place->end - place->start;
	site.kind = place->constant ? US_SITE_CONSTANT : site_kind(first_kind);
	if (site.len > US_SITE_MAX_LEN)
		return too_complex(place);
	error = place->constant ? constant_values(place, &site, &out->pool) :
		all_outcomes(place, &site, &out->pool);
	if (error)
		return error;
	if (!site.count && !place->constant)
		return fail(US_E_ELF_FORMAT, "%s: the code at %#llx cannot be "
			    "patched", place->image->path,
			    (unsigned long long)place->start);
	site.size = out->pool.len - site.first;
	return values_add(out, &site);
}

/* Places that the running kernel patches have a description of their own there;
 * boot-time patches of the same bytes are covered by it. */
static bool covered(const struct place *place, const struct patch *patch,
		    const struct runtime_list *runtime, enum us_error *error)
{
	const struct us_runtime_site *site;
	u64 offset = patch->address - place->memory->base;

	site = runtime_overlap(runtime, offset, patch->len);
	if (!site || us_runtime_kind(site) == US_RUN_LOCK)
		return patch->kind == PATCH_LOCK && site &&
		       us_runtime_kind(site) != US_RUN_LOCK;
	if (site->offset <= offset && site->offset + us_runtime_len(site) >=
	    offset + patch->len)
		return true;
	*error = fail(US_E_BASELINE_SITES, "%s: sites of two kinds overlap at "
		      "%#llx", place->image->path,
		      (unsigned long long)patch->address);
	return true;
}

/* Does the patch make a place of its own? A LOCK prefix alone is a runtime site. */
static bool counts(const struct kernel_image *image, const struct patch *patch)
{
	return image_in_text(image, patch->address, patch->len) &&
	       patch->kind != PATCH_LOCK;
}

enum us_error values_derive(const struct kernel_image *image,
			    struct kernel_memory *memory,
			    const struct patch_table *table,
			    const struct runtime_list *runtime,
			    struct value_list *out)
{
	struct place place, none = {
		.image = image, .memory = memory, .table = table,
	};
	enum us_error error = US_OK;
	const struct patch *patch;
	bool open = false;
	u8 kind = 0;
	size_t i;

	*out = (struct value_list){ 0 };
	patch_find_symbols(image, memory, table->rules, &none.symbols);
	place = none;
	for (i = 0; i < table->count && !error; i++) {
		patch = &table->list[i];
		if (!counts(image, patch) || !patch->len ||
		    covered(&none, patch, runtime, &error))
			continue;
		if (open && patch->address < place.end) {
			if (patch->address + patch->len > place.end)
				place.end = patch->address + patch->len;
			continue;
		}
		if (open)
			error = derive(&place, out, kind);
		place = none;
		place.start = patch->address;
		place.end = patch->address + patch->len;
		kind = patch->kind;
		open = true;
	}
	if (open && !error)
		error = derive(&place, out, kind);
	return error;
}

void values_free(struct value_list *values)
{
	free(values->list);
	buffer_free(&values->pool);
	*values = (struct value_list){ 0 };
}
