/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an update is about: does it need a reboot, and why. */
#ifndef UNDERSEAL_DIFF_REPORT_H
#define UNDERSEAL_DIFF_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "diff_plan.h"

/* For people, and as JSON (the caller's to release). */
void diff_print(FILE *stream, const struct plan *plan);
json_t *diff_json(const struct plan *plan);

/* Changes that a patch cannot bring. */
u32 diff_obstacles(const struct plan *plan);

#endif
