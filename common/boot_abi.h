/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The line between loader (efi/) and hypervisor.
 *
 * hypervisor.bin is a position-independent flat image that starts with a struct
 * us_hv_header. The loader copies it to the start of the hypervisor's part of
 * the region, clears the rest up to mem_size, and calls the entry points with
 * the System V calling convention in 64-bit mode under the firmware's identity
 * map. The image relocates itself in us_hv_init.
 *
 * Region layout (physical, contiguous, reported to the operating system as
 * EfiReservedMemoryType, base 2 MiB aligned):
 *
 *	base				patch arena, arena_len: the guest sees it R-X
 *	base + arena_len		shadow memory of patches, shadow_len: the guest
 *					sees it RW-
 *	after that			hypervisor image (mem_size, page rounded)
 *	control_image			control.bin exactly as built, page aligned
 *	keys				public key files, page aligned
 *	free_base .. base + len		given to the hypervisor: page tables, heap
 *
 * Everything but the first two is hidden from the guest.
 */
#ifndef UNDERSEAL_BOOT_ABI_H
#define UNDERSEAL_BOOT_ABI_H

#include "types.h"

#define US_HV_MAGIC	0x3148564c41455355ull	/* "USEALVH1" */
#define US_ARENA_LEN	SIZE_2M
#define US_SHADOW_LEN	SIZE_2M

struct us_hv_header {
	u64 magic;		/* US_HV_MAGIC */
	u32 version;		/* US_BOOT_VERSION */
	u32 header_size;	/* sizeof(struct us_hv_header) */
	u64 file_size;		/* bytes in hypervisor.bin */
	u64 mem_size;		/* with bss; multiple of 4 KiB */
	u64 init;		/* offset of us_hv_init */
	u64 launch;		/* offset of us_hv_launch */
	u64 heap_fixed;		/* bytes wanted from free_base on, and for each GiB
				 * below max(highest_ram, 4 GiB): */
	u64 heap_per_gib;	/* always */
	u64 tables_per_gib;	/* when the processor has no 1 GiB pages */
};

#define US_BOOT_VERSION	5u
#define US_BOOT_MAX_RAM	128u
#define US_SLEEP_NONE	0xffu	/* sleep_off: not known, nothing passes */

struct us_ram_range {
	u64 base, len;		/* page aligned; RAM that the guest may use */
};

struct us_boot_info {
	u32 version;		/* US_BOOT_VERSION */
	u32 cpus;		/* 1 .. 8; index 0 is the boot CPU */
	u32 apic_ids[8];	/* by CPU index */
	u64 region_base;
	u64 region_len;
	u64 arena_len;		/* both multiples of 2 MiB */
	u64 shadow_len;
	u64 image_base;		/* where hypervisor.bin was copied to */
	u64 control_image;
	u64 control_image_len;
	u64 keys;
	u64 keys_len;
	u64 free_base;
	u64 tsc_khz;
	u64 highest_ram;	/* first address above all RAM */
	u64 hpet_base;		/* page of an HPET that the hypervisor may have for
				 * itself; 0: none */
	u64 ioapic_base;	/* page of the IOAPIC that has interrupt 0; 0: none */
	u16 serial_port;	/* I/O base of a 16550, 0: none */
	u16 sleep_port[2];	/* of the bytes with SLP_EN (bit 5) and SLP_TYP
				 * (bits 4-2), ACPI PM1 control; 0: none */
	u8 sleep_off[2];	/* the SLP_TYP that means power off, per port */
	u16 reset_port;		/* ACPI reset register; 0: none that is a port */
	u8 reset_value;		/* what is written there */
	u8 reserved2;
	u32 ram_ranges;
	struct us_ram_range ram[US_BOOT_MAX_RAM]; /* sorted, disjoint, and
				 * merged; without the region */
};

/*
 * Called once, on the boot CPU, interrupts off. Copies *@info. Sets up all that
 * is shared by the CPUs. Returns an enum us_error; nothing of the machine's state
 * is changed, so after a failure the region can be given back.
 */
typedef u32 us_hv_init_fn(const struct us_boot_info *info);

/*
 * Called once on every CPU, the boot CPU last, interrupts off. Returns twice as
 * it were: it enters the hypervisor, and comes back to its caller as a guest
 * with everything as it was. @cpu is the index into apic_ids. Returns an enum
 * us_error; on failure the CPU is as it was. The caller's code, stack, GDT, IDT and
 * page tables must lie outside the region.
 */
typedef u32 us_hv_launch_fn(u32 cpu);

#endif
