/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "cli.h"
#include "diff_report.h"

static const char *const kinds[] = {
	[CHANGE_FUNCTION] = "function",
	[CHANGE_NEW_FUNCTION] = "new function",
	[CHANGE_REMOVED_FUNCTION] = "removed function",
	[CHANGE_DATA] = "data",
	[CHANGE_NEW_DATA] = "new data",
	[CHANGE_REMOVED_DATA] = "removed data",
	[CHANGE_NEW_EXPORT] = "new export",
};

static const char *verdict_name(const struct decision *decision)
{
	if (decision->change.kind == CHANGE_FUNCTION &&
	    !decision->verdict.reason)
		return "patch";
	if (decision->carried)
		return "carried";
	return decision->blocks ? "refused" : "note";
}

u32 diff_obstacles(const struct plan *plan)
{
	u32 i, count = 0;

	for (i = 0; i < plan->changes.count; i++)
		if (!strcmp(verdict_name(&plan->decisions[i]), "refused"))
			count++;
	return count;
}

static u32 count_patches(const struct plan *plan)
{
	u32 i, count = 0;

	for (i = 0; i < plan->changes.count; i++)
		if (!strcmp(verdict_name(&plan->decisions[i]), "patch"))
			count++;
	return count;
}

static u32 count_kind(const struct plan *plan, u8 kind)
{
	u32 i, count = 0;

	for (i = 0; i < plan->changes.count; i++)
		if (plan->decisions[i].change.kind == kind)
			count++;
	return count;
}

static u32 count_reason(const struct plan *plan, enum reason reason)
{
	u32 i, count = 0;

	for (i = 0; i < plan->changes.count; i++)
		if (plan->decisions[i].verdict.reason == reason &&
		    plan->decisions[i].blocks)
			count++;
	return count;
}

static u64 old_size(const struct plan *plan, const struct decision *decision)
{
	return decision->change.old == SIDE_NONE ? 0 :
	       plan->match->old->symbols[decision->change.old].size;
}

static u64 new_size(const struct plan *plan, const struct decision *decision)
{
	return decision->change.new == SIDE_NONE ? 0 :
	       plan->match->new->symbols[decision->change.new].size;
}

static const char *release_of(const struct build_text *text)
{
	return text->count ? text->words[0] : "no release name";
}

static void print_decision(FILE *stream, const struct plan *plan,
			   const struct decision *decision)
{
	const struct verdict *verdict = &decision->verdict;

	fprintf(stream, "%-8s %-17s %s", verdict_name(decision),
		kinds[decision->change.kind], decision_name(plan, decision));
	if (decision->change.kind == CHANGE_FUNCTION)
		fprintf(stream, ", %llu -> %llu bytes; differs in %s at +%#llx",
			(unsigned long long)old_size(plan, decision),
			(unsigned long long)new_size(plan, decision),
			decision->change.what,
			(unsigned long long)decision->change.at);
	else if (decision->change.kind == CHANGE_DATA)
		fprintf(stream, ": its %s", decision->change.what);
	if (verdict->reason) {
		fprintf(stream, " [%s: %s", reason_slug(verdict->reason),
			reason_text(verdict->reason));
		if (verdict->detail[0])
			fprintf(stream, ": %s", verdict->detail);
		fputc(']', stream);
	}
	fputc('\n', stream);
}

static void print_reasons(FILE *stream, const struct plan *plan)
{
	int reason;
	u32 count;

	for (reason = REASON_NONE + 1; reason < REASON_COUNT; reason++) {
		count = count_reason(plan, reason);
		if (count)
			fprintf(stream, "  %6u %s: %s\n", count,
				reason_slug(reason), reason_text(reason));
	}
}

void diff_print(FILE *stream, const struct plan *plan)
{
	u32 obstacles = diff_obstacles(plan), i;

	fprintf(stream, "old: %s (%s)\nnew: %s (%s)\n", plan->match->old->path,
		release_of(&plan->match->old_text), plan->match->new->path,
		release_of(&plan->match->new_text));
	fprintf(stream, "%u functions (%llu bytes) and %u objects compared; "
		"%u functions changed, %u can be patched\n",
		plan->changes.functions,
		(unsigned long long)plan->changes.code_bytes,
		plan->changes.objects, count_kind(plan, CHANGE_FUNCTION),
		count_patches(plan));
	if (!plan->layouts.known)
		fputs(plan->match->old->linked ?
		      "The layouts of types could not be compared: no BTF.\n" :
		      plan->match->home ?
		      "The layouts of types could not be compared: no debug "
		      "information, nor BTF of both kernels (--new-kernel).\n" :
		      "The layouts of types were not compared; that takes the "
		      "kernel (--kernel).\n", stream);
	for (i = 0; i < plan->changes.count; i++)
		print_decision(stream, plan, &plan->decisions[i]);
	if (!plan->changes.count)
		fputs("Nothing differs that runs.\n", stream);
	else if (!obstacles)
		fputs("No reboot is needed: all of it can be patched.\n",
		      stream);
	else
		fprintf(stream, "The whole update needs a reboot; %u changes "
			"cannot be patched:\n", obstacles);
	print_reasons(stream, plan);
}

static json_t *decision_json(const struct plan *plan,
			     const struct decision *decision)
{
	const struct verdict *verdict = &decision->verdict;

	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:b}",
		"name", decision_name(plan, decision),
		"kind", kinds[decision->change.kind],
		"what", decision->change.what,
		"verdict", verdict_name(decision),
		"offset", (json_int_t)decision->change.at,
		"old_size", (json_int_t)old_size(plan, decision),
		"new_size", (json_int_t)new_size(plan, decision),
		"reason", reason_slug(verdict->reason),
		"detail", verdict->detail,
		"chosen", decision->chosen);
}

json_t *diff_json(const struct plan *plan)
{
	json_t *changes = json_array(), *reasons = json_object();
	int reason;
	u32 i;

	for (i = 0; i < plan->changes.count; i++)
		json_array_append_new(changes, decision_json(plan,
						&plan->decisions[i]));
	for (reason = REASON_NONE + 1; reason < REASON_COUNT; reason++)
		if (count_reason(plan, reason))
			json_object_set_new(reasons, reason_slug(reason),
					    json_integer(count_reason(plan,
								reason)));
	return json_pack("{s:s, s:s, s:i, s:I, s:i, s:i, s:i, s:b, s:b, s:o, "
			 "s:o}",
		"old", release_of(&plan->match->old_text),
		"new", release_of(&plan->match->new_text),
		"functions", (int)plan->changes.functions,
		"bytes", (json_int_t)plan->changes.code_bytes,
		"objects", (int)plan->changes.objects,
		"changed_functions", (int)count_kind(plan, CHANGE_FUNCTION),
		"patchable", (int)count_patches(plan),
		"layouts_compared", plan->layouts.known,
		"needs_reboot", diff_obstacles(plan) != 0,
		"refused", reasons, "changes", changes);
}
