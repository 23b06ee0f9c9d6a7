/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A spin lock. A CPU that waits for one still comes to a stop: see stop.h. */
#ifndef HV_LOCK_H
#define HV_LOCK_H

#include "types.h"
#include "x86.h"

struct lock {
	volatile u32 taken;
};

static inline bool lock_try(struct lock *lock)
{
	return !__atomic_exchange_n(&lock->taken, 1, __ATOMIC_ACQUIRE);
}

/* For sections that never wait for another CPU. */
static inline void lock_take(struct lock *lock)
{
	while (!lock_try(lock))
		cpu_pause();
}

static inline void lock_drop(struct lock *lock)
{
	__atomic_store_n(&lock->taken, 0, __ATOMIC_RELEASE);
}

#endif
