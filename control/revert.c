/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Revert: patches are taken out, with a signed authority of its own, or because one has
 * not proved itself. */
#include <string.h>

#include "await.h"
#include "change.h"
#include "change_plan.h"
#include "fault.h"

static enum us_error check(const struct us_revert *revert)
{
	const struct kernel *kernel = &control.kernel;

	if (!control.sealed)
		return control_fail(US_E_NOT_SEALED, 0, 0, NULL);
	if (revert->build_id_len != kernel->build_id_len ||
	    memcmp(revert->build_id, kernel->build_id, kernel->build_id_len))
		return control_fail(US_E_WRONG_BUILD_ID, 0, 0, kernel->name);
	return US_OK;
}

/* It is not installed. When it is awaited that ends, and no code changes. */
static bool cancel(const struct us_revert *revert)
{
	struct us_receipt *receipt = (void *)control_response;

	if (!await_cancel(revert->bundle_id, revert->generation, receipt))
		return false;
	receipt->only_awaited = 1;
	receipt->functions = 0;
	receipt->time_ns = host_time_ns();
	receipt->total_ns = receipt->time_ns - change.start;
	control.result.out_len = sizeof(*receipt);
	return true;
}

static enum us_error take_out(u32 index, u64 arg)
{
	enum us_error error;

	change_add_out(index);
	error = change_check_links();
	if (!error)
		error = arena_choose_addresses(&control.kernel, false);
	if (!error)
		error = change_check(true);
	if (error)
		return error;
	fault_point(US_STEP_PLANNED);
	return change_run(arg);
}

enum us_error revert_request(const struct control_call *call)
{
	u64 start = host_time_ns();
	const struct us_revert *revert;
	enum us_error error;
	u32 index;

	change_begin("revert", start);
	error = stopped_check_deadline(call->request.arg);
	if (!error)
		error = input_load(call, &change.input);
	if (error)
		return error;
	fault_point(US_STEP_VERIFIED);
	error = us_revert_parse(change.input.data, change.input.len, &revert);
	if (error)
		return control_fail(error, 0, 0, NULL);
	error = check(revert);
	if (error)
		return error;
	if (patches_find(revert->bundle_id, revert->generation, &index))
		error = take_out(index, call->request.arg);
	else
		error = control_fail(US_E_PATCH_NOT_FOUND, revert->generation, 0,
				     NULL);
	/* Also when it went with its module meanwhile. */
	return error == US_E_PATCH_NOT_FOUND && cancel(revert) ? US_OK : error;
}

static enum us_error withdraw(u32 index, struct change_withdrawn *done)
{
	enum us_error error;

	change_begin("withdraw", host_time_ns());
	change_add_out(index);
	change_choose_dependants();
	error = arena_choose_addresses(&control.kernel, false);
	if (!error)
		error = change_check(true);
	if (!error)
		error = change_run_once(done->receipts);
	done->count = error ? 0 : change.out_count;
	return error;
}

enum us_error change_withdraw(u32 index, struct change_withdrawn *done)
{
	done->count = 0;
	return control.running ? control_fail(US_E_BUSY, 0, 0, NULL) :
				 withdraw(index, done);
}
