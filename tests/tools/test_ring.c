/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest-agent/ring.c against a simulated doorbell. One line a check, then
 * "N passed, N failed, 0 skipped". Names of checks begin with the error that
 * they provoke.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "doorbell.h"
#include "fail.h"
#include "ring.h"

/* What the simulated machine does. */
static struct {
	bool hypervisor, signature;
	u32 abi_version;
	int permit;
	/* The next answers of the doorbell; the last one is repeated. */
	struct {
		u64 rax;
		u32 status;
		u32 out_len;
	} answers[8];
	u32 answer_count, rings;
	const char *text;	/* NULL: xs without an end */
	u64 second;		/* detail[1] */
	u64 first_ticket, last_ticket;
	bool input_seen;
} machine;

static u32 passed, failed;

static void check(bool good, const char *name)
{
	printf("%s - ring: %s\n", good ? "ok" : "not ok", name);
	passed += good;
	failed += !good;
}

void doorbell_cpuid(u32 leaf, u32 subleaf, u32 regs[4])
{
	memset(regs, 0, 4 * sizeof(*regs));
	if (leaf == US_CPUID_BASE + 2 && !subleaf)
		regs[0] = US_CONTROL_CRASHED;
	if (leaf == US_CPUID_BASE + 2 && subleaf == 1)
		memcpy(regs, "apply fix genera", 16);
	if (leaf == US_CPUID_BASE + 2 && subleaf == 2)
		memcpy(regs, "tion 7", 6);
	if (leaf == 1)
		regs[2] = machine.hypervisor ? 1u << 31 : 0;
	if (leaf == US_CPUID_BASE) {
		regs[0] = US_CPUID_MAX;
		memcpy(&regs[1], machine.signature ? US_CPUID_SIGNATURE :
		       "KVMKVMKVM\0\0\0", 12);
	}
	if (leaf == US_CPUID_BASE + 1)
		regs[0] = machine.abi_version;
}

int doorbell_permit(void)
{
	return machine.permit;
}

bool doorbell_is_sliced(void)
{
	return false;
}

u64 doorbell_ring(const struct us_request *request, u64 ticket)
{
	struct us_request *writable = (struct us_request *)request;
	u32 index = machine.rings < machine.answer_count ? machine.rings :
		    machine.answer_count - 1;

	if (!machine.rings++)
		machine.first_ticket = ticket;
	machine.last_ticket = ticket;
	machine.input_seen = request->magic == US_REQUEST_MAGIC &&
			     request->version == US_ABI_VERSION &&
			     request->in[0].len == 5 &&
			     !memcmp((void *)request->in[0].gva, "hello", 5) &&
			     !request->in[1].len;
	if (machine.answers[index].status != ~0u) {
		writable->status = machine.answers[index].status;
		writable->detail[0] = 0x1234;
		writable->detail[1] = machine.second;
		if (machine.text)
			strcpy(writable->text, machine.text);
		else
			memset(writable->text, 'x', sizeof(writable->text));
	}
	writable->out_len = machine.answers[index].out_len;
	memcpy((void *)request->out.gva, "answer", 7);
	return machine.answers[index].rax;
}

static void reset(void)
{
	memset(&machine, 0, sizeof(machine));
	machine.hypervisor = machine.signature = true;
	machine.abi_version = US_ABI_VERSION;
}

static void answer(u64 rax, u32 status, u32 out_len)
{
	machine.answers[machine.answer_count].rax = rax;
	machine.answers[machine.answer_count].status = status;
	machine.answers[machine.answer_count++].out_len = out_len;
}

static struct ring_request hello(void)
{
	return (struct ring_request){
		.op = US_OP_APPLY, .in = { "hello" }, .in_len = { 5 },
		.timeout_ms = 300,
	};
}

static enum us_error ring_hello(void)
{
	struct ring_request request = hello();
	enum us_error error = ring(&request);

	ring_release(&request);
	return error;
}

static void test_open(void)
{
	reset();
	check(ring_open() == US_OK, "opens");
	machine.hypervisor = false;
	check(ring_open() == US_E_NO_HYPERVISOR,
	      "NO_HYPERVISOR without any hypervisor");
	reset();
	machine.signature = false;
	check(ring_open() == US_E_NO_HYPERVISOR,
	      "NO_HYPERVISOR under another hypervisor");
	reset();
	machine.abi_version = US_ABI_VERSION + 1;
	check(ring_open() == US_E_PROTOCOL, "PROTOCOL of another version");
	reset();
	machine.permit = EPERM;
	check(ring_open() == US_E_NO_PRIVILEGE &&
	      strstr(fail_detail(), "lockdown"),
	      "NO_PRIVILEGE mentions lockdown");
}

static void test_answers(void)
{
	struct ring_request request = hello();

	reset();
	answer(US_E_AGAIN, ~0u, 0);
	answer(US_E_AGAIN, ~0u, 0);
	answer(US_OK, US_OK, 7);
	check(ring(&request) == US_OK && request.out_len == 7 &&
	      !strcmp(request.out, "answer"), "an answer after two AGAIN");
	check(machine.rings == 3 && machine.first_ticket &&
	      machine.first_ticket == machine.last_ticket,
	      "one ticket for the whole request");
	check(machine.input_seen, "the request arrives as it was meant");
	ring_release(&request);

	request = hello();
	reset();
	answer(US_E_SIG_INVALID, US_E_SIG_INVALID, 0);
	check(ring(&request) == US_E_SIG_INVALID &&
	      request.detail[0] == 0x1234 &&
	      strlen(request.text) == US_NAME_MAX - 1,
	      "SIG_INVALID goes through with its details");
	ring_release(&request);
	reset();
	answer(US_E_CONTROL_UNAVAILABLE, ~0u, 0);
	check(ring_hello() == US_E_CONTROL_UNAVAILABLE,
	      "CONTROL_UNAVAILABLE from the hypervisor alone");
}

static bool refused_as(enum us_error error, const char *text, u64 pid,
		       const char *detail)
{
	reset();
	machine.text = text;
	machine.second = pid;
	answer(error, error, 0);
	return ring_hello() == error && !strcmp(fail_detail(), detail);
}

static void test_details(void)
{
	check(refused_as(US_E_EXPECTED_BYTES, "fix", 7, "fix (0x1234, 0x7)"),
	      "EXPECTED_BYTES with a name and two numbers");
	check(refused_as(US_E_FUNCTION_IN_USE, "do_fix in task cat", 43,
			 "do_fix in task cat, pid 43 (0x1234)"),
	      "FUNCTION_IN_USE tells function, task and pid");
	check(refused_as(US_E_FUNCTION_IN_USE, "task list", 0,
			 "task list (0x1234)"),
	      "FUNCTION_IN_USE without a task");
	check(refused_as(US_E_STOP_LENGTH, "stack in task cat", 43,
			 "stack in task cat, pid 43 (4660 us are allowed)"),
	      "STOP_LENGTH tells what took the time, and how much there was");
}

static void test_trouble(void)
{
	reset();
	answer(US_E_GUEST_ADDRESS, ~0u, 0);
	answer(US_OK, US_OK, 0);
	check(ring_hello() == US_OK && machine.rings == 2 &&
	      machine.first_ticket != machine.last_ticket,
	      "a page that moved: asked again with a new ticket");
	reset();
	answer(US_E_GUEST_ADDRESS, ~0u, 0);
	check(ring_hello() == US_E_GUEST_ADDRESS && machine.rings < 20,
	      "GUEST_ADDRESS in the end");
	reset();
	answer(US_E_AGAIN, ~0u, 0);
	check(ring_hello() == US_E_TIMEOUT && machine.rings > 3,
	      "TIMEOUT when it is always AGAIN");
	reset();
	answer(US_E_BUSY, ~0u, 0);
	check(ring_hello() == US_E_BUSY, "BUSY until the timeout");
	reset();
	answer(US_OK, ~0u, 0);
	check(ring_hello() == US_E_PROTOCOL, "PROTOCOL: done without status");
	reset();
	answer(US_OK, US_E_SIG_INVALID, 0);
	check(ring_hello() == US_E_PROTOCOL, "PROTOCOL: RAX against status");
	reset();
	answer(12345, ~0u, 0);
	check(ring_hello() == US_E_PROTOCOL, "PROTOCOL: no such error");
	reset();
	answer(US_OK | 1ull << 32, US_OK, 0);
	check(ring_hello() == US_E_PROTOCOL, "PROTOCOL: RAX of 33 bits");
	reset();
	answer(US_OK, US_OK, US_MAX_RESPONSE + 1);
	check(ring_hello() == US_E_PROTOCOL, "PROTOCOL: answer too long");
}

static void test_limits(void)
{
	struct rlimit limit = { 64u << 20, 64u << 20 };
	static u8 large[32u << 20];
	struct ring_request request = {
		.op = US_OP_SEAL, .in = { large, large },
		.in_len = { sizeof(large), sizeof(large) },
	};

	reset();
	answer(US_OK, US_OK, 0);
	setrlimit(RLIMIT_AS, &limit);
	check(ring(&request) == US_E_NO_MEMORY && !machine.rings,
	      "NO_MEMORY for the buffers");
	ring_release(&request);
	request.in_len[0] = US_MAX_BASELINE + 1;
	check(ring(&request) == US_E_TOO_LARGE && !machine.rings,
	      "TOO_LARGE before anything is copied");
	ring_release(&request);
}

int main(void)
{
	test_open();
	test_answers();
	test_details();
	test_trouble();
	test_limits();
	printf("%u passed, %u failed, 0 skipped\n", passed, failed);
	return failed ? 1 : 0;
}
