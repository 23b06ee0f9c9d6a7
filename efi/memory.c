/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "memory.h"
#include "print.h"
#include "uefi.h"

#define REGION_MAX	(1ull << 40)	/* no sane image asks for more */

struct memory_map {
	u8 *entries;
	UINTN count;
	UINTN entry_size;
};

static bool map_get(struct memory_map *map)
{
	UINT32 version;
	UINTN key;

	map->entries = (u8 *)LibMemoryMap(&map->count, &key, &map->entry_size,
					  &version);
	return map->entries;
}

static const EFI_MEMORY_DESCRIPTOR *map_entry(const struct memory_map *map,
					      UINTN i)
{
	/* entry_size may be larger than the structure: UEFI 2.10, 7.2.3. */
	return (const EFI_MEMORY_DESCRIPTOR *)
		(map->entries + i * map->entry_size);
}

/*
 * RAM that a guest may keep its own data or page tables in. Runtime services are RAM that
 * the guest maps and calls into. ACPI NVS is left out: it belongs to the firmware, also
 * across sleep, and no operating system takes it for its own.
 */
static bool is_ram(const EFI_MEMORY_DESCRIPTOR *entry)
{
	switch (entry->Type) {
	case EfiLoaderCode:
	case EfiLoaderData:
	case EfiBootServicesCode:
	case EfiBootServicesData:
	case EfiRuntimeServicesCode:
	case EfiRuntimeServicesData:
	case EfiConventionalMemory:
	case EfiACPIReclaimMemory:
		return entry->NumberOfPages;
	default:
		return false;
	}
}

static u64 entry_end(const EFI_MEMORY_DESCRIPTOR *entry)
{
	return entry->PhysicalStart + entry->NumberOfPages * PAGE_SIZE;
}

static enum us_error find_highest_ram(struct us_boot_info *info)
{
	struct memory_map map;

	if (!map_get(&map))
		return fail(US_E_FIRMWARE, "There is no memory map.");
	info->highest_ram = 0;
	for (UINTN i = 0; i < map.count; i++) {
		const EFI_MEMORY_DESCRIPTOR *entry = map_entry(&map, i);

		if (is_ram(entry) && entry_end(entry) > info->highest_ram)
			info->highest_ram = entry_end(entry);
	}
	FreePool(map.entries);
	return US_E_OK;
}

/* Make room for one more range at place @at. */
static bool insert_range(struct us_boot_info *info, u32 at)
{
	if (info->ram_ranges == US_BOOT_MAX_RAM)
		return false;
	for (u32 i = info->ram_ranges++; i > at; i--)
		info->ram[i] = info->ram[i - 1];
	return true;
}

static void remove_range(struct us_boot_info *info, u32 at)
{
	info->ram_ranges--;
	for (u32 i = at; i < info->ram_ranges; i++)
		info->ram[i] = info->ram[i + 1];
}

/* Keep info->ram sorted, and neighbours merged. Entries of a map never overlap. */
static bool add_range(struct us_boot_info *info, u64 base, u64 len)
{
	struct us_ram_range *ram = info->ram;
	u32 at = 0;

	while (at < info->ram_ranges && ram[at].base < base)
		at++;
	if (at && ram[at - 1].base + ram[at - 1].len == base) {
		ram[--at].len += len;
	} else {
		if (!insert_range(info, at))
			return false;
		ram[at].base = base;
		ram[at].len = len;
	}
	if (at + 1 < info->ram_ranges && base + len == ram[at + 1].base) {
		ram[at].len += ram[at + 1].len;
		remove_range(info, at + 1);
	}
	return true;
}

static enum us_error find_ram(struct us_boot_info *info)
{
	struct memory_map map;
	bool fits = true;

	if (!map_get(&map))
		return fail(US_E_FIRMWARE, "There is no memory map.");
	info->ram_ranges = 0;
	for (UINTN i = 0; i < map.count && fits; i++) {
		const EFI_MEMORY_DESCRIPTOR *entry = map_entry(&map, i);

		if (is_ram(entry))
			fits = add_range(info, entry->PhysicalStart,
					 entry_end(entry) -
					 entry->PhysicalStart);
	}
	FreePool(map.entries);
	if (!fits)
		return fail(US_E_FIRMWARE, "Its memory map has more than %u "
			    "separate ranges of RAM.", US_BOOT_MAX_RAM);
	for (u32 i = 0; i < info->ram_ranges; i++)
		if (spans_overlap(info->ram[i].base, info->ram[i].len,
				  info->region_base, info->region_len))
			return fail(US_E_FIRMWARE, "Its memory map does not "
				    "show the reserved region.");
	return US_E_OK;
}

/* false when the images ask for more than can be meant. */
static bool region_size(const struct us_boot_info *info, u64 fixed,
			const struct us_hv_header *header, bool page_1gib,
			u64 *size)
{
	u64 top = info->highest_ram, per_gib = header->heap_per_gib, heap;

	if (top < 4 * SIZE_1G)
		top = 4 * SIZE_1G;
	if (!page_1gib && __builtin_add_overflow(per_gib, header->tables_per_gib,
						 &per_gib))
		return false;
	return !__builtin_mul_overflow(per_gib, ALIGN_UP(top, SIZE_1G) / SIZE_1G,
				       &heap) &&
		!__builtin_add_overflow(heap, header->heap_fixed, &heap) &&
		!__builtin_add_overflow(heap, fixed, size) &&
		*size <= REGION_MAX;
}

/*
 * Pages on a 2 MiB boundary: take up to 2 MiB too much, give the ends back. What the
 * hypervisor uses early is best below 4 GiB, as all firmware maps that.
 */
static EFI_STATUS take_pages(u64 size, u64 *base)
{
	UINTN pages = size / PAGE_SIZE;
	UINTN slack = (SIZE_2M - PAGE_SIZE) / PAGE_SIZE;
	EFI_PHYSICAL_ADDRESS start = 4 * SIZE_1G - 1;
	EFI_STATUS status;
	UINTN head;

	status = BS->AllocatePages(AllocateMaxAddress, EfiReservedMemoryType,
				   pages + slack, &start);
	if (EFI_ERROR(status))
		status = BS->AllocatePages(AllocateAnyPages,
					   EfiReservedMemoryType,
					   pages + slack, &start);
	if (EFI_ERROR(status))
		return status;
	*base = ALIGN_UP(start, SIZE_2M);
	head = (*base - start) / PAGE_SIZE;
	if (head)
		BS->FreePages(start, head);
	if (slack - head)
		BS->FreePages(*base + size, slack - head);
	return EFI_SUCCESS;
}

void memory_release(const struct us_boot_info *info)
{
	BS->FreePages(info->region_base, info->region_len / PAGE_SIZE);
}

enum us_error memory_reserve(struct us_boot_info *info, u64 fixed,
			     const struct us_hv_header *header,
			     bool page_1gib)
{
	enum us_error error;
	EFI_STATUS status;
	u64 size;

	error = find_highest_ram(info);
	if (error)
		return error;
	if (!region_size(info, fixed, header, page_1gib, &size))
		return fail(US_E_BAD_IMAGE, "It asks for an absurd amount of "
			    "memory.");
	size = ALIGN_UP(size, PAGE_SIZE);
	status = take_pages(size, &info->region_base);
	if (EFI_ERROR(status))
		return fail(US_E_LOADER_MEMORY, "%lu KiB are needed: %s.",
			    size / 1024, status_text(status));
	info->region_len = size;
	ZeroMem((VOID *)info->region_base, size);
	error = find_ram(info);
	if (error)
		memory_release(info);
	return error;
}
