/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "kernel_types.h"
#include "module_set.h"

static int by_name(const void *a, const void *b)
{
	const struct known_module *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int by_export(const void *a, const void *b)
{
	const struct module_export *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x->module > y->module) - (x->module < y->module);
}

/* struct module of this kernel: up to 6.3 core_layout, then mem[]. */
static enum us_error find_layout(struct module_set *set)
{
	struct type_query queries[] = {
		{ "module", "core_layout", TYPE_ABSENT },
		{ "module", "mem", TYPE_ABSENT },
	};
	enum us_error error;

	error = types_resolve(set->kernel, queries, ARRAY_SIZE(queries));
	if (error)
		return error;
	set->one_core = queries[0].answer != TYPE_ABSENT;
	if (!set->one_core && queries[1].answer == TYPE_ABSENT)
		return fail(US_E_SYMBOL_MISSING, "%s: struct module",
			    set->kernel->path);
	return US_OK;
}

static enum us_error add_path(struct module_set *set, const char *path)
{
	struct known_module *grown, *module;

	if (!(set->count & (set->count - 1))) {
		grown = reallocarray(set->modules, set->count ?
				     set->count * 2 : 1, sizeof(*grown));
		if (!grown)
			return fail(US_E_NO_MEMORY, "modules");
		set->modules = grown;
	}
	module = &set->modules[set->count];
	*module = (struct known_module){ .path = strdup(path) };
	if (!module->path)
		return fail(US_E_NO_MEMORY, "modules");
	set->count++;
	if (!module_name_of_path(path, module->name))
		return fail(US_E_ELF_FORMAT, "%s: bad name", path);
	return US_OK;
}

static enum us_error find_files(struct module_set *set, const char *directory)
{
	char *const roots[] = { (char *)(uintptr_t)directory, NULL };
	char name[US_NAME_MAX];
	enum us_error error = US_OK;
	FTSENT *entry;
	FTS *fts;

	fts = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, NULL);
	if (!fts)
		return fail(US_E_FILE_OPEN, "%s: %s", directory, strerror(errno));
	errno = 0;
	while (!error && (entry = fts_read(fts))) {
		if (entry->fts_info == FTS_ERR || entry->fts_info == FTS_DNR ||
		    entry->fts_info == FTS_NS)
			error = fail(US_E_FILE_READ, "%s: %s", entry->fts_path,
				     strerror(entry->fts_errno));
		else if (entry->fts_info == FTS_F &&
			 module_name_of_path(entry->fts_path, name))
			error = add_path(set, entry->fts_path);
	}
	fts_close(fts);
	if (!error && !set->count)
		error = fail(US_E_FILE_OPEN, "%s: no modules there", directory);
	return error;
}

static enum us_error add_export(struct module_set *set, size_t module,
				const struct module_file *file,
				const Elf64_Sym *symbol, const char *name)
{
	const struct module_section *home = &file->sections[symbol->st_shndx];
	struct module_export *grown;

	if (!(set->export_count & (set->export_count - 1))) {
		grown = reallocarray(set->exports, set->export_count ?
				     set->export_count * 2 : 1, sizeof(*grown));
		if (!grown)
			return fail(US_E_NO_MEMORY, "exports");
		set->exports = grown;
	}
	grown = &set->exports[set->export_count];
	*grown = (struct module_export) {
		.name = strdup(name),
		.offset = home->offset + symbol->st_value,
		.module = module,
		.area = home->area,
		.code = home->header->sh_flags & SHF_EXECINSTR,
	};
	if (!grown->name)
		return fail(US_E_NO_MEMORY, "exports");
	set->export_count++;
	return US_OK;
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

#define EXPORT_PREFIX	"__ksymtab_"

/* EXPORT_SYMBOL() makes a symbol named __ksymtab_NAME for each NAME. */
static const char **exported_names(const struct module_file *file, size_t *count)
{
	const char **names = calloc(file->symbol_count + 1, sizeof(*names));
	const char *name;
	u32 i;

	*count = 0;
	for (i = 0; names && i < file->symbol_count; i++) {
		name = module_symbol_name(file, i);
		if (!strncmp(name, EXPORT_PREFIX, strlen(EXPORT_PREFIX)) &&
		    file->symbols[i].st_shndx != SHN_UNDEF)
			names[(*count)++] = name + strlen(EXPORT_PREFIX);
	}
	if (names)
		qsort(names, *count, sizeof(*names), compare_text);
	return names;
}

static bool is_defined(const struct module_file *file, const Elf64_Sym *symbol)
{
	return symbol->st_shndx != SHN_UNDEF &&
	       symbol->st_shndx < file->section_count &&
	       file->sections[symbol->st_shndx].area != AREA_NONE &&
	       ELF64_ST_TYPE(symbol->st_info) != STT_SECTION &&
	       ELF64_ST_BIND(symbol->st_info) != STB_LOCAL;
}

static enum us_error add_exports(struct module_set *set, size_t module,
				 const struct module_file *file)
{
	enum us_error error = US_OK;
	const char **names, *name;
	size_t count;
	u32 i;

	names = exported_names(file, &count);
	if (!names)
		return fail(US_E_NO_MEMORY, "exports");
	for (i = 0; i < file->symbol_count && count && !error; i++) {
		name = module_symbol_name(file, i);
		if (is_defined(file, &file->symbols[i]) &&
		    bsearch(&name, names, count, sizeof(*names), compare_text))
			error = add_export(set, module, file, &file->symbols[i],
					   name);
	}
	free(names);
	return error;
}

static enum us_error read_module(struct module_set *set, size_t index)
{
	struct known_module *module = &set->modules[index];
	struct module_file file;
	enum us_error error;

	error = module_file_open(&file, module->path, set->one_core);
	if (!error) {
		memcpy(module->name, file.name, sizeof(module->name));
		memcpy(module->area_len, file.area_len, sizeof(module->area_len));
		module->text_len = file.text_len;
		error = add_exports(set, index, &file);
	}
	module_file_close(&file);
	return error;
}

enum us_error module_set_open(struct module_set *set,
			      const struct kernel_image *kernel,
			      const char *directory, module_progress progress)
{
	enum us_error error;
	size_t i;

	*set = (struct module_set){ .kernel = kernel };
	error = find_layout(set);
	if (!error && directory)
		error = find_files(set, directory);
	if (error)
		return error;
	if (set->count)
		qsort(set->modules, set->count, sizeof(*set->modules), by_name);
	for (i = 0; i < set->count && !error; i++) {
		error = read_module(set, i);
		if (progress)
			progress(i + 1, set->count, "read");
	}
	if (!error && set->export_count)
		qsort(set->exports, set->export_count, sizeof(*set->exports),
		      by_export);
	return error;
}

void module_set_close(struct module_set *set)
{
	size_t i;

	for (i = 0; i < set->count; i++)
		free(set->modules[i].path);
	for (i = 0; i < set->export_count; i++)
		free(set->exports[i].name);
	free(set->modules);
	free(set->exports);
	*set = (struct module_set){ 0 };
}

const struct module_export *module_set_find(const struct module_set *set,
					    const char *name)
{
	size_t low = 0, high = set->export_count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (strcmp(set->exports[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < set->export_count && !strcmp(set->exports[low].name, name) ?
	       &set->exports[low] : NULL;
}

bool module_set_kernel_symbol(const struct module_set *set, const char *name,
			      const struct image_symbol **symbol)
{
	char mark[256];
	u64 address;

	if ((size_t)snprintf(mark, sizeof(mark), EXPORT_PREFIX "%s", name) >=
	    sizeof(mark) || !image_find(set->kernel, mark, &address))
		return false;
	*symbol = image_find_symbol(set->kernel, name);
	return *symbol != NULL;
}
