/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Single looks at the processor from a program's point of view. Prints one line,
 * exits 0; a fault of the instruction is printed as the signal's name.
 *
 *	us-probe tsc			time stamp counter
 *	us-probe cpuid LEAF [SUBLEAF]	EAX EBX ECX EDX in hex
 *	us-probe hypercall		VMCALL (Intel) or VMMCALL (AMD) at CPL 3
 *	us-probe doorbell		OUT to the doorbell without ioperm(2)
 *	us-probe ppid			getppid(2), by the raw call
 *	us-probe out SIZE PORT VALUE	OUT of 1 or 2 bytes, after iopl(2)
 *	us-probe pause			sleeps in pause(2); "1" on each SIGUSR1
 *	us-probe steps COUNT		single-steps a child: steps, and traps whose
 *					DR6 does not say so
 */
#include <cpuid.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi.h"

static sigjmp_buf fault_return;

static void on_fault(int signal_number)
{
	siglongjmp(fault_return, signal_number);
}

/* Returns the signal that @probe raised, 0 if none. */
static int probe(void (*instruction)(void))
{
	int signal_number;

	signal(SIGILL, on_fault);
	signal(SIGSEGV, on_fault);
	signal_number = sigsetjmp(fault_return, 1);
	if (!signal_number)
		instruction();
	return signal_number;
}

static void do_hypercall(void)
{
	unsigned long rax = US_CALL_MAGIC;
	u32 a, b, c, d;

	__cpuid(0, a, b, c, d);
	if (b == signature_INTEL_ebx)
		asm volatile("vmcall" : "+a"(rax) : "b"(0ul), "c"(1ul)
			     : "memory");
	else
		asm volatile("vmmcall" : "+a"(rax) : "b"(0ul), "c"(1ul)
			     : "memory");
}

static void do_doorbell(void)
{
	unsigned long rax = US_CALL_MAGIC;

	asm volatile("out %%eax, %%dx"
		     : "+a"(rax) : "b"(0ul), "c"(1ul), "d"(US_DOORBELL_PORT)
		     : "memory");
}

static int do_out(char **number)
{
	unsigned long size = strtoul(number[0], NULL, 0);
	unsigned short port = (unsigned short)strtoul(number[1], NULL, 0);
	unsigned long value = strtoul(number[2], NULL, 0);

	if (iopl(3))
		return 1;
	if (size == 2)
		outw((unsigned short)value, port);
	else
		outb((unsigned char)value, port);
	puts("done");
	return 0;
}

static int print_probe(void (*instruction)(void))
{
	int signal_number = probe(instruction);

	puts(signal_number ? sigabbrev_np(signal_number) : "none");
	return 0;
}

static void on_usr1(int signal_number)
{
	(void)signal_number;
}

static _Noreturn void sleep_in_pause(void)
{
	struct sigaction action = { .sa_handler = on_usr1 };

	sigaction(SIGUSR1, &action, NULL);
	for (;;) {
		/* The raw call: a C library may make pause() of another one. */
		syscall(SYS_pause);
		puts("1");
		fflush(stdout);
	}
}

static int single_steps(long count)
{
	long steps = 0, wrong = 0;
	pid_t child = fork();
	siginfo_t info;
	int status = 0;

	if (!child) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		/* No calls: what their steps report is another thing. */
		for (;;)
			asm volatile("" ::: "memory");
	}
	waitpid(child, &status, 0);
	/* Out of the call that stopped it. */
	for (int i = 0; i < 100; i++) {
		ptrace(PTRACE_SINGLESTEP, child, NULL, NULL);
		waitpid(child, &status, 0);
	}
	for (; steps < count; steps++) {
		ptrace(PTRACE_SINGLESTEP, child, NULL, NULL);
		if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status) ||
		    WSTOPSIG(status) != SIGTRAP)
			break;
		/* The kernel judges by DR6. */
		if (ptrace(PTRACE_GETSIGINFO, child, NULL, &info) ||
		    info.si_code != TRAP_TRACE)
			wrong++;
	}
	kill(child, SIGKILL);
	printf("steps=%ld wrong=%ld\n", steps, wrong);
	return 0;
}

static int print_cpuid(u32 leaf, u32 subleaf)
{
	u32 a, b, c, d;

	__cpuid_count(leaf, subleaf, a, b, c, d);
	printf("%08x %08x %08x %08x\n", a, b, c, d);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "tsc"))
		return printf("%llu\n", __builtin_ia32_rdtsc()) < 0;
	if (!strcmp(what, "cpuid") && argc > 2)
		return print_cpuid(strtoul(argv[2], NULL, 16),
				   argc > 3 ? strtoul(argv[3], NULL, 16) : 0);
	if (!strcmp(what, "hypercall"))
		return print_probe(do_hypercall);
	if (!strcmp(what, "doorbell"))
		return print_probe(do_doorbell);
	if (!strcmp(what, "out") && argc > 4)
		return do_out(argv + 2);
	if (!strcmp(what, "ppid"))
		return printf("%ld\n", syscall(SYS_getppid)) < 0;
	if (!strcmp(what, "pause"))
		sleep_in_pause();
	if (!strcmp(what, "steps") && argc > 2)
		return single_steps(strtol(argv[2], NULL, 0));
	fputs("usage: us-probe tsc|cpuid LEAF|hypercall|doorbell|ppid|pause|"
	      "out SIZE PORT VALUE|steps COUNT\n", stderr);
	return 2;
}
