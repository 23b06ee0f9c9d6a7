/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What goes with what: needs, conflicts, replaces. */
#include <string.h>

#include "change_plan.h"

/* Does @link name the bundle of this id and name? Names are zero to their field's end. */
static bool names(const struct us_bundle_link *link, const u8 *id,
		  const char name[US_NAME_MAX])
{
	static const u8 any[US_DIGEST_SIZE];

	if (memcmp(link->bundle_id, any, sizeof(any)))
		return !memcmp(link->bundle_id, id, US_DIGEST_SIZE);
	return !memcmp(link->name, name, US_NAME_MAX);
}

static bool names_patch(const struct us_bundle_link *link,
			const struct installed_patch *patch)
{
	return names(link, patch->info.receipt.bundle_id,
		     patch->info.receipt.name);
}

static bool names_bundle(const struct us_bundle_link *link)
{
	return change.puts_in &&
	       names(link, change.input.id, change.bundle.header->name);
}

/* Has one of @links this @kind, and names @patch? */
static bool linked(const struct us_bundle_link *links, u32 count,
		   enum us_link_kind kind, const struct installed_patch *patch)
{
	u32 i;

	for (i = 0; i < count; i++)
		if (links[i].kind == kind && names_patch(&links[i], patch))
			return true;
	return false;
}

static bool bundle_has(enum us_link_kind kind, const struct installed_patch *patch)
{
	return linked(change.bundle.links, change.bundle.header->links, kind,
		      patch);
}

bool change_needs(u32 index)
{
	struct installed_patch patch;

	patches_get(index, &patch);
	return bundle_has(US_LINK_NEEDS, &patch);
}

void change_choose_replaced(void)
{
	bool all = change.bundle.header->flags & US_BUNDLE_CUMULATIVE;
	struct installed_patch patch;
	u32 i = patches_count();

	while (i-- > 0) {
		patches_get(i, &patch);
		if (!patch.text)
			continue;
		if ((all && patch.text == change.target.text) ||
		    bundle_has(US_LINK_REPLACES, &patch))
			change_add_out(i);
	}
}

/* Is there, among what is installed after the change, a patch that @link names? */
static bool found_after(const struct us_bundle_link *link)
{
	struct installed_patch patch;
	u32 i;

	if (names_bundle(link))
		return true;
	for (i = 0; i < patches_count(); i++) {
		patches_get(i, &patch);
		if (patch.text && !change.is_out[i] && names_patch(link, &patch))
			return true;
	}
	return false;
}

static bool names_one_out(const struct us_bundle_link *link)
{
	struct installed_patch patch;
	u32 i;

	for (i = 0; i < change.out_count; i++) {
		patches_get(change.out[i], &patch);
		if (names_patch(link, &patch))
			return true;
	}
	return false;
}

/* Does a patch that stays lose something that it needs? What it lost earlier, with a
 * module that went, is nobody's fault now. */
static bool loses_need(const struct installed_patch *patch)
{
	u32 i;

	for (i = 0; i < patch->link_count; i++)
		if (patch->links[i].kind == US_LINK_NEEDS &&
		    names_one_out(&patch->links[i]) &&
		    !found_after(&patch->links[i]))
			return true;
	return false;
}

/* Is patch @index, which stays, over code of one that goes? */
static bool over_one_out(u32 index)
{
	bool others[US_MAX_PATCHES];
	u32 i;

	memset(others, true, sizeof(others));
	others[index] = false;
	for (i = 0; i < change.out_count; i++)
		if (change.out[i] < index &&
		    patches_newer_over(change.out[i], others))
			return true;
	return false;
}

/* The list of what is out stays sorted, newest first. */
static void insert_out(u32 index)
{
	u32 i = change.out_count;

	while (i && change.out[i - 1] < index) {
		change.out[i] = change.out[i - 1];
		i--;
	}
	change.out[i] = index;
	change.out_count++;
	change.is_out[index] = true;
}

static bool choose_one_dependant(void)
{
	struct installed_patch patch;
	u32 i;

	for (i = 0; i < patches_count(); i++) {
		patches_get(i, &patch);
		if (patch.text && !change.is_out[i] &&
		    (loses_need(&patch) || over_one_out(i))) {
			insert_out(i);
			return true;
		}
	}
	return false;
}

void change_choose_dependants(void)
{
	while (choose_one_dependant())
		;
}

/* Each of what the bundle needs has to be there, and stay. */
static enum us_error check_needs(void)
{
	const struct us_bundle_link *link = change.bundle.links;
	struct installed_patch patch;
	bool found;
	u32 i, k;

	for (k = 0; k < change.bundle.header->links; k++, link++) {
		if (link->kind != US_LINK_NEEDS)
			continue;
		found = false;
		for (i = 0; i < patches_count() && !found; i++) {
			patches_get(i, &patch);
			found = patch.text && !change.is_out[i] &&
				names_patch(link, &patch);
		}
		if (!found)
			return control_fail(US_E_PATCH_NEEDS, 0, 0, link->name);
	}
	return US_OK;
}

/* Who says of the other that they exclude each other does not matter. */
static bool conflicts(const struct installed_patch *patch)
{
	u32 i;

	if (bundle_has(US_LINK_CONFLICTS, patch))
		return true;
	for (i = 0; i < patch->link_count; i++)
		if (patch->links[i].kind == US_LINK_CONFLICTS &&
		    names_bundle(&patch->links[i]))
			return true;
	return false;
}

static enum us_error check_conflicts(void)
{
	struct installed_patch patch;
	u32 i;

	for (i = 0; i < patches_count(); i++) {
		patches_get(i, &patch);
		if (patch.text && !change.is_out[i] && conflicts(&patch))
			return control_fail(US_E_PATCH_CONFLICT,
					    patch.info.receipt.generation, 0,
					    patch.info.receipt.name);
	}
	return US_OK;
}

/* Nothing may go from below what stays, or be missed by it. */
static enum us_error check_out(void)
{
	struct installed_patch patch;
	const char *newer;
	u32 i;

	for (i = 0; i < change.out_count; i++) {
		newer = patches_newer_over(change.out[i], change.is_out);
		if (newer)
			return control_fail(US_E_PATCH_NOT_LAST, 0, 0, newer);
	}
	for (i = 0; i < patches_count(); i++) {
		patches_get(i, &patch);
		if (patch.text && !change.is_out[i] && loses_need(&patch))
			return control_fail(US_E_PATCH_NEEDED,
					    patch.info.receipt.generation, 0,
					    patch.info.receipt.name);
	}
	return US_OK;
}

enum us_error change_check_links(void)
{
	enum us_error error = check_out();

	if (error || !change.puts_in)
		return error;
	error = check_needs();
	return error ? error : check_conflicts();
}
