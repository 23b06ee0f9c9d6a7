/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way of a request through the core: copied, checked, carried out, claimed. */
#include <string.h>

#include "arena.h"
#include "audit.h"
#include "await.h"
#include "dropped.h"
#include "fault.h"
#include "generations.h"
#include "guest_memory.h"
#include "keys.h"
#include "modules.h"
#include "patches.h"
#include "probation.h"
#include "probes.h"
#include "stack_check.h"
#include "state.h"
#include "text.h"
#include "text_map.h"

struct control_state control;
u8 control_response[US_MAX_RESPONSE] __attribute__((aligned(8)));

static const struct operation {
	u16 op;
	bool takes_input;
	bool takes_arg;
	u32 out_min;		/* room that the answer needs at least */
	const char *name;
	enum us_error (*run)(const struct control_call *call);
} operations[] = {
	{ US_OP_STATUS, false, false, sizeof(struct us_status), "status",
	  status_request },
	{ US_OP_SEAL, true, false, sizeof(struct us_seal_report), "seal",
	  seal_request },
	{ US_OP_APPLY, true, true, sizeof(struct us_receipt), "apply",
	  apply_request },
	{ US_OP_REVERT, true, true, sizeof(struct us_receipt), "revert",
	  revert_request },
	{ US_OP_LIST, false, false, 0, "list", list_request },
	{ US_OP_LOG, false, true, sizeof(struct us_log_entry), "log",
	  log_request },
	{ US_OP_COUNTERS, false, false, sizeof(struct us_counters), "counters",
	  counters_request },
	{ US_OP_SEAL_MODULE, true, false, sizeof(struct us_module_info),
	  "seal-module", seal_module_request },
	{ US_OP_MODULES, false, false, 0, "modules", modules_request },
	{ US_OP_HEALTH, true, false, sizeof(struct us_patch_info), "health",
	  health_request },
	{ US_OP_AWAIT, true, false, sizeof(struct us_patch_info), "await",
	  await_request },
	{ US_OP_MODULE_GATE, true, false, 0, "module-gate", gate_request },
#ifdef UNDERSEAL_FAULTS
	{ US_OP_FAULT, false, true, 0, "fault", fault_request },
#endif
};

enum us_error control_fail(enum us_error error, u64 detail0, u64 detail1,
			   const char *text)
{
	control.result.detail[0] = detail0;
	control.result.detail[1] = detail1;
	text_copy(control.result.text, US_NAME_MAX, text ? text : "");
	return error;
}

enum us_error control_init(void)
{
	enum us_error error;

	memset(&control, 0, sizeof(control));
	patches_reset();
	dropped_reset();
	generations_reset();
	text_map_reset();
	modules_reset();
	probation_reset();
	await_reset();
	probes_reset();
	audit_reset();
	stack_check_reset();
	fault_reset();
	guest_forget_tables();
	if (keys_init())
		host_log(US_LOG_ERROR, "keys: not in minisign's format; none is trusted");
	error = arena_init();
	if (error) {
		host_log(US_LOG_ERROR, "arena: cannot be written");
		return US_E_HOST_FAILED;
	}
	return US_OK;
}

static const struct operation *find_operation(u16 op)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(operations); i++)
		if (operations[i].op == op)
			return &operations[i];
	return NULL;
}

/* Copy the request; from here on the copy alone is read. */
static enum us_error read_request(const struct control_caller *who,
				  struct us_request *request)
{
	enum us_error error;

	error = caller_read(who, who->request_gva, request, sizeof(*request));
	if (error)
		return control_fail(error, who->request_gva, sizeof(*request),
				    NULL);
	if (request->magic != US_REQUEST_MAGIC)
		return control_fail(US_E_BAD_REQUEST, request->magic, 0, NULL);
	if (request->version != US_ABI_VERSION)
		return control_fail(US_E_ABI_VERSION, request->version,
				    US_ABI_VERSION, NULL);
	control.result.write_back = true;
	return US_OK;
}

/* Fields that an operation does not use must be zero: they may get a meaning. */
static bool unused_zero(const struct operation *op, const struct us_request *r)
{
	if (!op->takes_arg && r->arg)
		return false;
	return op->takes_input || !(r->in[0].gva | r->in[0].len | r->in[1].gva |
				    r->in[1].len);
}

/* No side effect may come before its answer is known to have a place. */
static enum us_error check_room(const struct control_caller *who,
				const struct operation *op,
				const struct us_span *out)
{
	u64 used = out->len < US_MAX_RESPONSE ? out->len : US_MAX_RESPONSE;
	enum us_error error;

	if (out->len < op->out_min)
		return control_fail(US_E_OUT_TOO_SMALL, out->len, op->out_min,
				    NULL);
	error = caller_check_write(who, out->gva, used);
	if (!error)
		error = caller_check_write(who, who->request_gva,
					   sizeof(struct us_request));
	return error ? control_fail(error, out->gva, out->len, NULL) : US_OK;
}

static enum us_error run(const struct control_call *call,
			 const struct operation *op)
{
	enum us_error error;

	if (!op || !unused_zero(op, &call->request))
		return control_fail(US_E_BAD_REQUEST, call->request.op,
				    call->request.arg, NULL);
	error = check_room(call->who, op, &call->request.out);
	if (error)
		return error;
	control.running = true;
	error = op->run(call);
	control.running = false;
	if (error)
		control.result.out_len = 0;
	else
		control_fail(US_OK, 0, 0, NULL);
	return error;
}

static void log_refusal(const struct operation *op, enum us_error error)
{
	const struct control_result *result = &control.result;
	struct text line = { 0 };

	text_string(&line, op ? op->name : "request");
	text_string(&line, " refused: ");
	text_string(&line, us_error_name(error));
	text_string(&line, " ");
	text_hex(&line, result->detail[0]);
	text_string(&line, " ");
	text_hex(&line, result->detail[1]);
	text_string(&line, " ");
	text_string(&line, result->text);
	host_log(US_LOG_WARNING, line.chars);
}

static void log_sealed(void)
{
	struct text line = { 0 };

	text_string(&line, "sealed ");
	text_string(&line, control.kernel.name);
	text_string(&line, " at ");
	text_hex(&line, control.kernel.text_gva);
	host_log(US_LOG_INFO, line.chars);
}

static void log_receipt(const char *what)
{
	const struct us_receipt *receipt = (const void *)control_response;
	struct text line = { 0 };

	text_string(&line, what);
	text_string(&line, receipt->name);
	text_string(&line, receipt->module[0] ? " in module " : "");
	text_string(&line, receipt->module);
	text_string(&line, " generation ");
	text_decimal(&line, receipt->generation);
	text_string(&line, " stop ");
	text_decimal(&line, receipt->stop_ns / 1000);
	text_string(&line, " us");
	host_log(US_LOG_INFO, line.chars);
}

static void log_reverted(void)
{
	const struct us_receipt *receipt = (const void *)control_response;

	log_receipt(receipt->only_awaited ? "not awaited any more, not installed: " :
					    "reverted ");
}

static void log_module(void)
{
	const struct us_module_info *info = (const void *)control_response;
	struct text line = { 0 };

	text_string(&line, "module sealed ");
	text_string(&line, info->state == US_MODULE_VERIFIED ? "" :
						"as found, unverified: ");
	text_string(&line, info->name);
	text_string(&line, " at ");
	text_hex(&line, info->text_gva);
	host_log(US_LOG_INFO, line.chars);
}

static void log_outcome(const struct operation *op, enum us_error error)
{
	if (control.result.quiet)
		return;
	if (error)
		log_refusal(op, error);
	else if (op->op == US_OP_SEAL)
		log_sealed();
	else if (op->op == US_OP_SEAL_MODULE)
		log_module();
	else if (op->op == US_OP_APPLY)
		log_receipt("applied ");
	else if (op->op == US_OP_REVERT)
		log_reverted();
}

enum us_error control_request(const struct control_caller *who)
{
	struct control_call call = { .who = who };
	const struct operation *op = NULL;
	enum us_error error;

	memset(&control.result, 0, sizeof(control.result));
	guest_forget_tables();
	error = read_request(who, &call.request);
	if (!error) {
		control.result.out = call.request.out;
		op = find_operation(call.request.op);
		error = run(&call, op);
	}
	control.result.status = error;
	control.result.claimable = true;
	log_outcome(op, error);
	return error;
}

void control_tick(const struct control_caller *who)
{
	audit_tick(who);
	probation_tick();
	dropped_collect();
}

void control_reset(void)
{
	probation_reset_comes();
}

/* What the caller learns beside the response, as it lies in its request. */
struct answer {
	u32 status;
	u32 out_len;
	u64 detail[2];
	char text[US_NAME_MAX];
};
static_assert(offsetof(struct us_request, text) -
	      offsetof(struct us_request, status) ==
	      offsetof(struct answer, text), "answer lies in us_request");
static_assert(offsetof(struct us_request, status) + sizeof(struct answer) ==
	      sizeof(struct us_request), "answer ends us_request");

enum us_error control_claim(const struct control_caller *who)
{
	const struct control_result *result = &control.result;
	struct answer answer = {
		.status = result->status,
		.out_len = result->out_len,
		.detail = { result->detail[0], result->detail[1] },
	};
	enum us_error error = US_OK;

	if (!result->claimable)
		return US_E_BAD_REQUEST;
	control.result.claimable = false;
	if (!result->write_back)
		return result->status;
	memcpy(answer.text, result->text, sizeof(answer.text));
	/* The caller's vCPU is held, so its kernel cannot have finished taking a
	 * page away from it that is mapped now: the flush waits for this vCPU. */
	guest_forget_tables();
	if (result->out_len)
		error = caller_write(who, result->out.gva, control_response,
				     result->out_len);
	if (!error)
		error = caller_write(who, who->request_gva +
				     offsetof(struct us_request, status),
				     &answer, sizeof(answer));
	return error ? error : result->status;
}
