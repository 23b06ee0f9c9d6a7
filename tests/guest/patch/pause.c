// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pause(2) that returns at once with ENOSYS. A process that sleeps in the old one
 * keeps it in use, which is what the tests want of it.
 */
#include <linux/errno.h>

struct pt_regs;

long __x64_sys_pause(const struct pt_regs *regs)
{
	return -ENOSYS;
}
