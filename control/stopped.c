/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "audit.h"
#include "fault.h"
#include "state.h"
#include "stopped.h"
#include "text.h"

#define BACKOFF_FIRST_MS	2u
#define BACKOFF_MAX_MS		64u
#define NS_PER_MS		1000000ull
#define NS_PER_US		1000ull

static u64 deadline_ms(u64 arg)
{
	return (u32)arg ? (u32)arg : DEADLINE_DEFAULT_MS;
}

static u64 stop_us(u64 arg)
{
	return arg >> 32 ? arg >> 32 : STOP_DEFAULT_US;
}

enum us_error stopped_check_deadline(u64 arg)
{
	if (deadline_ms(arg) > DEADLINE_MAX_MS)
		return control_fail(US_E_BAD_REQUEST, deadline_ms(arg),
				    DEADLINE_MAX_MS, NULL);
	if (stop_us(arg) > STOP_MAX_US)
		return control_fail(US_E_BAD_REQUEST, stop_us(arg), STOP_MAX_US,
				    NULL);
	return US_OK;
}

static void log_user(const struct code_user *user)
{
	struct text line = { 0 };

	text_string(&line, user->found ? "in use: " : "not finished: ");
	text_string(&line, user->name);
	text_string(&line, " by pid ");
	text_decimal(&line, user->pid);
	text_string(&line, " ");
	text_guest_string(&line, user->comm, sizeof(user->comm) - 1);
	text_string(&line, " at ");
	text_hex(&line, user->address);
	host_log(US_LOG_WARNING, line.chars);
}

/* For the caller, whose room is short: of a long function's name the end is left out,
 * never the task. The log has both. */
static void name_user(const struct code_user *user, char to[US_NAME_MAX])
{
	struct text line = { 0 }, task = { 0 };

	if (user->comm[0]) {
		text_string(&task, " in task ");
		text_guest_string(&task, user->comm, sizeof(user->comm) - 1);
	}
	text_shortened(&line, user->name, US_NAME_MAX - 1 - task.len);
	text_string(&line, task.chars);
	text_copy(to, US_NAME_MAX, line.chars);
}

/* One attempt, and what came of it. */
struct attempt {
	struct stopped_work *work;
	u64 longest_ns;
	u64 end_ns;		/* of the stop, at the latest */
	struct code_user user;
};

static enum us_error too_long(struct attempt *attempt)
{
	if (!attempt->user.name)
		attempt->user.name = "the change";
	return US_E_STOP_LENGTH;
}

static enum us_error while_stopped(struct attempt *attempt)
{
	const struct stopped_work *work = attempt->work;
	enum us_error error;

	fault_point(US_STEP_STOPPED);
	error = audit_stopped();
	if (!error)
		error = work->check(work->ctx);
	fault_point(US_STEP_CHECKED);
	if (!error)
		error = stack_check(attempt->end_ns, &attempt->user);
	if (error)
		return error;
	if (host_time_ns() > attempt->end_ns)
		return too_long(attempt);
	fault_point(US_STEP_COMMIT);
	error = work->commit(work->ctx);
	fault_point(US_STEP_COMMITTED);
	return error;
}

/* The guest runs. */
static enum us_error prepare(struct attempt *attempt)
{
	const struct stopped_work *work = attempt->work;
	enum us_error error;

	fault_point(US_STEP_PREPARE);
	error = stack_check_prepare(work->kernel, work->ranges,
				    work->range_count, &attempt->user);
	if (!error)
		error = audit_now();
	fault_point(US_STEP_PREPARED);
	return error;
}

static enum us_error try_once(struct attempt *attempt)
{
	struct stopped_work *work = attempt->work;
	enum us_error error;

	memset(&attempt->user, 0, sizeof(attempt->user));
	work->attempts++;
	error = prepare(attempt);
	if (error)
		return error;
	attempt->end_ns = host_time_ns() + attempt->longest_ns;
	error = host_stop_within(attempt->longest_ns);
	if (error)
		return error;
	error = while_stopped(attempt);
	work->stop_ns = host_release();
	fault_point(US_STEP_RELEASED);
	guest_forget_tables();
	return error;
}

static bool may_succeed_later(enum us_error error)
{
	return error == US_E_FUNCTION_IN_USE || error == US_E_STOP_FAILED ||
	       error == US_E_STOP_LENGTH;
}

/* What is told at the end. A name is worth more than a check that came too late or
 * was not made. */
struct outcome {
	enum us_error error;
	struct code_user user;
};

static void note_outcome(struct outcome *outcome, enum us_error error,
			 const struct code_user *user)
{
	if (outcome->user.found && !user->found)
		return;
	outcome->error = error;
	outcome->user = *user;
}

static enum us_error give_up(const struct outcome *outcome, u64 arg)
{
	const struct code_user *user = &outcome->user;
	bool length = outcome->error == US_E_STOP_LENGTH;
	char name[US_NAME_MAX];

	if (outcome->error == US_E_STOP_FAILED)
		return control_fail(US_E_STOP_FAILED, stop_us(arg), 0, NULL);
	log_user(user);
	name_user(user, name);
	return control_fail(outcome->error, length ? stop_us(arg) : user->address,
			    user->pid, name);
}

enum us_error stopped_run(struct stopped_work *work, u64 arg)
{
	struct attempt attempt = {
		.work = work, .longest_ns = stop_us(arg) * NS_PER_US };
	u64 end = host_time_ns() + deadline_ms(arg) * NS_PER_MS;
	u64 backoff = BACKOFF_FIRST_MS;
	struct outcome outcome = { 0 };
	enum us_error error;

	work->attempts = 0;
	for (;;) {
		error = try_once(&attempt);
		if (!may_succeed_later(error))
			return error;
		note_outcome(&outcome, error, &attempt.user);
		if (host_time_ns() + backoff * NS_PER_MS > end)
			return give_up(&outcome, arg);
		host_backoff(backoff);
		if (backoff < BACKOFF_MAX_MS)
			backoff *= 2;
	}
}
