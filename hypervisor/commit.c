/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "commit.h"

#include <string.h>

#include "memory.h"

static char last[US_CHANGE_MAX];
static u32 changes;

const char *commit_last(void)
{
	return last;
}

u32 commit_count(void)
{
	return changes;
}

static enum us_error check(const struct us_commit_write *write)
{
	if (!write->len || write->len > sizeof(write->bytes) || write->reserved ||
	    (write->gpa & ~PAGE_MASK) + write->len > PAGE_SIZE)
		return US_E_BAD_REQUEST;
	return guest_range_ok(write->gpa, write->len) ? US_OK :
		US_E_GUEST_ADDRESS;
}

/* It goes to the serial line as it is. */
static void keep_label(const char *label)
{
	u32 i;

	for (i = 0; i < US_CHANGE_MAX - 1 && label[i]; i++)
		last[i] = label[i] >= ' ' && label[i] <= '~' ? label[i] : '?';
	memset(last + i, 0, sizeof(last) - i);
}

enum us_error commit_do(const struct us_commit_write *writes, u32 count,
			const char label[US_CHANGE_MAX])
{
	enum us_error error = count ? US_OK : US_E_BAD_REQUEST;

	for (u32 i = 0; i < count && !error; i++)
		error = check(&writes[i]);
	if (error)
		return error;
	for (u32 i = 0; i < count; i++)
		guest_store(writes[i].gpa, writes[i].bytes, writes[i].len);
	changes++;
	keep_label(label);
	log_write(US_LOG_INFO, MAX_CPUS, "done: %s", last);
	return US_OK;
}
