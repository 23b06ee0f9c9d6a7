/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Second-level address translation: the guest's view of physical memory (NPT or
 * EPT; the bits come from vmm_ops.slat). Identity-mapped with the largest pages
 * there are, split only where permissions differ.
 *
 * Rights are taken away at boot, or with all other vCPUs held (stop.h); the caller
 * has them flushed. Rights are given at any time: a vCPU that still has the old,
 * stricter translation comes into the hypervisor once more and tries again.
 */
#ifndef HV_SLAT_H
#define HV_SLAT_H

#include "hv.h"

enum slat_access {
	SLAT_OPEN,		/* RWX; see slat_guard_execution */
	SLAT_SEALED,		/* R-X */
	SLAT_READ_ONLY,		/* R-- */
	SLAT_DATA,		/* RW- */
};

/* Build the guest's tables: RAM and the first 4 GiB open, the hidden region
 * reading as zeros, the arena sealed, shadow memory for data. NO_MEMORY. Once. */
enum us_error slat_init(void);
u64 slat_guest_root(void);

/* Change whole 4 KiB frames. NO_MEMORY when no page is left to split a large
 * page; then nothing has changed. Any CPU. */
enum us_error slat_protect(u64 gpa, u64 len, enum slat_access access);

/* From now on the kernel executes what is SLAT_SEALED alone; SLAT_OPEN means
 * execution by programs. All other vCPUs held, and all are flushed before one goes on.
 * Only if hv.ops->guards_execution(). */
void slat_guard_execution(void);
bool slat_execution_guarded(void);

/* Take back tables that are not needed any more, when free pages are few. Only with
 * all other vCPUs held, and all are flushed before one goes on: processors remember
 * where tables are (APM volume 2, 15.25.6; SDM volume 3, "Caching translation
 * information"). */
void slat_gather(void);

/* What the guest may do at @gpa now; SLAT_READ_ONLY where nothing is mapped. */
enum slat_access slat_access_at(u64 gpa);

/* Address space above RAM is mapped when it is first touched: call this after a
 * fault on an entry that was not present. False when it cannot be mapped, true
 * when the access is worth another try. Takes a lock of its own; any CPU. */
bool slat_map_lazily(u64 gpa);

/* Tables of another domain (the control domain): pages are added one by one. */
u64 *slat_new_root(void);
bool slat_map_page(u64 *root, u64 gpa, u64 pa, enum slat_access access);
/* Whole pages, by the largest ones that fit. */
bool slat_map_range(u64 *root, u64 gpa, u64 pa, u64 len, enum slat_access access);

#endif
