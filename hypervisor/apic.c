/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "apic.h"

#include "decode.h"
#include "nmi.h"
#include "slat.h"
#include "stop.h"
#include "vcpu.h"
#include "vmm.h"

#define ICR_MODE(icr)	((icr) >> 8 & 7)
#define ICR_MODE_NMI	4
#define ICR_MODE_INIT	5
#define ICR_MODE_SIPI	6
#define ICR_LOGICAL	(1u << 11)
#define ICR_BUSY	(1u << 12)
#define ICR_ASSERT	(1u << 14)
#define ICR_LEVEL	(1u << 15)
#define ICR_SHORTHAND(icr) ((icr) >> 18 & 3)
#define SHORTHAND_NONE	0
#define SHORTHAND_SELF	1
#define SHORTHAND_ALL	2
#define SHORTHAND_OTHERS 3

#define VECTORS_OF_EXCEPTIONS	0x1f	/* as a TPR value: nothing up to these */

#define CMOS_SHUTDOWN_STATUS	0x0f
#define CMOS_WARM_RESET		0x0a

static bool trapped;
static volatile bool os_runs;	/* has started a CPU */

static bool x2apic_on(void)
{
	return rdmsr(MSR_APIC_BASE) & APIC_BASE_X2APIC;
}

u32 apic_read(u32 reg)
{
	if (x2apic_on())
		return (u32)rdmsr(MSR_X2APIC_BASE + reg / 16);
	return *(volatile u32 *)(APIC_DEFAULT_BASE + reg);
}

void apic_write(u32 reg, u32 value)
{
	if (x2apic_on())
		wrmsr(MSR_X2APIC_BASE + reg / 16, value);
	else
		*(volatile u32 *)(APIC_DEFAULT_BASE + reg) = value;
}

static void wait_icr_idle(void)
{
	for (u32 i = 0; i < 1000000; i++) {
		if (!(apic_read(APIC_ICR_LOW) & ICR_BUSY))
			break;
		cpu_pause();
	}
}

static void send_nmi(u32 apic_id)
{
	u32 guest_high;

	if (x2apic_on()) {
		wrmsr(MSR_X2APIC_BASE + APIC_ICR_LOW / 16,
		      (u64)apic_id << 32 | ICR_ASSERT | ICR_MODE_NMI << 8);
		return;
	}
	/* The guest may be between its two writes: give ICR high back. */
	wait_icr_idle();
	guest_high = apic_read(APIC_ICR_HIGH);
	apic_write(APIC_ICR_HIGH, apic_id << 24);
	apic_write(APIC_ICR_LOW, ICR_ASSERT | ICR_MODE_NMI << 8);
	wait_icr_idle();
	apic_write(APIC_ICR_HIGH, guest_high);
}

void apic_kick(struct cpu *cpu)
{
	if (nmi_announce(cpu))
		send_nmi(cpu->apic_id);
}

u32 apic_own_id(void)
{
	return x2apic_on() ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;
}

u32 apic_broadcast_id(void)
{
	return x2apic_on() ? hv.cpu[0].apic_id & 0xff : 0xff;
}

bool apic_requested(u8 vector)
{
	return apic_read(APIC_IRR + vector / 32 * 16) >> vector % 32 & 1;
}

static bool any_bit(u32 reg)
{
	u32 bits = 0;

	for (u32 i = 0; i < 8; i++)
		bits |= apic_read(reg + i * 16);
	return bits;
}

static void end_interrupts(void)
{
	for (u32 i = 0; i < 256 && any_bit(APIC_ISR); i++)
		apic_write(APIC_EOI, 0);
}

void apic_reset_self(void)
{
	for (u32 reg = APIC_LVT_TIMER; reg <= APIC_LVT_LAST; reg += 16)
		apic_write(reg, 1u << 16);
	apic_write(APIC_TIMER_INIT, 0);
	apic_write(APIC_TIMER_DIV, 0);
	/*
	 * Requested interrupts can be dropped in one way only: by taking them. Not
	 * those of vectors 16 to 31: to our IDT they would be exceptions, some with
	 * an error code that an interrupt does not push.
	 */
	apic_write(APIC_TPR, VECTORS_OF_EXCEPTIONS);
	end_interrupts();
	apic_write(APIC_SVR, APIC_SVR_ENABLE | 0xff);
	for (u32 i = 0; i < 256 && any_bit(APIC_IRR); i++) {
		hv.ops->accept_interrupts();
		end_interrupts();
	}
	apic_write(APIC_TPR, 0);
	if (!x2apic_on()) {
		apic_write(APIC_LDR, 0);
		apic_write(APIC_DFR, ~0u);
	}
	apic_write(APIC_SVR, 0xff);
}

static void set_trap(bool on)
{
	/* Under a stop, so that no vCPU goes on with the old permission. Splitting
	 * was done at boot, so that slat_protect cannot fail here. */
	if (trapped == on)
		return;
	if (!stop_begin()) {
		/* Not worth more: without the trap, INIT is intercepted; with it,
		 * the next CPU to start tries again. */
		log_write(US_LOG_WARNING, this_cpu()->index,
			  "a CPU did not come to the stop for the APIC trap");
		return;
	}
	if (trapped != on) {
		trapped = on;
		hv.ops->trap_x2apic_icr(on);
		slat_protect(APIC_DEFAULT_BASE, PAGE_SIZE,
			     on ? SLAT_READ_ONLY : SLAT_OPEN);
		vcpu_flush_all();
	}
	stop_end();
}

static bool all_started(void)
{
	for (u32 i = 1; i < hv.boot.cpus; i++)
		if (!hv.vcpu[i].os_started ||
		    hv.vcpu[i].state != VCPU_RUNNING)
			return false;
	return true;
}

void apic_trap_init(void)
{
	trapped = hv.boot.cpus > 1;
	hv.ops->trap_x2apic_icr(trapped);
	if (trapped)
		slat_protect(APIC_DEFAULT_BASE, PAGE_SIZE, SLAT_READ_ONLY);
}

void apic_vcpu_started(struct vcpu *vcpu)
{
	vcpu->os_started = os_runs;
	if (all_started())
		set_trap(false);
}

void apic_watch_starts(void)
{
	if (hv.boot.cpus > 1)
		set_trap(true);
}

void apic_cmos_write(u8 index, u8 value)
{
	if (index == CMOS_SHUTDOWN_STATUS && value == CMOS_WARM_RESET)
		apic_watch_starts();
}

static void send_init(struct vcpu *vcpu)
{
	vcpu->pending_sipi = 0;
	__atomic_store_n(&vcpu->pending_init, 1, __ATOMIC_SEQ_CST);
	apic_kick(&hv.cpu[vcpu->index]);
}

static void send_sipi(struct vcpu *vcpu, u8 vector)
{
	__atomic_store_n(&vcpu->pending_sipi, 0x100u | vector, __ATOMIC_SEQ_CST);
	apic_kick(&hv.cpu[vcpu->index]);
}

/* Firmware has no system calls; it starts CPUs, too, and does it once more when it
 * hands over. */
static void look_who_starts(const struct vcpu *from)
{
	struct guest_system system;

	hv.ops->get_system(from, &system);
	if (system.lstar)
		os_runs = true;
}

static bool addressed(const struct vcpu *from, const struct vcpu *to, u64 icr,
		      u32 destination)
{
	switch (ICR_SHORTHAND(icr)) {
	case SHORTHAND_SELF: return false;	/* reserved for INIT, SIPI */
	case SHORTHAND_ALL:
	case SHORTHAND_OTHERS: return to != from;
	}
	return to != from && hv.cpu[to->index].apic_id == destination;
}

/* INIT or SIPI of @from, by our own means. True when @icr was one of them. */
static bool start_command(struct vcpu *from, u64 icr, u32 destination)
{
	u32 mode = ICR_MODE(icr);

	if (mode != ICR_MODE_INIT && mode != ICR_MODE_SIPI)
		return false;
	if (mode == ICR_MODE_INIT && (icr & ICR_LEVEL) && !(icr & ICR_ASSERT))
		return true;	/* de-assert: only old processors know it */
	if ((icr & ICR_LOGICAL) && ICR_SHORTHAND(icr) == SHORTHAND_NONE) {
		log_guest(from->index,
			  "INIT or SIPI to a logical destination was dropped");
		return true;
	}
	look_who_starts(from);
	for (u32 i = 0; i < hv.boot.cpus; i++) {
		struct vcpu *to = &hv.vcpu[i];

		if (!addressed(from, to, icr, destination))
			continue;
		if (mode == ICR_MODE_INIT)
			send_init(to);
		else
			send_sipi(to, (u8)icr);
	}
	return true;
}

bool apic_page_write(struct vcpu *vcpu, u64 gpa)
{
	u32 reg = gpa & 0xfff, value = 0;
	struct guest_system system;
	struct store store;

	hv.ops->get_system(vcpu, &system);
	if (decode_store(vcpu, &system, &store) || store.string ||
	    store.len != 4 || reg & 15)
		return false;
	for (u32 i = 0; i < 4; i++)
		value |= (u32)store.bytes[i] << i * 8;
	decode_complete(vcpu, &store);
	if (reg == APIC_ICR_LOW &&
	    start_command(vcpu, value, apic_read(APIC_ICR_HIGH) >> 24))
		return true;
	apic_write(reg, value);
	return true;
}

void apic_x2apic_icr(struct vcpu *vcpu, u64 icr)
{
	if (!start_command(vcpu, icr, icr >> 32))
		wrmsr(MSR_X2APIC_BASE + APIC_ICR_LOW / 16, icr);
}
