/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which structures differ, from the kernels' BTF. */
#include <stdlib.h>
#include <string.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "cli.h"
#include "diff_module.h"
#include "diff_types.h"
#include "diff_use.h"

#define MAX_DEPTH	24u
#define SAME		1u
#define DIFFERENT	2u

static int silent(enum libbpf_print_level level, const char *format,
		  va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

/* A module's numbers go on where those of its kernel, @base, end. */
static struct btf *read_btf(const struct side *side, struct btf *base)
{
	const struct side_section *section = side_section(side, ".BTF");
	struct btf *btf;

	if (!section || !section->data || !section->size ||
	    section->size > UINT32_MAX)
		return NULL;
	btf = base ? btf__parse_elf_split(side->path, base) :
	      btf__new(section->data, section->size);
	return libbpf_get_error(btf) ? NULL : btf;
}

static const char *name_of(const struct btf *btf, const struct btf_type *type)
{
	const char *name = btf__name_by_offset(btf, type->name_off);

	return name ? name : "";
}

/* Without typedefs and qualifiers. */
static const struct btf_type *plain(const struct btf *btf, u32 id)
{
	const struct btf_type *type = btf__type_by_id(btf, id);
	u32 steps;

	for (steps = 0; type && steps < 64 &&
	     (btf_is_mod(type) || btf_is_typedef(type) ||
	      btf_is_type_tag(type)); steps++)
		type = btf__type_by_id(btf, type->type);
	return type;
}

struct compare {
	struct layouts *layouts;
	u8 *memo;		/* by type of the new side */
};

static bool same_layout(struct compare *compare, u32 old, u32 new, u32 depth);

/* What a pointer leads to does not matter to who holds it. */
static bool same_leaf(const struct compare *compare,
		      const struct btf_type *a, const struct btf_type *b)
{
	if (btf_kind(a) != btf_kind(b))
		/* A type that one side only declares has no layout here. */
		return btf_is_any_enum(a) && btf_is_any_enum(b) &&
		       a->size == b->size;
	if (btf_is_int(a) || btf_is_any_enum(a) || btf_is_float(a))
		return a->size == b->size;
	(void)compare;
	return true;
}

/* A member where it lies, out of all structures and unions without a name. */
struct leaf {
	const char *name;
	u32 offset, size;	/* bits */
	u32 type;
};

struct leaves {
	struct leaf *list;
	u32 count;
};

static u32 count_leaves(const struct btf *btf, const struct btf_type *type,
			u32 depth)
{
	const struct btf_member *members = btf_members(type);
	u32 i, count = 0;

	for (i = 0; i < btf_vlen(type); i++) {
		const struct btf_type *inner = plain(btf, members[i].type);

		if (!members[i].name_off && inner && depth < MAX_DEPTH &&
		    btf_is_composite(inner))
			count += count_leaves(btf, inner, depth + 1);
		else
			count++;
	}
	return count;
}

static void add_leaves(const struct btf *btf, const struct btf_type *type,
		       u32 base, u32 depth, struct leaves *out)
{
	const struct btf_member *members = btf_members(type);
	u32 i;

	for (i = 0; i < btf_vlen(type); i++) {
		const struct btf_type *inner = plain(btf, members[i].type);
		u32 offset = base + btf_member_bit_offset(type, i);
		u32 bits = btf_member_bitfield_size(type, i);
		const char *name;

		if (!members[i].name_off && inner && depth < MAX_DEPTH &&
		    btf_is_composite(inner)) {
			add_leaves(btf, inner, offset, depth + 1, out);
			continue;
		}
		name = btf__name_by_offset(btf, members[i].name_off);
		out->list[out->count++] = (struct leaf){
			.name = name ? name : "", .offset = offset,
			.size = bits ? bits : (u32)btf__resolve_size(btf,
						members[i].type) * 8,
			.type = members[i].type,
		};
	}
}

static bool get_leaves(const struct btf *btf, const struct btf_type *type,
		       struct leaves *out)
{
	out->list = calloc(count_leaves(btf, type, 0) + 1, sizeof(*out->list));
	out->count = 0;
	if (out->list)
		add_leaves(btf, type, 0, 0, out);
	return out->list;
}

/* Plain numbers and pointers are alike when they take the same bits: what is
 * stored in them shows in the code. */
static bool same_leaf_type(struct compare *compare, const struct leaf *old,
			   const struct leaf *new, u32 depth)
{
	const struct btf_type *a = plain(compare->layouts->old, old->type);
	const struct btf_type *b = plain(compare->layouts->new, new->type);
	bool parts = a && (btf_is_composite(a) || btf_is_array(a));

	if (parts != (b && (btf_is_composite(b) || btf_is_array(b))))
		return false;
	return !parts || same_layout(compare, old->type, new->type, depth + 1);
}

static bool has_leaf(struct compare *compare, const struct leaf *old,
		     const struct leaves *new, u32 depth)
{
	u32 i;

	for (i = 0; i < new->count; i++)
		if (old->offset == new->list[i].offset &&
		    old->size == new->list[i].size &&
		    !strcmp(old->name, new->list[i].name))
			return same_leaf_type(compare, old, &new->list[i],
					      depth);
	return false;
}

/* Another name for bits that the old side has as one member, too? */
static bool covers(const struct leaves *old, const struct leaf *new)
{
	u32 i;

	for (i = 0; i < old->count; i++)
		if (old->list[i].offset == new->offset &&
		    old->list[i].size == new->size)
			return true;
	return false;
}

/* Every old member is where it was, and none was added in other places. */
static bool same_members(struct compare *compare, const struct btf_type *a,
			 const struct btf_type *b, u32 depth)
{
	struct leaves old = { 0 }, new = { 0 };
	bool same = a->size == b->size;
	u32 i;

	same = same && get_leaves(compare->layouts->old, a, &old) &&
	       get_leaves(compare->layouts->new, b, &new);
	for (i = 0; i < old.count && same; i++)
		same = has_leaf(compare, &old.list[i], &new, depth);
	for (i = 0; i < new.count && same; i++)
		same = covers(&old, &new.list[i]);
	free(old.list);
	free(new.list);
	return same;
}

static bool same_layout(struct compare *compare, u32 old, u32 new, u32 depth)
{
	const struct btf_type *a = plain(compare->layouts->old, old);
	const struct btf_type *b = plain(compare->layouts->new, new);
	u8 *memo;
	bool same;

	if (!a || !b)
		return a == b;
	if (depth > MAX_DEPTH)
		return false;
	if (btf_is_array(a) && btf_is_array(b))
		return btf_array(a)->nelems == btf_array(b)->nelems &&
		       same_layout(compare, btf_array(a)->type,
				   btf_array(b)->type, depth + 1);
	if (!btf_is_composite(a) || !btf_is_composite(b))
		return same_leaf(compare, a, b);
	if (strcmp(name_of(compare->layouts->old, a),
		   name_of(compare->layouts->new, b)))
		return false;
	memo = new < compare->layouts->count ? &compare->memo[new] : NULL;
	if (memo && *memo)
		return *memo == SAME;
	same = same_members(compare, a, b, depth);
	/* Typedefs lead to the same type by another number; only the type's
	 * own number is remembered. */
	if (memo && btf__type_by_id(compare->layouts->new, new) == b)
		*memo = same ? SAME : DIFFERENT;
	return same;
}

/* The type called @name of @kind on the old side that is like the new one, else
 * any of that name, else 0. BTF can have several: one for each that differs. */
struct name_index {
	const char *name;
	u32 id;
};

static int compare_names(const void *a, const void *b)
{
	const struct name_index *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x->id > y->id) - (x->id < y->id);
}

static u32 index_names(const struct btf *btf, struct name_index *index)
{
	const struct btf_type *type;
	u32 i, count = 0;

	for (i = 1; i < btf__type_cnt(btf); i++) {
		type = btf__type_by_id(btf, i);
		if (btf_is_composite(type) && name_of(btf, type)[0])
			index[count++] = (struct name_index){
				name_of(btf, type), i,
			};
	}
	qsort(index, count, sizeof(*index), compare_names);
	return count;
}

static u32 first_named(const struct name_index *index, u32 count,
		       const char *name)
{
	u32 low = 0, high = count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (strcmp(index[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool changed_type(struct compare *compare,
			 const struct name_index *index, u32 count, u32 id)
{
	const struct btf_type *type = btf__type_by_id(compare->layouts->new,
						      id);
	const char *name = name_of(compare->layouts->new, type);
	u32 i = first_named(index, count, name);
	bool found = false;

	for (; i < count && !strcmp(index[i].name, name); i++) {
		found = true;
		compare->memo[id] = 0;
		if (same_layout(compare, index[i].id, id, 0))
			return false;
	}
	/* A new type is no changed one: nothing old has that layout. */
	return found;
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum us_error find_changed(struct layouts *layouts)
{
	struct name_index *index = calloc(btf__type_cnt(layouts->old) + 1,
					  sizeof(*index));
	struct compare compare = { .layouts = layouts };
	const struct btf_type *type;
	u32 count, i;

	layouts->count = btf__type_cnt(layouts->new);
	layouts->names = calloc(layouts->count + 1, sizeof(*layouts->names));
	compare.memo = calloc(layouts->count + 1, 1);
	if (!index || !layouts->names || !compare.memo) {
		free(index);
		free(compare.memo);
		return fail(US_E_NO_MEMORY, "types");
	}
	count = index_names(layouts->old, index);
	for (i = 1; i < layouts->count; i++) {
		type = btf__type_by_id(layouts->new, i);
		if (!btf_is_composite(type) || !name_of(layouts->new, type)[0] ||
		    !changed_type(&compare, index, count, i))
			continue;
		layouts->names[layouts->changed_count++] =
			name_of(layouts->new, type);
	}
	qsort(layouts->names, layouts->changed_count, sizeof(*layouts->names),
	      compare_strings);
	free(index);
	free(compare.memo);
	return US_OK;
}

static void read_module_btf(struct layouts *layouts, const struct side *old,
			    const struct side *new,
			    const struct module_home *home)
{
	layouts->kernel = read_btf(&home->kernel, NULL);
	if (!new || home->new_kernel.fd < 0)
		return;
	layouts->new_kernel = read_btf(&home->new_kernel, NULL);
	if (layouts->kernel && layouts->new_kernel) {
		layouts->old = read_btf(old, layouts->kernel);
		layouts->new = read_btf(new, layouts->new_kernel);
	}
}

/* Unlike BTF, a module's debug information holds all types that it uses. */
static enum us_error find_changed_shapes(struct layouts *layouts,
					 const struct side *old,
					 const struct side *new)
{
	struct shape_list *shapes = &layouts->new_shapes;
	enum us_error error;
	const char *name;
	size_t i;

	error = shapes_read(&layouts->old_shapes, old->path);
	if (!error)
		error = shapes_read(shapes, new->path);
	if (error)
		return error;
	layouts->names = calloc(shapes->count + 1, sizeof(*layouts->names));
	if (!layouts->names)
		return fail(US_E_NO_MEMORY, "types");
	for (i = 0; i < shapes->count; i++) {
		name = shapes->list[i].name;
		if ((!i || strcmp(name, shapes->list[i - 1].name)) &&
		    shapes_changed(&layouts->old_shapes, &shapes->list[i]))
			layouts->names[layouts->changed_count++] = name;
	}
	return US_OK;
}

enum us_error layouts_open(struct layouts *layouts, const struct side *old,
			   const struct side *new,
			   const struct module_home *home)
{
	enum us_error error;

	*layouts = (struct layouts){ 0 };
	libbpf_set_print(silent);
	if (home) {
		read_module_btf(layouts, old, new, home);
	} else if (old->linked) {
		layouts->old = read_btf(old, NULL);
		layouts->new = new ? read_btf(new, NULL) : NULL;
	} else {
		return US_OK;
	}
	if (layouts->old && layouts->new)
		error = find_changed(layouts);
	else if (home && new)
		error = find_changed_shapes(layouts, old, new);
	else
		return US_OK;
	if (!error && layouts->changed_count)
		error = use_open(&layouts->use, new);
	layouts->known = !error;
	/* Then functions are refused one by one. */
	return error == US_E_ELF_NO_DEBUG ? US_OK : error;
}

void layouts_free(struct layouts *layouts)
{
	use_close(layouts->use);
	btf__free(layouts->old);
	btf__free(layouts->new);
	btf__free(layouts->kernel);
	btf__free(layouts->new_kernel);
	shapes_free(&layouts->old_shapes);
	shapes_free(&layouts->new_shapes);
	free(layouts->names);
	*layouts = (struct layouts){ 0 };
}

bool layouts_changed(const struct layouts *layouts, const char *name)
{
	return layouts->changed_count &&
	       bsearch(&name, layouts->names, layouts->changed_count,
		       sizeof(*layouts->names), compare_strings);
}

static bool named_changed(void *context, const char *name)
{
	return layouts_changed(context, name);
}

const char *layouts_used(struct layouts *layouts, u64 address)
{
	if (!layouts->known || !layouts->changed_count)
		return NULL;
	if (!use_known(layouts->use))
		return layouts->names[0];
	return use_find(layouts->use, address, named_changed, layouts);
}

static const struct btf *kernel_btf(const struct layouts *layouts)
{
	return layouts->kernel ? layouts->kernel : layouts->old;
}

s64 layouts_member(const struct layouts *layouts, const char *type,
		   const char *member)
{
	const struct btf *btf = kernel_btf(layouts);
	const struct btf_member *members;
	const struct btf_type *found;
	const char *name;
	s32 id;
	u32 i;

	if (!btf)
		return -1;
	id = btf__find_by_name_kind(btf, type, BTF_KIND_STRUCT);
	if (id <= 0)
		return -1;
	found = btf__type_by_id(btf, id);
	members = btf_members(found);
	for (i = 0; i < btf_vlen(found); i++) {
		name = btf__name_by_offset(btf, members[i].name_off);
		if (name && !strcmp(name, member))
			return btf_member_bit_offset(found, i) / 8;
	}
	/* x86_capability lies in an anonymous union since 4.20. */
	for (i = 0; i < btf_vlen(found); i++) {
		const struct btf_type *inner = plain(btf,
						     members[i].type);
		u32 k;

		if (!inner || !btf_is_composite(inner) ||
		    name_of(btf, inner)[0])
			continue;
		for (k = 0; k < btf_vlen(inner); k++) {
			name = btf__name_by_offset(btf,
					btf_members(inner)[k].name_off);
			if (name && !strcmp(name, member))
				return (btf_member_bit_offset(found, i) +
					btf_member_bit_offset(inner, k)) / 8;
		}
	}
	return -1;
}

int layouts_parameters(const struct layouts *layouts, const char *name)
{
	const struct btf *btf = kernel_btf(layouts);
	const struct btf_type *function;
	s32 id;

	if (!btf)
		return -1;
	id = btf__find_by_name_kind(btf, name, BTF_KIND_FUNC);
	if (id <= 0)
		return -1;
	function = btf__type_by_id(btf, id);
	function = btf__type_by_id(btf, function->type);
	return function && btf_is_func_proto(function) ?
	       (int)btf_vlen(function) : -1;
}
