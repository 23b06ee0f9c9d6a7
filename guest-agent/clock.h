/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Time for whoever waits. */
#ifndef UNDERSEAL_CLOCK_H
#define UNDERSEAL_CLOCK_H

#include "types.h"

#define CLOCK_NEVER	(~0ull)

/* Milliseconds since the kernel started; stands still while the server sleeps. */
u64 clock_ms(void);

/* Until @when on that clock, or a signal. */
void clock_sleep_until(u64 when);

#endif
