/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "kernel_sites.h"
#include "kernel_types.h"

enum us_error sites_add(const struct kernel_image *image,
			struct site_list *list, u64 address, u64 len, u8 kind)
{
	struct us_site *grown;

	if (!image_in_text(image, address, 1))
		return US_OK;
	if (!len || len > UINT8_MAX || !image_in_text(image, address, len))
		return fail(US_E_ELF_FORMAT, "%s: site of %llu bytes at %#llx",
			    image->path, (unsigned long long)len,
			    (unsigned long long)address);
	if (!(list->count & (list->count - 1))) {
		grown = reallocarray(list->list, list->count ?
				     list->count * 2 : 1, sizeof(*grown));
		if (!grown)
			return fail(US_E_NO_MEMORY, "sites");
		list->list = grown;
	}
	list->list[list->count++] = (struct us_site){
		.offset = address - image->text, .len = len, .kind = kind,
	};
	return US_OK;
}

void sites_free(struct site_list *list)
{
	free(list->list);
	*list = (struct site_list){ 0 };
}

static enum us_error bad_site(const struct kernel_image *image,
			      const char *table, u64 address)
{
	return fail(US_E_ELF_FORMAT, "%s: %s: unexpected code at %#llx",
		    image->path, table, (unsigned long long)address);
}

/* What a length function answers for an entry that the kernel passes over. */
#define NOT_A_SITE	(~0ull)

/* A near CALL or JMP rel32, or Jcc rel32, with CS prefixes that pad it. */
static u64 branch_length(const struct kernel_image *image, u64 address)
{
	u64 prefixes = 0;
	const u8 *at;

	while ((at = image_bytes(image, address + prefixes, 6)) &&
	       *at == 0x2e && prefixes < 3)
		prefixes++;
	if (!at)
		return 0;
	if (at[0] == 0xe8 || at[0] == 0xe9)
		return prefixes + 5;
	if (at[0] == 0x0f && (at[1] & 0xf0) == 0x80)
		return prefixes + 6;
	return 0;
}

static u64 branch_site(const struct kernel_image *image, u64 address)
{
	return branch_length(image, address);
}

/* JMP or NOP of two or five bytes (arch_jump_entry_size()). */
static u64 jump_label_site(const struct kernel_image *image, u64 address)
{
	const u8 *at = image_bytes(image, address, 5);

	if (!at)
		return 0;
	if (at[0] == 0xeb || (at[0] == 0x66 && at[1] == 0x90))
		return 2;
	if (at[0] == 0xe9 || (at[0] == 0x0f && at[1] == 0x1f))
		return 5;
	return 0;
}

/* LOCK, or the DS prefix that stands for it on one CPU. The kernel looks at the
 * byte too: where another prefix stands first it changes nothing. */
static u64 lock_site(const struct kernel_image *image, u64 address)
{
	const u8 *at = image_bytes(image, address, 1);

	return at && (*at == 0xf0 || *at == 0x3e) ? 1 : NOT_A_SITE;
}

static u64 endbr_site(const struct kernel_image *image, u64 address)
{
	static const u8 endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	const u8 *at = image_bytes(image, address, sizeof(endbr64));

	return at && !memcmp(at, endbr64, sizeof(endbr64)) ?
	       sizeof(endbr64) : 0;
}

static u64 pointer_site(const struct kernel_image *image, u64 address)
{
	(void)image;
	(void)address;
	return 8;
}

static u64 shift_site(const struct kernel_image *image, u64 address)
{
	(void)image;
	(void)address;
	return 1;
}

/*
 * Tables whose entries begin with the signed 32-bit distance from the entry to
 * the site. The bounds are symbols; a build without them has no such table.
 *
 * Left out on purpose, so that a kernel that used them is refused at seal
 * instead of being taken unseen: .call_sites (call depth tracking, only with
 * retbleed=stuff) and hypercall_page (filled in by Xen, which cannot be between
 * Underseal and the kernel). Nor are kprobes sites: they may be anywhere.
 */
static const struct relative_table {
	const char *start, *end;
	unsigned int entry_size;
	u8 kind;
	/* Bytes that the kernel rewrites there, NOT_A_SITE, or 0 when no such
	 * code is there. */
	u64 (*length)(const struct kernel_image *image, u64 address);
} relative_tables[] = {
	{ "__retpoline_sites", "__retpoline_sites_end", 4,
	  US_SITE_RETPOLINE, branch_site },
	{ "__return_sites", "__return_sites_end", 4,
	  US_SITE_RETURN, branch_site },
	{ "__smp_locks", "__smp_locks_end", 4,
	  US_SITE_SMP_LOCK, lock_site },
	/* struct jump_entry { s32 code; s32 target; long key; } */
	{ "__start___jump_table", "__stop___jump_table", 16,
	  US_SITE_JUMP_LABEL, jump_label_site },
	/* struct static_call_site { s32 addr; s32 key; } */
	{ "__start_static_call_sites", "__stop_static_call_sites", 8,
	  US_SITE_STATIC_CALL, branch_site },
	{ "__ibt_endbr_seal", "__ibt_endbr_seal_end", 4,
	  US_SITE_OTHER, endbr_site },
};

static enum us_error table_bounds(const struct kernel_image *image,
				  const char *start_name, const char *end_name,
				  u64 *start, u64 *len)
{
	u64 end;

	*len = 0;
	if (!image_find(image, start_name, start) ||
	    !image_find(image, end_name, &end) || *start == end)
		return US_OK;
	if (end < *start || !image_bytes(image, *start, end - *start))
		return fail(US_E_ELF_FORMAT, "%s: bad table %s", image->path,
			    start_name);
	*len = end - *start;
	return US_OK;
}

static u64 relative(const u8 *entry, u64 address)
{
	return address + (u64)(s64)(s32)read_u32(entry);
}

static enum us_error collect_relative(const struct kernel_image *image,
				      const struct relative_table *table,
				      struct site_list *out)
{
	u64 start, len, at, site, site_len;
	enum us_error error;
	const u8 *bytes;

	error = table_bounds(image, table->start, table->end, &start, &len);
	if (error)
		return error;
	bytes = image_bytes(image, start, len);
	for (at = 0; len - at >= table->entry_size; at += table->entry_size) {
		site = relative(bytes + at, start + at);
		/* .smp_locks is padded to a page with zeros. */
		if (!read_u32(bytes + at) || !image_in_text(image, site, 1))
			continue;
		site_len = table->length(image, site);
		if (site_len == NOT_A_SITE)
			continue;
		if (!site_len)
			return bad_site(image, table->start, site);
		error = sites_add(image, out, site, site_len, table->kind);
		if (error)
			return error;
	}
	return US_OK;
}

/*
 * Constants that the kernel writes into its instructions at boot
 * (include/asm/runtime-const.h): a section for each, named by kind and symbol.
 */
static enum us_error collect_constants(const struct kernel_image *image,
				       struct site_list *out)
{
	struct relative_table table = {
		.entry_size = 4, .kind = US_SITE_OTHER,
	};
	char start[256], end[256];
	enum us_error error = US_OK;
	const char *name;
	size_t i;

	for (i = 1; i < image->section_count && !error; i++) {
		name = image->sections[i].name;
		if (!strncmp(name, "runtime_ptr_", 12))
			table.length = pointer_site;
		else if (!strncmp(name, "runtime_shift_", 14))
			table.length = shift_site;
		else
			continue;
		snprintf(start, sizeof(start), "__start_%s", name);
		snprintf(end, sizeof(end), "__stop_%s", name);
		table.start = start;
		table.end = end;
		error = collect_relative(image, &table, out);
	}
	return error;
}

/* __mcount_loc: addresses of calls to __fentry__, or of the NOPs in their place. */
static enum us_error collect_ftrace(const struct kernel_image *image,
				    struct site_list *out)
{
	static const u8 nop5[] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };
	u64 start, len, at, site;
	enum us_error error;
	const u8 *bytes, *code;

	error = table_bounds(image, "__start_mcount_loc", "__stop_mcount_loc",
			     &start, &len);
	if (error)
		return error;
	bytes = image_bytes(image, start, len);
	for (at = 0; len - at >= 8; at += 8) {
		site = read_u64(bytes + at);
		if (!image_in_text(image, site, 1))
			continue;
		code = image_bytes(image, site, 5);
		if (!code || (*code != 0xe8 && memcmp(code, nop5, 5)))
			return bad_site(image, "__mcount_loc", site);
		error = sites_add(image, out, site, 5, US_SITE_FTRACE);
		if (error)
			return error;
	}
	return US_OK;
}

/* The layout of a table's entry, from the debug information. */
struct entry_layout {
	u64 size, address, length;
};

static enum us_error entry_layout(const struct kernel_image *image,
				  const char *type, const char *address,
				  const char *length, struct entry_layout *out)
{
	struct type_query queries[] = {
		{ type, NULL, 0 }, { type, address, 0 }, { type, length, 0 },
	};
	enum us_error error;

	error = types_resolve(image, queries, ARRAY_SIZE(queries));
	if (error)
		return error;
	*out = (struct entry_layout){
		queries[0].answer, queries[1].answer, queries[2].answer,
	};
	if (out->size == TYPE_ABSENT || out->size > 64 ||
	    !span_inside(out->address, 4, out->size) ||
	    !span_inside(out->length, 1, out->size))
		return fail(US_E_SYMBOL_MISSING, "%s: struct %s", image->path,
			    type);
	return US_OK;
}

/* .altinstructions: the entry's size changed between releases. */
static enum us_error collect_alternatives(const struct kernel_image *image,
					  struct site_list *out)
{
	struct entry_layout layout;
	enum us_error error;
	const u8 *bytes;
	u64 start, len, at;

	error = table_bounds(image, "__alt_instructions",
			     "__alt_instructions_end", &start, &len);
	if (error || !len)
		return error;
	error = entry_layout(image, "alt_instr", "instr_offset", "instrlen",
			     &layout);
	if (error)
		return error;
	if (len % layout.size)
		return fail(US_E_ELF_FORMAT, "%s: .altinstructions is no "
			    "multiple of %llu bytes", image->path,
			    (unsigned long long)layout.size);
	bytes = image_bytes(image, start, len);
	for (at = 0; at < len; at += layout.size) {
		/* An empty instruction has only a replacement elsewhere. */
		if (!bytes[at + layout.length])
			continue;
		error = sites_add(image, out,
				  relative(bytes + at + layout.address,
					   start + at + layout.address),
				  bytes[at + layout.length],
				  US_SITE_ALTERNATIVE);
		if (error)
			return error;
	}
	return US_OK;
}

/* .parainstructions: up to 6.7, absolute pointers. */
static enum us_error collect_paravirt(const struct kernel_image *image,
				      struct site_list *out)
{
	struct entry_layout layout;
	enum us_error error;
	const u8 *bytes;
	u64 start, len, at;

	error = table_bounds(image, "__parainstructions",
			     "__parainstructions_end", &start, &len);
	if (error || !len)
		return error;
	error = entry_layout(image, "paravirt_patch_site", "instr", "len",
			     &layout);
	if (error)
		return error;
	if (len % layout.size || !span_inside(layout.address, 8, layout.size))
		return fail(US_E_ELF_FORMAT, "%s: bad .parainstructions",
			    image->path);
	bytes = image_bytes(image, start, len);
	for (at = 0; at < len; at += layout.size) {
		error = sites_add(image, out,
				  read_u64(bytes + at + layout.address),
				  bytes[at + layout.length], US_SITE_PARAVIRT);
		if (error)
			return error;
	}
	return US_OK;
}

/*
 * Code that is patched under its own name: the trampolines of static calls, and
 * the calls in ftrace's entry code that lead to the current tracer
 * (arch/x86/kernel/ftrace.c, ftrace_update_ftrace_func()).
 */
static enum us_error collect_named(const struct kernel_image *image,
				   struct site_list *out)
{
	static const char *const calls[] = {
		"ftrace_call", "ftrace_regs_call", "ftrace_graph_call",
	};
	const struct image_symbol *symbol;
	enum us_error error = US_OK;
	u64 address;
	size_t i;

	for (i = 0; i < image->symbol_count && !error; i++) {
		symbol = &image->symbols[i];
		if (strncmp(symbol->name, "__SCT__", 7) ||
		    symbol->shndx == SHN_UNDEF)
			continue;
		error = sites_add(image, out, symbol->value, 5,
				  US_SITE_STATIC_CALL);
	}
	for (i = 0; i < ARRAY_SIZE(calls) && !error; i++)
		if (image_find(image, calls[i], &address))
			error = sites_add(image, out, address, 5,
					  US_SITE_OTHER);
	return error;
}

static int compare_sites(const void *a, const void *b)
{
	const struct us_site *x = a, *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	if (x->len != y->len)
		return (int)x->len - (int)y->len;
	return (int)x->kind - (int)y->kind;
}

/* Sort and drop twins: alternatives come several to a place. */
static void sort_sites(struct site_list *list)
{
	size_t i, kept = 0;

	if (!list->count)
		return;
	qsort(list->list, list->count, sizeof(*list->list), compare_sites);
	for (i = 1; i < list->count; i++)
		if (compare_sites(&list->list[i], &list->list[kept]))
			list->list[++kept] = list->list[i];
	list->count = kept + 1;
}

enum us_error sites_collect(const struct kernel_image *image,
			    struct site_list *out)
{
	enum us_error error;
	size_t i;

	*out = (struct site_list){ 0 };
	error = collect_alternatives(image, out);
	if (!error)
		error = collect_paravirt(image, out);
	if (!error)
		error = collect_ftrace(image, out);
	for (i = 0; i < ARRAY_SIZE(relative_tables) && !error; i++)
		error = collect_relative(image, &relative_tables[i], out);
	if (!error)
		error = collect_constants(image, out);
	if (!error)
		error = collect_named(image, out);
	if (error) {
		sites_free(out);
		return error;
	}
	sort_sites(out);
	return US_OK;
}

/* Of the kind "other" only these change after boot; only they have this form. */
static bool is_ftrace_call(const struct kernel_image *image,
			   const struct us_site *site)
{
	const u8 *code = image->text_bytes + site->offset;

	return site->kind == US_SITE_OTHER && site->len == 5 && *code == 0xe8;
}

static bool changes_at_runtime(const struct kernel_image *image,
			       const struct us_site *site)
{
	switch (site->kind) {
	case US_SITE_SMP_LOCK:
	case US_SITE_FTRACE:
	case US_SITE_JUMP_LABEL:
	case US_SITE_STATIC_CALL:
		return true;
	}
	return is_ftrace_call(image, site);
}

enum us_error sites_runtime(const struct kernel_image *image,
			    const struct site_list *all, struct site_list *out)
{
	const struct us_site *site;
	enum us_error error;
	struct us_site *last;
	u64 end;
	size_t i;

	*out = (struct site_list){ 0 };
	for (i = 0; i < all->count; i++) {
		site = &all->list[i];
		if (!changes_at_runtime(image, site))
			continue;
		last = out->count ? &out->list[out->count - 1] : NULL;
		if (!last || site->offset >= last->offset + last->len) {
			error = sites_add(image, out,
					  image->text + site->offset,
					  site->len, site->kind);
			if (error)
				return error;
			continue;
		}
		end = site->offset + site->len - last->offset;
		if (last->kind != site->kind || end > UINT8_MAX)
			return fail(US_E_BASELINE_SITES,
				    "%s: sites of two kinds overlap at %#llx",
				    image->path, (unsigned long long)
				    (image->text + site->offset));
		if (end > last->len)
			last->len = end;
	}
	return US_OK;
}
