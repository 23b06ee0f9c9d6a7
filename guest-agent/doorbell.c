/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <cpuid.h>
#include <errno.h>
#include <sys/io.h>

#include "doorbell.h"

void doorbell_cpuid(u32 leaf, u32 regs[4])
{
	__cpuid_count(leaf, 0, regs[0], regs[1], regs[2], regs[3]);
}

int doorbell_permit(void)
{
	/* A 32-bit OUT is checked against four bits of the permission bitmap. */
	return ioperm(US_DOORBELL_PORT, 4, 1) ? errno : 0;
}

u64 doorbell_ring(const struct us_request *request, u64 ticket)
{
	u64 rax = US_CALL_MAGIC;

	asm volatile("outl %%eax, %w[port]"
		     : "+a" (rax)
		     : "b" (request), "c" (ticket), [port] "d" (US_DOORBELL_PORT)
		     : "memory");
	return rax;
}
