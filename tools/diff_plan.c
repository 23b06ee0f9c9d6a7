/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Deciding, change by change. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "diff_plan.h"
#include "diff_together.h"

size_t cold_stem(const char *name)
{
	const char *dot = strstr(name, ".cold");

	return dot && (!dot[5] || dot[5] == '.') ? (size_t)(dot - name) : 0;
}

static const char *change_name(const struct match *match,
			       const struct change *change)
{
	return change->old != SIDE_NONE ?
	       match->old->symbols[change->old].name :
	       match->new->symbols[change->new].name;
}

const char *decision_name(const struct plan *plan,
			  const struct decision *decision)
{
	return change_name(plan->match, &decision->change);
}

u32 plan_whole(const struct side *side, u32 cold)
{
	const char *name = side->symbols[cold].name;
	size_t len = cold_stem(name);
	char whole[512];
	u32 i, index;

	if (!len || len >= sizeof(whole))
		return SIDE_NONE;
	memcpy(whole, name, len);
	whole[len] = 0;
	for (i = side_find_name(side, whole); i < side->name_count; i++) {
		index = side->by_name[i];
		if (strcmp(side->symbols[index].name, whole))
			break;
		if (side->symbols[index].bind != STB_LOCAL ||
		    side->symbols[index].file == side->symbols[cold].file)
			return index;
	}
	return SIDE_NONE;
}

static bool lists_function(const struct changes *changes, u32 old)
{
	u32 i;

	for (i = 0; i < changes->count; i++)
		if (changes->list[i].kind == CHANGE_FUNCTION &&
		    changes->list[i].old == old)
			return true;
	return false;
}

static bool is_function_change(const struct change *change)
{
	return change->kind <= CHANGE_REMOVED_FUNCTION;
}

/* The whole function of a changed cold part, as a change of its own. */
static enum us_error add_whole(const struct match *match,
			       struct changes *changes,
			       const struct change *cold)
{
	struct change whole = {
		.kind = CHANGE_FUNCTION, .what = "its cold part",
	};

	if (cold->old != SIDE_NONE)
		whole.old = plan_whole(match->old, cold->old);
	else
		whole.old = SIDE_NONE;
	if (whole.old == SIDE_NONE && cold->new != SIDE_NONE) {
		whole.new = plan_whole(match->new, cold->new);
		if (whole.new != SIDE_NONE)
			whole.old = match->to_old[whole.new];
	}
	if (whole.old == SIDE_NONE)
		return US_OK;
	whole.new = match->to_new[whole.old];
	if (whole.new == SIDE_NONE || lists_function(changes, whole.old))
		return US_OK;
	return changes_add(changes, &whole);
}

/* Cold parts are no functions of their own. */
static enum us_error merge_cold(const struct match *match,
				struct changes *changes)
{
	struct changes merged = {
		.functions = changes->functions, .objects = changes->objects,
		.code_bytes = changes->code_bytes,
	};
	enum us_error error = US_OK;
	u32 i;

	for (i = 0; i < changes->count && !error; i++)
		if (!is_function_change(&changes->list[i]) ||
		    !cold_stem(change_name(match, &changes->list[i])))
			error = changes_add(&merged, &changes->list[i]);
	for (i = 0; i < changes->count && !error; i++)
		if (is_function_change(&changes->list[i]) &&
		    cold_stem(change_name(match, &changes->list[i])))
			error = add_whole(match, &merged, &changes->list[i]);
	changes_free(changes);
	*changes = merged;
	return error;
}

void plan_leave_out(struct decision *decision, const char *format, ...)
{
	struct verdict *verdict = &decision->verdict;
	va_list args;

	decision->chosen = false;
	verdict->reason = REASON_LEFT_OUT;
	va_start(args, format);
	vsnprintf(verdict->detail, sizeof(verdict->detail), format, args);
	va_end(args);
}

static void set(struct decision *decision, enum reason reason, bool blocks)
{
	decision->verdict.reason = reason;
	decision->blocks = blocks;
}

static bool changed_init(const struct plan *plan, const struct change *change)
{
	return change->old != SIDE_NONE ?
	       side_is_init(plan->match->old,
			    plan->match->old->symbols[change->old].address) :
	       side_is_init(plan->match->new,
			    plan->match->new->symbols[change->new].address);
}

/* Try to carry it alone; the reason against it is its verdict. */
static enum us_error try_function(struct plan *plan, struct author *author,
				  struct decision *decision)
{
	const struct change *change = &decision->change;
	struct buffer payload = { 0 }, relocs = { 0 };
	const char *layout;
	enum us_error error;
	u64 at;
	u32 body;

	decision->blocks = true;
	author->verdict = &decision->verdict;
	author_clear(author);
	layout = layouts_used(&plan->layouts, plan->match->new->
			      symbols[change->new].address);
	error = plan_check_entry(author, change->old, &at);
	/* Who hooks a function knows its callers: cmd_unwind.c. */
	if (!error && !change->prefix)
		error = plan_check_registers(author, change->old);
	/* Of modules without their kernel there is a report only. */
	if (!error && author->kernel && !plan->layouts.known &&
	    !plan->layouts_judged)
		error = author_refuse(author, REASON_LAYOUT, "nothing is known "
				      "of layouts: no BTF%s",
				      plan->match->home ? " of both kernels, "
				      "and no debug information" : "");
	if (!error && layout)
		error = author_refuse(author, REASON_LAYOUT, "struct %s",
				      layout);
	if (!error)
		error = author_carry(author, change->new, &body);
	if (!error)
		error = author_lay_out(author, &payload, &relocs);
	buffer_free(&payload);
	buffer_free(&relocs);
	if (error == US_E_NO_MEMORY)
		return error;
	if (error && !decision->verdict.reason)
		author_refuse(author, error == US_E_TOO_LARGE ? REASON_LARGE :
			      REASON_ASSEMBLY, "%s", fail_detail());
	return US_OK;
}

static enum us_error decide(struct plan *plan, struct author *author,
			    struct decision *decision)
{
	switch (decision->change.kind) {
	case CHANGE_FUNCTION:
		return try_function(plan, author, decision);
	case CHANGE_NEW_FUNCTION:
		set(decision, changed_init(plan, &decision->change) ?
		    REASON_INIT : REASON_UNUSED,
		    changed_init(plan, &decision->change));
		return US_OK;
	case CHANGE_REMOVED_FUNCTION:
		set(decision, REASON_REMOVED, false);
		return US_OK;
	case CHANGE_DATA:
		set(decision, REASON_DATA, true);
		return US_OK;
	case CHANGE_NEW_EXPORT:
		set(decision, REASON_EXPORT, true);
		return US_OK;
	}
	set(decision, REASON_DATA, false);
	return US_OK;
}

static bool has_name(const char *const *names, u32 count, const char *name)
{
	u32 i;

	for (i = 0; i < count; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

static enum us_error check_names(const struct plan *plan,
				 const char *const *names, u32 count)
{
	bool found;
	u32 i, k;

	for (i = 0; i < count; i++) {
		found = false;
		for (k = 0; k < plan->changes.count && !found; k++)
			found = !strcmp(names[i], decision_name(plan,
						&plan->decisions[k]));
		if (!found)
			return fail(US_E_SYMBOL_MISSING, "%s is not among the "
				    "changes", names[i]);
	}
	return US_OK;
}

static enum us_error apply_choice(struct plan *plan,
				  const struct plan_choice *choice)
{
	struct decision *decision;
	enum us_error error;
	u32 i;

	error = check_names(plan, choice->only, choice->only_count);
	if (!error)
		error = check_names(plan, choice->except, choice->except_count);
	for (i = 0; i < plan->changes.count && !error; i++) {
		decision = &plan->decisions[i];
		decision->listed = !choice->only ||
			has_name(choice->only, choice->only_count,
				 decision_name(plan, decision));
		if (has_name(choice->except, choice->except_count,
			     decision_name(plan, decision)))
			decision->listed = false;
		decision->chosen = decision->listed &&
			decision->change.kind == CHANGE_FUNCTION &&
			!decision->verdict.reason;
	}
	return error;
}

static struct decision *decision_of(struct plan *plan, u32 old)
{
	u32 i;

	for (i = 0; i < plan->changes.count; i++)
		if (plan->decisions[i].change.kind == CHANGE_FUNCTION &&
		    plan->decisions[i].change.old == old)
			return &plan->decisions[i];
	return NULL;
}

static bool is_carried(const struct change *change, const struct body *body)
{
	return (change->kind == CHANGE_NEW_FUNCTION &&
		change->new == body->symbol) ||
	       (change->kind == CHANGE_NEW_DATA &&
		change->new == body->variable);
}

/* New functions and variables among the bodies. */
static void mark_carried(struct plan *plan, const struct author *author)
{
	u32 i, k;

	for (i = 0; i < author->body_count; i++)
		for (k = 0; k < plan->changes.count; k++)
			if (is_carried(&plan->decisions[k].change,
				       &author->bodies[i]))
				plan->decisions[k].carried = true;
}

/* A new body that calls a changed function was written for its new version. */
static enum us_error drop_dependent(struct plan *plan, struct author *author,
				    struct decision *decision, bool *again)
{
	const struct decision *callee;
	enum us_error error;
	u32 body, i;

	author->verdict = &decision->verdict;
	author_clear(author);
	error = author_carry(author, decision->change.new, &body);
	for (i = 0; i < author->used_count && !error; i++) {
		callee = decision_of(plan, author->used_changed[i]);
		if (!callee || callee->chosen)
			continue;
		*again = true;
		plan_leave_out(decision, "calls %s", decision_name(plan, callee));
		return US_OK;
	}
	mark_carried(plan, author);
	return error;
}

static enum us_error drop_dependents(struct plan *plan, struct author *author)
{
	struct together *together;
	enum us_error error = together_open(&together, plan);
	bool again = true;
	u32 i;

	while (again && !error) {
		again = together_drop(together);
		for (i = 0; i < plan->changes.count; i++)
			plan->decisions[i].carried = false;
		for (i = 0; i < plan->changes.count && !error; i++)
			if (plan->decisions[i].chosen)
				error = drop_dependent(plan, author,
						       &plan->decisions[i],
						       &again);
	}
	together_close(together);
	return error;
}

static enum us_error decide_all(struct plan *plan,
				const struct plan_choice *choice)
{
	struct author author;
	enum us_error error;
	s64 capability;
	u32 i, cpu = SIDE_NONE;
	int warn;

	error = author_open(&author, plan->match, &plan->changes);
	capability = layouts_member(&plan->layouts, "cpuinfo_x86",
				    "x86_capability");
	if (author.kernel)
		cpu = side_symbol_named(author.kernel, "boot_cpu_data");
	if (capability >= 0 && cpu != SIDE_NONE)
		plan->capability = author.kernel->symbols[cpu].address +
				   (u64)capability;
	/* What a module's alternatives test is the kernel's. */
	if (!author.kernel)
		plan->capability = 1;
	author.capability = plan->capability;
	warn = layouts_parameters(&plan->layouts, "__warn");
	plan->strange_warn = warn >= 0 && warn != (int)WARN_PARAMETERS;
	author.strange_warn = plan->strange_warn;
	plan->strange_orc = layouts_changed(&plan->layouts, "orc_entry");
	author.strange_orc |= plan->strange_orc;
	author.new_variables = plan->new_variables;
	for (i = 0; i < plan->changes.count && !error; i++) {
		plan->decisions[i].change = plan->changes.list[i];
		error = decide(plan, &author, &plan->decisions[i]);
	}
	if (!error)
		error = apply_choice(plan, choice);
	if (!error)
		error = drop_dependents(plan, &author);
	for (i = 0; i < plan->changes.count; i++)
		if (plan->decisions[i].carried)
			set(&plan->decisions[i], REASON_NONE, false);
	author_close(&author);
	return error;
}

static enum us_error decide_changes(struct plan *plan, struct match *match,
				    const struct plan_choice *choice)
{
	enum us_error error;

	error = merge_cold(match, &plan->changes);
	if (!error)
		error = layouts_open(&plan->layouts, match->old,
				     plan->layouts_judged ? NULL : match->new,
				     match->home);
	if (error)
		return error;
	plan->decisions = calloc(plan->changes.count + 1,
				 sizeof(*plan->decisions));
	if (!plan->decisions)
		return fail(US_E_NO_MEMORY, "changes");
	return decide_all(plan, choice);
}

enum us_error plan_make(struct plan *plan, struct match *match,
			const struct line_check *lines,
			const struct plan_choice *choice)
{
	enum us_error error;

	*plan = (struct plan){ .match = match };
	error = compare_sides(match, lines, &plan->changes);
	return error ? error : decide_changes(plan, match, choice);
}

enum us_error plan_changes(struct plan *plan, struct match *match,
			   struct changes *changes,
			   const struct plan_choice *choice)
{
	*plan = (struct plan){
		.match = match, .changes = *changes, .layouts_judged = true,
		.new_variables = true,
	};
	*changes = (struct changes){ 0 };
	return decide_changes(plan, match, choice);
}

void plan_free(struct plan *plan)
{
	layouts_free(&plan->layouts);
	changes_free(&plan->changes);
	free(plan->decisions);
	*plan = (struct plan){ 0 };
}

const struct decision *plan_obstacle(const struct plan *plan,
				     const struct plan_choice *choice)
{
	const struct decision *decision;
	u32 i;

	for (i = 0; i < plan->changes.count && !choice->partial; i++) {
		decision = &plan->decisions[i];
		if (decision->listed && decision->blocks && !decision->chosen)
			return decision;
	}
	return NULL;
}
