/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control domain: a vCPU with address space of its own that any CPU can run.
 *
 * It is a coroutine. An event starts it; it runs until it waits for the next event
 * (HV_WAIT), until a physical interrupt wants the CPU (then the guest goes on, and
 * whoever comes next resumes it), or until its time for the event is used up,
 * which ends it for good. One CPU runs it at a time, under the control lock.
 *
 * Every function here but control_init and control_check_overdue needs that lock.
 */
#ifndef HV_CONTROL_DOMAIN_H
#define HV_CONTROL_DOMAIN_H

#include "vmm.h"

enum control_state {
	CONTROL_NEW,		/* has never run */
	CONTROL_IDLE,		/* waits for an event */
	CONTROL_RUNNABLE,	/* in an event, or preempted in it */
	CONTROL_BACKOFF,	/* in a request, but waits for time to pass */
	CONTROL_DEAD,
};

/* One request and its answer; tickets tell callers apart. */
struct control_request {
	bool open;		/* accepted and not finished */
	bool finished;		/* @status waits for its caller */
	u64 ticket;
	u64 used_tsc;		/* of its budget, when it last began a backoff */
	u64 finished_tsc;
	u32 status;
};

struct control {
	struct vcpu vcpu;
	volatile enum control_state state;
	enum us_control_state health;	/* how it died */
	struct us_mailbox *mailbox;
	struct control_request request;
	enum us_event event;	/* what it works on */
	u32 text_status;	/* its verdict on a text write */
	u32 claim_status;	/* what the caller is told in the end */
	u64 used_tsc, budget_tsc; /* of the present event */
	volatile u64 run_since;	/* TSC, while it runs on @run_by */
	struct cpu *run_by;
	u64 backoff_until;
	bool stopped;		/* holds the guest, */
	u64 stopped_since;	/* since this TSC */
	volatile u32 overdue;	/* a held CPU lost patience */
	/* its address space: linear = own physical, plus @offset = host physical */
	u64 offset;
	u64 rodata_end, image_end;
	u64 stack_start, stack_end, heap_start, heap_end;
	u64 calls, stops;
	u64 tsc;		/* its running time */
	u64 bytes;		/* memory in all */
};

extern struct control control;

/* Lay the domain out and start it up to its first wait. BAD_IMAGE, NO_MEMORY. */
enum us_error control_init(void);
/* On the first CPU that is in the hypervisor: run it until it waits. */
void control_start(struct cpu *cpu);

/* Take the lock: at once, or after a short wait; false when another CPU keeps
 * it, and the guest had better try again later. Whoever waits also sees to it that
 * the domain does not keep that CPU for longer than its time. */
bool control_lock(void);
/* Without waiting. */
bool control_try_lock(void);
void control_unlock(void);

/* Run it while it is runnable. @masked: do not end for a physical interrupt; for
 * short events and for guests that cannot take the interrupt anyway. True when it
 * waits again (or is dead), false when it was preempted. */
bool control_run(struct cpu *cpu, bool masked);

/* Put an event into the mailbox and make the domain runnable. */
void control_post(enum us_event event, const struct vcpu *vcpu, u64 budget_ms);

/* The time of a backoff is over: wake the domain with US_EV_NONE. */
void control_resume(void);

/* From a CPU that is held or waits, without the lock: if the domain has run for
 * longer than @limit_ms without a break, end it. */
void control_check_overdue(u64 limit_ms);

/* verbs.c: carry out one verb of the control domain. */
void control_verb(struct cpu *cpu);

/* Generous, because time that the host of a virtual machine takes away counts too. */
#define REQUEST_BUDGET_MS	30000
#define SHORT_BUDGET_MS		5000

#endif
