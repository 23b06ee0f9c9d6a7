/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tick.h"

#include "control_domain.h"
#include "hpet.h"
#include "pin.h"

#define PERIOD_MS	900
/* The HPET is late by so much: the next exit of any kind does for a tick. */
#define SILENT_MS	2000
/* So many times in a row an exit of another kind came when the HPET had been silent for
 * too long: somebody has moved it, or its messages. */
#define MAX_MISSED	3

static enum { NONE, TIMER, HPET, INTERRUPTS } source;
static volatile bool pending;	/* HPET: its time has come since the last tick */
static u32 last_seen;		/* HPET: its comparator then */
static u32 missed;		/* HPET: see MAX_MISSED */
static volatile u64 due;	/* TSC */

static const char *source_name(void)
{
	switch (source) {
	case TIMER: return "the processors' own timers";
	case HPET: return hpet_route();
	default: return "interrupts";
	}
}

void tick_start(void)
{
	if (source != NONE)
		return;
	source = hv.ops->start_timer(PERIOD_MS) ? TIMER :
		hpet_start(PERIOD_MS) ? HPET : INTERRUPTS;
	due = rdtsc() + tsc_from_ms(PERIOD_MS);
	log_write(US_LOG_INFO, MAX_CPUS, "mappings are looked at once a second, by %s",
		  source_name());
}

u32 tick_sent_nmis(struct cpu *cpu)
{
	/* Also when it was given up as silent: it may only have been slow. */
	u32 now, count = hpet_sent_nmis(cpu);

	if (!count)
		return 0;
	/* All CPUs come; the first one makes it time for a tick. */
	now = cpu->hpet_seen;
	if (__atomic_exchange_n(&last_seen, now, __ATOMIC_SEQ_CST) != now)
		pending = true;
	return count;
}

/* By how much is the tick late? */
static u64 late(void)
{
	u64 now = rdtsc(), then = due;

	return now > then ? now - then : 0;
}

static bool is_time(void)
{
	switch (source) {
	case HPET: return pending || late() > tsc_from_ms(SILENT_MS);
	case TIMER:
	case INTERRUPTS: return late();
	case NONE: break;
	}
	return false;
}

/* With the control lock. */
static void look_after_source(const struct vcpu *vcpu)
{
	if (source != HPET)
		return;
	missed = pending ? 0 : missed + 1;
	if (missed < MAX_MISSED)
		return;
	source = INTERRUPTS;
	log_write(US_LOG_ERROR, vcpu->index,
		  "%s: silent; mappings are looked at by interrupts",
		  hpet_route());
}

static void name_guest(const struct vcpu *vcpu)
{
	struct us_mailbox *mailbox = control.mailbox;
	struct guest_system system;

	hv.ops->get_system(vcpu, &system);
	mailbox->cr0 = system.cr0;
	mailbox->cr3 = system.cr3;
	mailbox->cr4 = system.cr4;
	mailbox->efer = system.efer;
	mailbox->cpl = system.cpl;
	mailbox->request_gva = 0;
}

/* Idle, or waiting for time to pass in a request: then the tick comes in between.
 * In the middle of a request it waits for the end. */
static bool domain_is_free(void)
{
	return control.state == CONTROL_IDLE ||
		control.state == CONTROL_BACKOFF;
}

void tick_poll(struct cpu *cpu, struct vcpu *vcpu)
{
	/* Pinned or not: the guest can start all of its CPUs anew and leave them so. */
	if (!is_time() || !pin_started(vcpu) || !control_try_lock())
		return;
	if (is_time() && domain_is_free()) {
		look_after_source(vcpu);
		due = rdtsc() + tsc_from_ms(PERIOD_MS);
		pending = false;
		name_guest(vcpu);
		control_post(US_EV_TICK, vcpu, SHORT_BUDGET_MS);
		control_run(cpu, true);
	}
	control_unlock();
}

/*
 * The interrupt that ended the run is still to be taken: the guest is let go until
 * its handler returns.
 */
void tick_prepare(struct vcpu *vcpu)
{
	if (source == INTERRUPTS)
		hv.ops->watch_interrupts(vcpu, !vcpu->in_handler);
}

void tick_interrupted(struct vcpu *vcpu)
{
	vcpu->in_handler = true;
	hv.ops->watch_iret(vcpu);
}

void tick_iret(struct vcpu *vcpu)
{
	vcpu->in_handler = false;
}
