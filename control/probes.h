/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kprobes in sealed text. Their places cannot be listed in advance, so they are
 * tracked: which byte an INT3 stands for, and, where the kernel has put a jump into
 * the place of an instruction (arch/x86/kernel/kprobes/opt.c), which four bytes its
 * distance stands for. The steps that are let through, in the kernel's order:
 *
 *	arm		instruction -> INT3		arch_arm_kprobe()
 *	optimise	INT3, then the distance of a jump to generated code, then
 *			the jump's first byte		arch_optimize_kprobes()
 *	unoptimise	INT3, then the four bytes	arch_unoptimize_kprobe()
 *	disarm		INT3 -> instruction		arch_disarm_kprobe()
 *
 * The kernel also takes probes away that are not optimised, and optimises again.
 */
#ifndef UNDERSEAL_PROBES_H
#define UNDERSEAL_PROBES_H

#include "text_write.h"

/* Live probes; one more is refused. */
#define PROBES_MAX	4096u

void probes_reset(void);

/* How many are set now. */
u32 probes_count(void);

/* May the write be made, which is in no runtime site but of a lock prefix? Notes
 * what it changes. */
bool probes_allow(const struct placed_write *placed);

/* Could a live probe have changed, or change yet, a byte of the @len bytes at the
 * linear address @gva of sealed text? */
bool probes_touch(u64 gva, u64 len);

/* Is there a probe at this very address? */
bool probes_at(u64 gva);

/* Forget those in text that is no longer sealed. */
void probes_forget(u64 gva, u64 len);

#endif
