/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The subcommands that ask the Underseal below this machine. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "answer.h"
#include "carry.h"
#include "cli.h"
#include "cmd.h"
#include "report_module.h"

struct options {
	const char *file, *signature, *name;
	u64 deadline_ms;	/* 0: the control domain's default */
	u64 stop_us;		/* the same */
	u64 timeout_ms;
	u64 since;		/* log: first sequence number */
	bool wants_file, follow;
};

enum { KEY_TIMEOUT = 0x100, KEY_STOP };

#define MAX_STOP_US	1000000u

#define TIMEOUT_OPTION { "timeout", KEY_TIMEOUT, "MS", 0, \
	"give up after MS milliseconds (default 120000)", 0 }
#define SIGNATURE_OPTION { "signature", 'x', "FILE", 0, \
	"the signature, instead of the file's name with .minisig", 0 }

static error_t parse_option(int key, char *arg, struct options *options)
{
	switch (key) {
	case 'x':
		options->signature = arg;
		return 0;
	case 'd':
		if (!parse_number(arg, 1, 3600000, &options->deadline_ms))
			return usage_error("'%s' is no deadline of 1 to "
					   "3600000 ms", arg);
		return 0;
	case KEY_STOP:
		if (!parse_number(arg, 1, MAX_STOP_US, &options->stop_us))
			return usage_error("'%s' is no stop of 1 to %u "
					   "microseconds", arg, MAX_STOP_US);
		return 0;
	case KEY_TIMEOUT:
		if (!parse_number(arg, 1, 3600000, &options->timeout_ms))
			return usage_error("'%s' is no timeout of 1 to "
					   "3600000 ms", arg);
		return 0;
	case 's':
		if (!parse_number(arg, 0, UINT64_MAX, &options->since))
			return usage_error("'%s' is no sequence number", arg);
		return 0;
	case 'f':
		options->follow = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (!options->wants_file || options->file)
			return usage_error("'%s' is one argument too many",
					   arg);
		options->file = arg;
		return 0;
	case ARGP_KEY_END:
		if (options->wants_file && !options->file)
			return usage_error("the file is missing");
		return 0;
	}
	return parse_option(key, arg, options);
}

static enum us_error carry_file(enum us_op op, const struct options *options,
				struct ring_request *request)
{
	const struct carry what = {
		.op = op, .path = options->file,
		.signature = options->signature,
		.arg = options->deadline_ms | options->stop_us << 32,
		/* The control domain may take all of the deadline. */
		.timeout_ms = options->timeout_ms ? options->timeout_ms :
			      RING_TIMEOUT_MS + options->deadline_ms,
	};
	enum us_error error = ring_open();

	*request = (struct ring_request){ 0 };
	return error ? error : carry(&what, request);
}

static enum us_error ask(enum us_op op, u64 arg, const struct options *options,
			 struct ring_request *request)
{
	enum us_error error = ring_open();

	*request = (struct ring_request){
		.op = op, .arg = arg, .timeout_ms = options->timeout_ms,
	};
	return error ? error : ring(request);
}

static const struct argp_option seal_options[] = {
	SIGNATURE_OPTION, TIMEOUT_OPTION, { 0 }
};
static const struct argp seal_argp = {
	.options = seal_options, .parser = parse, .args_doc = "BASELINE",
	.doc = "Verify the running kernel against its signed baseline and "
	"protect its code from then on.",
};

enum us_error cmd_seal(int argc, char **argv)
{
	struct options options = { .wants_file = true };
	const struct us_seal_report *report;
	struct ring_request request = { 0 };
	enum us_error error;

	error = parse_options(&seal_argp, argc, argv, &options);
	if (!error)
		error = carry_file(US_OP_SEAL, &options, &request);
	if (!error) {
		report = carry_answer(&request, sizeof(*report));
		if (!report)
			error = US_E_PROTOCOL;
		else if (cli_json)
			print_json(seal_report_json(report));
		else
			seal_report_print(report);
	}
	ring_release(&request);
	return error;
}

static enum us_error change(enum us_op op, struct options *options,
			    const char *verb)
{
	struct ring_request request;
	const struct us_receipt *receipt;
	enum us_error error;

	error = carry_file(op, options, &request);
	if (!error) {
		receipt = carry_answer(&request, sizeof(*receipt));
		if (!receipt)
			error = US_E_PROTOCOL;
		else if (cli_json)
			print_json(receipt_json(receipt));
		else
			receipt_print(receipt, verb);
	}
	ring_release(&request);
	return error;
}

static const struct argp_option change_options[] = {
	{ "deadline", 'd', "MS", 0, "try for MS milliseconds while a function "
	  "is in use (default 5000)", 0 },
	{ "deadline-ms", 0, NULL, OPTION_ALIAS, NULL, 0 },
	{ "stop-limit", KEY_STOP, "US", 0, "hold the vCPUs for US microseconds "
	  "at most (default 10000)", 0 },
	SIGNATURE_OPTION, TIMEOUT_OPTION, { 0 }
};
static const struct argp apply_argp = {
	.options = change_options, .parser = parse, .args_doc = "BUNDLE",
	.doc = "Install a signed bundle in the running kernel.",
};
static const struct argp revert_argp = {
	.options = change_options, .parser = parse, .args_doc = "AUTHORISATION",
	.doc = "Take a bundle back, as a signed authorisation allows: one that is "
	"installed, or that is awaited.",
};

enum us_error cmd_apply(int argc, char **argv)
{
	struct options options = { .wants_file = true };
	enum us_error error;

	error = parse_options(&apply_argp, argc, argv, &options);
	return error ? error : change(US_OP_APPLY, &options, "applied");
}

enum us_error cmd_revert(int argc, char **argv)
{
	struct options options = { .wants_file = true };
	enum us_error error;

	error = parse_options(&revert_argp, argc, argv, &options);
	return error ? error : change(US_OP_REVERT, &options, "reverted");
}

static const struct argp_option await_options[] = {
	SIGNATURE_OPTION, TIMEOUT_OPTION, { 0 }
};
static const struct argp await_argp = {
	.options = await_options, .parser = parse, .args_doc = "BUNDLE",
	.doc = "Let the module that a signed bundle is for wait, whenever it is "
	"loaded, until that bundle is installed. The kernel has to have the bundle "
	"of 'underseal gate'.",
};

enum us_error cmd_await(int argc, char **argv)
{
	struct options options = { .wants_file = true };
	struct ring_request request = { 0 };
	const struct us_patch_info *patch;
	enum us_error error;

	error = parse_options(&await_argp, argc, argv, &options);
	if (!error)
		error = carry_file(US_OP_AWAIT, &options, &request);
	if (!error) {
		patch = carry_answer(&request, sizeof(*patch));
		if (!patch)
			error = US_E_PROTOCOL;
		else if (cli_json)
			print_json(patch_json(patch));
		else
			patch_print(patch);
	}
	ring_release(&request);
	return error;
}

static const struct argp_option plain_options[] = { TIMEOUT_OPTION, { 0 } };

static const struct argp status_argp = {
	.options = plain_options, .parser = parse,
	.doc = "Show the state of the Underseal below this machine.",
};

enum us_error cmd_status(int argc, char **argv)
{
	struct ring_request request = { 0 };
	struct options options = { 0 };
	const struct us_status *status;
	enum us_error error;

	error = parse_options(&status_argp, argc, argv, &options);
	if (!error)
		error = ask(US_OP_STATUS, 0, &options, &request);
	if (!error) {
		status = carry_answer(&request, sizeof(*status));
		if (!status)
			error = US_E_PROTOCOL;
		else if (cli_json)
			print_json(status_json(status));
		else
			status_print(status);
	}
	ring_release(&request);
	return error;
}

/* Entries in an answer that is an array; PROTOCOL when it is not whole. */
static enum us_error count_entries(const struct ring_request *request,
				   u64 size, u32 *count)
{
	*count = request->out_len / size;
	if (request->out_len % size)
		return fail(US_E_PROTOCOL, "answer of %u bytes",
			    request->out_len);
	return US_OK;
}

/* An answer that is an array of @size bytes each, under @name in JSON. */
struct listing {
	enum us_op op;
	const char *name;
	u64 size;
	json_t *(*json)(const void *entry);
	void (*print)(const void *entry);
};

static enum us_error show_listing(const struct listing *what,
				  const struct options *options)
{
	struct ring_request request = { 0 };
	json_t *array = json_array();
	enum us_error error;
	u32 i, count = 0;

	error = ask(what->op, 0, options, &request);
	if (!error)
		error = count_entries(&request, what->size, &count);
	for (i = 0; i < count && !error; i++) {
		const u8 *entry = (const u8 *)request.out + i * what->size;

		json_array_append_new(array, what->json(entry));
		if (!cli_json)
			what->print(entry);
	}
	if (!error)
		print_json(json_pack("{s:O}", what->name, array));
	json_decref(array);
	ring_release(&request);
	return error;
}

static json_t *patch_entry_json(const void *entry)
{
	return patch_json(entry);
}

static void patch_entry_print(const void *entry)
{
	patch_print(entry);
}

static const struct argp list_argp = {
	.options = plain_options, .parser = parse,
	.doc = "List the patches that are installed now, and those that modules "
	"wait for.",
};

enum us_error cmd_list(int argc, char **argv)
{
	static const struct listing patches = {
		US_OP_LIST, "patches", sizeof(struct us_patch_info),
		patch_entry_json, patch_entry_print,
	};
	struct options options = { 0 };
	enum us_error error = parse_options(&list_argp, argc, argv, &options);

	return error ? error : show_listing(&patches, &options);
}

static json_t *module_entry_json(const void *entry)
{
	return module_json(entry);
}

static void module_entry_print(const void *entry)
{
	module_print(entry);
}

static const struct argp_option seal_module_options[] = {
	SIGNATURE_OPTION, TIMEOUT_OPTION, { 0 }
};

static error_t parse_module(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (options->file)
			return usage_error("'%s' is one argument too many",
					   arg);
		if (options->name)
			options->file = arg;
		else
			options->name = arg;
		return 0;
	case ARGP_KEY_END:
		return options->name ? 0 :
		       usage_error("the module's name is missing");
	}
	return parse_option(key, arg, options);
}

static const struct argp seal_module_argp = {
	.options = seal_module_options, .parser = parse_module,
	.args_doc = "NAME [BASELINE]",
	.doc = "Verify a loaded module against its signed baseline and protect "
	"its code. Without a baseline the kernel baseline's policy decides: the "
	"module stays open, or is sealed as found.",
};

static enum us_error seal_module(const struct options *options,
				 struct ring_request *request)
{
	enum us_error error;

	if (options->file)
		return carry_file(US_OP_SEAL_MODULE, options, request);
	error = ring_open();
	*request = (struct ring_request){
		.op = US_OP_SEAL_MODULE, .timeout_ms = options->timeout_ms,
		.in = { options->name }, .in_len = { strlen(options->name) },
	};
	if (!error)
		error = ring(request);
	request->in[0] = NULL;
	return error;
}

enum us_error cmd_seal_module(int argc, char **argv)
{
	const struct us_module_info *info;
	struct ring_request request = { 0 };
	struct options options = { 0 };
	enum us_error error;

	error = parse_options(&seal_module_argp, argc, argv, &options);
	if (!error && options.file)
		error = check_module_name(options.file, options.name);
	if (!error)
		error = seal_module(&options, &request);
	if (!error) {
		info = carry_answer(&request, sizeof(*info));
		if (!info)
			error = US_E_PROTOCOL;
		else if (cli_json)
			print_json(module_json(info));
		else
			module_print(info);
	}
	ring_release(&request);
	return error;
}

static const struct argp modules_argp = {
	.options = plain_options, .parser = parse,
	.doc = "List the modules whose protection was asked for.",
};

enum us_error cmd_modules(int argc, char **argv)
{
	static const struct listing modules = {
		US_OP_MODULES, "modules", sizeof(struct us_module_info),
		module_entry_json, module_entry_print,
	};
	struct options options = { 0 };
	enum us_error error = parse_options(&modules_argp, argc, argv,
					    &options);

	return error ? error : show_listing(&modules, &options);
}

static const struct argp_option log_options[] = {
	{ "since", 's', "NUMBER", 0, "begin at sequence number NUMBER", 0 },
	{ "follow", 'f', NULL, 0, "wait for new entries; with --json one "
	  "object a line", 0 },
	TIMEOUT_OPTION, { 0 }
};
static const struct argp log_argp = {
	.options = log_options, .parser = parse,
	.doc = "Show Underseal's log.",
};

/* With --follow each entry is printed alone; else they are gathered. */
static void show_entry(const struct us_log_entry *entry, bool follow,
		       json_t *array)
{
	json_t *object;

	if (!cli_json) {
		log_entry_print(entry);
		return;
	}
	object = log_entry_json(entry);
	if (follow) {
		json_dumpf(object, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(object);
	} else {
		json_array_append_new(array, object);
	}
}

/* One answer's worth from *@next on; moves *@next, sets *@count. */
static enum us_error show_some(const struct options *options, u64 *next,
			       u32 *count, json_t *array)
{
	const struct us_log_entry *entries;
	struct ring_request request;
	enum us_error error;
	u32 i;

	*count = 0;
	error = ask(US_OP_LOG, *next, options, &request);
	if (!error)
		error = count_entries(&request, sizeof(*entries), count);
	entries = request.out;
	for (i = 0; i < *count && !error; i++) {
		show_entry(&entries[i], options->follow, array);
		*next = entries[i].sequence + 1;
	}
	ring_release(&request);
	return error;
}

enum us_error cmd_log(int argc, char **argv)
{
	const struct timespec second = { 1, 0 };
	struct options options = { 0 };
	json_t *array = json_array();
	enum us_error error;
	u32 count = 1;
	u64 next;

	error = parse_options(&log_argp, argc, argv, &options);
	next = options.since;
	while (!error && (count || options.follow)) {
		error = show_some(&options, &next, &count, array);
		if (!error && !count && options.follow) {
			fflush(stdout);
			nanosleep(&second, NULL);
		}
	}
	if (!error)
		print_json(json_pack("{s:O}", "entries", array));
	json_decref(array);
	return error;
}

static const struct argp counters_argp = {
	.options = plain_options, .parser = parse,
	.doc = "Show how often each vCPU came into the hypervisor, why, and the time "
	"that it took.",
};

/* The counters do not say how many vCPUs there are; the status does. */
static enum us_error ask_vcpus(const struct options *options, u32 *vcpus)
{
	const struct us_status *status;
	struct ring_request request;
	enum us_error error;

	error = ask(US_OP_STATUS, 0, options, &request);
	if (!error) {
		status = carry_answer(&request, sizeof(*status));
		if (status)
			*vcpus = status->vcpus;
		else
			error = US_E_PROTOCOL;
	}
	ring_release(&request);
	return error;
}

enum us_error cmd_counters(int argc, char **argv)
{
	const struct us_counters *counters;
	struct ring_request request = { 0 };
	struct options options = { 0 };
	enum us_error error;
	u32 vcpus = 0;

	error = parse_options(&counters_argp, argc, argv, &options);
	if (!error)
		error = ask_vcpus(&options, &vcpus);
	if (!error)
		error = ask(US_OP_COUNTERS, 0, &options, &request);
	if (!error) {
		counters = carry_answer(&request, sizeof(*counters));
		if (!counters)
			error = US_E_PROTOCOL;
		else if (cli_json)
			print_json(counters_json(counters, vcpus));
		else
			counters_print(counters, vcpus);
	}
	ring_release(&request);
	return error;
}
