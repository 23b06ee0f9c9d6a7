/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a review knows: the kernel's code and names, the payload as it would lie. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect_code.h"
#include "kernel_image.h"
#include "report.h"
#include "symbol_map.h"

static enum us_error add_name(struct review *review, u64 address,
			      const char *text)
{
	struct name *grown;

	if (review->name_count == review->name_room) {
		review->name_room = review->name_room ?
				    2 * review->name_room : 4096;
		grown = reallocarray(review->names, review->name_room,
				     sizeof(*grown));
		if (!grown)
			return fail(US_E_NO_MEMORY, "names");
		review->names = grown;
	}
	grown = &review->names[review->name_count];
	*grown = (struct name){ address, strdup(text) };
	review->name_count += grown->text != NULL;
	return grown->text ? US_OK : fail(US_E_NO_MEMORY, "names");
}

static enum us_error wrong_kernel(const struct review *review, const char *path)
{
	return fail(US_E_WRONG_BUILD_ID, "%s is of another kernel than %s",
		    path, review->options->file);
}

static enum us_error read_map(struct review *review)
{
	struct symbol_map map;
	enum us_error error;
	size_t i;

	error = symbol_map_read(&map, review->options->system_map);
	if (!error && !review->link_base)
		error = symbol_map_find(&map, "_text", &review->link_base);
	for (i = 0; i < map.count && !error; i++)
		if (map.symbols[i].address >= review->link_base)
			error = add_name(review, map.symbols[i].address,
					 map.symbols[i].name);
	review->have_names = true;
	symbol_map_free(&map);
	return error;
}

static enum us_error image_names(struct review *review,
				 const struct kernel_image *image)
{
	enum us_error error = US_OK;
	size_t i;

	for (i = 0; i < image->symbol_count && !error; i++) {
		const struct image_symbol *symbol = &image->symbols[i];

		if (symbol->shndx == SHN_UNDEF || symbol->shndx == SHN_ABS ||
		    symbol->value < image->text || !symbol->name[0] ||
		    (symbol->type != STT_FUNC && symbol->type != STT_OBJECT &&
		     symbol->type != STT_NOTYPE))
			continue;
		error = add_name(review, symbol->value, symbol->name);
	}
	review->have_names = true;
	return error;
}

static bool has_build_id(const struct kernel_image *image,
			 const struct us_bundle_header *header)
{
	const struct image_section *notes = image_section(image, ".notes");

	return notes && notes->data &&
	       memmem(notes->data, notes->header.sh_size, header->build_id,
		      header->build_id_len);
}

static enum us_error read_vmlinux(struct review *review)
{
	const char *path = review->options->vmlinux;
	struct kernel_image image;
	enum us_error error = image_open(&image, path);

	if (!error && !has_build_id(&image, review->bundle->header))
		error = wrong_kernel(review, path);
	if (!error) {
		review->link_base = image.text;
		error = image_names(review, &image);
	}
	/* Of a module's bundle it has the names only. */
	if (!error && !review->bundle->header->module[0]) {
		review->text_base = image.text;
		error = buffer_append(&review->text, image.text_bytes,
				      image.text_len);
		review->have_text = !error;
	}
	image_close(&image);
	return error;
}

static enum us_error read_baseline(struct review *review)
{
	const struct us_bundle_header *bundle = review->bundle->header;
	const struct us_baseline_header *header;
	enum us_error error;

	error = baseline_open(&review->baseline, review->options->baseline);
	if (error)
		return error;
	header = review->baseline.head.header;
	if (header->build_id_len != bundle->build_id_len ||
	    memcmp(header->build_id, bundle->build_id, bundle->build_id_len))
		return wrong_kernel(review, review->options->baseline);
	review->link_base = header->facts[US_FACT_LINK_BASE];
	review->text_base = review->link_base;
	review->have_text = !bundle->module[0];
	return US_OK;
}

/* Without the module its areas lie somewhere. */
static enum us_error name_bases(struct review *review)
{
	const struct us_bundle *bundle = review->bundle;
	enum us_error error = US_OK;
	char text[160];
	u32 i;

	for (i = 0; i < bundle->header->bases && !error; i++) {
		const struct us_bundle_base *base = &bundle->bases[i];

		review->bases[i] = REVIEW_BASES + i * REVIEW_BASE_GAP;
		snprintf(text, sizeof(text), "%.63s:%s%s",
			 base->module[0] ? base->module :
			 bundle->header->module, base_kind_name(base->kind),
			 base->area ? "'" : "");
		error = add_name(review, review->bases[i], text);
	}
	return error;
}

static bool is_base(const struct us_bundle_base *a,
		    const struct us_module_base *b)
{
	return a->kind == b->kind && a->area == b->area &&
	       !strcmp(a->module, b->module);
}

/* Names of the module, then of what others export. */
static enum us_error module_names(struct review *review)
{
	const struct linked_module *module = &review->home.module;
	const struct module_set *set = &review->home.set;
	const struct image_symbol *symbol;
	enum us_error error = US_OK;
	size_t i, k;

	for (i = 0; i < module->image.symbol_count && !error; i++) {
		symbol = &module->image.symbols[i];
		if (symbol->shndx != SHN_UNDEF && symbol->shndx != SHN_ABS &&
		    symbol->name[0] && (symbol->type == STT_FUNC ||
					symbol->type == STT_OBJECT))
			error = add_name(review, symbol->value, symbol->name);
	}
	for (k = 0; k < module->base_count && !error; k++)
		for (i = 0; i < set->export_count && !error; i++)
			if (!strcmp(set->modules[set->exports[i].module].name,
				    module->bases[k].module) &&
			    set->exports[i].area == module->bases[k].area)
				error = add_name(review, module->bases[k].link +
						 set->exports[i].offset,
						 set->exports[i].name);
	return error;
}

static enum us_error find_bases(struct review *review)
{
	const struct us_bundle *bundle = review->bundle;
	const struct linked_module *module = &review->home.module;
	u32 i, k;

	for (i = 0; i < bundle->header->bases; i++) {
		for (k = 0; k < module->base_count; k++)
			if (is_base(&bundle->bases[i], &module->bases[k]))
				break;
		if (k == module->base_count)
			return fail(US_E_WRONG_BUILD_ID, "%s does not refer "
				    "to all that %s does", module->file.path,
				    review->options->file);
		review->bases[i] = module->bases[k].link;
	}
	return US_OK;
}

static enum us_error read_module(struct review *review)
{
	const struct inspect_options *options = review->options;
	const struct us_bundle_header *header = review->bundle->header;
	const struct module_file *file = &review->home.module.file;
	const struct home_files files = {
		.module = options->module, .kernel = options->vmlinux,
		.modules = options->modules,
	};
	enum us_error error = home_open(&review->home, &files);

	if (error)
		return error;
	if (strcmp(file->name, header->module) ||
	    file->build_id_len != header->module_build_id_len ||
	    memcmp(file->build_id, header->module_build_id,
		   sizeof(file->build_id)))
		return fail(US_E_WRONG_BUILD_ID, "%s is not the module that %s "
			    "is for", options->module, options->file);
	error = find_bases(review);
	if (!error)
		error = module_names(review);
	if (!error)
		error = buffer_append(&review->text,
				      review->home.module.content[AREA_TEXT],
				      file->text_len);
	review->text_base = review->home.module.link[AREA_TEXT];
	review->have_text = !error;
	return error;
}

/* As bundle_shadow.c writes them. */
bool review_new_variable(const char *note, char name[128], u64 *offset)
{
	unsigned int size, at;

	if (sscanf(note, "new variable %127[^,], %u bytes at shadow+%x", name,
		   &size, &at) < 2)
		return false;
	/* "%#x" of zero is "0". */
	*offset = strstr(note, "shadow+0x") ? at : 0;
	return true;
}

static enum us_error shadow_names(struct review *review)
{
	const struct us_bundle *bundle = review->bundle;
	enum us_error error = US_OK;
	char name[128], text[160];
	const char *note;
	u64 offset;
	u32 at;

	if (!bundle->header->shadow_bytes)
		return US_OK;
	for (at = 0; at < bundle->header->string_bytes && !error;
	     at += strlen(note) + 1) {
		note = bundle->strings + at;
		if (!review_new_variable(note, name, &offset))
			continue;
		snprintf(text, sizeof(text), "new:%s", name);
		error = add_name(review, REVIEW_SHADOW + offset, text);
	}
	return error ? error : add_name(review, REVIEW_SHADOW, "shadow");
}

static enum us_error payload_names(struct review *review)
{
	const struct us_bundle *bundle = review->bundle;
	enum us_error error = US_OK;
	char text[600];
	u32 i;

	for (i = 0; i < bundle->header->functions && !error; i++) {
		const struct us_bundle_function *fn = &bundle->functions[i];

		snprintf(text, sizeof(text), "new:%s",
			 bundle->strings + fn->name);
		error = add_name(review, REVIEW_ARENA + fn->arena_offset, text);
	}
	return error ? error : add_name(review, REVIEW_ARENA, "payload");
}

u64 review_target(const struct review *review,
		     const struct us_bundle_reloc *reloc)
{
	switch (reloc->target_space) {
	case US_SPACE_IMAGE:
		return review->link_base + (u64)reloc->target;
	case US_SPACE_PAYLOAD:
		return REVIEW_ARENA + (u64)reloc->target;
	case US_SPACE_BASE:
		return review->bases[reloc->base] + (u64)reloc->target;
	case US_SPACE_SHADOW:
		return REVIEW_SHADOW + (u64)reloc->target;
	}
	return (u64)reloc->target;
}

u64 review_write_address(const struct review *review,
			 const struct us_bundle_write *write)
{
	switch (write->space) {
	case US_SPACE_BASE:
		return review->bases[write->base] + write->offset;
	case US_SPACE_SHADOW:
		return REVIEW_SHADOW + write->offset;
	}
	return review->link_base + write->offset;
}

static enum us_error relocate(struct review *review)
{
	const struct us_bundle *bundle = review->bundle;
	const struct us_bundle_reloc *reloc;
	u64 value;
	u32 i;

	review->payload = malloc(bundle->header->payload_bytes + 1ull);
	if (!review->payload)
		return fail(US_E_NO_MEMORY, "payload");
	memcpy(review->payload, bundle->payload, bundle->header->payload_bytes);
	for (i = 0; i < bundle->header->relocs; i++) {
		reloc = &bundle->relocs[i];
		if (reloc->where_space != US_SPACE_PAYLOAD)
			continue;
		value = review_target(review, reloc);
		if (reloc->type == US_RELOC_PC32)
			value -= REVIEW_ARENA + reloc->where;
		memcpy(review->payload + reloc->where, &value,
		       reloc->type == US_RELOC_ABS64 ? 8 : 4);
	}
	return US_OK;
}

static int compare_names(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return strcmp(x->text, y->text);
}

enum us_error review_open(struct review *review,
			  const struct inspect_options *options,
			  const struct us_bundle *bundle)
{
	enum us_error error = US_OK;

	*review = (struct review){ .options = options, .bundle = bundle };
	if (options->vmlinux)
		error = read_vmlinux(review);
	if (!error && options->baseline && !review->have_text)
		error = read_baseline(review);
	if (!error && options->system_map && !review->have_names)
		error = read_map(review);
	if (!error)
		error = options->module ? read_module(review) :
			name_bases(review);
	if (!error)
		error = payload_names(review);
	if (!error)
		error = shadow_names(review);
	if (!error)
		error = relocate(review);
	if (!error)
		qsort(review->names, review->name_count,
		      sizeof(*review->names), compare_names);
	return error;
}

void review_close(struct review *review)
{
	while (review->name_count)
		free(review->names[--review->name_count].text);
	free(review->names);
	free(review->payload);
	buffer_free(&review->text);
	home_close(&review->home);
	baseline_close(&review->baseline);
}

static bool in_new_function(const struct us_bundle *bundle, u64 offset)
{
	u32 i;

	for (i = 0; i < bundle->header->functions; i++)
		if (offset - bundle->functions[i].arena_offset <
		    bundle->functions[i].new_size)
			return true;
	return false;
}

/* Something added: its place, and its beginning when that is text. */
static void added_name(const struct review *review, u64 offset, char *out,
		       size_t room)
{
	const u8 *bytes = review->payload + offset;
	u64 limit = review->bundle->header->payload_bytes - offset;
	u64 len = 0;
	int used;

	used = snprintf(out, room, "payload+%#llx", (unsigned long long)offset);
	while (len < limit && len < 24 && bytes[len] >= 0x20 &&
	       bytes[len] < 0x7f && bytes[len] != '"')
		len++;
	if (len >= 3 && used > 0 && (size_t)used < room)
		snprintf(out + used, room - used, " \"%.*s%s\"", (int)len, bytes,
			 len < limit && bytes[len] && bytes[len] != '\n' ?
			 "..." : "");
}

void review_name(const struct review *review, u64 address, char *out,
		 size_t room)
{
	size_t low = 0, high = review->name_count, middle;
	const struct name *name;
	const u64 reach = 1u << 24;

	if (address - REVIEW_ARENA < review->bundle->header->payload_bytes &&
	    !in_new_function(review->bundle, address - REVIEW_ARENA)) {
		added_name(review, address - REVIEW_ARENA, out, room);
		return;
	}
	/* The last name at or before the address, the first of several. */
	while (low < high) {
		middle = low + (high - low) / 2;
		if (review->names[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	name = low ? &review->names[low - 1] : NULL;
	while (name && name > review->names &&
	       name[-1].address == name->address)
		name--;
	if (!name || address - name->address > reach ||
	    (name->address >= REVIEW_ARENA) != (address >= REVIEW_ARENA) ||
	    (!review->have_names && address < REVIEW_BASES))
		snprintf(out, room, "%#llx", (unsigned long long)address);
	else if (address == name->address)
		snprintf(out, room, "%s", name->text);
	else
		snprintf(out, room, "%s+%#llx", name->text,
			 (unsigned long long)(address - name->address));
}

bool review_old_code(const struct review *review, u64 offset, u64 len, u8 *out)
{
	if (!review->have_text)
		return false;
	if (!review->text.data)
		return baseline_text(&review->baseline, offset, len, out);
	if (!span_inside(offset, len, review->text.len))
		return false;
	memcpy(out, review->text.data + offset, len);
	return true;
}
