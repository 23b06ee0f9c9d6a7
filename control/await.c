/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "await.h"
#include "dropped.h"
#include "generations.h"
#include "guest_memory.h"
#include "input.h"
#include "module_list.h"
#include "module_table.h"
#include "patches.h"
#include "probation.h"
#include "text.h"

static struct awaited {
	struct us_patch_info info;	/* as it is listed */
	bool told;		/* that its module waits */
	bool cancelled;		/* taken back: neither awaited nor installed any more */
} list[AWAIT_MAX];
static u32 count;

void await_reset(void)
{
	count = 0;
}

/* As apply sees it, as far as that can be said of a module that is not there. */
static bool is_new(const u8 id[US_DIGEST_SIZE], const char *module,
		   u64 generation)
{
	return generation > generations_of(module) || dropped_may_return(id);
}

static bool can_be_installed(const struct awaited *awaited)
{
	const struct us_receipt *receipt = &awaited->info.receipt;

	return !awaited->cancelled && is_new(receipt->bundle_id, receipt->module,
					     receipt->generation);
}

static bool is_installed(const u8 id[US_DIGEST_SIZE])
{
	u32 index;

	return patches_find_id(id, &index);
}

/* One that is cancelled is kept for as long as it would otherwise be installed. */
static void forget_useless(void)
{
	const struct us_receipt *receipt;
	u32 i = 0;

	while (i < count) {
		receipt = &list[i].info.receipt;
		if (is_installed(receipt->bundle_id) ||
		    is_new(receipt->bundle_id, receipt->module,
			   receipt->generation))
			i++;
		else
			list[i] = list[--count];
	}
}

static struct awaited *find(const u8 id[US_DIGEST_SIZE])
{
	u32 i;

	for (i = 0; i < count; i++)
		if (!memcmp(list[i].info.receipt.bundle_id, id, US_DIGEST_SIZE))
			return &list[i];
	return NULL;
}

bool await_cancelled(const u8 id[US_DIGEST_SIZE])
{
	const struct awaited *awaited = find(id);

	return awaited && awaited->cancelled;
}

bool await_cancel(const u8 id[US_DIGEST_SIZE], u64 generation,
		  struct us_receipt *receipt)
{
	struct awaited *awaited = find(id);

	if (!awaited || awaited->info.receipt.generation != generation ||
	    !can_be_installed(awaited))
		return false;
	awaited->cancelled = true;
	*receipt = awaited->info.receipt;
	return true;
}

u32 await_list(struct us_patch_info infos[AWAIT_MAX])
{
	u32 i, listed = 0;

	for (i = 0; i < count; i++)
		if (can_be_installed(&list[i]) &&
		    !is_installed(list[i].info.receipt.bundle_id))
			infos[listed++] = list[i].info;
	return listed;
}

static enum us_error check(const struct us_bundle_header *header,
			   const struct input *input)
{
	const struct kernel *kernel = &control.kernel;

	if (!header->module[0])
		return control_fail(US_E_BAD_REQUEST, 0, 0, NULL);
	if (!control.sealed)
		return control_fail(US_E_NOT_SEALED, 0, 0, NULL);
	if (header->build_id_len != kernel->build_id_len ||
	    memcmp(header->build_id, kernel->build_id, kernel->build_id_len))
		return control_fail(US_E_WRONG_BUILD_ID, 0, 0, kernel->name);
	if (await_cancelled(input->id))
		return control_fail(US_E_TAKEN_BACK, header->generation, 0,
				    header->name);
	/* One whose module has gone meanwhile is not installed any more. */
	module_verified(header->module);
	if (!is_installed(input->id) &&
	    !is_new(input->id, header->module, header->generation))
		return control_fail(US_E_OLD_GENERATION, header->generation,
				    generations_of(header->module), NULL);
	return US_OK;
}

static void describe(const struct us_bundle_header *header,
		     const struct input *input, struct us_patch_info *info)
{
	struct us_receipt *receipt = &info->receipt;

	memcpy(receipt->bundle_id, input->id, US_DIGEST_SIZE);
	receipt->generation = header->generation;
	receipt->functions = header->functions;
	receipt->consistency = header->consistency;
	text_copy(receipt->name, US_NAME_MAX, header->name);
	text_copy(receipt->module, US_NAME_MAX, header->module);
	memcpy(info->key_id, input->key->id, sizeof(info->key_id));
	text_copy(info->description, sizeof(info->description),
		  header->description);
	info->state = US_PATCH_AWAITED;
}

static enum us_error remember(const struct us_bundle_header *header,
			      const struct input *input)
{
	if (find(input->id))
		return US_OK;
	if (count == AWAIT_MAX)
		forget_useless();
	if (count == AWAIT_MAX)
		return control_fail(US_E_TOO_MANY_PATCHES, count, AWAIT_MAX,
				    NULL);
	memset(&list[count], 0, sizeof(*list));
	describe(header, input, &list[count++].info);
	return US_OK;
}

static void answer(const struct input *input)
{
	struct us_patch_info *info = (void *)control_response;
	struct installed_patch patch;
	u32 index;

	if (patches_find_id(input->id, &index)) {
		patches_get(index, &patch);
		*info = patch.info;
		probation_describe(info);
	} else {
		*info = find(input->id)->info;
	}
	control.result.out_len = sizeof(*info);
}

enum us_error await_request(const struct control_call *call)
{
	struct us_bundle bundle;
	struct input input;
	enum us_error error;

	error = input_load(call, &input);
	if (error)
		return error;
	error = us_bundle_parse(input.data, input.len, &bundle);
	if (error)
		return control_fail(error, 0, 0, NULL);
	error = check(bundle.header, &input);
	if (!error)
		error = remember(bundle.header, &input);
	if (!error)
		answer(&input);
	return error;
}

/* Names as the kernel has them; what is awaited for one was signed. */
static enum us_error read_name(const struct control_call *call,
			       char name[US_NAME_MAX])
{
	const struct us_span *span = call->request.in;
	enum us_error error;

	memset(name, 0, US_NAME_MAX);
	if (call->who->cpl || !span[0].len || span[0].len >= US_NAME_MAX ||
	    span[1].gva || span[1].len)
		return control_fail(US_E_BAD_REQUEST, span[0].len,
				    call->who->cpl, NULL);
	error = caller_read(call->who, span[0].gva, name, span[0].len);
	return error ? control_fail(error, span[0].gva, span[0].len, NULL) :
		       US_OK;
}

/* The kernel asks again and again: told is once. */
static enum us_error waits(struct awaited *awaited)
{
	const struct us_receipt *receipt = &awaited->info.receipt;

	control.result.quiet = awaited->told;
	awaited->told = true;
	return control_fail(US_E_MODULE_WAITS, receipt->generation, 0,
			    receipt->module);
}

static void log_open(const char *name)
{
	struct text line = { 0 };

	text_string(&line, "module has what it waited for: ");
	text_guest_string(&line, name, US_NAME_MAX - 1);
	host_log(US_LOG_INFO, line.chars);
}

enum us_error gate_request(const struct control_call *call)
{
	char name[US_NAME_MAX];
	bool sealed, told = false;
	enum us_error error;
	u32 i;

	error = read_name(call, name);
	if (error)
		return error;
	sealed = module_verified(name);
	for (i = 0; i < count; i++) {
		const struct us_receipt *receipt = &list[i].info.receipt;

		if (!module_names_equal(receipt->module, name))
			continue;
		if ((!sealed || !is_installed(receipt->bundle_id)) &&
		    can_be_installed(&list[i]))
			return waits(&list[i]);
		told |= list[i].told;
		list[i].told = false;
	}
	if (told)
		log_open(name);
	return US_OK;
}
