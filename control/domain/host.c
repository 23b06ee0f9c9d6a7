/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control/host.h by the hypervisor's verbs, and the domain's main loop. The
 * mailbox is written by the hypervisor alone, and only inside HV_WAIT.
 */
#include <string.h>

#include "core.h"
#include "domain.h"

#define NS_PER_MS	1000000ull
#define MAX_COPY	(1ull << 20)

static struct us_mailbox *mailbox;
static struct host_info info;

static u64 call(enum us_verb verb, u64 a, u64 b, u64 c)
{
	u64 result = verb;

	if (mailbox->vmcall)
		__asm__ volatile("vmcall" : "+a"(result)
				 : "D"(a), "S"(b), "d"(c) : "memory");
	else
		__asm__ volatile("vmmcall" : "+a"(result)
				 : "D"(a), "S"(b), "d"(c) : "memory");
	return result;
}

static u64 rdtsc(void)
{
	u32 low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (u64)high << 32 | low;
}

static u64 address(const void *pointer)
{
	return (u64)(uintptr_t)pointer;
}

const struct host_info *host_info(void)
{
	return &info;
}

static bool inside_ram(u32 index, u64 gpa, u64 len)
{
	const struct us_ram_range *ram = &mailbox->ram[index];

	return index < mailbox->ram_ranges && gpa >= ram->base &&
	       span_inside(gpa - ram->base, len, ram->len);
}

/* Nearly all reads are of the range of the last one. */
static bool is_ram(u64 gpa, u64 len)
{
	static u32 last;
	u32 i;

	if (inside_ram(last, gpa, len))
		return true;
	for (i = 0; i < mailbox->ram_ranges; i++) {
		if (inside_ram(i, gpa, len)) {
			last = i;
			return true;
		}
	}
	return false;
}

enum us_error host_read(u64 gpa, void *dst, u64 len)
{
	const void *from = (const void *)(uintptr_t)(US_CONTROL_WINDOW + gpa);

	if (!len || len > MAX_COPY || !is_ram(gpa, len))
		return US_E_GUEST_ADDRESS;
	/* Most reads are of one word, for which memcpy() is slow. */
	if (len == sizeof(u64))
		__builtin_memcpy(dst, from, sizeof(u64));
	else
		memcpy(dst, from, len);
	return US_OK;
}

enum us_error host_write(u64 gpa, const void *src, u64 len)
{
	return call(US_HV_WRITE, gpa, address(src), len);
}

enum us_error host_commit(const struct us_commit_write *writes, u32 count,
			  const char *label)
{
	struct us_commit commit = { .writes = address(writes), .count = count };
	u64 len = strlen(label);

	memcpy(commit.label, label,
	       len < US_CHANGE_MAX ? len : US_CHANGE_MAX - 1);
	return call(US_HV_COMMIT, address(&commit), 0, 0);
}

enum us_error host_protect(u64 gpa, u64 len, enum us_prot prot)
{
	return call(US_HV_PROTECT, gpa, len, prot);
}

/* What the vCPUs of this stop are like, asked for once: they stay as they are. */
static struct us_vcpu_state vcpus[US_MAX_VCPUS];
static bool vcpu_known[US_MAX_VCPUS];

static void forget_vcpus(void)
{
	memset(vcpu_known, 0, sizeof(vcpu_known));
}

enum us_error host_stop_within(u64 ns)
{
	forget_vcpus();
	return call(US_HV_STOP, ns, 0, 0);
}

enum us_error host_stop(void)
{
	return host_stop_within(0);
}

u64 host_release(void)
{
	forget_vcpus();
	return call(US_HV_RELEASE, 0, 0, 0);
}

enum us_error host_vcpu(u32 index, struct us_vcpu_state *state)
{
	enum us_error error;

	if (index >= info.vcpus)
		return US_E_BAD_REQUEST;
	if (!vcpu_known[index]) {
		error = call(US_HV_VCPU, index, address(&vcpus[index]), 0);
		if (error)
			return error;
		vcpu_known[index] = true;
	}
	*state = vcpus[index];
	return US_OK;
}

void host_log(enum us_log_level level, const char *text)
{
	const u64 room = sizeof(((struct us_log_entry *)0)->text) - 1;
	u64 len = strlen(text);

	call(US_HV_LOG, level, address(text), len < room ? len : room);
}

u32 host_log_read(u64 first, struct us_log_entry *out, u32 max)
{
	return call(US_HV_LOG_READ, first, address(out), max);
}

void host_counters(struct us_counters *out)
{
	call(US_HV_COUNTERS, address(out), 0, 0);
}

/* In two parts, so that no product overflows for years. */
u64 host_time_ns(void)
{
	u64 ticks = rdtsc() - mailbox->start_tsc, khz = mailbox->tsc_khz;

	return ticks / khz * NS_PER_MS + ticks % khz * NS_PER_MS / khz;
}

enum us_error host_pin(void)
{
	forget_vcpus();
	return call(US_HV_PIN, 0, 0, 0);
}

enum us_error host_guard_execution(void)
{
	return call(US_HV_GUARD_EXECUTION, 0, 0, 0);
}

void host_halt(const char *text)
{
	const u64 room = sizeof(((struct us_log_entry *)0)->text) - 1;
	u64 len = strlen(text);

	call(US_HV_HALT, address(text), len < room ? len : room, 0);
}

/* The mailbox keeps its contents until the next HV_WAIT, so it need not be copied. */
static enum us_error judge_write(void)
{
	const struct text_write write = {
		.gpa = mailbox->write_gpa,
		.gva = mailbox->write_gva,
		.rip = mailbox->write_rip,
		.vcpu = mailbox->event_vcpu,
		.len = mailbox->write_len,
		.bytes = mailbox->write_bytes,
		.around = mailbox->write_around,
		.around_before = mailbox->around_before,
		.around_len = mailbox->around_len,
	};

	return control_text_write(&write);
}

static struct control_caller event_caller(void)
{
	return (struct control_caller) {
		.vcpu = mailbox->event_vcpu,
		.cpl = mailbox->cpl,
		.cr0 = mailbox->cr0,
		.cr3 = mailbox->cr3,
		.cr4 = mailbox->cr4,
		.efer = mailbox->efer,
		.request_gva = mailbox->request_gva,
	};
}

static enum us_error handle_event(void)
{
	struct control_caller who;

	/* By far the most frequent one, and the one that somebody waits for. */
	if (mailbox->event == US_EV_TEXT_WRITE)
		return judge_write();
	who = event_caller();
	switch (mailbox->event) {
	case US_EV_REQUEST:
		return control_request(&who);
	case US_EV_CLAIM:
		return control_claim(&who);
	case US_EV_TICK:
		control_tick(&who);
		return US_OK;
	case US_EV_RESET:
		control_reset();
		return US_OK;
	default:
		return US_OK;
	}
}

/* Only writes, ticks and resets come in a request's backoff: control_abi.h, HV_WAIT. Each is
 * answered by the next wait, so there is always one more. */
void host_backoff(u32 ms)
{
	u64 now = host_time_ns(), end = now + ms * NS_PER_MS;
	enum us_error result = US_OK;

	while (now < end) {
		call(US_HV_WAIT, result, (end - now + NS_PER_MS - 1) / NS_PER_MS,
		     0);
		if (mailbox->event == US_EV_NONE)
			return;
		result = handle_event();
		now = host_time_ns();
		if (now >= end)
			end = now + NS_PER_MS;
	}
}

#ifdef UNDERSEAL_FAULTS
void host_break(enum us_fault how)
{
	/* Page 0 is not mapped (control_abi.h). */
	if (how == US_FAULT_CRASH)
		__asm__ volatile("movl $0, 0" ::: "memory");
	for (;;)
		__asm__ volatile("pause");
}
#endif

static void learn_host(void)
{
	info.vcpus = mailbox->vcpus;
	info.guest_phys_bits = mailbox->guest_phys_bits;
	info.product_version = mailbox->product_version;
	info.arena_gpa = mailbox->arena_gpa;
	info.arena_len = mailbox->arena_len;
	info.shadow_gpa = mailbox->shadow_gpa;
	info.shadow_len = mailbox->shadow_len;
	info.hidden_bytes = mailbox->hidden_bytes;
	info.keys = (const u8 *)(uintptr_t)mailbox->keys_gpa;
	info.keys_len = mailbox->keys_len;
}

void domain_main(struct us_mailbox *box)
{
	enum us_error result;

	mailbox = box;
	learn_host();
	if (info.vcpus > US_MAX_VCPUS || control_init())
		domain_crash();
	for (result = US_OK;;) {
		call(US_HV_WAIT, result, 0, 0);
		result = handle_event();
	}
}
