/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bundle that takes the kernel's stack traces through the arena. */
#include "cli.h"
#include "cmd.h"
#include "diff_side.h"
#include "hook_bundle.h"

/* unwind_hook.S */
extern const u8 us_hook_text[], us_hook_text_else[], us_hook_text_end[];
extern const u8 us_hook_orc[], us_hook_orc_else[], us_hook_orc_end[];

static struct hook hooks[] = {
	{ .function = "is_ftrace_trampoline", .prefix.code = us_hook_text },
	{ .function = "orc_find", .prefix.code = us_hook_orc },
};

static enum us_error prepare(const struct side *side)
{
	if (!side_section(side, ".orc_unwind_ip"))
		return fail(US_E_OBJECT_UNSUPPORTED, "%s has no ORC unwind data; "
			    "its stack traces need nothing", side->path);
	hooks[0].prefix.len = us_hook_text_end - us_hook_text;
	hooks[0].prefix.skip = us_hook_text_else - us_hook_text;
	hooks[1].prefix.len = us_hook_orc_end - us_hook_orc;
	hooks[1].prefix.skip = us_hook_orc_else - us_hook_orc;
	return US_OK;
}

enum us_error cmd_unwind(int argc, char **argv)
{
	static const struct hook_kind kind = {
		.doc = "Make the bundle with which the kernel's stack traces go "
		"through the code of all other bundles, whatever the order of "
		"installation.",
		.name = "unwind",
		.description = "stack traces through new code",
		.hooks = hooks, .count = ARRAY_SIZE(hooks), .prepare = prepare,
	};

	return hook_bundle(argc, argv, &kind);
}
