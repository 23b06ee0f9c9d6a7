/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log ring: the last LOG_ENTRIES messages, oldest overwritten first. */
#include <stdarg.h>
#include <string.h>

#include "hv.h"
#include "lock.h"
#include "print.h"

#define LOG_ENTRIES 512

static struct us_log_entry ring[LOG_ENTRIES];
static u64 last_sequence;
static struct lock ring_lock;

void log_write(enum us_log_level level, u32 vcpu, const char *format, ...)
{
	struct us_log_entry entry = { .level = level, .vcpu = vcpu };
	va_list args;

	va_start(args, format);
	format_text_va(entry.text, sizeof(entry.text), format, args);
	va_end(args);
	lock_take(&ring_lock);
	entry.time_ns = time_ns();
	entry.sequence = ++last_sequence;
	ring[entry.sequence % LOG_ENTRIES] = entry;
	lock_drop(&ring_lock);
}

u32 log_read(u64 first, struct us_log_entry *out, u32 max)
{
	u32 count = 0;
	u64 oldest;

	lock_take(&ring_lock);
	oldest = last_sequence > LOG_ENTRIES ? last_sequence - LOG_ENTRIES + 1 : 1;
	if (first < oldest)
		first = oldest;
	for (; first <= last_sequence && count < max; first++)
		out[count++] = ring[first % LOG_ENTRIES];
	lock_drop(&ring_lock);
	return count;
}
