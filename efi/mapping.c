/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu.h"
#include "mapping.h"
#include "page_walk.h"
#include "print.h"
#include "uefi.h"

#define MSR_EFER	0xc0000080u

/* The firmware's tables are identity mapped like all of its memory. */
static enum us_error read_entry(void *ctx, u64 gpa, u64 *entry)
{
	(void)ctx;
	*entry = *(const volatile u64 *)gpa;
	return US_E_OK;
}

static bool is_executable(u64 base, u64 len)
{
	struct page_walker walker = {
		.read = read_entry,
		.cr3 = read_cr3(),
		.levels = read_cr4() & CR4_LA57 ? 5 : 4,
		.phys_bits = 52,
		.nxe = rdmsr(MSR_EFER) & EFER_NXE,
	};

	for (u64 at = base; at < base + len; at += PAGE_SIZE) {
		struct page_mapping page;

		if (page_walk(&walker, at, &page) || page.gpa != at ||
		    page.flags & PTE_NX)
			return false;
	}
	return true;
}

enum us_error mapping_make_executable(u64 base, u64 len)
{
	EFI_GUID guid = MEMORY_ATTRIBUTE_GUID;
	struct memory_attribute *attribute;
	EFI_STATUS status;

	if (is_executable(base, len))
		return US_E_OK;
	status = BS->LocateProtocol(&guid, NULL, (VOID **)&attribute);
	if (!EFI_ERROR(status))
		status = attribute->clear(attribute, base, len, EFI_MEMORY_XP);
	if (!EFI_ERROR(status) && is_executable(base, len))
		return US_E_OK;
	return fail(US_E_FIRMWARE, "Code cannot run at 0x%lx: %s.", base,
		    status_text(status));
}
