/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control/host.h on the simulated machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define MAX_COPY	(1ull << 20)
#define MAX_DIRTY	2048u

/* Pages that the core wrote since the snapshot, as they were before. */
static struct {
	u32 count;
	u64 gpa[MAX_DIRTY];
	u8 before[MAX_DIRTY][PAGE_SIZE];
	bool known[SIM_PAGES];
	u8 prot[SIM_PAGES];
} snapshot;

void sim_snapshot(void)
{
	snapshot.count = 0;
	memset(snapshot.known, 0, sizeof(snapshot.known));
	memcpy(snapshot.prot, sim.prot, sizeof(snapshot.prot));
}

bool sim_unchanged(void)
{
	u32 i;

	for (i = 0; i < snapshot.count; i++)
		if (memcmp(sim.memory + snapshot.gpa[i], snapshot.before[i],
			   PAGE_SIZE))
			return false;
	return !memcmp(snapshot.prot, sim.prot, sizeof(snapshot.prot));
}

static void remember(u64 gpa, u64 len)
{
	u64 page = ALIGN_DOWN(gpa, PAGE_SIZE);

	for (; page < gpa + len; page += PAGE_SIZE) {
		if (snapshot.known[page / PAGE_SIZE])
			continue;
		if (snapshot.count == MAX_DIRTY) {
			sim.violations++;
			return;
		}
		snapshot.known[page / PAGE_SIZE] = true;
		snapshot.gpa[snapshot.count] = page;
		memcpy(snapshot.before[snapshot.count++], sim.memory + page,
		       PAGE_SIZE);
	}
}

/* The part of [gpa, gpa + len) in the page of @gpa. */
static u64 part_in_page(u64 gpa, u64 len)
{
	u64 room = PAGE_SIZE - gpa % PAGE_SIZE;

	return len < room ? len : room;
}

void sim_poke(u64 gpa, const void *bytes, u64 len)
{
	const u8 *at = bytes;
	u64 part;
	u32 i;

	for (; len; gpa += part, at += part, len -= part) {
		part = part_in_page(gpa, len);
		memcpy(sim.memory + gpa, at, part);
		for (i = 0; i < snapshot.count; i++)
			if (snapshot.gpa[i] == ALIGN_DOWN(gpa, PAGE_SIZE))
				memcpy(snapshot.before[i] + gpa % PAGE_SIZE, at,
				       part);
	}
}

void sim_poke64(u64 gpa, u64 value)
{
	sim_poke(gpa, &value, sizeof(value));
}

/* Bytes on either side of a write that the core is shown. */
#define AROUND		16u

enum us_error sim_guest_write(u64 gpa, const void *bytes, u32 len)
{
	u64 page = ALIGN_DOWN(gpa, PAGE_SIZE), inside = gpa - page;
	u64 before = inside < AROUND ? inside : AROUND;
	u64 end = inside + len + AROUND;
	struct text_write write = {
		.gpa = gpa, .gva = 0x1234, .rip = 0xffffffff9d001234, .vcpu = 1,
		.len = len, .bytes = bytes,
		.around_before = (u32)before,
	};
	enum us_error error;
	u8 around[PAGE_SIZE];

	if (!span_inside(gpa, len, SIM_END))
		return US_E_GUEST_ADDRESS;
	write.around_len = (u32)((end < PAGE_SIZE ? end : PAGE_SIZE) -
				 (inside - before));
	memcpy(around, sim.memory + gpa - before, write.around_len);
	write.around = around;
	error = control_text_write(&write);
	if (!error && gpa + len > SIM_HIDDEN)
		return US_E_GUEST_ADDRESS;
	if (!error)
		sim_poke(gpa, bytes, len);
	return error;
}

/* True at the n-th call. */
static bool breaks(u32 *countdown)
{
	return *countdown && !--*countdown;
}

/* An instant at which the core may die. */
static void instant(void)
{
	if (breaks(&sim.die_at))
		sim.on_break(US_FAULT_CRASH);
}

static bool ordinary(u64 gpa, u64 len)
{
	if (len > MAX_COPY)
		sim.violations++;
	return len <= MAX_COPY && span_inside(gpa, len, SIM_HIDDEN);
}

const struct host_info *host_info(void)
{
	return &sim.info;
}

enum us_error host_read(u64 gpa, void *dst, u64 len)
{
	sim.reads++;
	if (sim.on_read)
		sim.on_read(gpa, len);
	if (!ordinary(gpa, len))
		return US_E_GUEST_ADDRESS;
	memcpy(dst, sim.memory + gpa, len);
	return US_OK;
}

enum us_error host_write(u64 gpa, const void *src, u64 len)
{
	instant();
	if (breaks(&sim.fail_write))
		return US_E_GUEST_ADDRESS;
	if (!ordinary(gpa, len))
		return US_E_GUEST_ADDRESS;
	remember(gpa, len);
	memcpy(sim.memory + gpa, src, len);
	return US_OK;
}

static bool commit_sound(const struct us_commit_write *write)
{
	bool sound = write->len && write->len <= sizeof(write->bytes) &&
		     !write->reserved &&
		     write->gpa % PAGE_SIZE + write->len <= PAGE_SIZE;

	if (!sound)
		sim.violations++;
	return sound;
}

enum us_error host_commit(const struct us_commit_write *writes, u32 count,
			  const char *label)
{
	u32 i;

	if (!sim.stopped || !count || count > US_COMMIT_MAX)
		sim.violations++;
	if (!sim.stopped || breaks(&sim.fail_commit))
		return sim.stopped ? US_E_GUEST_ADDRESS : US_E_STOP_FAILED;
	for (i = 0; i < count; i++) {
		if (!commit_sound(&writes[i]))
			return US_E_BAD_REQUEST;
		if (!ordinary(writes[i].gpa, writes[i].len))
			return US_E_GUEST_ADDRESS;
	}
	instant();
	if (sim.on_commit)
		sim.on_commit(false);
	for (i = 0; i < count; i++) {
		remember(writes[i].gpa, writes[i].len);
		memcpy(sim.memory + writes[i].gpa, writes[i].bytes,
		       writes[i].len);
	}
	sim.commits++;
	snprintf(sim.last_change, sizeof(sim.last_change), "%s", label);
	if (sim.on_commit)
		sim.on_commit(true);
	instant();
	return US_OK;
}

enum us_error host_protect(u64 gpa, u64 len, enum us_prot prot)
{
	instant();
	if (sim.on_protect)
		sim.on_protect();
	if (breaks(&sim.fail_protect))
		return sim.protect_error;
	if (!IS_ALIGNED(gpa | len, PAGE_SIZE))
		sim.violations++;
	if (!ordinary(gpa, len))
		return US_E_GUEST_ADDRESS;
	memset(sim.prot + gpa / PAGE_SIZE, prot, len / PAGE_SIZE);
	return US_OK;
}

enum us_error host_stop(void)
{
	return host_stop_within(0);
}

enum us_error host_stop_within(u64 ns)
{
	(void)ns;
	instant();
	if (sim.stopped)
		sim.violations++;
	sim.stops++;
	sim.stopped_since = sim.now;
	sim.now += 1000;
	if (sim.on_stop)
		sim.on_stop();
	if (breaks(&sim.fail_stop))
		return US_E_STOP_FAILED;
	sim.stopped = true;
	return US_OK;
}

u64 host_release(void)
{
	instant();
	if (!sim.stopped)
		sim.violations++;
	if (sim.on_release)
		sim.on_release();
	sim.stopped = false;
	return sim.now - sim.stopped_since;
}

enum us_error host_vcpu(u32 index, struct us_vcpu_state *state)
{
	if (!sim.stopped || index >= sim.info.vcpus)
		return US_E_BAD_REQUEST;
	*state = sim.vcpus[index];
	return US_OK;
}

enum us_error host_pin(void)
{
	u32 i;

	if (!sim.stopped)
		return US_E_STOP_FAILED;
	if (sim.pin_error)
		return sim.pin_error;
	sim.pinned = true;
	for (i = 0; i < sim.info.vcpus; i++)
		sim.vcpus[i].pinned = sim.vcpus[i].started;
	return US_OK;
}

enum us_error host_guard_execution(void)
{
	if (!sim.stopped)
		return US_E_STOP_FAILED;
	sim.execution_guarded = !sim.guard_error;
	return sim.guard_error;
}

void host_halt(const char *text)
{
	host_log(US_LOG_ERROR, text);
	sim.halted = true;
}

void host_log(enum us_log_level level, const char *text)
{
	size_t used = strlen(sim.all_logs);

	if (level > US_LOG_ALERT)
		sim.violations++;
	sim.alerts += level == US_LOG_ALERT;
	sim.logs++;
	snprintf(sim.last_log, sizeof(sim.last_log), "%s", text);
	snprintf(sim.all_logs + used, sizeof(sim.all_logs) - used, "%s\n", text);
}

u32 host_log_read(u64 first, struct us_log_entry *out, u32 max)
{
	u32 count = 0;

	first = first ? first : 1;
	for (; count < max && first + count <= sim.logs; count++) {
		memset(&out[count], 0, sizeof(out[count]));
		out[count].sequence = first + count;
	}
	return count;
}

void host_counters(struct us_counters *out)
{
	out->time_ns = sim.now;
	out->stops = sim.stops;
}

u64 host_time_ns(void)
{
	return sim.now += 100;
}

#ifdef UNDERSEAL_FAULTS
void host_break(enum us_fault how)
{
	if (!sim.on_break)
		abort();
	sim.on_break(how);
}
#endif

void host_backoff(u32 ms)
{
	if (sim.stopped || !ms)
		sim.violations++;
	sim.backoffs++;
	sim.now += ms * 1000000ull;
	if (sim.on_backoff)
		sim.on_backoff();
}
