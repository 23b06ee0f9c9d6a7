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
#include <time.h>

#include "carry.h"
#include "fail.h"
#include "journal.h"
#include "modules.h"
#include "store.h"
#include "version.h"

#define RETRY_SECONDS	60	/* between looks at the stored bundles */

struct options {
	const char *baselines, *patches;
	const char *modules;	/* NULL: as the kernel's release has it */
	unsigned long interval;	/* seconds between looks at the log */
	bool once;
};

static volatile sig_atomic_t stopping, look_now;

/* Bundles for modules may be wanted: one was sealed since they were last handed over, or
 * there may be new files. */
static bool try_modules = true;
static bool stored_for_modules;	/* there are such bundles */

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
		options->patches = arg;
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

static enum us_error get_status(struct us_status *status)
{
	struct ring_request request = { .op = US_OP_STATUS };
	enum us_error error = ring(&request);
	const void *answer;

	if (!error) {
		answer = carry_answer(&request, sizeof(*status));
		if (answer)
			memcpy(status, answer, sizeof(*status));
		else
			error = US_E_PROTOCOL;
	}
	ring_release(&request);
	return error;
}

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

	error = get_status(&status);
	if (error || status.seal_state == US_SEALED)
		return error;
	if (uname(&name))
		return fail(US_E_FILE_READ, "uname");
	error = store_find_baseline(options->baselines, name.release, path);
	return error ? error : seal_with(path);
}

/* Of a bundle for a module: the module is not there, or has it. */
static bool is_no_news(enum us_error error)
{
	return error == US_E_MODULE_NOT_SEALED || error == US_E_OLD_GENERATION;
}

static enum us_error install(const struct store_bundle *bundle)
{
	const struct carry what = { .op = US_OP_APPLY, .path = bundle->path };
	const struct us_receipt *receipt;
	struct ring_request request = { 0 };
	enum us_error error;

	error = carry(&what, &request);
	if (!error) {
		receipt = carry_answer(&request, sizeof(*receipt));
		if (receipt)
			journal(PRIORITY_NOTICE, "installed %.*s, generation "
				"%llu, stop of %llu us", US_NAME_MAX,
				receipt->name,
				(unsigned long long)receipt->generation,
				(unsigned long long)receipt->stop_ns / 1000);
		else
			error = US_E_PROTOCOL;
	}
	ring_release(&request);
	if (error && bundle->module && is_no_news(error))
		return US_OK;
	if (error)
		journal_failure(PRIORITY_ERROR, bundle->path);
	return error;
}

/*
 * Is it the file that is at fault, whatever the state of the machine? No later
 * bundle rests on such a one: nobody has signed it, or another took its place.
 */
static bool is_files_fault(enum us_error error)
{
	return (error >= US_E_SIG_MISSING && error <= US_E_BUNDLE_BOUNDS) ||
	       error == US_E_FILE_OPEN || error == US_E_FILE_READ ||
	       error == US_E_TOO_LARGE || error == US_E_OLD_GENERATION ||
	       error == US_E_MODULE_BUILD_ID || error == US_E_MODULE_BASE;
}

static enum us_error install_all(const struct store_list *list)
{
	enum us_error error = US_OK, first = US_OK;
	size_t i;

	for (i = 0; i < list->count; i++) {
		error = install(&list->bundles[i]);
		if (!first)
			first = error;
		if (error && !is_files_fault(error))
			break;
	}
	/* What ended the round may have kept one of a module back. */
	try_modules = try_modules && i < list->count;
	return first ? first : list->damaged;
}

/*
 * Install what is stored, newer than what is installed. Damaged files are passed
 * over. A later bundle may rest on an earlier one, so one that is refused for any
 * other reason ends the round; the next one tries again.
 */
static enum us_error install_stored(const struct options *options)
{
	struct store_list list = { 0 };
	struct us_status status;
	enum us_error error;

	error = get_status(&status);
	if (error || status.seal_state != US_SEALED)
		return error;
	error = status.build_id_len > US_BUILD_ID_MAX ?
		fail(US_E_PROTOCOL, "status") :
		store_list_bundles(options->patches, status.build_id,
				   status.build_id_len, status.generation,
				   try_modules, &list);
	stored_for_modules = list.for_modules;
	if (error)
		journal_failure(PRIORITY_ERROR, "stored bundles");
	else
		error = install_all(&list);
	free(list.bundles);
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
static enum us_error seal_modules(const struct options *options)
{
	char path[STORE_PATH_MAX];
	struct utsname name;

	if (options->modules)
		return modules_look(options->modules, &try_modules);
	if (uname(&name) ||
	    snprintf(path, sizeof(path), "/usr/lib/underseal/%s/modules",
		     name.release) >= (int)sizeof(path))
		return fail(US_E_FILE_READ, "uname");
	return modules_look(path, &try_modules);
}

static void watch(const struct options *options)
{
	const struct timespec pause = { (time_t)options->interval, 0 };
	enum us_error error, reported = US_OK;
	u64 next = 1, waited = 0;
	bool tried;

	while (!stopping) {
		error = report_log(&next);
		/* A failure that lasts is one event, not one each time. */
		if (error && error != reported)
			journal_failure(PRIORITY_ERROR, "log");
		reported = error;
		tried = !try_modules;
		seal_modules(options);
		/* A new module runs unpatched until then. */
		if (try_modules && tried && stored_for_modules)
			install_stored(options);
		nanosleep(&pause, NULL);
		waited += options->interval;
		if (stopping || (waited < RETRY_SECONDS && !look_now))
			continue;
		waited = 0;
		try_modules = try_modules || look_now;
		look_now = 0;
		/* Each bundle's failure is reported where it arises. */
		install_stored(options);
	}
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
	error = install_stored(options);
	try_modules = true;
	if (seal_modules(options))
		journal(PRIORITY_WARNING, "not every module is sealed");
	later = stored_for_modules ? install_stored(options) : US_OK;
	if (!error)
		error = later;
	if (error)
		journal(PRIORITY_ERROR, "not every stored bundle is installed");
	return error;
}

int main(int argc, char **argv)
{
	struct options options = {
		.baselines = "/etc/underseal",
		.patches = "/var/lib/underseal/patches", .interval = 5,
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
