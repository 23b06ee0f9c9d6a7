/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "change.h"
#include "guest_memory.h"
#include "patches.h"
#include "probation.h"
#include "text.h"

#define NS_PER_S	1000000000ull
#define NS_PER_MS	1000000ull
#define NO_CPU		(-1)	/* kernel/panic.c: PANIC_CPU_INVALID */

struct watch {
	u64 gva, allowed;
	u64 before;		/* what it held when the patch was applied */
	u32 len;		/* 4 or 8 */
	char name[US_NAME_MAX];
};

struct probation {
	u8 id[US_DIGEST_SIZE];	/* of the bundle */
	u64 end;		/* host_time_ns() */
	u32 seconds;
	u32 watches;
	struct watch watch[US_BUNDLE_MAX_WATCHES];
	bool failed;		/* it is being taken back */
	bool told;		/* ... which does not go at once */
};

static struct probation list[US_MAX_PATCHES];
static u32 count;
static struct watch looked[US_BUNDLE_MAX_WATCHES];
static bool panic_told;

void probation_reset(void)
{
	count = 0;
	panic_told = false;
}

static bool read_watch(const struct watch *watch, u64 *value)
{
	*value = 0;
	return !guest_read(&control.kernel.space, watch->gva, value, watch->len);
}

enum us_error probation_look(const struct us_bundle *bundle)
{
	const struct us_bundle_watch *wanted;
	struct watch *watch;
	u32 i;

	for (i = 0; i < bundle->header->watches; i++) {
		wanted = &bundle->watches[i];
		watch = &looked[i];
		watch->gva = control.kernel.text_gva + wanted->offset;
		watch->len = wanted->len;
		watch->allowed = wanted->allowed;
		text_copy(watch->name, US_NAME_MAX,
			  bundle->strings + wanted->name);
		if (!span_inside(wanted->offset, wanted->len,
				 control.kernel.image_len))
			return control_fail(US_E_TARGET_OUTSIDE, watch->gva,
					    watch->len, watch->name);
		if (!read_watch(watch, &watch->before))
			return control_fail(US_E_GUEST_ADDRESS, watch->gva,
					    watch->len, watch->name);
	}
	return US_OK;
}

static struct probation *find(const u8 id[US_DIGEST_SIZE])
{
	u32 i;

	for (i = 0; i < count; i++)
		if (!memcmp(list[i].id, id, US_DIGEST_SIZE))
			return &list[i];
	return NULL;
}

static void forget(struct probation *probation)
{
	*probation = list[--count];
}

/* Patches also leave because they are reverted, replaced, or go with their module. */
static void forget_gone(void)
{
	u32 i = 0, index;

	while (i < count) {
		if (patches_find_id(list[i].id, &index))
			i++;
		else
			forget(&list[i]);
	}
}

void probation_begin(const struct us_bundle *bundle,
		     const u8 id[US_DIGEST_SIZE])
{
	const struct us_bundle_header *header = bundle->header;
	struct probation *probation = find(id);

	if (probation)
		forget(probation);
	if (!header->probation_s)
		return;
	forget_gone();
	probation = &list[count++];
	memset(probation, 0, sizeof(*probation));
	memcpy(probation->id, id, US_DIGEST_SIZE);
	probation->seconds = header->probation_s;
	probation->end = host_time_ns() + header->probation_s * NS_PER_S;
	probation->watches = header->watches;
	memcpy(probation->watch, looked, sizeof(looked));
}

void probation_describe(struct us_patch_info *info)
{
	const struct probation *probation = find(info->receipt.bundle_id);
	u64 now = host_time_ns();

	info->state = probation ? US_PATCH_PROBATION : US_PATCH_ACTIVE;
	info->probation_left_ms = 0;
	if (probation && !probation->failed && now < probation->end)
		info->probation_left_ms = (probation->end - now) / NS_PER_MS;
}

static void text_patch(struct text *line, const struct us_receipt *receipt)
{
	text_string(line, receipt->name);
	text_string(line, " generation ");
	text_decimal(line, receipt->generation);
	text_string(line, receipt->module[0] ? " in module " : "");
	text_string(line, receipt->module);
}

/* The first words of @line say why @probation has failed. */
static void fail(struct probation *probation, struct text *line)
{
	struct installed_patch patch;
	u32 index;

	probation->failed = true;
	if (!patches_find_id(probation->id, &index))
		return;
	patches_get(index, &patch);
	text_string(line, ": taking back ");
	text_patch(line, &patch.info.receipt);
	host_log(US_LOG_ALERT, line->chars);
}

/* By how much has the counter risen? What goes down is no trouble. */
static u64 rise(const struct watch *watch)
{
	u64 value, by;

	if (!read_watch(watch, &value))
		return 0;
	by = value - watch->before;
	if (watch->len == 4)
		by = (u64)(s64)(s32)by;
	return (s64)by > 0 ? by : 0;
}

static void judge(struct probation *probation)
{
	struct text line = { 0 };
	u64 by;
	u32 i;

	for (i = 0; i < probation->watches; i++) {
		by = rise(&probation->watch[i]);
		if (by <= probation->watch[i].allowed)
			continue;
		text_string(&line, probation->watch[i].name);
		text_string(&line, " rose by ");
		text_decimal(&line, by);
		fail(probation, &line);
		return;
	}
	if (host_time_ns() < probation->end)
		return;
	text_string(&line, "no word of health in ");
	text_decimal(&line, probation->seconds);
	text_string(&line, " s");
	fail(probation, &line);
}

/* Which CPU's panic is it? NO_CPU: nobody's. */
static s32 panic_cpu(void)
{
	u64 offset = control.kernel.facts[US_FACT_PANIC_CPU];
	s32 cpu;

	if (!span_inside(offset, sizeof(cpu), control.kernel.image_len) ||
	    guest_read(&control.kernel.space,
		       control.kernel.text_gva + offset, &cpu, sizeof(cpu)))
		return NO_CPU;
	return cpu;
}

static void tell_installed(void)
{
	struct installed_patch patch;
	u32 i;

	for (i = 0; i < patches_count(); i++) {
		struct text line = { 0 };

		patches_get(i, &patch);
		if (!patch.text)
			continue;
		text_string(&line, "the kernel panicked with ");
		text_patch(&line, &patch.info.receipt);
		host_log(US_LOG_ALERT, line.chars);
	}
}

/* Is there one that nobody has told of? */
static bool tell_panic(void)
{
	struct text line = { 0 };
	s32 cpu = panic_cpu();

	if (cpu == NO_CPU || panic_told)
		return false;
	panic_told = true;
	text_string(&line, "the kernel panicked on CPU ");
	text_decimal(&line, (u32)cpu);
	text_string(&line, ", patches installed: ");
	text_decimal(&line, patches_installed());
	host_log(US_LOG_ALERT, line.chars);
	tell_installed();
	return true;
}

static void look_for_panic(void)
{
	u32 i;

	if (!tell_panic())
		return;
	for (i = 0; i < count; i++) {
		struct text why = { 0 };

		if (list[i].failed)
			continue;
		text_string(&why, "the kernel panicked");
		fail(&list[i], &why);
	}
}

static void tell_waiting(struct probation *probation, enum us_error error)
{
	struct text line = { 0 };

	if (probation->told)
		return;
	probation->told = true;
	text_string(&line, "not yet, tried again every second: ");
	text_string(&line, us_error_name(error));
	text_string(&line, " ");
	text_string(&line, control.result.text);
	host_log(US_LOG_WARNING, line.chars);
}

/* With all that depends on it. For nobody who asked: what a request is about to be told
 * stays as it is. */
static void take_back(struct probation *probation)
{
	static struct change_withdrawn done;
	struct control_result result = control.result;
	enum us_error error;
	u32 index, i;

	if (!patches_find_id(probation->id, &index))
		return;
	error = change_withdraw(index, &done);
	if (error)
		tell_waiting(probation, error);
	for (i = 0; i < done.count; i++) {
		struct text line = { 0 };

		text_string(&line, "taken back: ");
		text_patch(&line, &done.receipts[i]);
		host_log(US_LOG_ALERT, line.chars);
	}
	control.result = result;
}

void probation_tick(void)
{
	u32 i;

	if (!control.sealed)
		return;
	guest_forget_tables();
	look_for_panic();
	for (i = 0; i < count; i++)
		if (!list[i].failed)
			judge(&list[i]);
	/* A request knows patches by their index. */
	if (control.running)
		return;
	for (i = 0; i < count; i++)
		if (list[i].failed)
			take_back(&list[i]);
	forget_gone();
}

/* There is no time left to take anything back, and no need to. */
void probation_reset_comes(void)
{
	if (!control.sealed)
		return;
	guest_forget_tables();
	tell_panic();
}

static enum us_error read_id(const struct control_call *call,
			     u8 id[US_DIGEST_SIZE])
{
	const struct us_span *span = call->request.in;
	enum us_error error;

	if (span[0].len != US_DIGEST_SIZE || span[1].gva || span[1].len)
		return control_fail(US_E_BAD_REQUEST, span[0].len,
				    US_DIGEST_SIZE, NULL);
	error = caller_read(call->who, span[0].gva, id, US_DIGEST_SIZE);
	return error ? control_fail(error, span[0].gva, US_DIGEST_SIZE, NULL) :
		       US_OK;
}

static void log_confirmed(const struct us_receipt *receipt)
{
	struct text line = { 0 };

	text_string(&line, "health confirmed: ");
	text_patch(&line, receipt);
	host_log(US_LOG_INFO, line.chars);
}

enum us_error health_request(const struct control_call *call)
{
	struct us_patch_info *info = (void *)control_response;
	struct installed_patch patch;
	struct probation *probation;
	u8 id[US_DIGEST_SIZE];
	enum us_error error;
	u32 index;

	error = read_id(call, id);
	if (error)
		return error;
	if (!patches_find_id(id, &index))
		return control_fail(US_E_PATCH_NOT_FOUND, 0, 0, NULL);
	patches_get(index, &patch);
	probation = find(id);
	/* Nobody has looked at the time since the last tick. */
	if (probation && !probation->failed)
		judge(probation);
	if (probation && probation->failed)
		return control_fail(US_E_PROBATION_OVER, 0, 0,
				    patch.info.receipt.name);
	if (probation) {
		forget(probation);
		log_confirmed(&patch.info.receipt);
	}
	*info = patch.info;
	probation_describe(info);
	control.result.out_len = sizeof(*info);
	return US_OK;
}
