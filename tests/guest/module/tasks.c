// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A kernel that lies about its tasks while a patch is being installed. Each way points the
 * list of all tasks at a task that is none, or at nothing at all, rings with a bundle,
 * and puts the list back.
 *
 * Only the forward pointer of init_task is changed: new tasks are added at the other
 * end, so the kernel itself goes on meanwhile.
 */
#include <linux/io.h>
#include <linux/kernel_read_file.h>
#include <linux/ktime.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#define UNDERSEAL_TYPES_H
#include "abi.h"
#include "attack.h"

#define NOT_CANONICAL	0x8000000000001000ull
#define USER		0x00007f0000001000ull
#define UNMAPPED	0xfffffe8000000000ull	/* a hole, see x86_64/mm.rst */
#define DEVICE		0xfed00000ull		/* HPET */
#define LONG_LIST	(24ul << 20)
#define LONG_STEP	120
#define DEADLINE_MS	300ull
#define STOP_US		1000000ull	/* emulated CPUs are slow to come */
#define GIVE_UP_MS	60000

struct fake {
	struct task_struct task;
	struct signal_struct signal;
	u64 stack[THREAD_SIZE / 8];
};

struct lie {
	struct fake *fake, *other;
	struct list_head *first;	/* what init_task points to */
	void *pages;			/* a page, and nothing after it */
	void *nodes;			/* room for a long list */
	void __iomem *device;
	u64 hidden;			/* in the hypervisor, by the direct map */
	u64 function;			/* an address in a function to be replaced */
};

/* A task with an empty stack, alone in its group, and after it all others. */
static void make_task(struct fake *fake, struct list_head *next)
{
	struct task_struct *task = &fake->task;

	memset(fake, 0, sizeof(*fake));
	task->pid = 4444;
	strscpy(task->comm, "us_fake", sizeof(task->comm));
	task->stack = fake->stack;
	task->thread.sp = (u64)(fake->stack + ARRAY_SIZE(fake->stack) - 16);
	task->signal = &fake->signal;
	task->group_leader = task;
	task->tasks.next = next;
	task->thread_node.next = &fake->signal.thread_head;
	task->thread_node.prev = &fake->signal.thread_head;
	fake->signal.thread_head.next = &task->thread_node;
	fake->signal.thread_head.prev = &task->thread_node;
}

static void to_list(struct lie *lie, u64 next)
{
	lie->fake->task.tasks.next = (struct list_head *)next;
}

static void to_stack(struct lie *lie, u64 stack)
{
	lie->fake->task.stack = (void *)stack;
	lie->fake->task.thread.sp = stack + 0x100;
}

static void list_self(struct lie *lie)
{
	to_list(lie, (u64)&lie->fake->task.tasks);
}

static void list_pair(struct lie *lie)
{
	to_list(lie, (u64)&lie->other->task.tasks);
	lie->other->task.tasks.next = &lie->fake->task.tasks;
}

static void list_null(struct lie *lie)
{
	to_list(lie, 0);
}

static void list_user(struct lie *lie)
{
	to_list(lie, USER);
}

static void list_not_canonical(struct lie *lie)
{
	to_list(lie, NOT_CANONICAL);
}

static void list_unmapped(struct lie *lie)
{
	to_list(lie, UNMAPPED);
}

static void list_hidden(struct lie *lie)
{
	to_list(lie, lie->hidden);
}

static void list_device(struct lie *lie)
{
	to_list(lie, (u64)lie->device);
}

static void list_odd(struct lie *lie)
{
	to_list(lie, (u64)&lie->fake->task.tasks + 1);
}

static void list_wraps(struct lie *lie)
{
	to_list(lie, ~0ull - 7);
}

static void list_page_end(struct lie *lie)
{
	to_list(lie, (u64)lie->pages + PAGE_SIZE - 8);
}

/* Nodes so near to each other that no two tasks would fit. */
static void list_long(struct lie *lie)
{
	u64 at, end = (u64)lie->nodes + LONG_LIST - sizeof(struct task_struct);

	to_list(lie, (u64)lie->nodes + sizeof(struct task_struct));
	for (at = (u64)lie->nodes + sizeof(struct task_struct); at < end;
	     at += LONG_STEP)
		*(u64 *)at = at + LONG_STEP;
}

static void list_empty_now(struct lie *lie)
{
	lie->first = &init_task.tasks;
}

static void stack_not_canonical(struct lie *lie)
{
	to_stack(lie, NOT_CANONICAL);
}

static void stack_user(struct lie *lie)
{
	to_stack(lie, USER);
}

static void stack_hidden(struct lie *lie)
{
	to_stack(lie, lie->hidden);
}

static void stack_device(struct lie *lie)
{
	to_stack(lie, (u64)lie->device);
}

static void stack_wraps(struct lie *lie)
{
	to_stack(lie, ~0ull - 0xfff);
}

static void stack_page_end(struct lie *lie)
{
	to_stack(lie, (u64)lie->pages + PAGE_SIZE - 0x180);
}

static void sp_elsewhere(struct lie *lie)
{
	lie->fake->task.thread.sp = USER;
}

static void sp_odd(struct lie *lie)
{
	lie->fake->task.thread.sp = (u64)lie->fake->stack + THREAD_SIZE - 3;
}

static void signal_null(struct lie *lie)
{
	lie->fake->task.signal = NULL;
}

static void signal_not_canonical(struct lie *lie)
{
	lie->fake->task.signal = (void *)NOT_CANONICAL;
	lie->fake->task.thread_node.next = NULL;
}

static void threads_without_end(struct lie *lie)
{
	lie->fake->task.thread_node.next = &lie->other->task.thread_node;
	lie->other->task.thread_node.next = &lie->other->task.thread_node;
}

static void threads_are_tasks(struct lie *lie)
{
	lie->fake->signal.thread_head.next = &init_task.tasks;
	lie->fake->task.thread_node.next = NULL;
}

static void threads_in_hidden(struct lie *lie)
{
	lie->fake->task.thread_node.next = (void *)lie->hidden;
}

/* It claims to be in the function, under a name that ends nowhere. */
static void user_without_name(struct lie *lie)
{
	lie->fake->stack[ARRAY_SIZE(lie->fake->stack) - 4] = lie->function;
	memset(lie->fake->task.comm, '\033', sizeof(lie->fake->task.comm));
	lie->fake->task.pid = -1;
}

static const struct {
	const char *name;
	void (*tell)(struct lie *lie);
} ways[] = {
	{ "list-self", list_self },
	{ "list-pair", list_pair },
	{ "list-null", list_null },
	{ "list-user", list_user },
	{ "list-not-canonical", list_not_canonical },
	{ "list-unmapped", list_unmapped },
	{ "list-hidden", list_hidden },
	{ "list-device", list_device },
	{ "list-odd", list_odd },
	{ "list-wraps", list_wraps },
	{ "list-page-end", list_page_end },
	{ "list-long", list_long },
	{ "list-empty", list_empty_now },
	{ "stack-not-canonical", stack_not_canonical },
	{ "stack-user", stack_user },
	{ "stack-hidden", stack_hidden },
	{ "stack-device", stack_device },
	{ "stack-wraps", stack_wraps },
	{ "stack-page-end", stack_page_end },
	{ "sp-elsewhere", sp_elsewhere },
	{ "sp-odd", sp_odd },
	{ "signal-null", signal_null },
	{ "signal-not-canonical", signal_not_canonical },
	{ "threads-without-end", threads_without_end },
	{ "threads-are-tasks", threads_are_tasks },
	{ "threads-in-hidden", threads_in_hidden },
	{ "user-without-name", user_without_name },
};

static void forget(struct lie *lie)
{
	kvfree(lie->fake);
	kvfree(lie->other);
	vfree(lie->pages);
	vfree(lie->nodes);
	if (lie->device)
		iounmap(lie->device);
}

static bool prepare(struct lie *lie, const u64 *args)
{
	lie->first = init_task.tasks.next;
	lie->fake = kvzalloc(sizeof(*lie->fake), GFP_KERNEL);
	lie->other = kvzalloc(sizeof(*lie->other), GFP_KERNEL);
	lie->pages = vzalloc(PAGE_SIZE);
	lie->nodes = vzalloc(LONG_LIST);
	lie->device = ioremap(DEVICE, PAGE_SIZE);
	lie->hidden = (u64)__va(args[2]);
	lie->function = args[3];
	if (!lie->fake || !lie->other || !lie->pages || !lie->nodes ||
	    !lie->device)
		return false;
	make_task(lie->fake, lie->first);
	make_task(lie->other, lie->first);
	lie->first = &lie->fake->task.tasks;
	ways[args[0]].tell(lie);
	return true;
}

static u32 ring_once(struct us_request *request, u64 ticket)
{
	u64 rax = US_CALL_MAGIC;

	asm volatile("outl %%eax, %%dx"
		     : "+a"(rax)
		     : "b"(request), "c"(ticket), "d"(US_DOORBELL_PORT)
		     : "memory");
	return rax;
}

/* An enum us_error: that of the request, or that of the doorbell. */
static u32 ring(struct us_request *request)
{
	unsigned long end = jiffies + msecs_to_jiffies(GIVE_UP_MS);
	u64 ticket = get_random_u64() | 1;
	u32 error;

	do {
		error = ring_once(request, ticket);
		cond_resched();
	} while (error == 1 /* US_E_AGAIN */ && time_before(jiffies, end));
	return error ? error : request->status;
}

static bool load(struct us_span *span, u64 number, const char *suffix)
{
	void *data = NULL;
	char path[64];
	int size;

	snprintf(path, sizeof(path), "/load/%llu.upatch%s", number, suffix);
	size = kernel_read_file_from_path(path, 0, &data, US_MAX_BUNDLE, NULL,
					  READING_UNKNOWN);
	if (size < 0)
		return false;
	span->gva = (u64)data;
	span->len = size;
	return true;
}

static struct us_request *make_request(u64 number)
{
	struct us_request *request = kzalloc(sizeof(*request) + PAGE_SIZE,
					     GFP_KERNEL);

	if (!request)
		return NULL;
	request->magic = US_REQUEST_MAGIC;
	request->version = US_ABI_VERSION;
	request->op = US_OP_APPLY;
	request->arg = DEADLINE_MS | STOP_US << 32;
	request->out.gva = (u64)(request + 1);
	request->out.len = PAGE_SIZE;
	if (load(&request->in[0], number, "") &&
	    load(&request->in[1], number, ".minisig"))
		return request;
	vfree((void *)request->in[0].gva);
	kfree(request);
	return NULL;
}

/*
 * Applies bundle @args[1] of /load while the list tells lie @args[0]; @args[2]: physical
 * address of the hypervisor, @args[3]: an address in a function that the bundle
 * replaces. Answer: `error=N ms=N`.
 */
static void tasks_lie(const u64 *args)
{
	struct list_head *first = init_task.tasks.next;
	struct us_request *request;
	struct lie lie = { 0 };
	u64 start;
	u32 error;

	if (args[0] >= ARRAY_SIZE(ways))
		return;
	request = make_request(args[1]);
	if (request && prepare(&lie, args)) {
		start = ktime_get_ns();
		WRITE_ONCE(init_task.tasks.next, lie.first);
		error = ring(request);
		WRITE_ONCE(init_task.tasks.next, first);
		answer("error=%u ms=%llu", error,
		       (ktime_get_ns() - start) / NSEC_PER_MSEC);
	}
	synchronize_rcu();
	forget(&lie);
	if (request) {
		vfree((void *)request->in[0].gva);
		vfree((void *)request->in[1].gva);
		kfree(request);
	}
}

/* Answer: the names of all lies, in order. */
static void tasks_ways(const u64 *args)
{
	char names[480] = "";
	int i, at = 0;

	for (i = 0; i < ARRAY_SIZE(ways); i++)
		at += scnprintf(names + at, sizeof(names) - at, "%s ",
				ways[i].name);
	answer("%s", names);
}

const struct command tasks_commands[] = {
	{ "tasks_lie", 4, tasks_lie },
	{ "tasks_ways", 0, tasks_ways },
	{ }
};
