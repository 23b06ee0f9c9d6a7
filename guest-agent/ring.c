/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>

#include "doorbell.h"
#include "fail.h"
#include "ring.h"

#define NOT_ANSWERED	(~0u)	/* no enum us_error */
#define ADDRESS_RETRIES	8	/* pages may be moved under us a few times */
#define SLEEP_MIN_US	200u
#define SLEEP_MAX_US	20000u

static bool have_underseal(void)
{
	u32 regs[4];

	/* CPUID.1:ECX[31]: some hypervisor is there (APM volume 3, E.3.2). */
	doorbell_cpuid(1, 0, regs);
	if (!(regs[2] & 1u << 31))
		return false;
	doorbell_cpuid(US_CPUID_BASE, 0, regs);
	return regs[0] >= US_CPUID_BASE + 1 &&
	       !memcmp(&regs[1], US_CPUID_SIGNATURE, 12);
}

enum us_error ring_open(void)
{
	u32 regs[4];
	int denied;

	if (!have_underseal())
		return fail(US_E_NO_HYPERVISOR, "CPUID leaf %#x does not "
			    "carry its signature", US_CPUID_BASE);
	doorbell_cpuid(US_CPUID_BASE + 1, 0, regs);
	if (regs[0] != US_ABI_VERSION)
		return fail(US_E_PROTOCOL, "Underseal speaks interface "
			    "version %u, this program version %u", regs[0],
			    US_ABI_VERSION);
	denied = doorbell_permit();
	if (denied)
		return fail(US_E_NO_PRIVILEGE, "ioperm: %s; run as root, and "
			    "with kernel lockdown (Secure Boot) load the msr "
			    "module first", strerror(denied));
	return US_OK;
}

/*
 * The control domain walks our page tables and does not take faults: every page
 * has to be there, and those that it writes must be writable and our own.
 */
static void touch(void *memory, u64 len)
{
	volatile u8 *bytes = memory;
	u64 at;

	for (at = 0; at < len; at += PAGE_SIZE)
		bytes[at] = bytes[at];
}

/* Request, response and inputs in one locked mapping, each on its own pages. */
static enum us_error lay_out(struct ring_request *request,
			     struct us_request **raw)
{
	u64 at = PAGE_SIZE + US_MAX_RESPONSE;
	u64 in_at[2];
	u8 *memory;
	int i;

	for (i = 0; i < 2; i++) {
		in_at[i] = at;
		if (request->in_len[i] > US_MAX_BASELINE)
			return fail(US_E_TOO_LARGE, "%llu bytes",
				    (unsigned long long)request->in_len[i]);
		at += ALIGN_UP(request->in_len[i], PAGE_SIZE);
	}
	memory = mmap(NULL, at, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (memory == MAP_FAILED)
		return fail(US_E_NO_MEMORY, "%llu bytes: %s",
			    (unsigned long long)at, strerror(errno));
	request->memory = memory;
	request->memory_len = at;
	if (mlock(memory, at))
		return fail(US_E_NO_MEMORY, "mlock of %llu bytes: %s",
			    (unsigned long long)at, strerror(errno));
	*raw = (void *)memory;
	**raw = (struct us_request){
		.magic = US_REQUEST_MAGIC, .version = US_ABI_VERSION,
		.op = request->op, .arg = request->arg,
		.out = { (u64)(memory + PAGE_SIZE), US_MAX_RESPONSE },
		.status = NOT_ANSWERED,
	};
	for (i = 0; i < 2; i++) {
		if (!request->in_len[i])
			continue;
		memcpy(memory + in_at[i], request->in[i], request->in_len[i]);
		(*raw)->in[i] = (struct us_span){
			(u64)(memory + in_at[i]), request->in_len[i],
		};
	}
	return US_OK;
}

static u64 now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (u64)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void sleep_us(u32 us)
{
	struct timespec time = { 0, us * 1000l };

	nanosleep(&time, NULL);
}

static u64 fresh_ticket(void)
{
	u64 ticket = 0;

	while (!ticket)
		if (getrandom(&ticket, sizeof(ticket), 0) != sizeof(ticket))
			ticket = 0;
	return ticket;
}

/* Ring until there is an answer other than "not yet". */
static u64 ring_until(struct ring_request *request, struct us_request *raw)
{
	u32 timeout = request->timeout_ms ? request->timeout_ms :
		      RING_TIMEOUT_MS;
	u64 deadline = now_ms() + timeout, ticket = fresh_ticket(), rax;
	u32 pause = SLEEP_MIN_US, moved = 0;

	for (;;) {
		rax = doorbell_ring(raw, ticket);
		if (rax == US_E_GUEST_ADDRESS && moved++ < ADDRESS_RETRIES) {
			touch(request->memory, request->memory_len);
			raw->status = NOT_ANSWERED;
			ticket = fresh_ticket();
		} else if (rax != US_E_AGAIN && rax != US_E_BUSY) {
			return rax;
		}
		if (now_ms() >= deadline)
			return rax == US_E_BUSY ? rax : US_E_TIMEOUT;
		if (doorbell_is_sliced())
			sched_yield();
		else
			sleep_us(pause);
		if (pause < SLEEP_MAX_US)
			pause *= 2;
	}
}

static enum us_error nonsense(u64 rax, u32 status)
{
	return fail(US_E_PROTOCOL, "RAX %#llx, status %u",
		    (unsigned long long)rax, status);
}

/* Nobody is left to ask but the hypervisor: which change was made last (abi.h). */
static enum us_error unavailable(void)
{
	u32 health[4], label[US_CHANGE_MAX / 4], i;
	char *text = (char *)label;

	doorbell_cpuid(US_CPUID_BASE + 2, 0, health);
	for (i = 0; i < US_CHANGE_MAX / 16; i++)
		doorbell_cpuid(US_CPUID_BASE + 2, i + 1, label + 4 * i);
	text[US_CHANGE_MAX - 1] = 0;
	return fail(US_E_CONTROL_UNAVAILABLE, "it %s; the last change that was "
		    "made: %s", health[0] == US_CONTROL_HUNG ? "ran out of its "
		    "time" : "crashed", text[0] ? text : "none");
}

/* Who is in the way: function and task, pid, and what else belongs to the error. */
static enum us_error in_the_way(const struct ring_request *request,
				enum us_error error)
{
	unsigned long long number = request->detail[0];
	unsigned long long pid = request->detail[1];
	char by[32] = "";

	if (pid)
		snprintf(by, sizeof(by), ", pid %llu", pid);
	if (error == US_E_STOP_LENGTH)
		return fail(error, "%s%s (%llu us are allowed)", request->text, by,
			    number);
	return fail(error, "%s%s (%#llx)", request->text, by, number);
}

/* Underseal's own words for a refusal: a name, and numbers, mostly addresses. */
static enum us_error refused(const struct ring_request *request,
			     enum us_error error)
{
	unsigned long long first = request->detail[0];
	unsigned long long second = request->detail[1];
	const char *gap = request->text[0] ? " " : "";

	if (error == US_E_FUNCTION_IN_USE || error == US_E_STOP_LENGTH)
		return in_the_way(request, error);
	if (second)
		return fail(error, "%s%s(%#llx, %#llx)", request->text, gap,
			    first, second);
	if (first)
		return fail(error, "%s%s(%#llx)", request->text, gap, first);
	return fail(error, "%s", request->text);
}

static enum us_error take_answer(struct ring_request *request,
				 const struct us_request *raw, u64 rax)
{
	u32 status = raw->status;

	if (rax == US_E_TIMEOUT)
		return fail(US_E_TIMEOUT, "gave up after %u ms",
			    request->timeout_ms ? request->timeout_ms :
			    RING_TIMEOUT_MS);
	/* A request that was not even read has no status of its own. */
	if ((status != NOT_ANSWERED && status != rax) ||
	    (status == NOT_ANSWERED && rax == US_OK) ||
	    !strcmp(us_error_name(rax > UINT32_MAX ? NOT_ANSWERED : rax),
		    "UNKNOWN"))
		return nonsense(rax, status);
	if (status != NOT_ANSWERED) {
		memcpy(request->detail, raw->detail, sizeof(request->detail));
		memcpy(request->text, raw->text, sizeof(request->text));
		request->text[sizeof(request->text) - 1] = 0;
	}
	if (rax == US_E_CONTROL_UNAVAILABLE)
		return unavailable();
	if (rax != US_OK)
		return refused(request, (enum us_error)rax);
	if (raw->out_len > US_MAX_RESPONSE)
		return nonsense(rax, status);
	request->out = (const u8 *)request->memory + PAGE_SIZE;
	request->out_len = raw->out_len;
	return US_OK;
}

enum us_error ring(struct ring_request *request)
{
	struct us_request *raw = NULL;
	enum us_error error;

	request->memory = NULL;
	request->out = NULL;
	request->out_len = 0;
	request->detail[0] = request->detail[1] = 0;
	request->text[0] = 0;
	error = lay_out(request, &raw);
	if (error)
		return error;
	touch(request->memory, request->memory_len);
	return take_answer(request, raw, ring_until(request, raw));
}

void ring_release(struct ring_request *request)
{
	if (request->memory)
		munmap(request->memory, request->memory_len);
	request->memory = NULL;
	request->out = NULL;
	request->out_len = 0;
}
