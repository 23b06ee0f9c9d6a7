/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stop.h"

#include "apic.h"
#include "control_domain.h"
#include "lock.h"
#include "nmi.h"
#include "vmm.h"

#define NOBODY	(~0u)

/*
 * Who has stopped the others: a number of this stop, and the CPU in the low byte. A
 * CPU is held by one stop, so that one which is just leaving a stop that timed out
 * is not taken for held by the next.
 */
static struct lock owner_lock;
static volatile u32 owner = NOBODY;
static u32 stop_number;
static u32 depth;
static volatile u64 started_tsc;

static bool is_owner(u32 who, const struct cpu *cpu)
{
	return who != NOBODY && (who & 0xff) == cpu->index;
}

static void stop_if_panicking(void)
{
	while (panicking())
		asm volatile("cli; hlt");
}

static void hold(struct cpu *cpu, u32 by)
{
	u64 limit = started_tsc + tsc_from_ms(STOP_LIMIT_MS);

	hv.ops->put_down(cpu->guest);
	__atomic_store_n(&cpu->held, by, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&owner, __ATOMIC_ACQUIRE) == by) {
		cpu_pause();
		stop_if_panicking();
		if (rdtsc() > limit) {
			control_check_overdue(STOP_LIMIT_MS);
			limit += tsc_from_ms(STOP_LIMIT_MS);
		}
	}
	__atomic_store_n(&cpu->held, 0, __ATOMIC_RELEASE);
}

void stop_poll(void)
{
	struct cpu *cpu = this_cpu();
	u32 by;

	stop_if_panicking();
	for (;;) {
		by = __atomic_load_n(&owner, __ATOMIC_ACQUIRE);
		if (by == NOBODY || is_owner(by, cpu))
			return;
		hold(cpu, by);
	}
}

static u32 count_held(u32 by)
{
	u32 count = 0;

	for (u32 i = 0; i < hv.boot.cpus; i++)
		count += __atomic_load_n(&hv.cpu[i].held,
					 __ATOMIC_ACQUIRE) == by;
	return count;
}

static u32 count_others(void)
{
	u32 count = 0;

	for (u32 i = 0; i < hv.boot.cpus; i++)
		count += hv.cpu[i].online && i != this_cpu()->index;
	return count;
}

static void release(void)
{
	u32 mine = owner;

	__atomic_store_n(&owner, NOBODY, __ATOMIC_RELEASE);
	while (count_held(mine))
		cpu_pause();
	lock_drop(&owner_lock);
}

/* Nobody waits for those who have not come: the next stop kicks them again. */
static void give_up_kicks(u32 by)
{
	for (u32 i = 0; i < hv.boot.cpus; i++)
		if (i != this_cpu()->index &&
		    __atomic_load_n(&hv.cpu[i].held, __ATOMIC_ACQUIRE) != by)
			nmi_give_up(&hv.cpu[i]);
}

bool stop_begin(void)
{
	return stop_begin_within(tsc_from_ms(STOP_COME_MS));
}

bool stop_begin_within(u64 ticks)
{
	struct cpu *cpu = this_cpu();
	u64 limit;
	u32 mine;

	if (is_owner(owner, cpu)) {
		depth++;
		return true;
	}
	while (!lock_try(&owner_lock)) {
		stop_poll();
		cpu_pause();
	}
	started_tsc = rdtsc();
	depth = 1;
	/* 1 to 0x7fffff: neither 0, which is not held, nor NOBODY. */
	stop_number = stop_number % 0x7fffff + 1;
	mine = stop_number << 8 | cpu->index;
	__atomic_store_n(&owner, mine, __ATOMIC_SEQ_CST);
	for (u32 i = 0; i < hv.boot.cpus; i++)
		if (i != cpu->index && hv.cpu[i].online)
			apic_kick(&hv.cpu[i]);
	limit = started_tsc + ticks;
	while (count_held(mine) < count_others()) {
		cpu_pause();
		if (rdtsc() > limit) {
			give_up_kicks(mine);
			release();
			return false;
		}
	}
	return true;
}

void stop_end(void)
{
	if (--depth == 0)
		release();
}
