/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libFuzzer target: kernels, modules and objects as underseal diff reads them. What
 * was read is compared with itself. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "diff_compare.h"
#include "fuzz.h"

const struct command commands[] = { { 0 } };

static void compare(const struct side *side)
{
	struct changes changes = { 0 };
	struct match match;

	if (!match_symbols(&match, side, side) &&
	    !compare_sides(&match, NULL, &changes) && changes.functions > 1u << 30)
		abort();
	changes_free(&changes);
	match_free(&match);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	u8 *copy = malloc(len ? len : 1);
	struct side side;

	if (len)
		memcpy(copy, data, len);
	if (!side_from_memory(&side, "input", copy, len))
		compare(&side);
	side_close(&side);
	free(copy);
	return 0;
}
