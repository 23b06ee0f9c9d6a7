/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "cli.h"
#include "diff_module.h"

/* struct modversion_info: a checksum, then the name in a fixed field. */
#define VERSION_NAME	8u
#define VERSION_ENTRY	64u

/* Bases that only data, or code for initialisation, follows are not in a baseline. */
static void find_named(struct module_home *home)
{
	size_t i;

	home->named[0] = true;
	for (i = 0; i < home->module.relocs.count; i++)
		home->named[home->module.relocs.list[i].base] = true;
}

/* The word behind @start, up to a blank, in @len bytes of text. */
static const char *word_behind(const u8 *text, u64 len, const char *start,
			       size_t *word)
{
	const char *at = memmem(text, len, start, strlen(start));

	if (!at)
		return NULL;
	at += strlen(start);
	len -= (u64)((const u8 *)at - text);
	for (*word = 0; *word < len && at[*word] && at[*word] != ' '; ++*word)
		;
	return at;
}

static const char *kernel_release(const struct side *kernel, size_t *len)
{
	u32 banner = side_symbol_named(kernel, "linux_banner");
	const struct side_symbol *symbol;
	const u8 *text;

	if (banner == SIDE_NONE)
		return NULL;
	symbol = &kernel->symbols[banner];
	text = side_bytes(kernel, symbol->address, symbol->size);
	return text ? word_behind(text, symbol->size, "Linux version ", len) :
		      NULL;
}

enum us_error home_check_release(const struct side *module,
				 const struct side *kernel)
{
	const struct side_section *info = side_section(module, ".modinfo");
	const char *ours, *theirs = NULL;
	size_t len = 0, their_len = 0;

	ours = kernel_release(kernel, &len);
	if (info && info->data)
		theirs = word_behind(info->data, info->size, "vermagic=",
				     &their_len);
	if (!ours || !theirs)
		return fail(US_E_ELF_FORMAT, "%s does not say of which kernel "
			    "it is", ours ? module->path : kernel->path);
	if (len == their_len && !memcmp(ours, theirs, len))
		return US_OK;
	return fail(US_E_WRONG_BUILD_ID, "%s is of kernel %.*s, and %s is %.*s",
		    module->path, (int)their_len, theirs, kernel->path,
		    (int)len, ours);
}

enum us_error home_open(struct module_home *home, const struct home_files *files)
{
	enum us_error error;

	*home = (struct module_home){
		.kernel = { .fd = -1 }, .new_kernel = { .fd = -1 },
	};
	error = image_open(&home->image, files->kernel);
	if (!error)
		error = side_open_kernel(&home->kernel, files->kernel);
	if (!error && files->new_kernel)
		error = side_open_kernel(&home->new_kernel, files->new_kernel);
	if (!error)
		error = module_set_open(&home->set, &home->image,
					files->modules, NULL);
	if (!error)
		error = module_link(&home->module, &home->set, files->module);
	if (!error && !home->module.file.text_len)
		error = fail(US_E_OBJECT_UNSUPPORTED, "%s has no code",
			     files->module);
	if (!error)
		find_named(home);
	return error;
}

void home_close(struct module_home *home)
{
	if (!home->image.path)
		return;
	module_unlink(&home->module);
	module_set_close(&home->set);
	side_close(&home->new_kernel);
	side_close(&home->kernel);
	image_close(&home->image);
	*home = (struct module_home){ 0 };
}

static struct home_place unknown(const char *why)
{
	return (struct home_place){ .kind = HOME_UNKNOWN, .why = why };
}

static struct home_place in_base(const struct module_home *home, u32 kind,
				 u32 area, const char *module, u64 offset)
{
	const struct us_module_base *base;
	u32 i;

	for (i = 0; i < home->module.base_count; i++) {
		base = &home->module.bases[i];
		/* Code of another module is a better kind of its area. */
		if ((base->kind != kind && (kind != US_BASE_MODULE ||
					    base->kind != US_BASE_CODE)) ||
		    base->area != area || strcmp(base->module, module))
			continue;
		if (!home->named[i])
			break;
		return (struct home_place){
			.kind = HOME_BASE, .base = i, .value = (s64)offset,
		};
	}
	return unknown("which the old module's code never refers to");
}

struct home_place home_address(const struct module_home *home,
			       const struct side *side, u64 address)
{
	const struct side_section *from = side_section_at(side, address);
	const struct module_section *to;
	u64 offset;

	if (!from || (u32)(from - side->sections) >=
		     home->module.file.section_count)
		return unknown("which lies in no section of the old module");
	to = &home->module.file.sections[from - side->sections];
	offset = to->offset + (address - from->address);
	if (to->area == AREA_NONE)
		return unknown("which is not loaded");
	if (to->area == AREA_PERCPU)
		return in_base(home, US_BASE_PERCPU, 0, "", offset);
	if (to->area >= AREA_INIT_TEXT)
		return unknown("which is gone after initialisation");
	return in_base(home, to->area == AREA_TEXT ? US_BASE_TEXT :
		       US_BASE_AREA, to->area, "", offset);
}

/* As the loader does, module_link.c places what the kernel exports. */
static struct home_place kernel_symbol(const struct module_home *home,
				       const struct image_symbol *symbol)
{
	const struct kernel_image *image = &home->image;
	bool fixed = symbol->shndx == image->percpu_section ||
		     symbol->value < image->text;

	return (struct home_place){
		.kind = fixed ? HOME_NUMBER : HOME_KERNEL,
		.value = (s64)(fixed ? symbol->value :
			       symbol->value - image->text),
	};
}

/* The checksum of @name's declaration that @module was compiled with. */
static bool wanted_version(const struct side *module, const char *name,
			   u32 *version)
{
	const struct side_section *list = side_section(module, "__versions");
	u64 at;

	for (at = 0; list && list->data && list->size - at >= VERSION_ENTRY;
	     at += VERSION_ENTRY) {
		const char *entry = (const char *)list->data + at;

		if (strncmp(entry + VERSION_NAME, name,
			    VERSION_ENTRY - VERSION_NAME))
			continue;
		*version = read_u32(list->data + at);
		return true;
	}
	return false;
}

/* That of the kernel, which stands beside the symbol's entry for modules. */
static bool kernel_version(const struct module_home *home, const char *name,
			   u32 *version)
{
	char mark[256];
	const u8 *bytes;
	u32 symbol;

	if ((size_t)snprintf(mark, sizeof(mark), "__crc_%s", name) >=
	    sizeof(mark))
		return false;
	symbol = side_symbol_named(&home->kernel, mark);
	if (symbol == SIDE_NONE)
		return false;
	if (home->kernel.symbols[symbol].absolute) {
		*version = home->kernel.symbols[symbol].address;
		return true;
	}
	bytes = side_bytes(&home->kernel, home->kernel.symbols[symbol].address,
			   4);
	if (bytes)
		*version = read_u32(bytes);
	return bytes;
}

struct home_place home_import(const struct module_home *home,
			      const struct side *from, const char *name)
{
	const struct module_export *export;
	const struct image_symbol *symbol;
	const struct known_module *other;
	struct home_place place;
	u32 ours, theirs;

	if (module_set_kernel_symbol(&home->set, name, &symbol)) {
		if (wanted_version(from, name, &theirs) &&
		    kernel_version(home, name, &ours) && ours != theirs)
			return unknown("which is another version of it");
		return kernel_symbol(home, symbol);
	}
	export = module_set_find(&home->set, name);
	if (!export)
		return unknown("which neither the old kernel nor a module that "
			       "was given exports");
	other = &home->set.modules[export->module];
	place = in_base(home, export->code ? US_BASE_CODE : US_BASE_MODULE,
			export->area, other->name, export->offset);
	if (place.kind == HOME_UNKNOWN)
		place.why = "which is of a module that the old one does not "
			    "refer to in this way";
	return place;
}

const u8 *home_text(const struct module_home *home, u64 offset, u64 len)
{
	if (!span_inside(offset, len, home->module.file.text_len))
		return NULL;
	return home->module.content[AREA_TEXT] + offset;
}
