/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bundle that makes the kernel ask before a module's first code runs. */
#include <stddef.h>
#include <string.h>

#include "abi.h"
#include "cli.h"
#include "cmd.h"
#include "diff_types.h"
#include "gate_hook.h"
#include "hook_bundle.h"

static_assert(GATE_MAGIC == US_REQUEST_MAGIC && GATE_VERSION == US_ABI_VERSION &&
	      GATE_OP == US_OP_MODULE_GATE, "request");
static_assert(GATE_AT_VERSION == offsetof(struct us_request, version) &&
	      GATE_AT_OP == offsetof(struct us_request, op) &&
	      GATE_AT_NAME == offsetof(struct us_request, in[0].gva) &&
	      GATE_AT_LEN == offsetof(struct us_request, in[0].len) &&
	      GATE_AT_TICKET == sizeof(struct us_request), "its layout");
static_assert(GATE_PORT == US_DOORBELL_PORT && GATE_CALL == US_CALL_MAGIC &&
	      GATE_NAME_MAX == US_NAME_MAX, "doorbell");
static_assert(GATE_AGAIN == US_E_AGAIN && GATE_BUSY == US_E_BUSY &&
	      GATE_WAITS == US_E_MODULE_WAITS, "answers");
static_assert(GATE_MARK_CALL == CODE_MARK_CALL, "marks");

/* gate_hook.S */
extern const u8 us_gate[], us_gate_name[], us_gate_else[], us_gate_end[];
extern const struct code_mark us_gate_marks[], us_gate_marks_end[];

#define CODE_MAX	1024u

static u8 code[CODE_MAX];
static struct hook hook = { .function = "klp_module_coming" };

/* Where the name is in struct module, as the kernel says itself. */
static enum us_error find_name(const struct side *side, u32 *offset)
{
	struct layouts layouts = { 0 };
	enum us_error error = layouts_open(&layouts, side, NULL, NULL);
	s64 found = -1;

	if (!error && layouts.old)
		found = layouts_member(&layouts, "module", "name");
	layouts_free(&layouts);
	if (!error && (found < 0 || found > INT32_MAX))
		error = fail(US_E_SYMBOL_MISSING, "%s: struct module.name, in BTF",
			     side->path);
	*offset = (u32)found;
	return error;
}

static enum us_error prepare(const struct side *side)
{
	enum us_error error;
	u32 name;

	error = find_name(side, &name);
	if (error)
		return error;
	hook.prefix = (struct code_prefix){
		.code = code, .len = us_gate_end - us_gate,
		.skip = us_gate_else - us_gate,
		.marks = us_gate_marks,
		.mark_count = us_gate_marks_end - us_gate_marks,
		.callee = "msleep",
	};
	if (hook.prefix.len > sizeof(code))
		return fail(US_E_TOO_LARGE, "the hook");
	memcpy(code, us_gate, hook.prefix.len);
	memcpy(code + (us_gate_name - us_gate) - sizeof(name), &name,
	       sizeof(name));
	return US_OK;
}

enum us_error cmd_gate(int argc, char **argv)
{
	static const struct hook_kind kind = {
		.doc = "Make the bundle with which the kernel asks Underseal before "
		"the first code of a module runs, so that a module waits for the "
		"bundles that are awaited for it.",
		.name = "gate",
		.description = "modules wait for their bundles",
		.hooks = &hook, .count = 1, .prepare = prepare,
	};

	return hook_bundle(argc, argv, &kind);
}
