/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "baseline_write.h"
#include "cli.h"
#include "kernel_facts.h"
#include "kernel_probes.h"
#include "module_make.h"

/* All that is read from one module, released together. */
struct sources {
	struct linked_module module;
	struct patch_table patches;
	struct entry_list entries;
	struct runtime_list runtime;
	struct value_list values;
	u8 *probes;
	u8 new_base[US_RELOC_MAX_BASES]; /* by base as linked; those used */
	u32 bases;
};

static void free_sources(struct sources *s)
{
	module_unlink(&s->module);
	patches_free(&s->patches);
	runtime_free(&s->runtime);
	values_free(&s->values);
	free(s->probes);
}

/* Room for a module in front of a copy of the kernel's image. */
static enum us_error make_memory(struct module_maker *maker,
				 const struct kernel_memory *kernel)
{
	struct kernel_memory *memory = &maker->memory;

	memory->base = kernel->base - MODULE_WINDOW;
	memory->len = kernel->len + MODULE_WINDOW;
	memory->bytes = calloc(1, memory->len);
	memory->marks = calloc(1, memory->len);
	memory->linked = calloc(1, memory->len);
	memory->linked_marks = calloc(1, memory->len);
	if (!memory->bytes || !memory->marks || !memory->linked ||
	    !memory->linked_marks)
		return fail(US_E_NO_MEMORY, "image");
	memcpy(memory->linked + MODULE_WINDOW, kernel->linked, kernel->len);
	memcpy(memory->bytes + MODULE_WINDOW, kernel->linked, kernel->len);
	return US_OK;
}

/* The release's rules show in the kernel's own tables alone: most modules have too
 * few of them. */
static enum us_error find_rules(struct module_maker *maker,
				const struct kernel_memory *kernel)
{
	struct patch_table patches;
	enum us_error error;

	error = patches_collect(maker->set->kernel, kernel, &patches);
	if (error)
		return error;
	maker->rules = patches.rules;
	patches_free(&patches);
	return US_OK;
}

enum us_error maker_open(struct module_maker *maker, const struct module_set *set)
{
	struct kernel_memory kernel = { 0 };
	enum us_error error;

	*maker = (struct module_maker){ .set = set };
	error = facts_collect(set->kernel, &maker->kernel);
	if (!error)
		error = memory_load(set->kernel, &kernel);
	if (!error)
		error = find_rules(maker, &kernel);
	if (!error)
		error = make_memory(maker, &kernel);
	memory_free(&kernel);
	return error;
}

void maker_close(struct module_maker *maker)
{
	memory_free(&maker->memory);
	*maker = (struct module_maker){ 0 };
}

/* Put @module into the window in place of the one before. */
static void load(struct module_maker *maker, const struct linked_module *module)
{
	struct kernel_memory *memory = &maker->memory;
	const struct us_text_reloc *reloc;
	u64 cleared = maker->used;
	size_t i;

	memset(memory->linked, 0, maker->used);
	memset(memory->linked_marks, 0, maker->used);
	maker->used = module->end - memory->base;
	if (maker->used > cleared)
		cleared = maker->used;
	for (i = 0; i < AREA_PERCPU; i++)
		memcpy(memory->linked + (module->link[i] - memory->base),
		       module->content[i], module->file.area_len[i]);
	for (i = 0; i < module->relocs.count; i++) {
		reloc = &module->relocs.list[i];
		memory->linked_marks[reloc->offset] =
			US_RELOC_CODE(reloc->type, reloc->base);
	}
	memcpy(memory->bytes, memory->linked, cleared);
	memcpy(memory->marks, memory->linked_marks, cleared);
}

static u8 distance_code(const void *context, u64 address)
{
	return module_distance_code(context, address);
}

/* To 6.7 the loader takes LOCK prefixes out of the section .text alone
 * (arch/x86/kernel/module.c, module_finalize()). */
static void drop_other_locks(const struct kernel_image *image,
			     struct patch_table *patches)
{
	const struct image_section *text = image_section(image, ".text");
	const struct patch *patch;
	size_t i, kept = 0;

	for (i = 0; i < patches->count; i++) {
		patch = &patches->list[i];
		if (patch->kind != PATCH_LOCK ||
		    (text && patch->address >= text->header.sh_addr &&
		     patch->address - text->header.sh_addr <
		     text->header.sh_size))
			patches->list[kept++] = *patch;
	}
	patches->count = kept;
}

/* Targets in the kernel are found by their class: offsets are the text's own. */
static void drop_foreign_targets(struct sources *s)
{
	size_t i;

	for (i = 0; i < s->runtime.count; i++)
		if (s->runtime.list[i].target >= s->module.file.text_len)
			s->runtime.list[i].target = US_NO_TARGET;
}

static enum us_error read_sources(struct module_maker *maker, const char *path,
				  struct sources *s)
{
	const struct kernel_image *image = &s->module.image;
	struct kernel_memory *memory = &maker->memory;
	enum us_error error;

	error = module_link(&s->module, maker->set, path);
	if (error)
		return error;
	if (!s->module.file.text_len)
		return fail(US_E_OBJECT_UNSUPPORTED, "%s: has no code", path);
	load(maker, &s->module);
	memory->distance_code = distance_code;
	memory->context = &s->module;
	error = patches_collect(image, memory, &s->patches);
	if (error)
		return error;
	s->patches.rules = maker->rules;
	if (maker->rules == RULES_6_1)
		drop_other_locks(image, &s->patches);
	error = runtime_collect(image, memory, &s->patches, &s->entries,
				&s->runtime);
	if (!error)
		error = values_derive(image, memory, &s->patches, &s->runtime,
				      &s->values);
	if (!error)
		error = probes_collect(image, memory, &s->values, &s->runtime,
				       &s->probes);
	drop_foreign_targets(s);
	return error;
}

/* Call @each with the code byte of every field of every value. */
static void each_value_code(struct value_list *values,
			    void (*each)(struct sources *s, u8 *code),
			    struct sources *s)
{
	u8 *value;
	size_t i;
	u32 k, n;

	for (i = 0; i < values->count; i++) {
		value = values->pool.data + values->list[i].first;
		for (k = 0; k < values->list[i].count; k++) {
			for (n = 0; n < value[0]; n++)
				each(s, &value[2 + 2 * n]);
			value += 1 + 2 * value[0] + values->list[i].len;
		}
	}
}

#define BASE_UNUSED	0xff

static void note_base(struct sources *s, u8 *code)
{
	s->new_base[US_RELOC_CODE_BASE(*code)] = 0;
}

static void renumber(struct sources *s, u8 *code)
{
	*code = US_RELOC_CODE(US_RELOC_CODE_TYPE(*code),
			      s->new_base[US_RELOC_CODE_BASE(*code)]);
}

/* Bases that only data, or code for initialisation, refers to are left out. */
static void drop_unused_bases(struct sources *s)
{
	struct linked_module *module = &s->module;
	size_t i;

	memset(s->new_base, BASE_UNUSED, sizeof(s->new_base));
	s->new_base[0] = 0;
	for (i = 0; i < module->relocs.count; i++)
		s->new_base[module->relocs.list[i].base] = 0;
	each_value_code(&s->values, note_base, s);
	for (i = 0; i < module->base_count; i++) {
		if (s->new_base[i] == BASE_UNUSED)
			continue;
		s->new_base[i] = s->bases;
		module->bases[s->bases++] = module->bases[i];
	}
	for (i = 0; i < module->relocs.count; i++)
		module->relocs.list[i].base =
			s->new_base[module->relocs.list[i].base];
	each_value_code(&s->values, renumber, s);
}

static struct us_module_header make_header(const struct module_maker *maker,
					   const struct sources *s)
{
	const struct module_file *file = &s->module.file;
	struct us_module_header header = {
		.magic = US_MODULE_MAGIC,
		.version = US_MODULE_VERSION,
		.header_size = sizeof(header),
		.text_len = file->text_len,
		.bases = s->bases,
		.runtime_sites = s->runtime.count,
		.blocks = (file->text_len + US_BLOCK_BYTES - 1) / US_BLOCK_BYTES,
		.build_id_len = file->build_id_len,
		.kernel_build_id_len = maker->kernel.build_id_len,
	};

	memcpy(header.build_id, file->build_id, sizeof(header.build_id));
	memcpy(header.kernel_build_id, maker->kernel.build_id,
	       sizeof(header.kernel_build_id));
	memcpy(header.name, file->name, sizeof(header.name));
	memcpy(header.kernel, maker->kernel.kernel, sizeof(header.kernel));
	count_sites(&s->values, &s->runtime, header.site_counts);
	return header;
}

static enum us_error write_head(const struct us_module_header *header,
				const struct sources *s, u64 *table,
				struct buffer *out)
{
	enum us_error error;

	error = buffer_append(out, header, sizeof(*header));
	if (!error)
		error = buffer_append(out, s->module.bases,
				      s->bases * sizeof(*s->module.bases));
	if (!error && s->runtime.count)
		error = buffer_append(out, s->runtime.list, s->runtime.count *
				      sizeof(*s->runtime.list));
	if (!error)
		error = buffer_pad8(out);
	*table = out->len;
	if (!error)
		error = buffer_append(out, NULL, header->blocks *
				      (u64)sizeof(struct us_block_ref));
	return error;
}

static enum us_error write_file(const struct module_maker *maker,
				struct sources *s, struct buffer *out)
{
	struct baseline_parts parts = {
		.memory = &maker->memory, .relocs = &s->module.relocs,
		.values = &s->values, .runtime = &s->runtime,
		.probes = s->probes,
	};
	struct us_range text = {
		.len = s->module.file.text_len, .kind = US_RANGE_TEXT,
	};
	struct us_module_header header;
	enum us_error error;
	u64 table;

	if (s->runtime.count > US_MODULE_MAX_RUNTIME)
		return fail(US_E_TOO_LARGE, "%s: %zu sites",
			    s->module.file.path, s->runtime.count);
	drop_unused_bases(s);
	header = make_header(maker, s);
	error = write_head(&header, s, &table, out);
	if (!error)
		error = baseline_write_range(&parts, &text, &table, out);
	if (error)
		return error;
	header.total_size = out->len;
	memcpy(out->data, &header, sizeof(header));
	return US_OK;
}

/* Bytes of the fields that only tell where freed memory was. */
static u64 telling_bytes(const struct sources *s)
{
	const struct reloc_list *relocs = &s->module.relocs;
	bool told[US_RELOC_MAX_BASES] = { false };
	u64 bytes = 0;
	size_t i;

	for (i = 0; i < relocs->count; i++) {
		u8 base = relocs->list[i].base;

		if (s->module.bases[base].kind == US_BASE_FREED && !told[base])
			bytes += field_size(relocs->list[i].type);
		told[base] = true;
	}
	return bytes;
}

static void count_shares(const struct sources *s, u64 file,
			 struct module_shares *shares)
{
	const struct value_site *site;
	size_t i;

	*shares = (struct module_shares) {
		.text = s->module.file.text_len, .file = file,
		.masked = telling_bytes(s),
	};
	for (i = 0; i < s->values.count; i++) {
		site = &s->values.list[i];
		if (site->count)
			shares->enumerated += site->len;
		else
			shares->masked += site->len;
	}
	for (i = 0; i < s->runtime.count; i++)
		shares->enumerated += us_runtime_len(&s->runtime.list[i]);
	shares->exact = shares->text - shares->enumerated - shares->masked;
}

enum us_error module_make(struct module_maker *maker, const char *path,
			  char name[US_NAME_MAX], struct buffer *out,
			  struct module_shares *shares)
{
	struct sources s = { 0 };
	enum us_error error;

	*out = (struct buffer){ 0 };
	error = read_sources(maker, path, &s);
	if (!error)
		error = write_file(maker, &s, out);
	memcpy(name, s.module.file.name, US_NAME_MAX);
	if (!error)
		count_shares(&s, out->len, shares);
	else
		buffer_free(out);
	free_sources(&s);
	return error;
}
