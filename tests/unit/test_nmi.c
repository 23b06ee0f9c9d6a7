/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which NMIs are taken for the guest's. */
#include "fake_vmm.h"
#include "nmi.h"
#include "suites.h"

static struct cpu *cpu;

static void start(void)
{
	fake_start(1);
	hv.boot.tsc_khz = 1u << 31;	/* no time passes unless it is meant to */
	cpu = &hv.cpu[0];
}

/* Did the guest get the NMI that arrives now? */
static bool is_guests(void)
{
	cpu->guest->nmi_pending = 0;
	nmi_arrived(cpu);
	return cpu->guest->nmi_pending;
}

/* More time than an NMI takes that has to wait for another. */
static void time_passes(void)
{
	cpu->twin_until = 0;
}

static void one_mark_one_nmi(void)
{
	start();
	CU_ASSERT(is_guests());
	CU_ASSERT(nmi_announce(cpu));
	CU_ASSERT_FALSE(nmi_announce(cpu));	/* the first one brings it in */
	CU_ASSERT_FALSE(is_guests());
	CU_ASSERT(is_guests());
	fake.tick_nmis = 1;
	CU_ASSERT_FALSE(is_guests());
	CU_ASSERT(is_guests());
	CU_ASSERT(nmi_announce(cpu));
}

/* The stop has given up, another one comes or none does: the NMI was on its way. */
static void late_kick(void)
{
	start();
	CU_ASSERT(nmi_announce(cpu));
	nmi_give_up(cpu);
	CU_ASSERT_FALSE(is_guests());
	CU_ASSERT(is_guests());

	/* One that had arrived is nothing to be waited for. */
	CU_ASSERT(nmi_announce(cpu));
	CU_ASSERT_FALSE(is_guests());
	nmi_give_up(cpu);
	CU_ASSERT(is_guests());
}

/* Sent again; the two arrive as one or as two. */
static void late_kick_and_another(void)
{
	u32 both;

	for (both = 0; both < 2; both++) {
		start();
		CU_ASSERT(nmi_announce(cpu));
		nmi_give_up(cpu);
		CU_ASSERT(nmi_announce(cpu));
		CU_ASSERT_FALSE(is_guests());
		if (!both)
			time_passes();
		CU_ASSERT_EQUAL(is_guests(), !both);
		CU_ASSERT(is_guests());
	}
}

static void kick_and_tick(void)
{
	start();
	CU_ASSERT(nmi_announce(cpu));
	fake.tick_nmis = 1;
	CU_ASSERT_FALSE(is_guests());
	CU_ASSERT_FALSE(is_guests());	/* the other one of the two */
	CU_ASSERT(is_guests());
}

/* The CPU was so slow that the source's next NMI came before it had looked. */
static void two_ticks(void)
{
	start();
	fake.tick_nmis = 2;
	CU_ASSERT_FALSE(is_guests());
	CU_ASSERT_FALSE(is_guests());
	CU_ASSERT(is_guests());
}

/* What waits is taken at the next entry, however long that takes to come. */
static void stood_still(void)
{
	start();
	fake.tick_nmis = 2;
	CU_ASSERT_FALSE(is_guests());
	time_passes();
	nmi_entering(cpu);
	CU_ASSERT_FALSE(is_guests());

	/* Only the first entry counts. */
	fake.tick_nmis = 2;
	CU_ASSERT_FALSE(is_guests());
	nmi_entering(cpu);
	time_passes();
	nmi_entering(cpu);
	CU_ASSERT(is_guests());
}

const struct test nmi_tests[] = {
	{ "one mark, one NMI", one_mark_one_nmi },
	{ "a kick that was given up", late_kick },
	{ "a kick that was given up, and another", late_kick_and_another },
	{ "kick and tick at once", kick_and_tick },
	{ "two ticks at once", two_ticks },
	{ "a CPU that stood still", stood_still },
	{ 0 }
};
