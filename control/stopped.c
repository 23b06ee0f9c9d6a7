/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "audit.h"
#include "state.h"
#include "stopped.h"
#include "text.h"

#define BACKOFF_FIRST_MS	2u
#define BACKOFF_MAX_MS		64u
#define NS_PER_MS		1000000ull

enum us_error stopped_check_deadline(u64 deadline_ms)
{
	if (deadline_ms > DEADLINE_MAX_MS)
		return control_fail(US_E_BAD_REQUEST, deadline_ms,
				    DEADLINE_MAX_MS, NULL);
	return US_OK;
}

static void log_user(const struct code_user *user)
{
	struct text line = { 0 };

	text_string(&line, "in use: ");
	text_string(&line, user->name);
	text_string(&line, " at ");
	text_hex(&line, user->address);
	text_string(&line, " by pid ");
	text_decimal(&line, user->pid);
	text_string(&line, " ");
	text_guest_string(&line, user->comm, sizeof(user->comm) - 1);
	host_log(US_LOG_WARNING, line.chars);
}

static enum us_error while_stopped(struct stopped_work *work,
				   struct code_user *user)
{
	enum us_error error;

	guest_forget_tables();
	error = audit_stopped();
	if (!error)
		error = work->check(work->ctx);
	if (!error)
		error = stack_check(work->kernel, work->ranges,
				    work->range_count, user);
	return error ? error : work->commit(work->ctx);
}

static enum us_error attempt(struct stopped_work *work, struct code_user *user)
{
	enum us_error error;
	u64 start;

	work->attempts++;
	start = host_time_ns();
	error = host_stop();
	if (error)
		return control_fail(error, 0, 0, NULL);
	error = while_stopped(work, user);
	host_release();
	work->stop_ns = host_time_ns() - start;
	guest_forget_tables();
	return error;
}

enum us_error stopped_run(struct stopped_work *work, u64 deadline_ms)
{
	u64 end, backoff = BACKOFF_FIRST_MS;
	struct code_user user, who = { 0 };
	enum us_error error;

	end = host_time_ns() + (deadline_ms ? deadline_ms : DEADLINE_DEFAULT_MS) *
			       NS_PER_MS;
	work->attempts = 0;
	for (;;) {
		error = attempt(work, &user);
		if (error != US_E_FUNCTION_IN_USE)
			return error;
		/* A name is worth more than a check that came too late. */
		if (user.found || !who.found)
			who = user;
		if (host_time_ns() + backoff * NS_PER_MS > end)
			break;
		host_backoff(backoff);
		if (backoff < BACKOFF_MAX_MS)
			backoff *= 2;
	}
	log_user(&who);
	return control_fail(error, who.address, who.pid, who.name);
}
