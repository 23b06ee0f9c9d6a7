/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli.h"
#include "kernel_ranges.h"

static u64 page_start(u64 address)
{
	return ALIGN_DOWN(address, PAGE_SIZE);
}

static u64 page_end(u64 address)
{
	return ALIGN_UP(address, PAGE_SIZE);
}

static enum us_error add(const struct kernel_image *image,
			 struct us_baseline_header *header, u64 start, u64 end,
			 u32 kind)
{
	if (start >= end)
		return US_OK;
	if (start < image->text ||
	    !span_inside(start - image->text, end - start,
			 US_BASELINE_MAX_IMAGE))
		return fail(US_E_TOO_LARGE, "%s: constants at %#llx",
			    image->path, (unsigned long long)start);
	if (header->range_count == US_BASELINE_MAX_RANGES)
		return fail(US_E_TOO_LARGE, "%s: ranges", image->path);
	header->ranges[header->range_count++] = (struct us_range){
		.offset = start - image->text, .len = end - start, .kind = kind,
	};
	return US_OK;
}

/*
 * Constants in [@start, @end), less the type information (.BTF): the kernel copies
 * it to who asks and decides nothing by it, and it is half of all constants.
 */
static enum us_error add_constants(const struct kernel_image *image,
				   struct us_baseline_header *header, u64 start,
				   u64 end)
{
	const struct image_section *types = image_section(image, ".BTF");
	u64 hole = end, hole_end = end;
	enum us_error error;

	if (types) {
		hole = page_end(types->header.sh_addr);
		hole_end = page_start(types->header.sh_addr +
				      types->header.sh_size);
	}
	if (hole < start || hole_end > end || hole >= hole_end)
		hole = hole_end = end;
	error = add(image, header, start, hole, US_RANGE_RODATA);
	return error ? error :
	       add(image, header, hole_end, end, US_RANGE_RODATA);
}

/* Where the last section that begins in [@start, @end) ends. */
static u64 content_end(const struct kernel_image *image, u64 start, u64 end)
{
	const GElf_Shdr *header;
	u64 found = start;
	size_t i;

	for (i = 1; i < image->section_count; i++) {
		header = &image->sections[i].header;
		if (header->sh_flags & SHF_ALLOC && header->sh_addr >= start &&
		    header->sh_addr < end &&
		    header->sh_size <= end - header->sh_addr &&
		    header->sh_addr + header->sh_size > found)
			found = header->sh_addr + header->sh_size;
	}
	return found;
}

/* Constants up to @end. Behind the last section the kernel's own unpacking leaves
 * remains of the packed image: that page is protected as it is found. */
static enum us_error add_last(const struct kernel_image *image,
			      struct us_baseline_header *header, u64 start,
			      u64 end)
{
	u64 known = page_start(content_end(image, image->text, end));
	enum us_error error;

	if (known < start)
		known = start;
	error = add_constants(image, header, start, known);
	return error ? error :
	       add(image, header, known, end, US_RANGE_AFTER_INIT);
}

/* All that mark_rodata_ro() makes read-only; within it, pages that the kernel
 * writes while it boots are protected as they are found. */
static enum us_error add_rodata(const struct kernel_image *image,
				struct us_baseline_header *header)
{
	u64 start, end, init_start, init_end;
	enum us_error error;

	error = image_symbol(image, "__start_rodata", &start);
	if (!error)
		error = image_symbol(image, "__end_rodata", &end);
	if (!error)
		error = image_symbol(image, "__start_ro_after_init",
				     &init_start);
	if (!error)
		error = image_symbol(image, "__end_ro_after_init", &init_end);
	if (error)
		return error;
	end = page_end(end);
	init_start = page_start(init_start);
	init_end = page_end(init_end);
	if (!IS_ALIGNED(start, PAGE_SIZE) || init_start < start ||
	    init_end < init_start || end < init_end ||
	    start < page_end(image->text + image->text_len))
		return fail(US_E_ELF_FORMAT, "%s: __start_rodata is out of "
			    "place", image->path);
	error = add_constants(image, header, start, init_start);
	if (!error)
		error = add(image, header, init_start, init_end,
			    US_RANGE_AFTER_INIT);
	return error ? error : add_last(image, header, init_end, end);
}

enum us_error ranges_collect(const struct kernel_image *image,
			     struct us_baseline_header *header)
{
	enum us_error error;
	u64 table;

	if (image->text_len > US_BASELINE_MAX_TEXT)
		return fail(US_E_TOO_LARGE, "%s: %llu bytes of text",
			    image->path, (unsigned long long)image->text_len);
	header->text_len = image->text_len;
	header->range_count = 0;
	error = add(image, header, image->text, image->text + image->text_len,
		    US_RANGE_TEXT);
	if (!error)
		error = add_rodata(image, header);
	if (!error)
		error = image_symbol(image, "idt_table", &table);
	if (error)
		return error;
	if (!IS_ALIGNED(table, PAGE_SIZE))
		return fail(US_E_ELF_FORMAT, "%s: idt_table is not on a page",
			    image->path);
	return add(image, header, table, table + PAGE_SIZE, US_RANGE_IDT);
}
