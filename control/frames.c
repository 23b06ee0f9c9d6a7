/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "frames.h"
#include "host.h"

bool frames_add(struct frames *frames, u64 offset, u64 gpa, u32 kind)
{
	struct frame_run *last;

	if (frames_overlap(frames, gpa, PAGE_SIZE))
		return false;
	if (frames->count) {
		last = &frames->runs[frames->count - 1];
		if (last->kind == kind && last->offset + last->len == offset &&
		    last->gpa + last->len == gpa) {
			last->len += PAGE_SIZE;
			return true;
		}
	}
	if (frames->count == frames->room)
		return false;
	frames->runs[frames->count++] =
		(struct frame_run) { offset, gpa, PAGE_SIZE, kind };
	return true;
}

bool frames_overlap(const struct frames *frames, u64 gpa, u64 len)
{
	u32 i;

	for (i = 0; i < frames->count; i++)
		if (spans_overlap(gpa, len, frames->runs[i].gpa,
				  frames->runs[i].len))
			return true;
	return false;
}

bool frames_offset(const struct frames *frames, u64 gpa, u64 len, u32 kind,
		   u64 *offset)
{
	u32 i;

	for (i = 0; i < frames->count; i++) {
		const struct frame_run *run = &frames->runs[i];

		if (run->kind == kind && gpa >= run->gpa &&
		    span_inside(gpa - run->gpa, len, run->len)) {
			*offset = run->offset + (gpa - run->gpa);
			return true;
		}
	}
	return false;
}

bool frames_locate(const struct frames *frames, u64 offset, u64 *gpa, u64 *len)
{
	u32 low = 0, high = frames->count, middle;
	const struct frame_run *run;

	while (low < high) {
		middle = low + (high - low) / 2;
		run = &frames->runs[middle];
		if (run->offset + run->len > offset)
			high = middle;
		else
			low = middle + 1;
	}
	run = &frames->runs[low];
	if (low == frames->count || offset < run->offset)
		return false;
	*gpa = run->gpa + (offset - run->offset);
	*len = run->len - (offset - run->offset);
	return true;
}

enum us_error frames_read(const struct frames *frames, u64 offset, void *dst,
			  u64 len)
{
	enum us_error error;
	u64 gpa, part;
	u8 *at = dst;

	for (; len; offset += part, at += part, len -= part) {
		if (!frames_locate(frames, offset, &gpa, &part))
			return US_E_GUEST_ADDRESS;
		part = len < part ? len : part;
		error = host_read(gpa, at, part);
		if (error)
			return error;
	}
	return US_OK;
}

enum us_error frames_write(const struct frames *frames, u64 offset,
			   const void *src, u64 len)
{
	enum us_error error;
	const u8 *at = src;
	u64 gpa, part;

	for (; len; offset += part, at += part, len -= part) {
		if (!frames_locate(frames, offset, &gpa, &part))
			return US_E_GUEST_ADDRESS;
		part = len < part ? len : part;
		error = host_write(gpa, at, part);
		if (error)
			return error;
	}
	return US_OK;
}
