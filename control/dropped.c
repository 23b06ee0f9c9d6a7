/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "arena.h"
#include "change_plan.h"
#include "dropped.h"
#include "module_list.h"
#include "patches.h"
#include "state.h"
#include "stopped.h"
#include "text.h"

#define ONE_ATTEMPT_MS	1u	/* less than the first wait of stopped_run() */
#define MAX_WAIT	64u	/* ticks */

static struct {
	u8 id[US_DIGEST_SIZE];
	u64 generation;
	char module[US_NAME_MAX];
} may_return[DROPPED_MAX];		/* dropped first comes first */
static u32 may_return_count;

/* What one attempt to collect looks for. */
static struct {
	struct code_range ranges[US_MAX_PATCHES];
	u32 indices[US_MAX_PATCHES];	/* of patches, ascending */
	u32 count;
	u32 wait, left;			/* ticks between attempts, to the next one */
} collecting;

void dropped_reset(void)
{
	may_return_count = 0;
	memset(&collecting, 0, sizeof(collecting));
}

bool dropped_may_return(const u8 id[US_DIGEST_SIZE])
{
	u32 i;

	for (i = 0; i < may_return_count; i++)
		if (!memcmp(may_return[i].id, id, US_DIGEST_SIZE))
			return true;
	return false;
}

static void remove_at(u32 index)
{
	may_return_count--;
	memmove(&may_return[index], &may_return[index + 1],
		(may_return_count - index) * sizeof(may_return[0]));
}

void dropped_installed(const char *module, u64 generation)
{
	u32 i = may_return_count;

	while (i-- > 0)
		if (may_return[i].generation <= generation &&
		    module_names_equal(may_return[i].module, module))
			remove_at(i);
}

static void remember(const struct us_receipt *receipt)
{
	u32 i;

	if (may_return_count == DROPPED_MAX)
		remove_at(0);
	i = may_return_count++;
	memcpy(may_return[i].id, receipt->bundle_id, US_DIGEST_SIZE);
	may_return[i].generation = receipt->generation;
	memcpy(may_return[i].module, receipt->module, US_NAME_MAX);
}

static void log_dropped(const struct us_receipt *receipt)
{
	struct text line = { 0 };

	text_string(&line, "patch dropped with its module: ");
	text_string(&line, receipt->name);
	text_string(&line, " generation ");
	text_decimal(&line, receipt->generation);
	host_log(US_LOG_WARNING, line.chars);
}

void dropped_with(const struct text_map *text)
{
	struct installed_patch patch;
	u32 i;

	for (i = 0; i < patches_count(); i++) {
		patches_get(i, &patch);
		if (patch.text != text)
			continue;
		remember(&patch.info.receipt);
		log_dropped(&patch.info.receipt);
		patches_drop(i);
		collecting.wait = 0;
		collecting.left = 0;
	}
}

/* From the first byte of the code on: a function may be about to begin. */
static void prepare(void)
{
	const struct us_receipt *receipt;
	struct installed_patch patch;
	u64 start;
	u32 i;

	collecting.count = 0;
	for (i = 0; i < patches_count(); i++) {
		patches_get(i, &patch);
		if (patch.text)
			continue;
		receipt = &patch.info.receipt;
		start = arena_address(ARENA_CODE) + receipt->arena_offset;
		collecting.ranges[collecting.count] = (struct code_range) {
			start - 1, start + receipt->arena_bytes,
			"code of a dropped patch" };
		collecting.indices[collecting.count++] = i;
	}
}

static enum us_error no_check(void *ctx)
{
	(void)ctx;
	return US_OK;
}

/* Patches that the stop itself has dropped were not looked for; they stay. */
static enum us_error clear(void *ctx)
{
	struct installed_patch patch;
	u32 i = collecting.count;

	(void)ctx;
	while (i-- > 0) {
		patches_get(collecting.indices[i], &patch);
		change_wipe(&patch.info.receipt);
		patches_remove(collecting.indices[i]);
	}
	return US_OK;
}

/* For nobody who asked: what a request is about to be told stays as it is. */
static bool try_to_clear(void)
{
	struct control_result result = control.result;
	struct stopped_work work = {
		.kernel = &control.kernel,
		.ranges = collecting.ranges,
		.range_count = collecting.count,
		.check = no_check,
		.commit = clear,
	};
	bool done = !stopped_run(&work, ONE_ATTEMPT_MS);

	control.result = result;
	return done;
}

void dropped_collect(void)
{
	if (control.running || patches_installed() == patches_count())
		return;
	if (collecting.left) {
		collecting.left--;
		return;
	}
	prepare();
	if (try_to_clear())
		return;
	/* A stop has its price for the guest: less and less often. */
	collecting.wait = collecting.wait ? collecting.wait * 2 : 1;
	if (collecting.wait > MAX_WAIT)
		collecting.wait = MAX_WAIT;
	collecting.left = collecting.wait;
}
