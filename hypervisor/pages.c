/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pages of the hypervisor's own region. */
#include "pages.h"

#include <string.h>

#include "memory.h"

static u64 free_next, free_end;
static u64 *returned;		/* a list by each page's first word */
static u64 returned_count;

void pages_init(void)
{
	free_next = ALIGN_UP(hv.boot.free_base, PAGE_SIZE);
	free_end = hv.boot.region_base + hv.boot.region_len;
	returned = NULL;
	returned_count = 0;
}

void *pages_alloc(u64 count)
{
	u64 at = free_next;

	if (count > (free_end - free_next) / PAGE_SIZE)
		return NULL;
	free_next += count * PAGE_SIZE;
	memset(own_phys_to_virt(at), 0, count * PAGE_SIZE);
	return own_phys_to_virt(at);
}

void *page_alloc(void)
{
	u64 *page = returned;

	if (!page)
		return pages_alloc(1);
	returned = own_phys_to_virt(page[0]);
	returned_count--;
	memset(page, 0, PAGE_SIZE);
	return page;
}

void page_return(void *page)
{
	*(u64 *)page = virt_to_phys(returned);
	returned = page;
	returned_count++;
}

u64 pages_free(void)
{
	return (free_end - free_next) / PAGE_SIZE + returned_count;
}
