/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ioapic.h"

#include <string.h>

#include "decode.h"
#include "lock.h"
#include "slat.h"
#include "vcpu.h"

#define REG_SELECT	0x00
#define REG_WINDOW	0x10
#define REG_EOI		0x40

/* Registers behind the window. */
#define VERSION		0x01
#define LAST_PIN(version) ((version) >> 16 & 0xff)
#define ENTRY(pin)	(0x10 + 2 * (pin))
#define ENTRY_NMI	(4u << 8)
#define ENTRY_MASKED	(1u << 16)
#define DESTINATION(id)	((id) << 24)

/* Pins below are lines of the ISA bus, whose devices Linux may not have set up yet. */
#define FIRST_PIN	16u

static u32 taken;		/* 0: none */
static u32 selected;		/* what the guest has in REG_SELECT */
static struct lock window_lock;

static volatile u32 *mmio(u32 reg)
{
	return (volatile u32 *)(hv.boot.ioapic_base + reg);
}

static u32 read_entry(u32 index)
{
	*mmio(REG_SELECT) = index;
	return *mmio(REG_WINDOW);
}

static void write_entry(u32 index, u32 value)
{
	*mmio(REG_SELECT) = index;
	*mmio(REG_WINDOW) = value;
}

/* The highest pin that the operating system has left masked; 0 if none. */
static u32 find_pin(u32 pins)
{
	u32 last = LAST_PIN(read_entry(VERSION));

	for (u32 pin = last < 31 ? last : 31; pin >= FIRST_PIN; pin--)
		if ((pins >> pin & 1) && (read_entry(ENTRY(pin)) & ENTRY_MASKED))
			return pin;
	return 0;
}

u32 ioapic_take_pin(u32 pins, u32 destination)
{
	if (!hv.boot.ioapic_base || taken)
		return taken;
	selected = *mmio(REG_SELECT);
	taken = find_pin(pins);
	if (taken && slat_protect(hv.boot.ioapic_base, PAGE_SIZE,
				  SLAT_READ_ONLY))
		taken = 0;
	if (taken) {
		vcpu_flush_all();
		write_entry(ENTRY(taken) + 1, DESTINATION(destination));
		write_entry(ENTRY(taken), ENTRY_NMI);
	}
	*mmio(REG_SELECT) = selected;
	return taken;
}

bool ioapic_owns(u64 gpa)
{
	return taken && ALIGN_DOWN(gpa, PAGE_SIZE) == hv.boot.ioapic_base;
}

static bool is_taken(u32 index)
{
	return index == ENTRY(taken) || index == ENTRY(taken) + 1;
}

/* What is selected and what is written belong together, whoever else is here. */
static void carry_out(u32 reg, u32 value)
{
	lock_take(&window_lock);
	if (reg == REG_SELECT) {
		selected = value & 0xff;
		*mmio(REG_SELECT) = value;
	} else if (reg == REG_EOI) {
		*mmio(REG_EOI) = value;
	} else if (reg == REG_WINDOW && !is_taken(selected)) {
		write_entry(selected, value);
	}
	lock_drop(&window_lock);
}

bool ioapic_page_write(struct vcpu *vcpu, u64 gpa)
{
	struct guest_system system;
	struct store store;
	u32 value = 0;

	hv.ops->get_system(vcpu, &system);
	if (decode_store(vcpu, &system, &store) || store.string ||
	    store.len != sizeof(value))
		return false;
	memcpy(&value, store.bytes, sizeof(value));
	decode_complete(vcpu, &store);
	carry_out(gpa & ~PAGE_MASK, value);
	return true;
}
