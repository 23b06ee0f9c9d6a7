/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hpet.h"

#include "apic.h"
#include "ioapic.h"
#include "slat.h"
#include "vcpu.h"

#define REG_CAPABILITIES	0x000
#define REG_PERIOD		0x004	/* of the counter, in femtoseconds */
#define REG_CONFIG		0x010
#define CONFIG_ENABLE		(1u << 0)
#define REG_COUNTER		0x0f0
#define REG_TIMER(n)		(0x100 + (n) * 0x20)
#define TIMER_ENABLE		(1u << 2)
#define TIMER_PERIODIC		(1u << 3)
#define TIMER_CAN_PERIODIC	(1u << 4)
#define TIMER_SET_VALUE		(1u << 6)
#define TIMER_32_BITS		(1u << 8)
#define TIMER_PIN(n)		((n) << 9)
#define TIMER_MESSAGE		(1u << 14)
#define TIMER_CAN_MESSAGE	(1u << 15)
#define REG_TIMER_PINS		0x104	/* timer 0: IOAPIC pins that it can reach */
#define REG_COMPARATOR		0x108
#define REG_MESSAGE		0x110
#define REG_MESSAGE_ADDRESS	0x114

#define TIMERS(capabilities)	(((capabilities) >> 8 & 31) + 1)
#define FS_PER_MS		1000000000000ull
#define MAX_PERIOD_FS		100000000u

/* As a local APIC understands it: APM volume 2, 16.5 for the modes. */
#define MESSAGE_ADDRESS		0xfee00000u
#define MESSAGE_NMI		(4u << 8)

#define MESSAGE_DESTINATION(id)	((id) << 12)

static const char *route = "";
static bool started;
static u32 period;		/* in ticks of the counter */

static u32 read(u32 reg)
{
	return *(volatile u32 *)(hv.boot.hpet_base + reg);
}

static void write(u32 reg, u32 value)
{
	*(volatile u32 *)(hv.boot.hpet_base + reg) = value;
}

bool hpet_owns(u64 gpa)
{
	return started && ALIGN_DOWN(gpa, PAGE_SIZE) == hv.boot.hpet_base;
}

const char *hpet_route(void)
{
	return route;
}

/* The bits that make timer 0 send NMIs; 0 when there is no way for them. */
static u32 find_route(void)
{
	u32 pin;

	if (read(REG_TIMER(0)) & TIMER_CAN_MESSAGE) {
		write(REG_MESSAGE, MESSAGE_NMI);
		write(REG_MESSAGE_ADDRESS, MESSAGE_ADDRESS |
		      MESSAGE_DESTINATION(apic_broadcast_id()));
		route = "HPET messages";
		return TIMER_MESSAGE;
	}
	pin = ioapic_take_pin(read(REG_TIMER_PINS), apic_broadcast_id());
	route = "HPET and IOAPIC";
	return pin ? TIMER_PIN(pin) : 0;
}

/* Writing a periodic comparator: section 2.3.9.2.2. The first write goes to the
 * comparator, the second one is the period. */
static void start_timer(u32 bits, u32 ticks)
{
	u32 timers = TIMERS(read(REG_CAPABILITIES));

	write(REG_CONFIG, 0);
	for (u32 i = 0; i < timers; i++)
		write(REG_TIMER(i), 0);
	write(REG_TIMER(0), bits | TIMER_ENABLE | TIMER_PERIODIC |
	      TIMER_SET_VALUE | TIMER_32_BITS);
	write(REG_COMPARATOR, read(REG_COUNTER) + ticks);
	write(REG_COMPARATOR, ticks);
	write(REG_CONFIG, CONFIG_ENABLE);
}

bool hpet_start(u32 period_ms)
{
	u64 period_fs, ticks;
	u32 bits;

	if (!hv.boot.hpet_base ||
	    !(read(REG_TIMER(0)) & TIMER_CAN_PERIODIC))
		return false;
	period_fs = read(REG_PERIOD);
	if (!period_fs || period_fs > MAX_PERIOD_FS)
		return false;
	ticks = period_ms * FS_PER_MS / period_fs;
	if (ticks >> 31)
		return false;
	bits = find_route();
	if (!bits || slat_protect(hv.boot.hpet_base, PAGE_SIZE, SLAT_READ_ONLY))
		return false;
	vcpu_flush_all();
	period = (u32)ticks;
	start_timer(bits, period);
	for (u32 i = 0; i < hv.boot.cpus; i++)
		hv.cpu[i].hpet_seen = read(REG_COMPARATOR);
	started = true;
	return true;
}

/* A periodic comparator moves on by a period when its time has come, and that is when the
 * NMI is sent. */
u32 hpet_sent_nmis(struct cpu *cpu)
{
	u32 now, ahead;

	if (!started)
		return 0;
	now = read(REG_COMPARATOR);
	ahead = now - cpu->hpet_seen;
	cpu->hpet_seen = now;
	return ahead && ahead < period ? 1 : ahead / period;
}
