/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From changed functions to a bundle, by the same rules as for two kernels. */
#include <stdio.h>
#include <stdlib.h>

#include "build_judge.h"
#include "bundle_make.h"
#include "cli.h"
#include "diff_module.h"
#include "diff_plan.h"
#include "diff_report.h"

/* The first change that cannot be carried, with its reason; all of them as notes. */
static enum us_error check_obstacles(const struct plan *plan)
{
	const struct plan_choice all = { 0 };
	const struct decision *obstacle = plan_obstacle(plan, &all);
	const struct decision *decision;
	u32 i;

	for (i = 0; i < plan->changes.count; i++) {
		decision = &plan->decisions[i];
		note("%s: %s%s%s", decision_name(plan, decision),
		     decision->chosen || decision->carried ? "goes into the "
		     "bundle" : reason_text(decision->verdict.reason),
		     decision->verdict.detail[0] ? ": " : "",
		     decision->verdict.detail);
	}
	if (!obstacle)
		return US_OK;
	return fail(US_E_NOT_PATCHABLE, "%s: %s: %s%s%s (%u such changes in "
		    "the fix)", decision_name(plan, obstacle),
		    reason_slug(obstacle->verdict.reason),
		    reason_text(obstacle->verdict.reason),
		    obstacle->verdict.detail[0] ? ": " : "",
		    obstacle->verdict.detail, diff_obstacles(plan));
}

static enum us_error make_bundle(const struct judge *judge, struct plan *plan,
				 struct buffer *file)
{
	const struct build_options *options = judge->build->options;
	struct bundle_plan *out = calloc(1, sizeof(*out));
	enum us_error error;

	if (!out)
		return fail(US_E_NO_MEMORY, "bundle");
	bundle_plan_options(out, &options->bundle);
	error = plan_bundle(plan, out);
	if (!error)
		error = plan_writes(plan, out, judge->build->vendor,
				    &options->bundle);
	if (!error)
		error = bundle_plan_write(out, file);
	bundle_plan_free(out);
	free(out);
	return error;
}

/* Where the module that is patched lies, and in which kernel. */
static enum us_error open_home(const struct judge *judge,
			       struct module_home *home)
{
	const struct build *build = judge->build;
	const struct home_files files = {
		.module = build->vendor, .kernel = build->kernel.vmlinux,
		.modules = build->options->modules,
	};
	enum us_error error = home_open(home, &files);

	return error ? error : home_check_release(&judge->vendor,
						  &home->kernel);
}

enum us_error judge_carry(struct judge *judge, struct buffer *file)
{
	const struct plan_choice all = { 0 };
	struct module_home home = { 0 };
	enum us_error error = US_OK;
	struct plan plan = { 0 };

	if (judge->build->module[0]) {
		error = open_home(judge, &home);
		judge->carried.home = &home;
	}
	if (!error)
		error = plan_changes(&plan, &judge->carried, &judge->changes,
				     &all);
	if (!error)
		error = check_obstacles(&plan);
	if (!error)
		error = make_bundle(judge, &plan, file);
	plan_free(&plan);
	judge->carried.home = NULL;
	home_close(&home);
	return error;
}
