/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tick.h"

#include "control_domain.h"
#include "hpet.h"
#include "pin.h"

#define PERIOD_MS	900
/* The CPU whose interrupts are used has gone to sleep: another one takes over. */
#define TAKE_OVER_MS	2000

static enum { NONE, HPET, INTERRUPTS } source;
static volatile bool pending;	/* HPET: its time has come since the last tick */
static u32 last_seen;		/* HPET: its comparator then */
static volatile u64 due;	/* INTERRUPTS: TSC */
static volatile u32 watched;	/* INTERRUPTS: of this vCPU */

void tick_start(void)
{
	if (source != NONE)
		return;
	source = hpet_start(PERIOD_MS) ? HPET : INTERRUPTS;
	due = rdtsc() + tsc_from_ms(PERIOD_MS);
	log_write(US_LOG_INFO, MAX_CPUS, "mappings are looked at once a second, by %s",
		  source == HPET ? hpet_route() : "a CPU's interrupts");
}

bool tick_sent_nmi(struct cpu *cpu)
{
	u32 now;

	if (source != HPET || !hpet_sent_nmi(cpu))
		return false;
	/* All CPUs come; the first one makes it time for a tick. */
	now = cpu->hpet_seen;
	if (__atomic_exchange_n(&last_seen, now, __ATOMIC_SEQ_CST) != now)
		pending = true;
	return true;
}

static bool is_time(void)
{
	return source == HPET ? pending :
		source == INTERRUPTS && rdtsc() >= due;
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
	if (!is_time() || !vcpu->pinned || !control_try_lock())
		return;
	if (is_time() && domain_is_free()) {
		if (rdtsc() - due > tsc_from_ms(TAKE_OVER_MS))
			watched = vcpu->index;
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
		hv.ops->watch_interrupts(vcpu, vcpu->pinned &&
					 watched == vcpu->index &&
					 !vcpu->in_handler);
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
