// SPDX-License-Identifier: GPL-2.0-or-later
/* getppid(2) that says 4242: replaced while us-load calls it all the time. */
struct pt_regs;

long __x64_sys_getppid(const struct pt_regs *regs)
{
	return 4242;
}
