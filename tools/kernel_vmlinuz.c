/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <elf.h>
#include <string.h>

#include "cli.h"
#include "decompress.h"
#include "kernel_relocs.h"

#define VMLINUZ_MAX	(256ull << 20)

/*
 * The table, read backwards from the end: link addresses as signed 32-bit numbers,
 * three lists, each ended by a zero.
 */
static const enum us_text_reloc_type list_types[] = {
	US_TEXT_ADD32, US_TEXT_SUB32, US_TEXT_ADD64,
};

static enum us_error read_table(const struct kernel_image *image,
				const struct kernel_memory *memory,
				const char *path, const struct buffer *kernel,
				struct reloc_list *out)
{
	u64 at = kernel->len, address;
	enum us_error error;
	size_t list;

	for (list = 0; list < ARRAY_SIZE(list_types); list++) {
		for (;;) {
			if (at < 4)
				return fail(US_E_ELF_FORMAT,
					    "%s: no relocation table", path);
			at -= 4;
			address = (u64)(s64)(s32)read_u32(kernel->data + at);
			if (!address)
				break;
			error = relocs_add(image, memory, out, address,
					   list_types[list]);
			if (error)
				return error;
		}
	}
	return relocs_finish(image, out);
}

/* The bytes for link address @address in the unpacked ELF file, or NULL. */
static const u8 *segment_bytes(const struct buffer *kernel, u64 address,
			       u64 len)
{
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	unsigned int i;

	if (kernel->len < sizeof(header))
		return NULL;
	memcpy(&header, kernel->data, sizeof(header));
	if (memcmp(header.e_ident, ELFMAG, SELFMAG) ||
	    header.e_phentsize != sizeof(segment) ||
	    !span_inside(header.e_phoff, header.e_phnum * sizeof(segment),
			 kernel->len))
		return NULL;
	for (i = 0; i < header.e_phnum; i++) {
		memcpy(&segment, kernel->data + header.e_phoff +
		       i * sizeof(segment), sizeof(segment));
		if (segment.p_type == PT_LOAD && address >= segment.p_vaddr &&
		    span_inside(address - segment.p_vaddr, len,
				segment.p_filesz) &&
		    span_inside(segment.p_offset, segment.p_filesz,
				kernel->len))
			return kernel->data + segment.p_offset +
			       (address - segment.p_vaddr);
	}
	return NULL;
}

static enum us_error same_text(const struct kernel_image *image,
			       const char *path, const struct buffer *kernel)
{
	const u8 *text = segment_bytes(kernel, image->text, image->text_len);

	if (!text)
		return fail(US_E_ELF_FORMAT, "%s: no kernel of this layout",
			    path);
	if (memcmp(text, image->text_bytes, image->text_len))
		return fail(US_E_ELF_FORMAT, "%s and %s are different builds",
			    path, image->path);
	return US_OK;
}

enum us_error relocs_from_vmlinuz(const struct kernel_image *image,
				  const struct kernel_memory *memory,
				  const char *path, struct reloc_list *out)
{
	struct buffer file, kernel;
	enum us_error error;

	*out = (struct reloc_list){ 0 };
	error = file_read(path, VMLINUZ_MAX, &file);
	if (error)
		return error;
	error = bzimage_unpack(path, file.data, file.len, &kernel);
	buffer_free(&file);
	if (error)
		return error;
	error = same_text(image, path, &kernel);
	if (!error)
		error = read_table(image, memory, path, &kernel, out);
	buffer_free(&kernel);
	if (error)
		relocs_free(out);
	return error;
}
