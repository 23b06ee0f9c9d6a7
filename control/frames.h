/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where sealed bytes lie in guest-physical memory: a list of runs. Offsets count
 * from the start of the thing described (the kernel's image, or a module's text) and
 * ascend; runs do not share a frame. Private to control/.
 */
#ifndef UNDERSEAL_FRAMES_H
#define UNDERSEAL_FRAMES_H

#include "errors.h"
#include "types.h"

struct frame_run {
	u64 offset;		/* page-aligned, as the others */
	u64 gpa;
	u64 len;
	u32 kind;		/* enum us_range_kind */
};

struct frames {
	struct frame_run *runs;
	u32 count;
	u32 room;
};

/* Add the frame @gpa of the page at @offset, the next one. False when there is no
 * room, or the frame is in the list already. */
bool frames_add(struct frames *frames, u64 offset, u64 gpa, u32 kind);

/* Does [gpa, gpa + len) touch any of them? */
bool frames_overlap(const struct frames *frames, u64 gpa, u64 len);

/* Offset of [gpa, gpa + len) when all of it lies in one run of @kind. */
bool frames_offset(const struct frames *frames, u64 gpa, u64 len, u32 kind,
		   u64 *offset);

/* The guest-physical address of @offset and how far it runs on from there; false
 * when it is in no run. */
bool frames_locate(const struct frames *frames, u64 offset, u64 *gpa, u64 *len);

/* Copy [offset, offset + len) from or to guest memory. The write is not atomic over
 * runs: on an error bytes before the failing run are written. GUEST_ADDRESS when
 * some of it is in no run. */
enum us_error frames_read(const struct frames *frames, u64 offset, void *dst,
			  u64 len);
enum us_error frames_write(const struct frames *frames, u64 offset,
			   const void *src, u64 len);

#endif
