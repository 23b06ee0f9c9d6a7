/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the IDT may hold after boot, from the tables that idt.c fills it from. */
#include <string.h>

#include "cli.h"
#include "kernel_entries.h"

#define VECTORS		256
#define EXCEPTIONS	32

/* struct idt_data of asm/desc_defs.h. */
#define IDT_DATA_SIZE	24
#define IDT_DATA_ADDR	16

static const struct image_symbol *find(const struct kernel_image *image,
				       const char *name)
{
	const struct image_symbol *symbol;
	u64 value;
	size_t i;

	if (!image_find(image, name, &value))
		return NULL;
	for (i = 0; i < image->symbol_count; i++) {
		symbol = &image->symbols[i];
		if (symbol->value == value && !strcmp(symbol->name, name) &&
		    symbol->size)
			return symbol;
	}
	return NULL;
}

static enum us_error bad_table(const struct kernel_image *image,
			       const char *name)
{
	return fail(US_E_ELF_FORMAT, "%s: bad table %s", image->path, name);
}

static enum us_error add_table(const struct kernel_image *image,
			       const struct kernel_memory *memory,
			       const char *name, bool *known,
			       struct entry_list *out)
{
	const struct image_symbol *table = find(image, name);
	enum us_error error = US_OK;
	const u8 *bytes;
	u32 vector;
	u64 at;

	if (!table)
		return US_OK;
	bytes = memory_linked(memory, table->value, table->size);
	if (!bytes || table->size % IDT_DATA_SIZE)
		return bad_table(image, name);
	for (at = 0; at < table->size && !error; at += IDT_DATA_SIZE) {
		vector = read_u32(bytes + at);
		if (vector >= VECTORS)
			return bad_table(image, name);
		known[vector] = true;
		error = entries_add(memory, out,
				    read_u64(bytes + at + IDT_DATA_ADDR),
				    US_CLASS_GATE + vector);
	}
	return error;
}

/* Vectors from @first on that no table names keep the stubs that begin at @stubs,
 * @size bytes each. */
static enum us_error add_stubs(const struct kernel_memory *memory,
			       const bool *known, u32 first, u32 count,
			       u64 stubs, u64 size, struct entry_list *out)
{
	enum us_error error = US_OK;
	u32 i;

	for (i = 0; i < count && !error; i++)
		if (!known[first + i])
			error = entries_add(memory, out, stubs + i * size,
					    US_CLASS_GATE + first + i);
	return error;
}

enum us_error gates_collect(const struct kernel_image *image,
			    const struct kernel_memory *memory,
			    struct entry_list *out)
{
	static const char *const tables[] = {
		"early_idts", "early_pf_idts", "def_idts", "apic_idts",
		"ia32_idt",
	};
	const struct image_symbol *early, *irq, *spurious;
	bool known[VECTORS] = { false };
	enum us_error error = US_OK;
	u64 size, irqs;
	size_t i;

	early = find(image, "early_idt_handler_array");
	irq = find(image, "irq_entries_start");
	spurious = find(image, "spurious_entries_start");
	if (!early || !irq || !spurious)
		return fail(US_E_SYMBOL_MISSING, "%s: irq_entries_start",
			    image->path);
	for (i = 0; i < ARRAY_SIZE(tables) && !error; i++)
		error = add_table(image, memory, tables[i], known, out);
	/* Without INT 0x80 (ia32_emulation=0) its gate is one of the others. */
	known[0x80] = false;
	/* All other vectors have a stub in one of two arrays. */
	size = (irq->size + spurious->size) / (VECTORS - EXCEPTIONS);
	if (!size || irq->size % size || spurious->size % size ||
	    (irq->size + spurious->size) != size * (VECTORS - EXCEPTIONS) ||
	    early->size % EXCEPTIONS)
		return bad_table(image, "irq_entries_start");
	irqs = irq->size / size;
	if (!error)
		error = add_stubs(memory, known, 0, EXCEPTIONS, early->value,
				  early->size / EXCEPTIONS, out);
	if (!error)
		error = add_stubs(memory, known, EXCEPTIONS, irqs, irq->value,
				  size, out);
	if (!error)
		error = add_stubs(memory, known, EXCEPTIONS + irqs,
				  VECTORS - EXCEPTIONS - irqs, spurious->value,
				  size, out);
	return error;
}
