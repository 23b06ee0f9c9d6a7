/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy of a baseline by name; the table with reasons is
 * control/POLICY.md. */
#ifndef UNDERSEAL_POLICY_H
#define UNDERSEAL_POLICY_H

#include <jansson.h>

#include "baseline.h"

#define POLICY_BYTES	16u	/* as in the baseline's header */

/* What a baseline says unless its author says otherwise: an ordinary server
 * works. */
void policy_default(u8 policy[POLICY_BYTES]);

/*
 * Change @policy as @text says: "ROW=VALUE[,ROW=VALUE...]", e.g.
 * "kprobe=deny,mapping=repair". False when a row or value is not known, and
 * then *@problem (static) says which part is not understood.
 */
bool policy_parse(const char *text, u8 policy[POLICY_BYTES],
		  const char **problem);

/* "kprobe"; NULL past the last row. */
const char *policy_row_name(u32 row);

/* "allow-log"; "unknown" for a value that the row does not have. */
const char *policy_value_name(u32 row, u8 value);

/* { "jump-label": "allow", ... } */
json_t *policy_json(const u8 policy[POLICY_BYTES]);

/* One line, "jump-label=allow static-call=allow ...", in a static buffer. */
const char *policy_text(const u8 policy[POLICY_BYTES]);

#endif
