/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The change in preparation. There is one at a time: apply.c, revert.c fill it in,
 * change_*.c check it and carry it out. Private to these.
 *
 * What is taken out is taken out newest first, and memory is judged as it will be then:
 * what is put in expects what would be there without the patches that go.
 */
#ifndef UNDERSEAL_CHANGE_PLAN_H
#define UNDERSEAL_CHANGE_PLAN_H

#include "input.h"
#include "patches.h"
#include "stopped.h"
#include "target.h"

#define CHANGE_MAX_RANGES	6144u

/* A variable that the bundle changes. */
struct planned_write {
	u64 gva;
	u64 gpa;		/* in shadow memory, which need not be mapped; else 0 */
	u8 expected[US_HUNK_MAX];
	u8 before[US_HUNK_MAX];	/* what is there once the others are out */
	u8 after[US_HUNK_MAX];
};

struct change_plan {
	const char *verb;	/* "apply", "revert", "withdraw" */
	u64 start;		/* when it began */

	/* Taken out, as indices into the list of patches: newest first. */
	u32 out[US_MAX_PATCHES];
	u32 out_count;
	bool is_out[US_MAX_PATCHES];

	/* Put in. */
	bool puts_in;
	struct us_bundle bundle;
	struct input input;
	struct target target;
	u8 *payload;		/* the bundle's, relocated in place */
	u64 arena_offset;
	u64 shadow_offset;
	struct installed_hunk hunks[US_BUNDLE_MAX_HUNKS];
	struct installed_function functions[US_BUNDLE_MAX_FUNCTIONS];
	struct planned_write writes[US_BUNDLE_MAX_WRITES];

	/* Code that nobody may be in. */
	struct code_range ranges[CHANGE_MAX_RANGES];
	u32 range_count;

	/* All that is written. */
	struct us_commit_write list[US_COMMIT_MAX];
	u32 listed;
};

extern struct change_plan change;

/* Forget the last one. */
void change_begin(const char *verb, u64 start);

/* Take patch @index out, too. Indices come in descending order. */
void change_add_out(u32 index);

/* change_links.c: what goes with what. */

/* Take out all that the bundle replaces. */
void change_choose_replaced(void);

/* Take out all that depends on what is taken out. */
void change_choose_dependants(void);

/* May all of it be installed together that will be? PATCH_CONFLICT, PATCH_NEEDS,
 * PATCH_NEEDED, PATCH_NOT_LAST. */
enum us_error change_check_links(void);

/* Does the bundle need patch @index? */
bool change_needs(u32 index);

/* change_text.c */

/* Places that patches have changed which stay, by patches that the bundle does not need.
 * HUNKS_OVERLAP. */
enum us_error change_check_stacks(void);

/* Is the text what is expected there? Also notes what the hunks will find, which is
 * what taking the patch out puts back. EXPECTED_BYTES. */
enum us_error change_check_text(void);

/* Add to the list what brings the text back, and what changes it. */
enum us_error change_list_text_out(const struct installed_patch *patch);
enum us_error change_list_text_in(void);

/* change_data.c: the same for variables. */

/* Where they are, by the addresses that have been chosen. GUEST_ADDRESS when one may
 * not be written, HUNKS_OVERLAP. */
enum us_error change_place_data(void);

/* @shadow: shadow memory has been cleared, and counts. DATA_EXPECTED, GUEST_ADDRESS. */
enum us_error change_check_data(bool shadow);

enum us_error change_list_data_out(const struct installed_patch *patch);
enum us_error change_list_data_in(enum us_write_when when);

/* change.c */

/* Add @len bytes at @gpa, within one frame, to the list. TOO_MANY_PATCHES. */
enum us_error change_list(u64 gpa, const void *bytes, u64 len);

/* Could the change be made, as things are? To be asked with the plan complete. */
enum us_error change_check(bool staged);

/* Do it, trying for the time that @arg of the request says, or once. Fills control_response
 * with the receipt of what was put in, or else of what was taken out last. */
enum us_error change_run(u64 arg);
enum us_error change_run_once(struct us_receipt *receipts);

/* Clear what a patch had in the arena and in shadow memory. */
void change_wipe(const struct us_receipt *receipt);

#endif
