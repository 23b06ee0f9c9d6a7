/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "site_rule.h"

#define INT3		0xcc
#define CALL		0xe8
#define JMP		0xe9
#define JMP_SHORT	0xeb
#define JCC		0x0f	/* and 8x */

/* What may stand at sites of a kind: fixed bytes, or a branch. */
struct rule {
	u8 row;			/* enum us_policy_row */
	u8 branch;		/* first byte, 0: none */
	bool thunk;		/* it may lead to a return thunk */
	bool outside;		/* and out of the image, if the policy says so */
	u8 fixed_count;
	u8 fixed[2][5];
};

#define NOP5	{ 0x0f, 0x1f, 0x44, 0x00, 0x00 }

static const struct rule rules[] = {
	[US_RUN_LOCK] = {
		.row = US_POLICY_SMP_LOCK,
		.fixed_count = 2,
		.fixed = { { 0xf0 }, { 0x3e } },
	},
	[US_RUN_JUMP] = {
		.row = US_POLICY_JUMP_LABEL,
		.branch = JMP,
		.fixed_count = 1,
		.fixed = { NOP5 },
	},
	[US_RUN_FTRACE] = {
		.row = US_POLICY_FTRACE,
		.branch = CALL,
		.outside = true,
		.fixed_count = 1,
		.fixed = { NOP5 },
	},
	[US_RUN_CALL] = {
		.row = US_POLICY_STATIC_CALL,
		.branch = CALL,
		.outside = true,
		.fixed_count = 2,
		/* Of a call that returns 0: CS CS CS XOR EAX, EAX. */
		.fixed = { NOP5, { 0x2e, 0x2e, 0x2e, 0x31, 0xc0 } },
	},
	[US_RUN_TAIL] = {
		.row = US_POLICY_STATIC_CALL,
		.branch = JMP,
		.thunk = true,
		.outside = true,
		.fixed_count = 1,
		.fixed = { { 0xc3, INT3, INT3, INT3, INT3 } },
	},
	[US_RUN_JCC] = {
		.row = US_POLICY_STATIC_CALL,
		.branch = JCC,
		.thunk = true,
		.outside = true,
	},
	[US_RUN_TRACER] = {
		.row = US_POLICY_FTRACE,
		.branch = CALL,
		.outside = true,
		.fixed_count = 1,
		.fixed = { NOP5 },
	},
	[US_RUN_GRAPH] = {
		.row = US_POLICY_FTRACE,
		.branch = JMP,
		.fixed_count = 1,
		.fixed = { NOP5 },
	},
};

/* A jump label of 2 bytes. */
static const struct rule short_jump = {
	.row = US_POLICY_JUMP_LABEL,
	.branch = JMP_SHORT,
	.fixed_count = 1,
	.fixed = { { 0x66, 0x90 } },
};

/* The baseline's parser lets no other kinds in. */
static const struct rule *rule_of(const struct us_runtime_site *site)
{
	if (us_runtime_kind(site) == US_RUN_JUMP && us_runtime_len(site) == 2)
		return &short_jump;
	return &rules[us_runtime_kind(site)];
}

enum us_policy_row site_rule_row(const struct us_runtime_site *site)
{
	return rule_of(site)->row;
}

bool site_rule_in_module_area(u64 gva)
{
	return gva >= MODULE_AREA && gva < MODULE_AREA_END;
}

static u64 end_gva(const struct text_map *map, const struct us_runtime_site *site)
{
	return map->gva + site->offset + us_runtime_len(site);
}

static u64 target_gva(const struct text_map *map,
		      const struct us_runtime_site *site)
{
	return map->gva + site->target;
}

static bool may_leave(const struct text_map *map, const struct rule *rule)
{
	return rule->outside &&
	       map->kernel->policy[US_POLICY_TRAMPOLINE] != US_DENY;
}

/* May a branch at @site lead to @gva? */
static enum site_verdict may_lead_to(const struct text_map *map,
				     const struct us_runtime_site *site, u64 gva)
{
	const struct rule *rule = rule_of(site);
	const struct kernel *kernel = map->kernel;
	u64 offset = gva - kernel->text_gva;

	if (site->target != US_NO_TARGET && gva == target_gva(map, site))
		return SITE_LISTED;
	if (offset < kernel->image_len) {
		if (site->class && text_map_is_entry(map, site->class, offset))
			return SITE_LISTED;
		if (rule->thunk && text_map_is_entry(map, US_CLASS_THUNK, offset))
			return SITE_LISTED;
		return SITE_REFUSED;
	}
	return may_leave(map, rule) && site_rule_in_module_area(gva) ?
		SITE_OUTSIDE : SITE_REFUSED;
}

/* Where the branch in @bytes leads; its distance ends the site. */
static u64 branch_target(const struct text_map *map,
			 const struct us_runtime_site *site, const u8 *bytes)
{
	u32 len = us_runtime_len(site);
	s32 distance;

	if (len == 2)
		return end_gva(map, site) + (u64)(int8_t)bytes[1];
	memcpy(&distance, bytes + len - 4, sizeof(distance));
	return end_gva(map, site) + (u64)distance;
}

enum site_verdict site_rule_steady(const struct text_map *map,
				   const struct us_runtime_site *site,
				   const u8 *bytes)
{
	const struct rule *rule = rule_of(site);
	u32 len = us_runtime_len(site), i;

	for (i = 0; i < rule->fixed_count; i++)
		if (!memcmp(bytes, rule->fixed[i], len))
			return SITE_LISTED;
	if (!rule->branch || bytes[0] != rule->branch ||
	    (rule->branch == JCC && bytes[1] != site->jcc))
		return SITE_REFUSED;
	return may_lead_to(map, site, branch_target(map, site, bytes));
}

/* Is @bytes behind its INT3 the rest of a steady value? */
static enum site_verdict rest_ok(const struct text_map *map,
				 const struct us_runtime_site *site,
				 const u8 *bytes)
{
	const struct rule *rule = rule_of(site);
	u32 len = us_runtime_len(site), i;
	u8 whole[SITE_MAX];

	for (i = 0; i < rule->fixed_count; i++)
		if (!memcmp(bytes + 1, rule->fixed[i] + 1, len - 1))
			return SITE_LISTED;
	memcpy(whole, bytes, len);
	whole[0] = rule->branch;
	return rule->branch ? site_rule_steady(map, site, whole) : SITE_REFUSED;
}

/* Where the site is torn: on two pages, or stored as two words. */
static bool may_tear(const struct text_map *map,
		     const struct us_runtime_site *site)
{
	u64 last = end_gva(map, site) - 1;

	return us_runtime_len(site) == 6 ||
	       ALIGN_DOWN(last, PAGE_SIZE) !=
	       ALIGN_DOWN(map->gva + site->offset, PAGE_SIZE);
}

/* Has a branch to @gva these bytes in [at, at + len)? */
static bool piece_of_branch(const struct text_map *map,
			    const struct us_runtime_site *site, u64 gva,
			    const u8 *bytes, u32 at, u32 len)
{
	s32 distance = (s32)(gva - end_gva(map, site));
	u8 value[SITE_MAX] = { rule_of(site)->branch, site->jcc };

	memcpy(value + us_runtime_len(site) - 4, &distance, sizeof(distance));
	return !memcmp(bytes + at, value + at, len);
}

static bool piece_of_class(const struct text_map *map,
			   const struct us_runtime_site *site, u16 class,
			   const u8 *bytes, u32 at, u32 len)
{
	u32 i, end;

	text_map_class(map, class, &i, &end);
	for (; i < end; i++)
		if (piece_of_branch(map, site, map->kernel->text_gva +
				    map->entries[i].offset, bytes, at, len))
			return true;
	return false;
}

/* Has any steady value these bytes in [at, at + len)? Rare, so it may be slow. */
static enum site_verdict piece_ok(const struct text_map *map,
				  const struct us_runtime_site *site,
				  const u8 *bytes, u32 at, u32 len)
{
	const struct rule *rule = rule_of(site);
	u32 i;

	for (i = 0; i < rule->fixed_count; i++)
		if (!memcmp(bytes + at, rule->fixed[i] + at, len))
			return SITE_LISTED;
	if (site->target != US_NO_TARGET &&
	    piece_of_branch(map, site, target_gva(map, site), bytes, at, len))
		return SITE_LISTED;
	if (site->class && piece_of_class(map, site, site->class, bytes, at, len))
		return SITE_LISTED;
	if (rule->thunk &&
	    piece_of_class(map, site, US_CLASS_THUNK, bytes, at, len))
		return SITE_LISTED;
	/* Half a distance says little about where it leads. */
	if (may_leave(map, rule) &&
	    (rule->branch != JCC || at > 1 || bytes[1] == site->jcc))
		return SITE_OUTSIDE;
	return SITE_REFUSED;
}

enum site_verdict site_rule_step(const struct text_map *map,
				 const struct us_runtime_site *site,
				 const u8 *before, const u8 *after,
				 u32 at, u32 len)
{
	u32 size = us_runtime_len(site);
	bool same_rest = !memcmp(before + 1, after + 1, size - 1);
	enum site_verdict verdict;

	if (after[0] == INT3 && size > 1) {
		if (before[0] != INT3)
			return same_rest ? site_rule_steady(map, site, before) :
					   SITE_REFUSED;
		verdict = rest_ok(map, site, after);
		if (verdict == SITE_REFUSED && at && len < size - 1 &&
		    may_tear(map, site))
			verdict = piece_ok(map, site, after, at, len);
		return verdict;
	}
	/* A place that the boot has patched otherwise is not for the kernel any
	 * more. */
	if (before[0] == INT3 && size > 1 ? !same_rest :
	    site_rule_steady(map, site, before) == SITE_REFUSED)
		return SITE_REFUSED;
	return site_rule_steady(map, site, after);
}
