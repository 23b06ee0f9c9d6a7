/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which changed functions must go along with which. A function whose code is the same in
 * both kernels gets on with either body of what it calls: both kernels were built so.
 * A changed one that stays as it was gets on with the old bodies only, so nothing that
 * it calls may be replaced. Removed functions count as changed ones that stay, as
 * long as anything that stays leads to them.
 */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "diff_together.h"

/* The old code of a change; cold parts have entries of their own. */
struct stretch {
	u64 start, end;
	u32 decision;
};

/* @caller's old code refers to @callee's. */
struct edge {
	u32 caller, callee;	/* decisions */
};

struct together {
	struct plan *plan;
	struct stretch *stretches;
	u32 stretch_count;
	struct edge *edges;
	u32 edge_count, edge_room;
	bool *live;		/* by decision: a removed function that
				 * something leads to */
	bool *rooted;		/* data or an export does */
};

static bool is_replaceable(const struct plan *plan, u32 decision)
{
	const struct change *change = &plan->decisions[decision].change;

	return (change->kind == CHANGE_FUNCTION ||
		change->kind == CHANGE_REMOVED_FUNCTION) &&
	       change->old != SIDE_NONE &&
	       !side_is_init(plan->match->old,
			     plan->match->old->symbols[change->old].address);
}

static int compare_stretches(const void *a, const void *b)
{
	const struct stretch *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static const struct stretch *find_in(const struct stretch *list, u32 count,
				     u64 address)
{
	u32 low = 0, high = count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (address >= list[middle].end)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && address >= list[low].start ? &list[low] : NULL;
}

static const struct stretch *find_stretch(const struct together *together,
					  u64 address)
{
	return find_in(together->stretches, together->stretch_count, address);
}

static void add_stretch(struct together *together, u32 symbol, u32 decision)
{
	const struct side_symbol *code =
		&together->plan->match->old->symbols[symbol];

	together->stretches[together->stretch_count++] = (struct stretch){
		code->address, code->address + code->size, decision,
	};
}

static void sort_stretches(struct together *together)
{
	if (together->stretch_count)
		qsort(together->stretches, together->stretch_count,
		      sizeof(*together->stretches), compare_stretches);
}

/* Those of functions first, which the cold parts are then found by. */
static enum us_error list_stretches(struct together *together)
{
	const struct plan *plan = together->plan;
	const struct side *old = plan->match->old;
	const struct stretch *owner;
	u32 i, whole, functions;

	together->stretches = calloc(plan->changes.count + old->symbol_count,
				     sizeof(*together->stretches));
	if (!together->stretches)
		return fail(US_E_NO_MEMORY, "changes");
	for (i = 0; i < plan->changes.count; i++)
		if (is_replaceable(plan, i))
			add_stretch(together, plan->decisions[i].change.old, i);
	sort_stretches(together);
	functions = together->stretch_count;
	for (i = 0; i < old->symbol_count; i++) {
		if (old->symbols[i].type != STT_FUNC || !old->symbols[i].size ||
		    old->symbols[i].section == SIDE_NONE)
			continue;
		whole = plan_whole(old, i);
		if (whole == SIDE_NONE)
			continue;
		owner = find_in(together->stretches, functions,
				old->symbols[whole].address);
		if (owner)
			add_stretch(together, i, owner->decision);
	}
	sort_stretches(together);
	return US_OK;
}

static enum us_error add_edge(struct together *together, u32 caller, u32 callee)
{
	struct edge *grown;

	if (together->edge_count == together->edge_room) {
		together->edge_room = together->edge_room ?
				      2 * together->edge_room : 256;
		grown = reallocarray(together->edges, together->edge_room,
				     sizeof(*grown));
		if (!grown)
			return fail(US_E_NO_MEMORY, "changes");
		together->edges = grown;
	}
	together->edges[together->edge_count++] = (struct edge){ caller, callee };
	return US_OK;
}

static u64 target_address(const struct side *side,
			  const struct side_target *target)
{
	return target->symbol == SIDE_NONE ? target->address :
	       side->symbols[target->symbol].address;
}

static enum us_error list_edges(struct together *together)
{
	const struct side *old = together->plan->match->old;
	const struct stretch *from, *to;
	struct code_refs refs = { 0 };
	enum us_error error = US_OK;
	u32 i, k;

	for (i = 0; i < together->stretch_count && !error; i++) {
		from = &together->stretches[i];
		error = code_collect(old, from->start, from->end - from->start,
				     &refs);
		for (k = 0; k < refs.count && !error; k++) {
			to = find_stretch(together, target_address(old,
						&refs.list[k].target));
			if (to && to->decision != from->decision)
				error = add_edge(together, from->decision,
						 to->decision);
		}
	}
	code_free(&refs);
	return error;
}

/* Pointers in objects, and what modules may call. Tables of places in code are
 * neither. */
static void root_section(struct together *together,
			 const struct side_section *section)
{
	const struct side *old = together->plan->match->old;
	bool exports = !strncmp(section->name, "__ksymtab", 9);
	const struct stretch *to;
	struct side_target target;
	u32 i;

	for (i = 0; i < section->rela_count; i++) {
		if (!side_rela_target(old, &section->relas[i], &target))
			continue;
		to = find_stretch(together, target_address(old, &target));
		if (to && (exports || side_symbol_at(old, section->address +
				section->relas[i].r_offset) != SIDE_NONE))
			together->rooted[to->decision] = true;
	}
}

static void find_roots(struct together *together)
{
	const struct side *old = together->plan->match->old;
	u32 i;

	for (i = 0; i < old->section_count; i++)
		if (old->sections[i].flags & SHF_ALLOC &&
		    !(old->sections[i].flags & SHF_EXECINSTR))
			root_section(together, &old->sections[i]);
}

enum us_error together_open(struct together **out, struct plan *plan)
{
	struct together *together = calloc(1, sizeof(*together));
	enum us_error error;

	*out = together;
	if (!together)
		return fail(US_E_NO_MEMORY, "changes");
	together->plan = plan;
	together->live = calloc(plan->changes.count + 1, sizeof(bool));
	together->rooted = calloc(plan->changes.count + 1, sizeof(bool));
	if (!together->live || !together->rooted)
		return fail(US_E_NO_MEMORY, "changes");
	error = list_stretches(together);
	if (!error)
		error = list_edges(together);
	if (!error)
		find_roots(together);
	return error;
}

void together_close(struct together *together)
{
	if (!together)
		return;
	free(together->stretches);
	free(together->edges);
	free(together->live);
	free(together->rooted);
	free(together);
}

/* Will its old body run on? */
static bool stays(const struct together *together, u32 decision)
{
	const struct decision *d = &together->plan->decisions[decision];

	return d->change.kind == CHANGE_FUNCTION ? !d->chosen :
	       together->live[decision];
}

static void find_live(struct together *together)
{
	const struct edge *edge;
	bool again = true;
	u32 i;

	memcpy(together->live, together->rooted,
	       together->plan->changes.count * sizeof(bool));
	while (again) {
		again = false;
		for (i = 0; i < together->edge_count; i++) {
			edge = &together->edges[i];
			if (together->live[edge->callee] ||
			    !stays(together, edge->caller))
				continue;
			together->live[edge->callee] = true;
			again = true;
		}
	}
}

bool together_drop(struct together *together)
{
	struct plan *plan = together->plan;
	const struct edge *edge;
	bool dropped = false;
	u32 i;

	find_live(together);
	for (i = 0; i < together->edge_count; i++) {
		edge = &together->edges[i];
		if (!plan->decisions[edge->callee].chosen ||
		    !stays(together, edge->caller))
			continue;
		plan_leave_out(&plan->decisions[edge->callee],
			       "is called by %s", decision_name(plan,
					&plan->decisions[edge->caller]));
		dropped = true;
	}
	return dropped;
}
