/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log. What the guest can cause at will is kept apart, so that it pushes out
 * nothing but its own kind: the first warnings of it stay for good, later lines
 * overwrite each other, and so do all other lines among themselves. Sequence
 * numbers run through all of them, and a gap shows what was lost.
 */
#include <stdarg.h>
#include <string.h>

#include "hv.h"
#include "lock.h"
#include "print.h"

#define OWN_LINES	256
#define GUEST_FIRST	64
#define GUEST_LINES	192

struct ring {
	struct us_log_entry *entry;
	u32 size;
	u64 written;
};

static struct us_log_entry own_lines[OWN_LINES], guest_first[GUEST_FIRST],
	guest_lines[GUEST_LINES];

static struct ring own = { own_lines, OWN_LINES, 0 };
static struct ring first_of_guest = { guest_first, GUEST_FIRST, 0 };
static struct ring rest_of_guest = { guest_lines, GUEST_LINES, 0 };
static struct ring *const rings[] = { &own, &first_of_guest, &rest_of_guest };

static u64 last_sequence;
static struct lock ring_lock;

static void append(struct us_log_entry *entry, bool from_guest)
{
	struct ring *ring = &own;

	lock_take(&ring_lock);
	if (from_guest)
		ring = entry->level == US_LOG_WARNING &&
			first_of_guest.written < GUEST_FIRST ? &first_of_guest :
			&rest_of_guest;
	entry->time_ns = time_ns();
	entry->sequence = ++last_sequence;
	ring->entry[ring->written++ % ring->size] = *entry;
	lock_drop(&ring_lock);
}

void log_write(enum us_log_level level, u32 vcpu, const char *format, ...)
{
	struct us_log_entry entry = { .level = level, .vcpu = vcpu };
	va_list args;

	va_start(args, format);
	format_text_va(entry.text, sizeof(entry.text), format, args);
	va_end(args);
	append(&entry, false);
}

void log_guest(u32 vcpu, const char *format, ...)
{
	struct us_log_entry entry = { .level = US_LOG_WARNING, .vcpu = vcpu };
	va_list args;

	va_start(args, format);
	format_text_va(entry.text, sizeof(entry.text), format, args);
	va_end(args);
	append(&entry, true);
}

void log_guest_info(u32 vcpu, const char *format, ...)
{
	struct us_log_entry entry = { .level = US_LOG_INFO, .vcpu = vcpu };
	va_list args;

	va_start(args, format);
	format_text_va(entry.text, sizeof(entry.text), format, args);
	va_end(args);
	append(&entry, true);
}

/* The oldest entry of @ring from sequence number @first on, or NULL. */
static const struct us_log_entry *oldest(const struct ring *ring, u64 first)
{
	u64 at = ring->written > ring->size ? ring->written - ring->size : 0;

	for (; at < ring->written; at++)
		if (ring->entry[at % ring->size].sequence >= first)
			return &ring->entry[at % ring->size];
	return NULL;
}

u32 log_read(u64 first, struct us_log_entry *out, u32 max)
{
	u32 count = 0;

	lock_take(&ring_lock);
	while (count < max) {
		const struct us_log_entry *next = NULL;

		for (u32 i = 0; i < ARRAY_SIZE(rings); i++) {
			const struct us_log_entry *entry = oldest(rings[i],
								  first);

			if (entry && (!next || entry->sequence < next->sequence))
				next = entry;
		}
		if (!next)
			break;
		out[count++] = *next;
		first = next->sequence + 1;
	}
	lock_drop(&ring_lock);
	return count;
}
