/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hook of the module gate, run as it is: the doorbell is a privileged instruction,
 * so a signal comes in its place, and the handler answers.
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "../../tools/gate_hook.h"
#include "abi.h"
#include "errors.h"
#include "suites.h"

extern const u8 us_gate[], us_gate_name[], us_gate_else[], us_gate_end[];
extern const struct { u32 at, depth; } us_gate_marks[], us_gate_marks_end[];

#define NAME_OFFSET	0x18u
#define BODY		0x800u		/* in the page */
#define SLEEP		0x840u
#define CALLER		0x880u
#define TRAP_FLAG	0x100u
#define OUT		0xefu
#define BODY_RAN	0x1234

static u8 *page;
static u64 return_address;
static struct {
	const u32 *answers;	/* one after the other, the last one for ever */
	u32 count;
	u32 rings, sleeps, fresh, bad_depths, steps;
	u64 ticket;
	struct us_request request;
	char name[US_NAME_MAX];
	bool wrong;
} bell;

static u64 hook_len(void)
{
	return us_gate_end - us_gate;
}

static void slept(u32 ms)
{
	bell.wrong |= ms != GATE_PAUSE_MS;
	bell.sleeps++;
}

/* A request is laid out anew, or rung again with its ticket. */
static void ring(const greg_t *gregs)
{
	const struct us_request *request = (const void *)gregs[REG_RBX];

	bell.wrong |= (u32)gregs[REG_RAX] != US_CALL_MAGIC ||
		      (u32)gregs[REG_RDX] != US_DOORBELL_PORT ||
		      !gregs[REG_RCX] || request->in[0].len >= US_NAME_MAX;
	bell.fresh += (u64)gregs[REG_RCX] != bell.ticket;
	bell.ticket = gregs[REG_RCX];
	bell.request = *request;
	memset(bell.name, 0, sizeof(bell.name));
	if (!bell.wrong)
		memcpy(bell.name, (const void *)request->in[0].gva,
		       request->in[0].len);
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
	greg_t *gregs = ((ucontext_t *)context)->uc_mcontext.gregs;
	const u8 *rip = (const u8 *)gregs[REG_RIP];

	(void)info;
	if (rip < page || rip >= page + hook_len() || *rip != OUT) {
		sigaction(signal, &(struct sigaction){ .sa_handler = SIG_DFL },
			  NULL);
		return;
	}
	ring(gregs);
	gregs[REG_RAX] = bell.answers[bell.rings < bell.count ? bell.rings :
				      bell.count - 1];
	gregs[REG_RIP]++;
	bell.rings++;
}

/* Before each instruction of the hook: is the return address where the unwind data
 * will say? */
static void on_step(int signal, siginfo_t *info, void *context)
{
	const greg_t *gregs = ((ucontext_t *)context)->uc_mcontext.gregs;
	u64 at = (u64)gregs[REG_RIP] - (u64)page, depth = 0, found;
	u32 i;

	(void)signal;
	(void)info;
	if (at >= hook_len())
		return;
	for (i = 0; us_gate_marks + i < us_gate_marks_end; i++)
		if (us_gate_marks[i].at <= at &&
		    us_gate_marks[i].depth != GATE_MARK_CALL)
			depth = us_gate_marks[i].depth;
	memcpy(&found, (const void *)(gregs[REG_RSP] + (greg_t)depth), 8);
	bell.bad_depths += found != return_address;
	bell.steps++;
}

static void put_distance(u64 end, u64 to)
{
	u32 distance = to - end;

	memcpy(page + end - 4, &distance, 4);
}

static void put_caller(bool steps)
{
	/* pushfq; orl $flag, (%rsp); popfq; call; pushfq; andl $~flag, (%rsp);
	 * popfq; ret */
	static const u8 code[] = {
		0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d,
		0xe8, 0, 0, 0, 0,
		0x9c, 0x81, 0x24, 0x24, 0xff, 0xfe, 0xff, 0xff, 0x9d, 0xc3,
	};

	memcpy(page + CALLER, code, sizeof(code));
	if (!steps)
		page[CALLER + 5] = 0;
	put_distance(CALLER + 14, 0);
	return_address = (u64)page + CALLER + 14;
}

/* As the tool puts it together. */
static void build(bool steps)
{
	void (*sleeps)(u32 ms) = slept;
	const u32 name = NAME_OFFSET, result = BODY_RAN;
	u32 i;

	memset(page, 0xcc, 0x1000);
	memcpy(page, us_gate, hook_len());
	memcpy(page + (us_gate_name - us_gate) - 4, &name, 4);
	page[hook_len()] = 0xc3;
	put_distance(us_gate_else - us_gate, BODY);
	page[BODY] = 0xb8;
	memcpy(page + BODY + 1, &result, 4);
	page[BODY + 5] = 0xc3;
	for (i = 0; us_gate_marks + i < us_gate_marks_end; i++)
		if (us_gate_marks[i].depth == GATE_MARK_CALL)
			put_distance(us_gate_marks[i].at + 5, SLEEP);
	memcpy(page + SLEEP, "\x48\xb8", 2);
	memcpy(page + SLEEP + 2, &sleeps, 8);
	memcpy(page + SLEEP + 10, "\xff\xe0", 2);
	put_caller(steps);
}

/* What the hook returns for a module called @name, with these answers. */
static int run(const char *name, const u32 *answers, u32 count, bool steps)
{
	struct sigaction fault = { .sa_sigaction = on_fault,
				   .sa_flags = SA_SIGINFO };
	struct sigaction step = { .sa_sigaction = on_step,
				  .sa_flags = SA_SIGINFO };
	struct sigaction old_fault, old_step;
	char module[NAME_OFFSET + 2 * US_NAME_MAX] = "";
	int (*hook)(const void *module);
	u64 entry;
	int result;

	memcpy(module + NAME_OFFSET, name, strlen(name) + 1);
	page = mmap(NULL, 0x1000, PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CU_ASSERT_FATAL(page != MAP_FAILED);
	memset(&bell, 0, sizeof(bell));
	bell.answers = answers;
	bell.count = count;
	build(steps);
	entry = (u64)page + CALLER;
	memcpy(&hook, &entry, sizeof(hook));
	sigaction(SIGSEGV, &fault, &old_fault);
	sigaction(SIGTRAP, &step, &old_step);
	result = hook(module);
	sigaction(SIGSEGV, &old_fault, NULL);
	sigaction(SIGTRAP, &old_step, NULL);
	munmap(page, 0x1000);
	CU_ASSERT_FALSE(bell.wrong);
	return result;
}

#define RUN(name, steps, ...)						\
	run(name, (const u32[]){ __VA_ARGS__ },				\
	    sizeof((const u32[]){ __VA_ARGS__ }) / sizeof(u32), steps)

static void open_gate(void)
{
	CU_ASSERT_EQUAL(RUN("some_module", false, US_E_OK), BODY_RAN);
	CU_ASSERT_EQUAL(bell.rings, 1);
	CU_ASSERT_EQUAL(bell.sleeps, 0);
	CU_ASSERT_EQUAL(bell.request.magic, US_REQUEST_MAGIC);
	CU_ASSERT_EQUAL(bell.request.version, US_ABI_VERSION);
	CU_ASSERT_EQUAL(bell.request.op, US_OP_MODULE_GATE);
	CU_ASSERT_EQUAL(bell.request.arg, 0);
	CU_ASSERT_EQUAL(bell.request.out.len, 0);
	CU_ASSERT_EQUAL(bell.request.in[1].gva | bell.request.in[1].len, 0);
	CU_ASSERT_STRING_EQUAL(bell.name, "some_module");
}

/* Not finished is rung again with the same ticket; another question has another. */
static void tickets(void)
{
	CU_ASSERT_EQUAL(RUN("m", false, US_E_AGAIN, US_E_BUSY, US_E_AGAIN,
			    US_E_OK), BODY_RAN);
	CU_ASSERT_EQUAL(bell.rings, 4);
	CU_ASSERT_EQUAL(bell.fresh, 1);
	CU_ASSERT_EQUAL(bell.sleeps, 3);
	CU_ASSERT_EQUAL(RUN("m", false, US_E_MODULE_WAITS, US_E_AGAIN,
			    US_E_MODULE_WAITS, US_E_OK), BODY_RAN);
	CU_ASSERT_EQUAL(bell.rings, 4);
	CU_ASSERT_EQUAL(bell.fresh, 3);
	CU_ASSERT_STRING_EQUAL(bell.name, "m");
}

static void bounded(void)
{
	CU_ASSERT_EQUAL(RUN("m", false, US_E_MODULE_WAITS), GATE_REFUSED);
	CU_ASSERT_EQUAL(bell.rings, GATE_TRIES);
	CU_ASSERT_EQUAL(bell.sleeps, GATE_TRIES - 1);
	CU_ASSERT_EQUAL(RUN("m", false, US_E_AGAIN), GATE_REFUSED);
	CU_ASSERT_EQUAL(bell.rings, GATE_TRIES);
}

/* Whatever is not a clear "go on". */
static void shut(void)
{
	static const u32 answers[] = { US_E_CONTROL_UNAVAILABLE,
		US_E_BAD_REQUEST, US_E_GUEST_ADDRESS, US_E_ABI_VERSION, ~0u };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(answers); i++) {
		CU_ASSERT_EQUAL(run("m", &answers[i], 1, false), GATE_REFUSED);
		CU_ASSERT_EQUAL(bell.rings, 1);
	}
}

static void names(void)
{
	char name[US_NAME_MAX];

	memset(name, 'n', sizeof(name));
	name[55] = '\0';	/* the kernel's longest */
	CU_ASSERT_EQUAL(RUN(name, false, US_E_OK), BODY_RAN);
	CU_ASSERT_STRING_EQUAL(bell.name, name);
	CU_ASSERT_EQUAL(RUN("", false, US_E_OK), BODY_RAN);
	CU_ASSERT_EQUAL(bell.request.in[0].len, 0);
}

/* Every instruction, on the way through and on that back. */
static void unwinding(void)
{
	CU_ASSERT_EQUAL(RUN("module", true, US_E_AGAIN, US_E_MODULE_WAITS,
			    US_E_OK), BODY_RAN);
	CU_ASSERT(bell.steps > 100);
	CU_ASSERT_EQUAL(bell.bad_depths, 0);
	CU_ASSERT_EQUAL(RUN("module", true, US_E_BAD_REQUEST), GATE_REFUSED);
	CU_ASSERT(bell.steps > 50);
	CU_ASSERT_EQUAL(bell.bad_depths, 0);
}

const struct test gate_tests[] = {
	{ "open", open_gate },
	{ "tickets", tickets },
	{ "bounded", bounded },
	{ "shut", shut },
	{ "names", names },
	{ "unwinding", unwinding },
	{ 0 },
};
