/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "build_units.h"
#include "cli.h"

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum us_error add_name(char ***list, size_t *count, const char *name)
{
	char **grown = reallocarray(*list, *count + 1, sizeof(*grown));

	if (grown)
		*list = grown;
	if (!grown || !(grown[*count] = strdup(name)))
		return fail(US_E_NO_MEMORY, "%s", name);
	++*count;
	return US_OK;
}

static void free_names(char ***list, size_t *count)
{
	while (*count)
		free((*list)[--*count]);
	free(*list);
	*list = NULL;
}

static enum us_error read_names(struct unit_list *units, Dwarf *dwarf)
{
	enum us_error error = US_OK;
	Dwarf_CU *unit = NULL;
	const char *name;
	Dwarf_Die die;
	u8 type;

	while (!error && !dwarf_get_units(dwarf, unit, &unit, NULL, &type, &die,
					  NULL)) {
		name = type == DW_UT_compile ? dwarf_diename(&die) : NULL;
		if (name)
			error = add_name(&units->names, &units->count, name);
	}
	return error;
}

enum us_error units_read(struct unit_list *units, const char *vmlinux)
{
	int fd = open(vmlinux, O_RDONLY | O_CLOEXEC);
	enum us_error error;
	Dwarf *dwarf;

	*units = (struct unit_list){ 0 };
	if (fd < 0)
		return fail(US_E_FILE_OPEN, "%s: %s", vmlinux, strerror(errno));
	dwarf = dwarf_begin(fd, DWARF_C_READ);
	error = dwarf ? read_names(units, dwarf) : US_OK;
	if (!error && !units->count)
		error = fail(US_E_ELF_NO_DEBUG, "%s: take the one from the "
			     "kernel's -dbg package", vmlinux);
	if (!error)
		qsort(units->names, units->count, sizeof(*units->names),
		      compare_names);
	dwarf_end(dwarf);
	close(fd);
	return error;
}

void units_free(struct unit_list *units)
{
	free_names(&units->names, &units->count);
}

bool units_have(const struct unit_list *units, const char *name)
{
	return units->count && bsearch(&name, units->names, units->count,
				       sizeof(*units->names), compare_names);
}

void objects_free(struct object_list *objects)
{
	free_names(&objects->paths, &objects->count);
}

static bool has_suffix(const char *path, const char *suffix)
{
	size_t len = strlen(path), tail = strlen(suffix);

	return len >= tail && !strcmp(path + len - tail, suffix);
}

/* What no bundle can carry, and why; first match counts. */
static const struct path_rule {
	const char *prefix, *suffix;
	const char *why;	/* NULL: not part of any kernel */
} rules[] = {
	{ "Documentation/", "", NULL },
	{ "samples/", "", NULL },
	{ "tools/objtool/", "", "the kernel's build tools" },
	{ "tools/", "", NULL },
	{ "LICENSES/", "", NULL },
	{ "MAINTAINERS", "", NULL },
	{ "scripts/", "", "the kernel's build tools" },
	{ "", ".rst", NULL },
	{ "", ".txt", NULL },
	{ "", ".S", "assembly" },
	{ "", "Kconfig", "the kernel's configuration" },
	{ "", "Makefile", "the kernel's build" },
	{ "", "Kbuild", "the kernel's build" },
	{ "arch/x86/boot/", "", "the boot loader's part of the kernel" },
	{ "arch/x86/realmode/", "", "real-mode code" },
	{ "arch/x86/purgatory/", "", "the kexec purgatory" },
	{ "arch/x86/entry/vdso/", "", "the vDSO, which processes map" },
	{ "lib/vdso/", "", "the vDSO, which processes map" },
	{ "include/uapi/", "", "the interface to programs" },
};

static const struct path_rule *find_rule(const char *path)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rules); i++)
		if (!strncmp(path, rules[i].prefix, strlen(rules[i].prefix)) &&
		    has_suffix(path, rules[i].suffix))
			return &rules[i];
	return NULL;
}

struct search {
	const struct unit_list *units;
	struct object_list *objects, *others;
};

enum us_error objects_add(struct object_list *objects, const char *path)
{
	size_t i;

	for (i = 0; i < objects->count; i++)
		if (!strcmp(objects->paths[i], path))
			return US_OK;
	if (objects->count == OBJECTS_MAX)
		return fail(US_E_TOO_LARGE, "the fix touches more than %u "
			    "objects; rather take the vendor's next kernel and "
			    "'underseal diff'", OBJECTS_MAX);
	return add_name(&objects->paths, &objects->count, path);
}

void objects_drop(struct object_list *objects, size_t index)
{
	free(objects->paths[index]);
	objects->count--;
	memmove(&objects->paths[index], &objects->paths[index + 1],
		(objects->count - index) * sizeof(*objects->paths));
}

static enum us_error add_unit(struct object_list *objects, const char *unit)
{
	char *path = strdup(unit);
	enum us_error error;

	if (!path)
		return fail(US_E_NO_MEMORY, "%s", unit);
	path[strlen(path) - 1] = 'o';
	error = objects_add(objects, path);
	free(path);
	return error;
}

static enum us_error found_unit(void *context, const char *unit)
{
	struct search *search = context;

	if (units_have(search->units, unit))
		return add_unit(search->objects, unit);
	return has_suffix(unit, ".c") ? add_unit(search->others, unit) : US_OK;
}

static enum us_error objects_of_file(const struct source_tree *tree,
				     const char *path, struct search *search)
{
	const struct path_rule *rule = find_rule(path);
	size_t before = search->objects->count + search->others->count;
	enum us_error error;

	if (rule && rule->why)
		return fail(US_E_NOT_PATCHABLE, "%s: %s cannot be changed in a "
			    "running kernel", path, rule->why);
	if (rule)
		return US_OK;
	if (units_have(search->units, path))
		return add_unit(search->objects, path);
	error = includers_find(tree, path, found_unit, search);
	/* A source file of its own that is not in the image: a module's, which
	 * kbuild will tell. */
	if (!error && search->objects->count + search->others->count == before &&
	    has_suffix(path, ".c"))
		error = add_unit(search->objects, path);
	else if (!error && search->objects->count + search->others->count ==
		 before)
		note("%s is not part of this kernel", path);
	return error;
}

enum us_error objects_of_fix(const struct source_tree *tree,
			     const struct fix *fix,
			     const struct unit_list *units,
			     struct object_list *objects,
			     struct object_list *others)
{
	struct search search = { units, objects, others };
	enum us_error error = US_OK;
	size_t i;

	for (i = 0; i < fix->target_count && !error; i++)
		error = objects_of_file(tree, fix->targets[i].path, &search);
	if (!error && !objects->count && !others->count)
		error = fail(US_E_NOTHING_TO_REPLACE, "%s changes nothing that "
			     "this kernel is made of", fix->path);
	return error;
}
