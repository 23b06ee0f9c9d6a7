/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "memory.h"

#include <string.h>

bool gpa_is_hidden(u64 gpa)
{
	return gpa >= hv.shadow + hv.boot.shadow_len && gpa < hv.end;
}

bool gpa_is_for_patches(u64 gpa)
{
	return gpa >= hv.base && gpa < hv.shadow + hv.boot.shadow_len;
}

static bool inside_ram(u32 index, u64 gpa, u64 len)
{
	const struct us_ram_range *ram = &hv.boot.ram[index];

	return index < hv.boot.ram_ranges && gpa >= ram->base &&
		span_inside(gpa - ram->base, len, ram->len);
}

/* The index of the range that holds all of it, ram_ranges if none does. Nearly all
 * accesses are to the range of the last one. */
static u32 find_ram(u64 gpa, u64 len)
{
	static u32 last;
	u32 i = __atomic_load_n(&last, __ATOMIC_RELAXED);

	if (inside_ram(i, gpa, len))
		return i;
	for (i = 0; i < hv.boot.ram_ranges; i++)
		if (inside_ram(i, gpa, len)) {
			__atomic_store_n(&last, i, __ATOMIC_RELAXED);
			break;
		}
	return i;
}

bool guest_range_ok(u64 gpa, u64 len)
{
	if (!len || !span_valid(gpa, len))
		return false;
	if (gpa >= hv.base && span_inside(gpa - hv.base, len,
					  hv.shadow + hv.boot.shadow_len -
					  hv.base))
		return true;
	/* The loader leaves the region out of the ranges; looked at all the same. */
	return find_ram(gpa, len) < hv.boot.ram_ranges &&
		!spans_overlap(gpa, len, hv.base, hv.end - hv.base);
}

typedef u16 u16_unaligned __attribute__((aligned(1), may_alias));
typedef u32 u32_unaligned __attribute__((aligned(1), may_alias));
typedef u64 u64_unaligned __attribute__((aligned(1), may_alias));

/* Only after guest_range_ok. */
static void *guest_pointer(u64 gpa)
{
	return (void *)(gpa_is_for_patches(gpa) ? gpa : DIRECT_MAP + gpa);
}

enum us_error guest_read(u64 gpa, void *dst, u64 len)
{
	if (!guest_range_ok(gpa, len))
		return US_E_GUEST_ADDRESS;
	memcpy(dst, guest_pointer(gpa), len);
	return US_OK;
}

enum us_error guest_write(u64 gpa, const void *src, u64 len)
{
	if (!guest_range_ok(gpa, len))
		return US_E_GUEST_ADDRESS;
	memcpy(guest_pointer(gpa), src, len);
	return US_OK;
}

enum us_error guest_store(u64 gpa, const void *src, u64 len)
{
	u64 value = 0;

	if (!guest_range_ok(gpa, len))
		return US_E_GUEST_ADDRESS;
	if (len > sizeof(value) || (len & (len - 1)))
		return guest_write(gpa, src, len);
	memcpy(&value, src, len);
	switch (len) {
	case 1: *(volatile u8 *)guest_pointer(gpa) = (u8)value; break;
	case 2: *(volatile u16_unaligned *)guest_pointer(gpa) = (u16)value; break;
	case 4: *(volatile u32_unaligned *)guest_pointer(gpa) = (u32)value; break;
	case 8: *(volatile u64_unaligned *)guest_pointer(gpa) = value; break;
	}
	return US_OK;
}

static enum us_error read_entry(void *ctx, u64 gpa, u64 *entry)
{
	(void)ctx;
	return guest_read(gpa, entry, sizeof(*entry));
}

enum us_error guest_translate(const struct guest_system *system, u64 gva,
			      struct guest_mapping *mapping)
{
	struct page_walker walker = {
		.read = read_entry,
		.cr3 = system->cr3,
		.levels = system->cr4 & CR4_LA57 ? 5 : 4,
		.phys_bits = hv.phys_bits,
		.nxe = system->efer & EFER_NXE,
	};
	struct page_mapping page;
	enum us_error error;

	if (!(system->cr0 & CR0_PG)) {
		*mapping = (struct guest_mapping) {
			gva & 0xffffffff, true, true, true };
		return US_OK;
	}
	if (!(system->efer & EFER_LMA))
		return US_E_GUEST_ADDRESS;
	error = page_walk(&walker, gva, &page);
	if (error)
		return error;
	*mapping = (struct guest_mapping) {
		page.gpa, page.flags & PTE_WRITE, page.flags & PTE_USER,
		!(page.flags & PTE_NX) };
	return US_OK;
}

u32 guest_read_linear(const struct guest_system *system, u64 gva, void *dst,
		      u32 len)
{
	u32 done = 0;

	while (done < len) {
		u64 at = gva + done;
		u64 in_page = PAGE_SIZE - (at & ~PAGE_MASK);
		u32 chunk = len - done < in_page ? len - done : (u32)in_page;
		struct guest_mapping mapping;

		if (guest_translate(system, at, &mapping) ||
		    guest_read(mapping.gpa, (u8 *)dst + done, chunk))
			break;
		done += chunk;
	}
	return done;
}
