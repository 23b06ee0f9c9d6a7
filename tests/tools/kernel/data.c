/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Data and types of the small kernel, for symbols and debug information. */
struct list {
	struct list *next, *previous;
};

struct thread_struct {
	long tls[3];
	unsigned long sp;
};

struct signal_struct {
	int count;
	struct list thread_head;
};

struct task_struct {
	long flags;
	void *stack;
	struct list tasks;
	int pid;
	struct list thread_node;
	char comm[16];
	struct signal_struct *signal;
	struct thread_struct thread;
};

struct irq_stack {
	char stack[16384];
};

struct alt_instr {
	int instr_offset, repl_offset;
	unsigned short cpuid;
	unsigned char instrlen, replacementlen;
} __attribute__((packed));

struct paravirt_patch_site {
	unsigned char *instr;
	unsigned char type, len;
};

const char linux_banner[128] = "Linux version 9.9.9-test (someone) #1";
struct task_struct init_task = { .pid = 0 };
struct signal_struct init_signals = { .count = 1 };
unsigned long __per_cpu_offset[8] = { 1 };
unsigned int nr_cpu_ids = 8;
char level2_kernel_pgt[4096] = { 1 };
char init_top_pgt[4096] = { 1 };
unsigned int counter = 1;
struct irq_stack irq_stack;
struct alt_instr alt_sample;
struct paravirt_patch_site paravirt_sample;
