/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pages of the hypervisor's own region: given out in order, and table pages that
 * come back. Past boot only slat.c calls, with its lock held. */
#ifndef HV_PAGES_H
#define HV_PAGES_H

#include "hv.h"

/* Take the free part of the region. Once, from init. */
void pages_init(void);

/* One zeroed page, or NULL. */
void *page_alloc(void);
/* @count contiguous zeroed pages, at boot, or NULL. */
void *pages_alloc(u64 count);

/* A page that page_alloc() gave is not used any more, by no processor either. */
void page_return(void *page);

/* How many page_alloc() can still give. */
u64 pages_free(void);

#endif
