/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Variables that a bundle changes. Where they are the guest's page tables say; what may
 * be written there is what the guest could write itself: nothing sealed, no code of the
 * arena, nothing hidden.
 */
#include <string.h>

#include "change_plan.h"
#include "modules.h"

#define KERNEL_HALF	(1ull << 63)

static const char *name_of(u32 index)
{
	return change.bundle.strings + change.bundle.writes[index].name;
}

static bool may_write(u64 gpa, u64 len)
{
	return !spans_overlap(gpa, len, arena_gpa(ARENA_CODE),
			      host_info()->arena_len) &&
	       !kernel_overlaps(&control.kernel, gpa, len) &&
	       !modules_overlap(gpa, len);
}

/* What is done to the pieces of a variable, each within one frame. */
typedef enum us_error piece_fn(u64 gpa, u8 *bytes, u64 len);

static enum us_error each_piece(u64 gva, u64 gpa, u8 *bytes, u64 len,
				piece_fn *do_piece)
{
	struct page_mapping mapping = { .gpa = gpa };
	enum us_error error;
	u64 part;

	for (; len; gva += part, bytes += part, len -= part) {
		if (!gpa && guest_translate(&control.kernel.space, gva, &mapping))
			return US_E_GUEST_ADDRESS;
		part = PAGE_SIZE - (gva & ~PAGE_MASK);
		part = len < part ? len : part;
		if (!may_write(mapping.gpa, part))
			return US_E_GUEST_ADDRESS;
		error = do_piece(mapping.gpa, bytes, part);
		if (error)
			return error;
		mapping.gpa += part;	/* of what is given by its place */
	}
	return US_OK;
}

static enum us_error read_piece(u64 gpa, u8 *bytes, u64 len)
{
	return host_read(gpa, bytes, len);
}

static enum us_error list_piece(u64 gpa, u8 *bytes, u64 len)
{
	return change_list(gpa, bytes, len);
}

/* Turn what @write has changed back in the @len bytes at @gva, which it put there. */
static enum us_error undo_write(const struct installed_write *write, u64 gva,
				u8 *bytes, u64 len)
{
	u64 at;
	u32 i;

	for (i = 0; i < write->len; i++) {
		at = write->gva + i - gva;
		if (at >= len)
			continue;
		if (bytes[at] != write->after[i])
			return control_fail(US_E_DATA_EXPECTED, write->gva + i,
					    write->after[i] << 8 | bytes[at],
					    write->name);
		bytes[at] = write->before[i];
	}
	return US_OK;
}

/* What the variable holds once the newest @count of the patches that go are out. */
static enum us_error view(u64 gva, u64 gpa, u8 *bytes, u32 len, u32 count,
			  const char *name)
{
	struct installed_patch patch;
	enum us_error error;
	u32 i, k;

	error = each_piece(gva, gpa, bytes, len, read_piece);
	if (error)
		return control_fail(error, gva, len, name);
	for (i = 0; i < count && !gpa; i++) {
		patches_get(change.out[i], &patch);
		for (k = 0; k < patch.write_count && !error; k++)
			error = undo_write(&patch.writes[k], gva, bytes, len);
	}
	return error;
}

static enum us_error check_out(u32 which)
{
	struct installed_patch patch;
	enum us_error error = US_OK;
	u8 bytes[US_HUNK_MAX];
	u32 i;

	patches_get(change.out[which], &patch);
	for (i = 0; i < patch.write_count && !error; i++)
		error = view(patch.writes[i].gva, 0, bytes, patch.writes[i].len,
			     which + 1, patch.writes[i].name);
	return error;
}

static enum us_error check_in(u32 index)
{
	struct planned_write *planned = &change.writes[index];
	u32 len = change.bundle.writes[index].len, i;
	enum us_error error;

	error = view(planned->gva, planned->gpa, planned->before, len,
		     change.out_count, name_of(index));
	for (i = 0; i < len && !error; i++)
		if (planned->before[i] != planned->expected[i])
			return control_fail(US_E_DATA_EXPECTED, planned->gva + i,
					    planned->expected[i] << 8 |
					    planned->before[i], name_of(index));
	return error;
}

enum us_error change_check_data(bool shadow)
{
	enum us_error error = US_OK;
	u32 i;

	for (i = 0; i < change.out_count && !error; i++)
		error = check_out(i);
	for (i = 0; change.puts_in && i < change.bundle.header->writes && !error;
	     i++)
		if (shadow || !change.writes[i].gpa)
			error = check_in(i);
	return error;
}

/* False when it lies where no variable can be. */
static bool place(const struct us_bundle_write *write,
		  struct planned_write *planned)
{
	u64 shadow = change.shadow_offset + write->offset;

	planned->gpa = 0;
	switch (write->space) {
	case US_SPACE_IMAGE:
		planned->gva = control.kernel.text_gva + write->offset;
		return span_inside(write->offset, write->len,
				   control.kernel.image_len);
	case US_SPACE_BASE:
		planned->gva = change.target.bases[write->base] + write->offset;
		return planned->gva >= KERNEL_HALF &&
		       span_valid(planned->gva, write->len);
	default:	/* US_SPACE_SHADOW, inside the bundle's */
		planned->gva = arena_address(ARENA_SHADOW) + shadow;
		planned->gpa = arena_gpa(ARENA_SHADOW) + shadow;
		return true;
	}
}

static enum us_error overlaps(u32 index, const char *other)
{
	return control_fail(US_E_HUNKS_OVERLAP, change.writes[index].gva,
			    change.bundle.writes[index].len, other);
}

/* As for hunks: a variable that a patch has changed which stays can be changed, as a
 * whole, by a bundle that needs the newest of these. */
static enum us_error check_stack(u32 index)
{
	u64 gva = change.writes[index].gva;
	u32 len = change.bundle.writes[index].len, i = patches_count(), k;
	struct installed_patch patch;
	bool top = true;

	while (i-- > 0) {
		patches_get(i, &patch);
		for (k = 0; patch.text && !change.is_out[i] &&
		     k < patch.write_count; k++) {
			const struct installed_write *write = &patch.writes[k];

			if (!spans_overlap(gva, len, write->gva, write->len))
				continue;
			if (write->gva != gva || write->len != len ||
			    (top && !change_needs(i)))
				return overlaps(index, patch.info.receipt.name);
			top = false;
		}
	}
	return US_OK;
}

/* Each variable is changed once. */
static enum us_error check_place(u32 index)
{
	const struct us_bundle_write *writes = change.bundle.writes;
	u32 i;

	if (!place(&writes[index], &change.writes[index]))
		return control_fail(US_E_GUEST_ADDRESS, change.writes[index].gva,
				    writes[index].len, name_of(index));
	for (i = 0; i < index; i++)
		if (spans_overlap(change.writes[i].gva, writes[i].len,
				  change.writes[index].gva, writes[index].len))
			return overlaps(index, name_of(i));
	return check_stack(index);
}

enum us_error change_place_data(void)
{
	enum us_error error = US_OK;
	u32 i;

	for (i = 0; i < change.bundle.header->writes && !error; i++)
		error = check_place(i);
	return error;
}

static enum us_error list_data(u64 gva, u64 gpa, const u8 *bytes, u32 len,
			       const char *name)
{
	u8 copy[US_HUNK_MAX];
	enum us_error error;

	memcpy(copy, bytes, len);
	error = each_piece(gva, gpa, copy, len, list_piece);
	return error == US_E_GUEST_ADDRESS ? control_fail(error, gva, len, name) :
					     error;
}

enum us_error change_list_data_out(const struct installed_patch *patch)
{
	enum us_error error = US_OK;
	u32 i;

	for (i = 0; i < patch->write_count && !error; i++)
		error = list_data(patch->writes[i].gva, 0, patch->writes[i].before,
				  patch->writes[i].len, patch->writes[i].name);
	return error;
}

enum us_error change_list_data_in(enum us_write_when when)
{
	enum us_error error = US_OK;
	u32 i;

	for (i = 0; i < change.bundle.header->writes && !error; i++)
		if (change.bundle.writes[i].when == when)
			error = list_data(change.writes[i].gva,
					  change.writes[i].gpa,
					  change.writes[i].after,
					  change.bundle.writes[i].len, name_of(i));
	return error;
}
