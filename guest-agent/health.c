/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "carry.h"
#include "clock.h"
#include "fail.h"
#include "health.h"
#include "journal.h"
#include "marks.h"

#define MARGIN_MAX_MS	30000u	/* before the end, at most */
#define AGAIN_MS	1000u
#define WAIT_MS		100u	/* between looks at a command that runs */

/* A patch on probation. */
struct trial {
	u8 id[US_DIGEST_SIZE];
	char name[US_NAME_MAX];
	u64 end;		/* of its probation, on clock.h's clock */
	u64 due;		/* when health is to be confirmed */
	pid_t command;		/* that runs, or 0 */
	bool listed, failed;
};

static struct trial trials[US_MAX_PATCHES];
static u32 trial_count;

static struct trial *find(const u8 *id)
{
	u32 i;

	for (i = 0; i < trial_count; i++)
		if (!memcmp(trials[i].id, id, US_DIGEST_SIZE))
			return &trials[i];
	return NULL;
}

/* Whatever it has started goes with it. */
static void stop_command(struct trial *trial)
{
	if (!trial->command)
		return;
	kill(-trial->command, SIGKILL);
	while (waitpid(trial->command, NULL, 0) < 0 && errno == EINTR)
		;
	trial->command = 0;
}

static void add_trial(const struct health_options *options,
		      const struct us_patch_info *patch)
{
	u64 left = patch->probation_left_ms, margin = left / 4;
	struct trial *trial = &trials[trial_count];

	if (trial_count == US_MAX_PATCHES)
		return;
	trial_count++;
	if (margin > MARGIN_MAX_MS)
		margin = MARGIN_MAX_MS;
	*trial = (struct trial){
		.end = clock_ms() + left, .due = clock_ms() + left - margin,
		.listed = true,
	};
	memcpy(trial->id, patch->receipt.bundle_id, sizeof(trial->id));
	snprintf(trial->name, sizeof(trial->name), "%.*s", US_NAME_MAX - 1,
		 patch->receipt.name);
	if (marks_find(options->marks, trial->id) != MARK_OURS &&
	    marks_leave(options->marks, trial->id, trial->name))
		journal_failure(PRIORITY_WARNING, trial->name);
}

static void drop_mark(const struct health_options *options, const u8 *id)
{
	if (marks_find(options->marks, id) == MARK_OURS &&
	    marks_remove(options->marks, id))
		journal_failure(PRIORITY_WARNING, "mark");
}

static void look_at(const struct health_options *options,
		    const struct us_patch_info *patch)
{
	struct trial *trial = find(patch->receipt.bundle_id);

	if (patch->state == US_PATCH_ACTIVE)
		drop_mark(options, patch->receipt.bundle_id);
	/* With no time left it is being taken back. */
	if (patch->state != US_PATCH_PROBATION || !patch->probation_left_ms)
		return;
	if (trial)
		trial->listed = true;
	else
		add_trial(options, patch);
}

/* Confirmed or taken back. */
static void drop_unlisted(void)
{
	u32 i, kept = 0;

	for (i = 0; i < trial_count; i++) {
		if (!trials[i].listed) {
			stop_command(&trials[i]);
			continue;
		}
		trials[kept] = trials[i];
		trials[kept++].listed = false;
	}
	trial_count = kept;
}

enum us_error health_look(const struct health_options *options)
{
	struct ring_request request = { .op = US_OP_LIST };
	const struct us_patch_info *patches;
	enum us_error error = ring(&request);
	u32 i;

	if (!error && request.out_len % sizeof(*patches))
		error = fail(US_E_PROTOCOL, "answer of %u bytes",
			     request.out_len);
	patches = request.out;
	for (i = 0; !error && i < request.out_len / sizeof(*patches); i++)
		look_at(options, &patches[i]);
	if (!error)
		drop_unlisted();
	ring_release(&request);
	return error;
}

static void start_command(struct trial *trial, const char *command)
{
	pid_t child = fork();

	if (child < 0) {
		fail(US_E_NO_MEMORY, "fork: %s", strerror(errno));
		journal_failure(PRIORITY_WARNING, trial->name);
		trial->due = clock_ms() + AGAIN_MS;
		return;
	}
	if (child) {
		setpgid(child, child);
		trial->command = child;
		return;
	}
	setpgid(0, 0);
	setenv("UNDERSEAL_PATCH", trial->name, 1);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

static void confirm(const struct health_options *options, struct trial *trial)
{
	struct ring_request request = {
		.op = US_OP_HEALTH, .in = { trial->id },
		.in_len = { sizeof(trial->id) },
	};
	enum us_error error = ring(&request);

	ring_release(&request);
	trial->due = clock_ms() + AGAIN_MS;
	if (error) {
		journal_failure(PRIORITY_ERROR, trial->name);
		return;
	}
	journal(PRIORITY_NOTICE, "%s: the server is well with it; its "
		"probation is over", trial->name);
	drop_mark(options, trial->id);
	trial->due = CLOCK_NEVER;
}

/* The status of the command, if it has ended. */
static void wait_command(const struct health_options *options,
			 struct trial *trial)
{
	int status;

	if (waitpid(trial->command, &status, WNOHANG) != trial->command)
		return;
	kill(-trial->command, SIGKILL);
	trial->command = 0;
	if (WIFEXITED(status) && !WEXITSTATUS(status)) {
		confirm(options, trial);
		return;
	}
	if (!trial->failed)
		journal(PRIORITY_WARNING, "%s: the health command %s %d",
			trial->name, WIFEXITED(status) ? "ended with status" :
			"was ended by signal", WIFEXITED(status) ?
			WEXITSTATUS(status) : WTERMSIG(status));
	trial->failed = true;
	trial->due = clock_ms() + AGAIN_MS;
}

static u64 tick(const struct health_options *options, struct trial *trial,
		u64 now)
{
	if (now >= trial->end) {
		if (trial->command)
			journal(PRIORITY_WARNING, "%s: the health command did "
				"not end in time", trial->name);
		trial->failed = trial->failed || trial->command;
		stop_command(trial);
		return CLOCK_NEVER;
	}
	if (trial->command)
		wait_command(options, trial);
	else if (now >= trial->due && options->command)
		start_command(trial, options->command);
	else if (now >= trial->due)
		confirm(options, trial);
	return trial->command ? now + WAIT_MS : trial->due;
}

u64 health_tick(const struct health_options *options, u64 now)
{
	u64 next = CLOCK_NEVER, wanted;
	u32 i;

	for (i = 0; i < trial_count; i++) {
		wanted = tick(options, &trials[i], now);
		if (wanted < next)
			next = wanted;
	}
	return next;
}

void health_end(const struct health_options *options)
{
	u32 i;

	for (i = 0; i < trial_count; i++) {
		stop_command(&trials[i]);
		if (!trials[i].failed && clock_ms() < trials[i].end)
			drop_mark(options, trials[i].id);
	}
}
