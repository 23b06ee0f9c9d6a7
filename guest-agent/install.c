/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "carry.h"
#include "fail.h"
#include "install.h"
#include "journal.h"
#include "loaded_modules.h"
#include "marks.h"
#include "store.h"

#define MAX_KNOWN	256u
/* Rounds in which later bundles for the same text wait for one that may go in soon. */
#define HOLDING_ROUNDS	3u

/* What happened to a bundle since the agent started. */
struct known {
	u8 id[US_DIGEST_SIZE];
	u32 tries;		/* that failed but may pass */
	bool told;		/* that there is a mark of another boot */
	bool told_waiting;	/* that it waits for its module */
	bool awaited;		/* at each load of its module from now on */
};

static struct known known[MAX_KNOWN];
static u32 known_count;

/* When the table is full the last entry is everybody's. */
static struct known *find_known(const struct store_bundle *bundle)
{
	u32 i;

	for (i = 0; i < known_count; i++)
		if (!memcmp(known[i].id, bundle->id, sizeof(bundle->id)))
			return &known[i];
	if (known_count < MAX_KNOWN)
		known_count++;
	i = known_count - 1;
	known[i] = (struct known){ 0 };
	memcpy(known[i].id, bundle->id, sizeof(bundle->id));
	return &known[i];
}

enum us_error install_status(struct us_status *status)
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

static enum us_error apply(const struct store_bundle *bundle)
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
	return error;
}

/* From now on its module waits for it at each load. One that is installed is awaited,
 * too: its module may be gone and back before anybody looks. */
static enum us_error await(const struct store_bundle *bundle,
			   struct install_result *result)
{
	const struct carry what = { .op = US_OP_AWAIT, .path = bundle->path };
	struct known *state = find_known(bundle);
	struct ring_request request = { 0 };
	const struct us_patch_info *info;
	enum us_error error;
	bool waits = false;

	error = carry(&what, &request);
	if (!error) {
		info = carry_answer(&request, sizeof(*info));
		if (info)
			waits = info->state == US_PATCH_AWAITED;
		else
			error = US_E_PROTOCOL;
	}
	if (waits && !state->told_waiting)
		journal(PRIORITY_INFO, "%s, generation %llu, waits for module %s",
			bundle->name, (unsigned long long)bundle->generation,
			bundle->module);
	state->told_waiting = waits;
	if (!error)
		state->awaited = result->awaiting = true;
	ring_release(&request);
	return error;
}

/* Whether anything was changed is not known after these. */
static bool is_open(enum us_error error)
{
	return error == US_E_TIMEOUT || error == US_E_PROTOCOL ||
	       error == US_E_CONTROL_UNAVAILABLE;
}

/*
 * With a mark, for a bundle on probation: whoever finds it after the next boot knows
 * that the server went down before health was confirmed.
 */
static enum us_error apply_marked(const struct install_options *options,
				  const struct store_bundle *bundle)
{
	enum mark_state before = marks_find(options->marks, bundle->id);
	enum us_error error;
	char why[256];

	if (before == MARK_LEFT)
		return fail(US_E_MARKED, "%s; 'underseal-guest retry %s' allows "
			    "it again", bundle->name, bundle->name);
	if (!bundle->probation_s)
		return apply(bundle);
	error = before == MARK_OURS ? US_OK :
		marks_leave(options->marks, bundle->id, bundle->name);
	if (error)
		return error;
	error = apply(bundle);
	if (!error || is_open(error) || before == MARK_OURS)
		return error;
	/* Refused: the bundle has done nothing. */
	memcpy(why, fail_detail(), strnlen(fail_detail(), sizeof(why) - 1) + 1);
	why[sizeof(why) - 1] = 0;
	if (marks_remove(options->marks, bundle->id))
		journal_failure(PRIORITY_WARNING, "mark");
	return fail(error, "%s", why);
}

/* May it go in soon, if nothing newer goes in before it? */
static bool may_pass(enum us_error error)
{
	return error == US_E_FUNCTION_IN_USE || error == US_E_STOP_FAILED ||
	       error == US_E_STOP_LENGTH || error == US_E_BUSY ||
	       error == US_E_TIMEOUT;
}

/* No other bundle has a chance either. */
static bool ends_round(enum us_error error)
{
	return error == US_E_CONTROL_UNAVAILABLE || error == US_E_NOT_SEALED ||
	       error == US_E_NO_MEMORY || error == US_E_PROTOCOL;
}

static void report(const struct store_bundle *bundle, enum us_error error)
{
	struct known *what = find_known(bundle);

	if (error == US_E_MARKED && what->told)
		return;
	what->told = error == US_E_MARKED;
	journal_failure(PRIORITY_ERROR, bundle->path);
}

/* It has been there, and is there still or was taken back or replaced. */
static bool has_been(enum us_error error)
{
	return error == US_E_OLD_GENERATION || error == US_E_TAKEN_BACK;
}

/* What is left to do for one whose text is a module's, when handing it over has ended
 * with @error. That the module has or had it already, or is not sealed, is no news. */
static enum us_error after_apply(const struct store_bundle *bundle,
				 enum us_error error,
				 struct install_result *result)
{
	struct known *state = find_known(bundle);

	if (error == US_E_MODULE_NOT_SEALED) {
		if (modules_is_loaded(bundle->module))
			return US_OK;
		error = await(bundle, result);
	} else if (!error || has_been(error)) {
		state->told_waiting = false;
		error = state->awaited ? US_OK : await(bundle, result);
	} else if (may_pass(error)) {
		result->retry = true;
	}
	if (!has_been(error))
		return error;
	state->awaited = true;	/* as far as it ever can be */
	return US_OK;
}

static enum us_error install(const struct install_options *options,
			     const struct store_bundle *bundle,
			     struct install_result *result)
{
	enum us_error error = apply_marked(options, bundle);

	if (bundle->module[0])
		error = after_apply(bundle, error, result);
	if (error)
		report(bundle, error);
	return error;
}

/* Does one before it, for the same text, have to go in first? */
static bool is_held(const struct store_list *list, const bool *holds, size_t index)
{
	size_t i;

	for (i = 0; i < index; i++)
		if (holds[i] && !strcmp(list->bundles[i].module,
					list->bundles[index].module))
			return true;
	return false;
}

static enum us_error install_all(const struct install_options *options,
				 const struct store_list *list,
				 struct install_result *result)
{
	bool *holds = calloc(list->count + 1, sizeof(*holds));
	enum us_error error = US_OK, first = US_OK;
	size_t i;

	if (!holds)
		return fail(US_E_NO_MEMORY, "stored bundles");
	for (i = 0; i < list->count && !ends_round(error); i++) {
		if (is_held(list, holds, i)) {
			result->held = true;
			continue;
		}
		error = install(options, &list->bundles[i], result);
		if (!first)
			first = error;
		if (may_pass(error))
			holds[i] = ++find_known(&list->bundles[i])->tries <
				   HOLDING_ROUNDS;
	}
	result->held = result->held || ends_round(error);
	free(holds);
	return first ? first : list->damaged;
}

enum us_error install_stored(const struct install_options *options, bool modules,
			     struct install_result *result)
{
	struct store_list list = { 0 };
	struct us_status status;
	enum us_error error;

	*result = (struct install_result){ 0 };
	error = install_status(&status);
	if (error || status.seal_state != US_SEALED)
		return error;
	error = status.build_id_len > US_BUILD_ID_MAX ?
		fail(US_E_PROTOCOL, "status") :
		store_list_bundles(options->patches, status.build_id,
				   status.build_id_len, status.generation,
				   modules, &list);
	if (error) {
		journal_failure(PRIORITY_ERROR, "stored bundles");
		return error;
	}
	result->for_modules = list.for_modules;
	error = install_all(options, &list, result);
	free(list.bundles);
	return error;
}
