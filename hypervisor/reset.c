/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reset.h"

#include "control_domain.h"

/* ICH and its successors; most chipsets have it. */
#define RESET_CONTROL		0xcf9
#define RESET_CONTROL_CPU	(1u << 2)
#define KEYBOARD_STATUS		0x64

void reset_watch(void)
{
	u16 acpi = hv.boot.reset_port;

	hv.ops->watch_port(RESET_CONTROL);
	if (acpi && acpi != KEYBOARD_STATUS)
		hv.ops->watch_port(acpi);
}

/* The configuration address of PCI, 4 bytes from 0xcf8 on, lies over the reset control
 * and is another register. */
static bool is_reset(const struct vmexit *exit, u32 value)
{
	if (exit->io.size != 1)
		return false;
	return (exit->io.port == RESET_CONTROL && (value & RESET_CONTROL_CPU)) ||
		(exit->io.port == hv.boot.reset_port &&
		 (u8)value == hv.boot.reset_value);
}

/* Whatever it is in the middle of comes first, within its own time. A domain that is
 * dead, or dies of it, keeps nobody from resetting. */
static bool announce(struct cpu *cpu, const struct vcpu *vcpu)
{
	if (control.state == CONTROL_DEAD)
		return true;
	if (!control_lock())
		return false;
	control_run(cpu, true);
	if (control.state == CONTROL_IDLE || control.state == CONTROL_BACKOFF) {
		control_post(US_EV_RESET, vcpu, SHORT_BUDGET_MS);
		control_run(cpu, true);
	}
	control_unlock();
	return true;
}

bool reset_may_write(struct cpu *cpu, const struct vcpu *vcpu,
		     const struct vmexit *exit, u32 value)
{
	return !is_reset(exit, value) || announce(cpu, vcpu);
}

void reset_machine(struct cpu *cpu, const struct vcpu *vcpu)
{
	while (!announce(cpu, vcpu))
		cpu_pause();
	for (;;) {
		outb(RESET_CONTROL, 0x02);
		outb(RESET_CONTROL, 0x06);
		outb(KEYBOARD_STATUS, 0xfe);
	}
}
