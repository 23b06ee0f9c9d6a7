/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Physical memory: what the hypervisor owns, what the guest owns, and the one
 * gate between the two.
 */
#ifndef HV_MEMORY_H
#define HV_MEMORY_H

#include "hv.h"

/*
 * The hypervisor's own region is identity-mapped. All other RAM is mapped, never
 * executable, at DIRECT_MAP, so that a stray small pointer hits nothing.
 */
#define DIRECT_MAP	0xffff800000000000ull

static inline u64 virt_to_phys(const volatile void *p)
{
	return (u64)p;
}

static inline void *own_phys_to_virt(u64 pa)
{
	return (void *)pa;
}

/*
 * The gate. Every access to an address that a guest or the control domain
 * named goes through one of these; nothing else in the hypervisor turns a
 * guest-physical address into a pointer.
 *
 * True: all of [gpa, gpa + len) is RAM that the guest owns, or memory for patches.
 */
bool guest_range_ok(u64 gpa, u64 len);
/* US_E_GUEST_ADDRESS, and nothing copied, when the gate refuses. */
enum us_error guest_read(u64 gpa, void *dst, u64 len);
enum us_error guest_write(u64 gpa, const void *src, u64 len);
/* The same in one access where the processor has one of that length, as the guest's
 * own store would have been. */
enum us_error guest_store(u64 gpa, const void *src, u64 len);

/* Guest-physical address of a linear address under @system's page tables, with
 * what the mapping allows. GUEST_ADDRESS when it is not mapped. */
struct guest_mapping {
	u64 gpa;
	bool writable, user, executable;
};
enum us_error guest_translate(const struct guest_system *system, u64 gva,
			      struct guest_mapping *mapping);

/* Copy up to @len bytes at linear address @gva; returns how many were readable. */
u32 guest_read_linear(const struct guest_system *system, u64 gva, void *dst,
		      u32 len);

/* Is @gpa inside what is hidden from the guest? Inside the arena or the shadow memory? */
bool gpa_is_hidden(u64 gpa);
bool gpa_is_for_patches(u64 gpa);

#endif
