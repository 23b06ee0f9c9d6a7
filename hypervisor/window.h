/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The window: the guest's memory as the control domain reads it, without an exit.
 * control_abi.h says what it is; what lies behind it is what the gate (memory.h)
 * admits, page for page, by the SLAT, read-only and not executable there too.
 */
#ifndef HV_WINDOW_H
#define HV_WINDOW_H

#include "hv.h"

/* Makes a table in the domain's own page tables, for @entry of another. */
typedef u64 *new_table_fn(u64 *entry);

/* Map the window, in the domain's SLAT and its page tables. NO_MEMORY, also when
 * RAM reaches too high for it. Once. */
enum us_error window_map(u64 *slat_root, u64 *own_root, new_table_fn *new_table);

/* What lies behind it. */
void window_describe(struct us_mailbox *mailbox);

#endif
