// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Instructions that look at descriptor tables, from ring 3, where the processor lets
 * them (no UMIP). Under Underseal on Intel each of them runs by a step of its own once
 * the kernel is sealed.
 *
 *	us-tables COUNT		reads all of them so often, once into memory that is not
 *				there, and once with TF set. Prints the number of
 *				differing answers, the signal, and the traps
 */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct table {
	unsigned short limit;
	unsigned long base;
} __attribute__((packed));

struct tables {
	struct table gdt, idt;
	unsigned short ldt, task;
};

static sigjmp_buf fault_return;
static volatile int traps;

static void on_fault(int signal_number)
{
	siglongjmp(fault_return, signal_number);
}

static void on_trap(int signal_number)
{
	(void)signal_number;
	traps++;
}

static void read_all(struct tables *all)
{
	memset(all, 0, sizeof(*all));
	asm volatile("sgdt %0" : "=m"(all->gdt));
	asm volatile("sidt %0" : "=m"(all->idt));
	asm volatile("sldt %0" : "=m"(all->ldt));
	asm volatile("str %0" : "=m"(all->task));
}

/* The tables of another CPU, after a move to it, are others: those do not count. */
static int differences(long count)
{
	struct tables first, next;
	int differing = 0;

	read_all(&first);
	for (long i = 0; i < count; i++) {
		read_all(&next);
		differing += next.idt.base != first.idt.base ||
			next.idt.limit != first.idt.limit ||
			next.ldt != first.ldt || next.task != first.task;
	}
	return differing;
}

static int signal_of_bad_store(void)
{
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	int signal_number;

	signal(SIGSEGV, on_fault);
	signal_number = sigsetjmp(fault_return, 1);
	if (!signal_number)
		asm volatile("sidt (%0)" : : "r"(page) : "memory");
	return signal_number;
}

/* TF is set by the POPF, and the trap follows each instruction after it. */
static void step_over(void)
{
	struct table idt;

	signal(SIGTRAP, on_trap);
	asm volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\t"
		     "sidt %0\n\t"
		     "pushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq"
		     : "=m"(idt) : : "memory", "cc");
}

int main(int argc, char **argv)
{
	int differing, signal_number;

	if (argc != 2)
		return 2;
	differing = differences(strtol(argv[1], NULL, 0));
	signal_number = signal_of_bad_store();
	step_over();
	printf("differing=%d signal=%d traps=%d\n", differing, signal_number,
	       traps);
	return 0;
}
