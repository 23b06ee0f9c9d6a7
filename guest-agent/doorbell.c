/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <asm/msr.h>
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "doorbell.h"
#include "errors.h"

static int msr_file = -1;	/* the way to ring, if it is open */

void doorbell_cpuid(u32 leaf, u32 subleaf, u32 regs[4])
{
	__cpuid_count(leaf, subleaf, regs[0], regs[1], regs[2], regs[3]);
}

/* The driver reads the MSR on the CPU whose file it is; only if that is our own
 * CPU our address space is in use there. */
static int open_msr(void)
{
	int cpu = sched_getcpu();
	char path[32];
	cpu_set_t set;

	if (cpu < 0)
		return errno;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		return errno;
	snprintf(path, sizeof(path), "/dev/cpu/%d/msr", cpu);
	msr_file = open(path, O_RDONLY | O_CLOEXEC);
	return msr_file < 0 ? errno : 0;
}

int doorbell_permit(void)
{
	int denied;

	/* A 32-bit OUT is checked against four bits of the permission bitmap. */
	if (!ioperm(US_DOORBELL_PORT, 4, 1))
		return 0;
	denied = errno;
	if (msr_file >= 0 || !open_msr())
		return 0;
	return denied;
}

/* Registers as arch/x86/lib/msr-reg.S loads them: EAX ECX EDX EBX - EBP ESI EDI. */
static u64 ring_by_msr(const struct us_request *request, u64 ticket)
{
	u64 address = (u64)request;
	u32 regs[8] = {
		US_CALL_MAGIC, US_DOORBELL_MSR, (u32)(address >> 32),
		(u32)address, 0, 0, (u32)ticket, (u32)(ticket >> 32),
	};

	if (!ioctl(msr_file, X86_IOC_RDMSR_REGS, regs))
		return regs[0];
	/* Our CPU went offline, and the kernel moved us: ring from there. */
	close(msr_file);
	return open_msr() ? ~0ull : US_E_AGAIN;
}

bool doorbell_is_sliced(void)
{
	return msr_file >= 0;
}

u64 doorbell_ring(const struct us_request *request, u64 ticket)
{
	u64 rax = US_CALL_MAGIC;

	if (msr_file >= 0)
		return ring_by_msr(request, ticket);
	asm volatile("outl %%eax, %w[port]"
		     : "+a" (rax)
		     : "b" (request), "c" (ticket), [port] "d" (US_DOORBELL_PORT)
		     : "memory");
	return rax;
}
