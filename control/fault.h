/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Test images only: places where the control domain can be told to die. */
#ifndef UNDERSEAL_FAULT_H
#define UNDERSEAL_FAULT_H

#include "abi.h"

#ifdef UNDERSEAL_FAULTS
/* Die here, if US_OP_FAULT has armed it. */
void fault_point(enum us_step step);
/* Nothing is armed. */
void fault_reset(void);
#else
static inline void fault_point(enum us_step step)
{
	(void)step;
}
static inline void fault_reset(void)
{
}
#endif

#endif
