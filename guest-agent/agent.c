/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * underseal-agent: seals the kernel at boot and modules as they come, installs the
 * stored bundles and carries Underseal's log into the journal. It is a convenience and is trusted with
 * nothing: every file that it hands over is checked by the control domain.
 */
#include <argp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "carry.h"
#include "clock.h"
#include "fail.h"
#include "health.h"
#include "install.h"
#include "journal.h"
#include "loaded_modules.h"
#include "marks.h"
#include "store.h"
#include "version.h"

#define ROUND_MS	60000u	/* between looks at the stored bundles */
#define AWAIT_MS	100u	/* between looks for modules, when some are awaited */

struct options {
	const char *baselines;
	const char *modules;	/* NULL: as the kernel's release has it */
	struct install_options install;
	struct health_options health;
	unsigned long interval;	/* seconds between looks at the log */
	bool once;
};

static volatile sig_atomic_t stopping, look_now;

/* Bundles for modules may be wanted: one was sealed or has gone since they were last
 * handed over, or there may be new files. */
static bool try_modules = true;
static struct install_result installed;	/* of the last round */

static void on_signal(int signal)
{
	if (signal == SIGHUP)
		look_now = 1;
	else
		stopping = 1;
}

static const struct argp_option option_table[] = {
	{ "once", '1', NULL, 0, "seal, install the stored bundles, and exit",
	  0 },
	{ "baselines", 'b', "DIR", 0, "where baselines are (default "
	  "/etc/underseal)", 0 },
	{ "patches", 'p', "DIR", 0, "where bundles are stored (default "
	  "/var/lib/underseal/patches)", 0 },
	{ "marks", 'k', "DIR", 0, "where bundles on probation are marked (default "
	  MARKS_DIRECTORY ")", 0 },
	{ "health-command", 'c', "COMMAND", 0, "what has to succeed before the "
	  "probation of a patch is ended; for /bin/sh", 0 },
	{ "modules", 'm', "DIR", 0, "where baselines of modules are (default "
	  "/usr/lib/underseal/RELEASE/modules)", 0 },
	{ "interval", 'i', "SECONDS", 0, "how often to read the log (default "
	  "5)", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;
	char *end;

	switch (key) {
	case '1':
		options->once = true;
		return 0;
	case 'b':
		options->baselines = arg;
		return 0;
	case 'p':
		options->install.patches = arg;
		return 0;
	case 'k':
		options->install.marks = options->health.marks = arg;
		return 0;
	case 'c':
		options->health.command = arg;
		return 0;
	case 'm':
		options->modules = arg;
		return 0;
	case 'i':
		options->interval = strtoul(arg, &end, 10);
		if (*end || options->interval < 1 || options->interval > 3600)
			argp_error(state, "'%s' is no interval of 1 to 3600 "
				   "seconds", arg);
		return 0;
	case ARGP_KEY_ARG:
		argp_usage(state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = option_table, .parser = parse,
	.doc = "Seal the running kernel, install the stored bundles and report "
	"Underseal's log.",
};

static enum us_error seal_with(const char *path)
{
	const struct carry what = { .op = US_OP_SEAL, .path = path };
	const struct us_seal_report *report;
	struct ring_request request = { 0 };
	enum us_error error;

	error = carry(&what, &request);
	if (!error) {
		report = carry_answer(&request, sizeof(*report));
		if (report)
			journal(PRIORITY_NOTICE, "sealed kernel %.*s: %llu "
				"bytes verified exactly, %llu among listed "
				"values, %llu not compared",
				US_NAME_MAX, report->kernel,
				(unsigned long long)report->bytes_exact,
				(unsigned long long)report->bytes_enumerated,
				(unsigned long long)report->bytes_masked);
		else
			error = US_E_PROTOCOL;
	}
	ring_release(&request);
	return error;
}

static enum us_error seal(const struct options *options)
{
	char path[STORE_PATH_MAX];
	struct us_status status;
	struct utsname name;
	enum us_error error;

	error = install_status(&status);
	if (error || status.seal_state == US_SEALED)
		return error;
	if (uname(&name))
		return fail(US_E_FILE_READ, "uname");
	error = store_find_baseline(options->baselines, name.release, path);
	return error ? error : seal_with(path);
}

/* One round; what it put on probation is watched from then on. */
static enum us_error install_round(const struct options *options)
{
	bool modules = try_modules;
	enum us_error error;

	try_modules = false;
	error = install_stored(&options->install, modules, &installed);
	/* What ended the round may have kept one of a module back. */
	try_modules = try_modules || (modules && installed.held);
	health_look(&options->health);
	return error;
}

static enum priority priority_of(u32 level)
{
	switch (level) {
	case US_LOG_INFO:
		return PRIORITY_INFO;
	case US_LOG_WARNING:
		return PRIORITY_WARNING;
	}
	return PRIORITY_ERROR;
}

/* Report the log from *@next on, and move *@next behind it. */
static enum us_error report_log(u64 *next)
{
	const struct us_log_entry *entries;
	struct ring_request request = { 0 };
	u32 i, count = 1;
	enum us_error error = US_OK;

	while (count && !error) {
		request = (struct ring_request){ .op = US_OP_LOG, .arg = *next };
		error = ring(&request);
		count = request.out_len / sizeof(*entries);
		entries = request.out;
		for (i = 0; i < count && !error; i++) {
			journal(priority_of(entries[i].level), "[%llu] %.*s",
				(unsigned long long)entries[i].sequence,
				(int)sizeof(entries[i].text), entries[i].text);
			*next = entries[i].sequence + 1;
		}
		ring_release(&request);
	}
	return error;
}

/* A failure is reported where it arises. */
static enum us_error seal_modules(const struct options *options, bool *changed)
{
	char path[STORE_PATH_MAX];
	struct utsname name;

	if (options->modules)
		return modules_look(options->modules, changed);
	if (uname(&name) ||
	    snprintf(path, sizeof(path), "/usr/lib/underseal/%s/modules",
		     name.release) >= (int)sizeof(path))
		return fail(US_E_FILE_READ, "uname");
	return modules_look(path, changed);
}

static void report_news(const struct options *options, u64 *next)
{
	static enum us_error reported;
	enum us_error error = report_log(next);

	if (!error)
		error = health_look(&options->health);
	/* A failure that lasts is one event, not one each time. */
	if (error && error != reported)
		journal_failure(PRIORITY_ERROR, "log");
	reported = error;
}

/* Modules, and at once the bundles for those that are new or gone. One that is on its way
 * in has not the time to wait for the next round. */
static void look_at_modules(const struct options *options)
{
	bool changed = false;

	seal_modules(options, &changed);
	if (installed.retry && modules_are_loading())
		changed = true;
	try_modules = try_modules || changed;
	if (changed && installed.for_modules)
		install_round(options);
}

static u64 earlier(u64 a, u64 b)
{
	return a < b ? a : b;
}

static void watch(const struct options *options)
{
	const u64 interval = options->interval * 1000;
	u64 now, next, round = clock_ms() + ROUND_MS, look = 0, number = 1;
	bool awaiting = false;	/* modules that come wait for bundles */

	while (!stopping) {
		now = clock_ms();
		awaiting = awaiting || installed.awaiting;
		if (now >= look) {
			report_news(options, &number);
			look_at_modules(options);
			look = now + interval;
		} else if (awaiting && modules_have_changed()) {
			look_at_modules(options);
		}
		if (now >= round || look_now) {
			try_modules = try_modules || look_now;
			look_now = 0;
			/* Each bundle's failure is reported where it arises. */
			install_round(options);
			round = now + ROUND_MS;
		}
		next = earlier(earlier(look, round),
			       health_tick(&options->health, now));
		if (awaiting)
			next = earlier(next, clock_ms() + AWAIT_MS);
		if (!stopping && !look_now)
			clock_sleep_until(next);
	}
	health_end(&options->health);
}

static enum us_error start(const struct options *options)
{
	enum us_error error = ring_open(), later;

	if (!error)
		error = seal(options);
	if (error) {
		journal_failure(PRIORITY_ERROR, "the kernel is not sealed");
		return error;
	}
	/* Those of the kernel wait for nothing. */
	try_modules = false;
	error = install_round(options);
	try_modules = true;
	if (seal_modules(options, &try_modules))
		journal(PRIORITY_WARNING, "not every module is sealed");
	later = installed.for_modules ? install_round(options) : US_OK;
	if (!error)
		error = later;
	if (error)
		journal(PRIORITY_ERROR, "not every stored bundle is installed");
	return error;
}

int main(int argc, char **argv)
{
	struct options options = {
		.baselines = "/etc/underseal", .interval = 5,
		.install = { "/var/lib/underseal/patches", MARKS_DIRECTORY },
		.health = { .marks = MARKS_DIRECTORY },
	};
	const struct sigaction action = { .sa_handler = on_signal };
	enum us_error error;

	argp_program_version = "underseal-agent " US_VERSION_STRING;
	argp_err_exit_status = 2;
	if (argp_parse(&argp, argc, argv, 0, NULL, &options))
		return 2;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	error = start(&options);
	/* Without an Underseal below there is nothing to wait for. */
	if (options.once || error == US_E_NO_HYPERVISOR ||
	    error == US_E_NO_PRIVILEGE)
		return error ? 1 : 0;
	journal_notify("READY=1");
	watch(&options);
	journal_notify("STOPPING=1");
	return 0;
}
