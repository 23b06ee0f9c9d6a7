/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text as it is, as it will be without the patches that go, and as it was linked. */
#include <string.h>

#include "change_plan.h"
#include "probes.h"

/* The first hunk of @patch that ends after @offset. */
static u32 first_hunk(const struct installed_patch *patch, u64 offset)
{
	u32 low = 0, high = patch->hunk_count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if ((u64)patch->hunks[middle].text_offset +
		    patch->hunks[middle].len > offset)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* Turn what @hunk has changed back in @window. What it has put there must be there. */
static enum us_error undo_hunk(const struct text_map *text,
			       const struct installed_hunk *hunk,
			       struct text_window *window)
{
	u64 at = hunk->text_offset, end = at + hunk->len;
	u8 *byte;

	for (; at < end; at++) {
		if (at < window->start || at >= window->end)
			continue;
		byte = &window->bytes[at - window->start];
		if (*byte != hunk->after[at - hunk->text_offset])
			return control_fail(US_E_EXPECTED_BYTES, text->gva + at,
				hunk->after[at - hunk->text_offset] << 8 | *byte,
				NULL);
		*byte = hunk->before[at - hunk->text_offset];
	}
	return US_OK;
}

static enum us_error undo_patch(const struct text_map *text, u32 index,
				struct text_window *window)
{
	struct installed_patch patch;
	enum us_error error = US_OK;
	u32 i;

	patches_get(index, &patch);
	if (patch.text != text)
		return US_OK;
	for (i = first_hunk(&patch, window->start); i < patch.hunk_count &&
	     patch.hunks[i].text_offset < window->end && !error; i++)
		error = undo_hunk(text, &patch.hunks[i], window);
	return error;
}

/* Undo the newest @count of the patches that go. */
static enum us_error undo_out(const struct text_map *text, u32 count,
			      struct text_window *window)
{
	enum us_error error = US_OK;
	u32 i;

	for (i = 0; i < count && !error; i++)
		error = undo_patch(text, change.out[i], window);
	return error;
}

/* Undo, after those, the patches that stay: back to what was linked and loaded. */
static enum us_error undo_others(const struct text_map *text,
				 struct text_window *window)
{
	enum us_error error = US_OK;
	u32 i = patches_count();

	while (i-- > 0 && !error)
		if (!change.is_out[i])
			error = undo_patch(text, i, window);
	return error;
}

/* The hunk of @patch, if any, that shares a byte with @hunk. */
static const struct installed_hunk *hunk_below(const struct installed_patch *patch,
					       const struct us_bundle_hunk *hunk)
{
	u32 i = first_hunk(patch, hunk->text_offset);

	if (i < patch->hunk_count &&
	    patch->hunks[i].text_offset < hunk->text_offset + hunk->len)
		return &patch->hunks[i];
	return NULL;
}

/* On a place that was changed already a hunk takes exactly that place, and belongs to
 * a bundle that needs the one which it covers. */
static enum us_error check_stack(const struct us_bundle_hunk *hunk)
{
	const struct installed_hunk *below;
	struct installed_patch patch;
	u32 i = patches_count();
	bool top = true;

	while (i-- > 0) {
		patches_get(i, &patch);
		if (change.is_out[i] || patch.text != change.target.text)
			continue;
		below = hunk_below(&patch, hunk);
		if (!below)
			continue;
		if (below->text_offset != hunk->text_offset ||
		    below->len != hunk->len || (top && !change_needs(i)))
			return control_fail(US_E_HUNKS_OVERLAP,
				change.target.text->gva + hunk->text_offset,
				hunk->len, patch.info.receipt.name);
		top = false;
	}
	return US_OK;
}

enum us_error change_check_stacks(void)
{
	enum us_error error = US_OK;
	u32 i;

	for (i = 0; i < change.bundle.header->hunks && !error; i++)
		error = check_stack(&change.bundle.hunks[i]);
	return error;
}

static enum us_error look(const struct text_map *text, u64 offset, u64 len,
			  struct text_window *window)
{
	enum us_error error = text_map_look(text, offset, len, window);

	return error ? control_fail(error, text->gva + offset, len, NULL) : US_OK;
}

/* What patch @change.out[@which] has changed must be as it left it. */
static enum us_error check_out(u32 which)
{
	struct installed_patch patch;
	struct text_window window;
	enum us_error error;
	u32 i;

	patches_get(change.out[which], &patch);
	/* A look at the mapping can find that its module is gone, and it with that:
	 * then nothing is written there. */
	if (!patch.text)
		return control_fail(US_E_PATCH_NOT_FOUND,
				    patch.info.receipt.generation, 0,
				    patch.info.receipt.module);
	for (i = 0; i < patch.hunk_count; i++) {
		error = look(patch.text, patch.hunks[i].text_offset,
			     patch.hunks[i].len, &window);
		if (!error)
			error = undo_out(patch.text, which + 1, &window);
		if (error)
			return error;
	}
	return US_OK;
}

static enum us_error check_in(u32 index)
{
	const struct us_bundle_hunk *hunk = &change.bundle.hunks[index];
	const struct text_map *text = change.target.text;
	u64 gva = text->gva + hunk->text_offset;
	struct text_window window;
	u8 linked[US_HUNK_MAX];
	enum us_error error;
	u32 k;

	/* The kernel would put back over the hunk what was there. */
	if (probes_touch(gva, hunk->len))
		return control_fail(US_E_EXPECTED_BYTES, gva, hunk->len, "kprobe");
	error = look(text, hunk->text_offset, hunk->len, &window);
	if (!error)
		error = undo_out(text, change.out_count, &window);
	if (error)
		return error;
	memcpy(change.hunks[index].before,
	       window.bytes + (window.offset - window.start), hunk->len);
	error = undo_others(text, &window);
	if (error)
		return error;
	text_map_linked(text, &window, linked);
	for (k = 0; k < hunk->len; k++)
		if (linked[k] != hunk->expected[k])
			return control_fail(US_E_EXPECTED_BYTES, gva + k,
					    hunk->expected[k] << 8 | linked[k],
					    NULL);
	return US_OK;
}

enum us_error change_check_text(void)
{
	enum us_error error = US_OK;
	u32 i;

	for (i = 0; i < change.out_count && !error; i++)
		error = check_out(i);
	if (error || !change.puts_in)
		return error;
	error = target_check(&change.bundle, &change.target);
	for (i = 0; i < change.bundle.header->hunks && !error; i++)
		error = check_in(i);
	return error;
}

/* In pieces, each within one frame. */
static enum us_error list_text(const struct text_map *text, u64 offset,
			       const u8 *bytes, u64 len)
{
	enum us_error error;
	u64 gpa, part;

	for (; len; offset += part, bytes += part, len -= part) {
		if (!frames_locate(text->frames, offset, &gpa, &part))
			return control_fail(US_E_GUEST_ADDRESS, text->gva + offset,
					    len, NULL);
		part = PAGE_SIZE - (gpa & ~PAGE_MASK);
		part = len < part ? len : part;
		error = change_list(gpa, bytes, part);
		if (error)
			return error;
	}
	return US_OK;
}

enum us_error change_list_text_out(const struct installed_patch *patch)
{
	enum us_error error = US_OK;
	u32 i;

	for (i = 0; i < patch->hunk_count && !error; i++)
		error = list_text(patch->text, patch->hunks[i].text_offset,
				  patch->hunks[i].before, patch->hunks[i].len);
	return error;
}

enum us_error change_list_text_in(void)
{
	enum us_error error = US_OK;
	u32 i;

	for (i = 0; i < change.bundle.header->hunks && !error; i++)
		error = list_text(change.target.text,
				  change.hunks[i].text_offset,
				  change.hunks[i].after, change.hunks[i].len);
	return error;
}
