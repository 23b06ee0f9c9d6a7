/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watchdog.h"

#include "apic.h"
#include "vmm.h"

#define WATCHDOG_VECTOR	0xffu
#define TPR_CLASS	0xeu	/* lets only class 0xf through */
#define TICKS		1000000u /* 1 ms at 1 GHz, 40 ms at 25 MHz */
#define DIVIDE_BY_1	0xbu
#define LVT_MASKED	(1u << 16)
#define LVT_MODE(lvt)	((lvt) >> 17 & 3)
#define MODE_DEADLINE	2

static struct {
	u32 lvt, divide, initial, current;
	u64 deadline, tpr;
} guest;

static void start_tick(void)
{
	apic_write(APIC_TIMER_INIT, TICKS);
}

void watchdog_arm(void)
{
	guest.tpr = read_cr8();
	guest.lvt = apic_read(APIC_LVT_TIMER);
	guest.divide = apic_read(APIC_TIMER_DIV);
	guest.initial = apic_read(APIC_TIMER_INIT);
	guest.current = apic_read(APIC_TIMER_COUNT);
	if (LVT_MODE(guest.lvt) == MODE_DEADLINE)
		guest.deadline = rdmsr(MSR_TSC_DEADLINE);
	apic_write(APIC_LVT_TIMER, LVT_MASKED | WATCHDOG_VECTOR);
	apic_write(APIC_TIMER_DIV, DIVIDE_BY_1);
	apic_write(APIC_LVT_TIMER, WATCHDOG_VECTOR);
	write_cr8(TPR_CLASS);
	start_tick();
}

bool watchdog_ticked(void)
{
	if (!apic_requested(WATCHDOG_VECTOR))
		return false;
	/* Taken and not ended: nothing else of its class can come in. */
	hv.ops->accept_interrupts();
	apic_write(APIC_EOI, 0);
	start_tick();
	return true;
}

/* What the guest's timer has still to run. One that has just come to its end may not
 * have asked for its interrupt yet; so it ends once more, which a handler of a
 * one-shot timer takes as too early and no harm. */
static u32 rest_of_count(void)
{
	if (LVT_MODE(guest.lvt))	/* periodic: a new period */
		return guest.initial;
	return guest.current ? guest.current : 1;
}

void watchdog_disarm(void)
{
	apic_write(APIC_TIMER_INIT, 0);
	apic_write(APIC_LVT_TIMER, LVT_MASKED | WATCHDOG_VECTOR);
	watchdog_ticked();
	apic_write(APIC_TIMER_INIT, 0);
	apic_write(APIC_TIMER_DIV, guest.divide);
	apic_write(APIC_LVT_TIMER, guest.lvt);
	if (LVT_MODE(guest.lvt) == MODE_DEADLINE)
		wrmsr(MSR_TSC_DEADLINE, guest.deadline);
	else if (guest.initial && !(guest.lvt & LVT_MASKED))
		apic_write(APIC_TIMER_INIT, rest_of_count());
	write_cr8(guest.tpr);
}
