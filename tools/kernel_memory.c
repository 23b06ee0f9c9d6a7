/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "kernel_insn.h"
#include "kernel_memory.h"
#include "kernel_relocs.h"

u32 field_size(u8 type)
{
	return US_RELOC_CODE_TYPE(type) == US_TEXT_ADD64 ? 8 : 4;
}

/* Where section @index lies in the image, or 0 for one that is no part of it. The
 * per-CPU section is linked at 0 and loaded behind the data. */
static u64 load_address(const struct kernel_image *image, size_t index, u64 end)
{
	const struct image_section *section = &image->sections[index];
	u64 address = section->header.sh_addr;

	if (!(section->header.sh_flags & SHF_ALLOC) || !section->data)
		return 0;
	if (index == image->percpu_section &&
	    !image_find(image, "__per_cpu_load", &address))
		return 0;
	if (address < image->text || address >= end ||
	    section->header.sh_size > end - address)
		return 0;
	return address;
}

static u64 content_end(const struct kernel_image *image, u64 end)
{
	u64 found = image->text, address;
	size_t i;

	for (i = 1; i < image->section_count; i++) {
		address = load_address(image, i, end);
		if (!address)
			continue;
		address += image->sections[i].header.sh_size;
		if (address > found)
			found = address;
	}
	return found;
}

enum us_error memory_load(const struct kernel_image *image,
			  struct kernel_memory *memory)
{
	u64 end, address;
	enum us_error error;
	size_t i;

	*memory = (struct kernel_memory){ .base = image->text };
	error = image_symbol(image, "_end", &end);
	if (error)
		return error;
	if (end < image->text || end - image->text > US_BASELINE_MAX_IMAGE)
		return fail(US_E_ELF_FORMAT, "%s: the image ends at %#llx",
			    image->path, (unsigned long long)end);
	memory->len = content_end(image, end) - image->text;
	memory->bytes = calloc(1, memory->len);
	memory->marks = calloc(1, memory->len);
	memory->linked = calloc(1, memory->len);
	memory->linked_marks = calloc(1, memory->len);
	if (!memory->bytes || !memory->marks || !memory->linked ||
	    !memory->linked_marks)
		return fail(US_E_NO_MEMORY, "image");
	for (i = 1; i < image->section_count; i++) {
		address = load_address(image, i, end);
		if (address)
			memcpy(memory->linked + (address - memory->base),
			       image->sections[i].data,
			       image->sections[i].header.sh_size);
	}
	memcpy(memory->bytes, memory->linked, memory->len);
	return US_OK;
}

void memory_free(struct kernel_memory *memory)
{
	free(memory->bytes);
	free(memory->marks);
	free(memory->linked);
	free(memory->linked_marks);
	*memory = (struct kernel_memory){ 0 };
}

void memory_mark(struct kernel_memory *memory, const struct reloc_list *relocs)
{
	size_t i;

	for (i = 0; i < relocs->count; i++)
		memory->linked_marks[relocs->list[i].offset] =
			relocs->list[i].type;
	memcpy(memory->marks, memory->linked_marks, memory->len);
}

bool memory_has(const struct kernel_memory *memory, u64 address, u64 len)
{
	return address >= memory->base &&
	       span_inside(address - memory->base, len, memory->len);
}

const u8 *memory_linked(const struct kernel_memory *memory, u64 address, u64 len)
{
	return memory_has(memory, address, len) ?
	       memory->linked + (address - memory->base) : NULL;
}

u8 *memory_at(const struct kernel_memory *memory, u64 address)
{
	return memory->bytes + (address - memory->base);
}

u8 *memory_marks(const struct kernel_memory *memory, u64 address)
{
	return memory->marks + (address - memory->base);
}

void memory_restore(struct kernel_memory *memory, u64 address, u64 len)
{
	u64 offset = address - memory->base;

	memcpy(memory->bytes + offset, memory->linked + offset, len);
	memcpy(memory->marks + offset, memory->linked_marks + offset, len);
}

/* Code that was moved or made up: its distances are what the linker did not see. */
void memory_mark_distances(struct kernel_memory *memory, u64 address, u64 len)
{
	const u8 *code = memory_at(memory, address);
	u8 *marks = memory_marks(memory, address);
	struct insn insn;
	u64 at, next;

	for (at = 0; memory->distance_code && at < len &&
	     insn_decode(code + at, len - at, &insn); at = next) {
		next = at + insn.length;
		if (insn.rip_relative && !marks[at + insn.displacement_at])
			marks[at + insn.displacement_at] =
				memory->distance_code(memory->context, address +
					next + (u64)insn.displacement);
		if (insn_is_branch32(&insn) && !marks[at + insn.immediate_at])
			marks[at + insn.immediate_at] =
				memory->distance_code(memory->context, address +
					next + (u64)insn.immediate);
	}
}
