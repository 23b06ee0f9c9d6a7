/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which changed functions must go along with which. Errors are recorded with fail(). */
#ifndef UNDERSEAL_DIFF_TOGETHER_H
#define UNDERSEAL_DIFF_TOGETHER_H

#include "diff_plan.h"

struct together;

/* For @plan, whose decisions have been made. NO_MEMORY, ELF_FORMAT.
 * together_close() after success and failure alike. */
enum us_error together_open(struct together **together, struct plan *plan);
void together_close(struct together *together);

/* Leave out every chosen function that a changed one refers to which stays as it
 * was. Returns whether there was one: others may depend on it. */
bool together_drop(struct together *together);

#endif
