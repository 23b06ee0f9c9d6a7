/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "module_link.h"

/* Areas of other modules are linked this far apart at least. */
#define AREA_GAP	(1ull << 20)
/* Somewhere that no other number of the text lies. */
#define PERCPU_LINK	0x10000000ull
#define LINK_END	0xffffffffff000000ull

static_assert(AREA_PERCPU == US_MODULE_AREA_PERCPU, "areas count alike");

/* A symbol's address and what it follows. */
struct place {
	u64 address;
	u32 base;
	bool fixed;		/* a number; @base does not count */
	bool code;		/* code of another module */
};

static u64 kernel_end(const struct kernel_image *kernel)
{
	u64 end;

	return image_find(kernel, "_end", &end) && end > kernel->text ?
	       end : kernel->text + kernel->text_len;
}

/* Where another module's area may be linked: behind the last base. */
static u64 next_link(const struct linked_module *module)
{
	u64 end = kernel_end(module->set->kernel);
	u32 i;

	for (i = 0; i < module->base_count; i++) {
		const struct us_module_base *base = &module->bases[i];

		if (base->link + base->len > end)
			end = base->link + base->len;
	}
	return ALIGN_UP(end, AREA_GAP) + AREA_GAP;
}

static enum us_error too_many(const struct linked_module *module)
{
	return fail(US_E_OBJECT_UNSUPPORTED, "%s: refers to too many modules",
		    module->file.path);
}

static enum us_error add_base(struct linked_module *module, u32 kind, u32 area,
			      u64 link, u64 len, u32 *index)
{
	struct us_module_base *base = &module->bases[module->base_count];

	if (module->base_count == US_RELOC_MAX_BASES || link >= LINK_END ||
	    len > LINK_END - link)
		return too_many(module);
	*base = (struct us_module_base) {
		.link = link, .len = len ? len : 1, .kind = kind, .area = area,
	};
	*index = module->base_count++;
	return US_OK;
}

/* The base of the module's own @area, new when it is the first to follow it. */
static enum us_error own_base(struct linked_module *module, u8 area, u32 *index)
{
	u32 kind = area == AREA_PERCPU ? US_BASE_PERCPU :
		   area >= AREA_INIT_TEXT ? US_BASE_FREED : US_BASE_AREA;

	for (*index = 0; *index < module->base_count; ++*index)
		if (module->bases[*index].link == module->link[area])
			return US_OK;
	return add_base(module, kind, area == AREA_PERCPU ? 0 : area,
			module->link[area], module->file.area_len[area], index);
}

static enum us_error kernel_base(struct linked_module *module, u32 *index)
{
	const struct kernel_image *kernel = module->set->kernel;

	for (*index = 0; *index < module->base_count; ++*index)
		if (module->bases[*index].kind == US_BASE_KERNEL)
			return US_OK;
	return add_base(module, US_BASE_KERNEL, 0, kernel->text,
			kernel_end(kernel) - kernel->text, index);
}

static enum us_error foreign_base(struct linked_module *module,
				  const struct module_export *export, u32 *index)
{
	const struct known_module *other = &module->set->modules[export->module];
	struct us_module_base *base;
	enum us_error error;
	u64 link;

	for (*index = 0; *index < module->base_count; ++*index) {
		base = &module->bases[*index];
		if (base->area == export->area &&
		    !strcmp(base->module, other->name))
			return US_OK;
	}
	link = export->area == AREA_PERCPU ?
	       PERCPU_LINK + module->base_count * AREA_GAP : next_link(module);
	error = add_base(module, US_BASE_MODULE, export->area, link,
			 other->area_len[export->area], index);
	if (!error)
		memcpy(module->bases[*index].module, other->name,
		       sizeof(other->name));
	return error;
}

static enum us_error kernel_place(struct linked_module *module,
				  const struct image_symbol *symbol,
				  struct place *out)
{
	const struct kernel_image *kernel = module->set->kernel;

	out->address = symbol->value;
	out->fixed = symbol->shndx == kernel->percpu_section ||
		     symbol->value < kernel->text ||
		     symbol->value > kernel_end(kernel);
	return out->fixed ? US_OK : kernel_base(module, &out->base);
}

/* simplify_symbols() and resolve_symbol() of kernel/module/main.c. */
static enum us_error undefined_place(struct linked_module *module,
				     const Elf64_Sym *symbol, const char *name,
				     struct place *out)
{
	const struct module_export *export;
	const struct image_symbol *found;
	enum us_error error;

	if (module_set_kernel_symbol(module->set, name, &found))
		return kernel_place(module, found, out);
	export = module_set_find(module->set, name);
	if (!export && ELF64_ST_BIND(symbol->st_info) == STB_WEAK) {
		*out = (struct place){ .fixed = true };
		return US_OK;
	}
	if (!export)
		return fail(US_E_SYMBOL_MISSING, "%s: neither the kernel nor a "
			    "module that was given exports %s (--modules DIR "
			    "gives all modules of a package)",
			    module->file.path, name);
	error = foreign_base(module, export, &out->base);
	if (error)
		return error;
	out->address = module->bases[out->base].link + export->offset;
	out->code = export->code;
	return US_OK;
}

static enum us_error find_place(struct linked_module *module, u32 index,
				struct place *out)
{
	const struct module_section *home;
	const Elf64_Sym *symbol;

	if (index >= module->file.symbol_count)
		return fail(US_E_ELF_FORMAT, "%s: bad relocation",
			    module->file.path);
	*out = (struct place){ 0 };
	symbol = &module->file.symbols[index];
	if (symbol->st_shndx == SHN_UNDEF)
		return undefined_place(module, symbol,
				       module_symbol_name(&module->file, index),
				       out);
	if (symbol->st_shndx == SHN_ABS) {
		*out = (struct place){ .address = symbol->st_value,
				       .fixed = true };
		return US_OK;
	}
	if (symbol->st_shndx >= module->file.section_count)
		return fail(US_E_ELF_FORMAT, "%s: bad symbol %s",
			    module->file.path,
			    module_symbol_name(&module->file, index));
	home = &module->file.sections[symbol->st_shndx];
	if (home->area == AREA_NONE)
		return fail(US_E_OBJECT_UNSUPPORTED, "%s: code refers to %s, "
			    "which is not loaded", module->file.path, home->name);
	out->address = module->link[home->area] + home->offset + symbol->st_value;
	return own_base(module, home->area, &out->base);
}

static u32 reloc_width(u32 type)
{
	switch (type) {
	case R_X86_64_64:
	case R_X86_64_PC64:
		return 8;
	case R_X86_64_32:
	case R_X86_64_32S:
	case R_X86_64_PC32:
	case R_X86_64_PLT32:
		return 4;
	}
	return 0;
}

/* The field's type when it changes with where things are loaded, else 0. */
static u8 field_type(u32 type, const struct place *place)
{
	switch (type) {
	case R_X86_64_64:
		return place->fixed ? 0 : US_TEXT_ADD64;
	case R_X86_64_32:
	case R_X86_64_32S:
		return place->fixed ? 0 : US_TEXT_ADD32;
	case R_X86_64_PC32:
	case R_X86_64_PLT32:
		/* Base 0 of such a field stands for what does not move. */
		return place->fixed || place->base ? US_TEXT_SUB32 : 0;
	}
	return 0;
}

static enum us_error note_field(struct linked_module *module, u32 type,
				const struct place *place, u64 offset, u64 value)
{
	struct us_text_reloc *grown;
	u8 field = field_type(type, place);

	if (type == R_X86_64_PC64)
		return fail(US_E_OBJECT_UNSUPPORTED, "%s: 64-bit distance in the "
			    "code", module->file.path);
	if (!field)
		return US_OK;
	if (place->code)
		module->bases[place->base].kind = US_BASE_CODE;
	if (!(module->relocs.count & (module->relocs.count - 1))) {
		grown = reallocarray(module->relocs.list, module->relocs.count ?
				     module->relocs.count * 2 : 1,
				     sizeof(*grown));
		if (!grown)
			return fail(US_E_NO_MEMORY, "relocations");
		module->relocs.list = grown;
	}
	module->relocs.list[module->relocs.count++] = (struct us_text_reloc) {
		.offset = offset, .type = field,
		.base = place->fixed ? 0 : place->base,
		.value = field == US_TEXT_ADD64 ? value : (u32)value,
	};
	return US_OK;
}

/* Is byte @offset of @area code that outlives initialisation? */
static bool is_text(const struct linked_module *module, u8 area, u64 offset)
{
	return area == AREA_TEXT && offset < module->file.text_len;
}

static enum us_error apply_one(struct linked_module *module,
			       const struct module_section *target,
			       const Elf64_Rela *rela)
{
	u32 type = ELF64_R_TYPE(rela->r_info), width = reloc_width(type);
	u64 at = target->offset + rela->r_offset, value;
	struct place place;
	enum us_error error;

	if (type == R_X86_64_NONE)
		return US_OK;
	if (!width || !span_inside(rela->r_offset, width,
				   target->header->sh_size))
		return fail(US_E_ELF_FORMAT, "%s: bad relocation of type %u in "
			    "%s", module->file.path, type, target->name);
	error = find_place(module, ELF64_R_SYM(rela->r_info), &place);
	if (error)
		return error;
	value = place.address + rela->r_addend;
	if (type == R_X86_64_PC32 || type == R_X86_64_PLT32 ||
	    type == R_X86_64_PC64)
		value -= module->link[target->area] + at;
	memcpy(module->content[target->area] + at, &value, width);
	return is_text(module, target->area, at) ?
	       note_field(module, type, &place, at, value) : US_OK;
}

static enum us_error apply_section(struct linked_module *module,
				   const struct module_section *section)
{
	const Elf64_Shdr *header = section->header;
	const struct module_section *target;
	const Elf64_Rela *rela = (const void *)section->data;
	enum us_error error = US_OK;
	u64 i;

	if (header->sh_type != SHT_RELA ||
	    header->sh_info >= module->file.section_count)
		return US_OK;
	target = &module->file.sections[header->sh_info];
	if (target->area == AREA_NONE)
		return US_OK;
	if (header->sh_entsize != sizeof(*rela) || header->sh_offset % 8 ||
	    !target->data)
		return fail(US_E_ELF_FORMAT, "%s: bad %s", module->file.path,
			    section->name);
	for (i = 0; i < header->sh_size / sizeof(*rela) && !error; i++)
		error = apply_one(module, target, &rela[i]);
	return error;
}

static int by_offset(const void *a, const void *b)
{
	const struct us_text_reloc *x = a, *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

static enum us_error relocate(struct linked_module *module)
{
	struct reloc_list *relocs = &module->relocs;
	enum us_error error = US_OK;
	size_t i;

	for (i = 1; i < module->file.section_count && !error; i++)
		error = apply_section(module, &module->file.sections[i]);
	if (error)
		return error;
	if (relocs->count)
		qsort(relocs->list, relocs->count, sizeof(*relocs->list),
		      by_offset);
	for (i = 1; i < relocs->count; i++)
		if (relocs->list[i - 1].offset +
		    (relocs->list[i - 1].type == US_TEXT_ADD64 ? 8 : 4) >
		    relocs->list[i].offset)
			return fail(US_E_ELF_FORMAT, "%s: two relocations "
				    "overlap at %#x", module->file.path,
				    relocs->list[i].offset);
	return US_OK;
}

/*
 * A module that may not know a static call's key names the trampoline in its place,
 * and the kernel looks the key up (kernel/static_call_inline.c,
 * static_call_add_module()). __SCT__NAME belongs to __SCK__NAME.
 */
static void resolve_static_calls(struct linked_module *module)
{
	const struct kernel_image *kernel = module->set->kernel;
	const struct module_section *sites;
	u64 at, address, key;
	char name[256];
	u32 i, distance;
	u8 *field;

	sites = module_section(&module->file, ".static_call_sites");
	if (!sites || sites->area == AREA_NONE)
		return;
	for (i = 0; i < module->file.symbol_count; i++) {
		const char *symbol = module_symbol_name(&module->file, i);

		if (strncmp(symbol, "__SCT__", 7) ||
		    module->file.symbols[i].st_shndx != SHN_UNDEF ||
		    !image_find(kernel, symbol, &address))
			continue;
		snprintf(name, sizeof(name), "__SCK__%s", symbol + 7);
		if (!image_find(kernel, name, &key))
			continue;
		for (at = 4; at + 4 <= sites->header->sh_size; at += 8) {
			u64 place = module->link[sites->area] + sites->offset + at;

			field = module->content[sites->area] + sites->offset + at;
			distance = read_u32(field);
			if (((place + (u64)(s64)(s32)distance) & ~3ull) !=
			    (address & ~3ull))
				continue;
			distance = (distance & 3) + (u32)(key - place);
			memcpy(field, &distance, 4);
		}
	}
}

/* Addresses for the areas, and the sections' content in them. */
static enum us_error lay_out(struct linked_module *module)
{
	const struct module_section *section;
	u64 at = module->set->kernel->text - MODULE_WINDOW;
	u32 i;

	for (i = 0; i < AREA_COUNT; i++) {
		module->link[i] = i == AREA_PERCPU ? PERCPU_LINK : at;
		module->content[i] = calloc(1, module->file.area_len[i] + 1);
		if (!module->content[i])
			return fail(US_E_NO_MEMORY, "%s", module->file.path);
		if (i == AREA_PERCPU)
			continue;
		/* A page between them: no distance to the end of one is taken
		 * for one to the next. */
		module->end = at + module->file.area_len[i];
		at = ALIGN_UP(module->end, PAGE_SIZE) + PAGE_SIZE;
	}
	if (at > module->set->kernel->text)
		return fail(US_E_TOO_LARGE, "%s", module->file.path);
	for (i = 1; i < module->file.section_count; i++) {
		section = &module->file.sections[i];
		if (section->area != AREA_NONE && section->data)
			memcpy(module->content[section->area] + section->offset,
			       section->data, section->header->sh_size);
	}
	return US_OK;
}

static enum us_error shape_sections(struct linked_module *module)
{
	const struct module_section *from;
	struct image_section *to;
	u32 i;

	module->image.sections = calloc(module->file.section_count + 1,
					sizeof(*to));
	if (!module->image.sections)
		return fail(US_E_NO_MEMORY, "%s", module->file.path);
	module->image.section_count = module->file.section_count;
	for (i = 1; i < module->file.section_count; i++) {
		from = &module->file.sections[i];
		to = &module->image.sections[i];
		to->name = from->name;
		to->header = *from->header;
		to->header.sh_flags &= ~(u64)SHF_ALLOC;
		if (from->area == AREA_NONE)
			continue;
		to->header.sh_flags |= SHF_ALLOC;
		to->header.sh_addr = module->link[from->area] + from->offset;
		to->data = module->content[from->area] + from->offset;
		if (from->area == AREA_PERCPU)
			module->image.percpu_section = i;
	}
	return US_OK;
}

/* What the kernel's linker script calls the bounds of its tables, for those that the
 * loader finds by section. Without one the bounds are equal: no table. */
static const struct table_name {
	const char *section, *start, *end;
} table_names[] = {
	{ ".altinstructions", "__alt_instructions", "__alt_instructions_end" },
	{ ".parainstructions", "__parainstructions", "__parainstructions_end" },
	{ ".retpoline_sites", "__retpoline_sites", "__retpoline_sites_end" },
	{ ".return_sites", "__return_sites", "__return_sites_end" },
	{ ".call_sites", "__call_sites", "__call_sites_end" },
	{ ".cfi_sites", "__cfi_sites", "__cfi_sites_end" },
	{ ".ibt_endbr_seal", "__ibt_endbr_seal", "__ibt_endbr_seal_end" },
	{ ".smp_locks", "__smp_locks", "__smp_locks_end" },
	{ "__mcount_loc", "__start_mcount_loc", "__stop_mcount_loc" },
	{ "__jump_table", "__start___jump_table", "__stop___jump_table" },
	{ ".static_call_sites", "__start_static_call_sites",
	  "__stop_static_call_sites" },
	{ ".static_call_tramp_key", "__start_static_call_tramp_key",
	  "__stop_static_call_tramp_key" },
	{ "_kprobe_blacklist", "__start_kprobe_blacklist",
	  "__stop_kprobe_blacklist" },
};

static void shape_tables(struct linked_module *module)
{
	const struct image_section *section;
	struct image_symbol symbol;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table_names); i++) {
		section = image_section(&module->image, table_names[i].section);
		symbol = (struct image_symbol) {
			.name = table_names[i].start, .shndx = SHN_ABS,
			.type = STT_NOTYPE, .bind = STB_GLOBAL,
			.value = section && section->data ?
				 section->header.sh_addr : module->image.text,
		};
		module->image.symbols[module->image.symbol_count++] = symbol;
		symbol.name = table_names[i].end;
		if (section && section->data)
			symbol.value += section->header.sh_size;
		module->image.symbols[module->image.symbol_count++] = symbol;
	}
}

static void shape_symbols(struct linked_module *module)
{
	const struct module_file *file = &module->file;
	struct image_symbol *to;
	struct place place;
	u32 i;

	for (i = 0; i < file->symbol_count; i++) {
		const Elf64_Sym *from = &file->symbols[i];

		to = &module->image.symbols[i];
		*to = (struct image_symbol) {
			.name = module_symbol_name(file, i),
			.size = from->st_size, .shndx = from->st_shndx,
			.type = ELF64_ST_TYPE(from->st_info),
			.bind = ELF64_ST_BIND(from->st_info),
		};
		/* Undefined ones are found in the kernel by their name. */
		if (to->shndx == SHN_UNDEF || to->shndx == SHN_COMMON ||
		    find_place(module, i, &place))
			to->shndx = SHN_UNDEF;
		else
			to->value = place.address;
		if (to->type == STT_SECTION && to->shndx < file->section_count)
			to->name = file->sections[to->shndx].name;
	}
	module->image.symbol_count = file->symbol_count;
	shape_tables(module);
}

static enum us_error shape_image(struct linked_module *module)
{
	struct kernel_image *image = &module->image;
	size_t room = module->file.symbol_count + 2 * ARRAY_SIZE(table_names);
	enum us_error error;

	image->text = module->link[AREA_TEXT];
	image->text_len = module->file.text_len;
	image->text_bytes = module->content[AREA_TEXT];
	error = shape_sections(module);
	if (error)
		return error;
	image->symbols = calloc(room, sizeof(*image->symbols));
	if (!image->symbols)
		return fail(US_E_NO_MEMORY, "%s", module->file.path);
	shape_symbols(module);
	return image_index(image);
}

enum us_error module_link(struct linked_module *module,
			  const struct module_set *set, const char *path)
{
	enum us_error error;
	u32 index;

	*module = (struct linked_module) {
		.set = set,
		.image = { .path = path, .fd = -1, .kernel = set->kernel },
	};
	error = module_file_open(&module->file, path, set->one_core);
	if (!error)
		error = lay_out(module);
	if (!error)
		error = add_base(module, US_BASE_TEXT, 0, module->link[AREA_TEXT],
				 module->file.area_len[AREA_TEXT], &index);
	if (!error)
		error = relocate(module);
	if (error)
		return error;
	resolve_static_calls(module);
	return shape_image(module);
}

void module_unlink(struct linked_module *module)
{
	u32 i;

	for (i = 0; i < AREA_COUNT; i++)
		free(module->content[i]);
	relocs_free(&module->relocs);
	image_close(&module->image);
	module_file_close(&module->file);
	*module = (struct linked_module){ 0 };
}

u8 module_distance_code(const struct linked_module *module, u64 address)
{
	u32 i;

	for (i = 0; i < module->base_count; i++) {
		const struct us_module_base *base = &module->bases[i];

		if (address >= base->link && address - base->link < base->len)
			return i ? US_RELOC_CODE(US_TEXT_SUB32, i) : 0;
	}
	/* What no base holds stays where it is. */
	return US_RELOC_CODE(US_TEXT_SUB32, 0);
}
