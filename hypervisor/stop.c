/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stop.h"

#include "apic.h"
#include "control_domain.h"
#include "lock.h"

#define NOBODY	(~0u)

static struct lock owner_lock;
static volatile u32 owner = NOBODY;
static u32 depth;
static volatile u64 started_tsc;

bool stop_owned(void)
{
	return owner == this_cpu()->index;
}

static void stop_if_panicking(void)
{
	while (panicking())
		asm volatile("cli; hlt");
}

static void hold(struct cpu *cpu)
{
	u64 limit = started_tsc + tsc_from_ms(STOP_LIMIT_MS);

	__atomic_store_n(&cpu->held, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&owner, __ATOMIC_ACQUIRE) != NOBODY) {
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
	u32 by = __atomic_load_n(&owner, __ATOMIC_ACQUIRE);

	stop_if_panicking();
	if (by != NOBODY && by != cpu->index)
		hold(cpu);
}

static u32 count_held(void)
{
	u32 count = 0;

	for (u32 i = 0; i < hv.boot.cpus; i++)
		count += __atomic_load_n(&hv.cpu[i].held, __ATOMIC_ACQUIRE);
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
	__atomic_store_n(&owner, NOBODY, __ATOMIC_RELEASE);
	while (count_held())
		cpu_pause();
	lock_drop(&owner_lock);
}

bool stop_begin(void)
{
	struct cpu *cpu = this_cpu();
	u64 limit;

	if (owner == cpu->index) {
		depth++;
		return true;
	}
	while (!lock_try(&owner_lock)) {
		stop_poll();
		cpu_pause();
	}
	started_tsc = rdtsc();
	depth = 1;
	__atomic_store_n(&owner, cpu->index, __ATOMIC_SEQ_CST);
	for (u32 i = 0; i < hv.boot.cpus; i++)
		if (i != cpu->index && hv.cpu[i].online)
			apic_kick(&hv.cpu[i]);
	limit = started_tsc + tsc_from_ms(STOP_COME_MS);
	while (count_held() < count_others()) {
		cpu_pause();
		if (rdtsc() > limit) {
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
