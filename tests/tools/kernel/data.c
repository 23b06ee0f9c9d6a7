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
	unsigned long nvcsw, nivcsw;
	unsigned long start_time;
};

/* A kernel for one CPU: no task_struct.on_cpu. */
struct rq {
	unsigned int nr_running;
	unsigned long nr_switches;
	struct task_struct *curr, *idle;
};

struct cea_exception_stacks {
	char guard[4096], stack[8192];
};

struct irq_stack {
	char stack[16384];
};

struct alt_instr {
	int instr_offset, repl_offset;
#ifdef RULES_6_8
	unsigned int cpuid : 16, flags : 16;
#else
	unsigned short cpuid;
#endif
	unsigned char instrlen, replacementlen;
} __attribute__((packed));

struct paravirt_patch_site {
	unsigned char *instr;
	unsigned char type, len;
};

struct module_layout {
	void *base;
	unsigned int size;
};

struct module {
	int state;
	struct list list;
	char name[56];
	void *percpu;
	struct module_layout core_layout;
};

/* struct idt_data of arch/x86/include/asm/desc_defs.h. */
struct idt_data {
	unsigned int vector, segment;
	unsigned short bits;
	const void *addr;
};

unsigned int counter = 1;
extern char tiny[], patched[], native_function[], _paravirt_nop[];

struct static_call_key {
	void *func;
	unsigned long type;
};

/* A static call of known parameters, and functions that have them or others. */
typedef struct list list_t;
extern int __SCT__typed(struct list *, int, void (*)(long));
int __attribute__((noinline)) with_its_type(struct list *list, int n,
					    void (*f)(long))
{
	f(n);
	return list->next == list;
}
long __attribute__((noinline)) also_its_type(const list_t *list, const int n,
					     void (*f)(long))
{
	f(n + 1L);
	return list->previous == list;
}
int __attribute__((noinline)) of_another_type(struct list *list, long n,
					      void (*f)(long))
{
	f(n + 2);
	return list->next != list;
}
int calls_it(struct list *list);
int calls_it(struct list *list)
{
	return __SCT__typed(list, 1, 0);
}
void *functions[] = { with_its_type, also_its_type, of_another_type };
struct static_call_key __SCK__typed = { with_its_type };

const char linux_banner[128] = "Linux version 9.9.9-test (someone) #1";
struct task_struct init_task = { .pid = 0 };
struct signal_struct init_signals = { .count = 1 };
unsigned long __per_cpu_offset[8] = { 1 };
int panic_cpu = -1;
unsigned int nr_cpu_ids = 8;
char level2_kernel_pgt[4096] = { 1 };
char init_top_pgt[4096] = { 1 };
struct irq_stack irq_stack;
struct rq rq_sample;
struct cea_exception_stacks exception_stacks_sample;
char level3_kernel_pgt[4096] = { 1 };
struct list modules = { &modules, &modules };
struct module module_sample;
void *pv_ops[4] = { native_function, _paravirt_nop, 0 };
void *pv_slots[4] = { native_function, _paravirt_nop, 0 };
struct static_call_key __SCK__hook = { tiny };
const void *const constant[] __attribute__((section(".constants"))) = {
	tiny, &counter,
};
/* The kernel takes this one apart while it boots. */
const char quirk[] __attribute__((section(".constants"))) =
	"!cmt,!mbmtotal,!mbmlocal,!l3cat";
unsigned long late __attribute__((section(".data..ro_after_init"))) = 1;
char idt_table[4096] __attribute__((section(".bss..page_aligned,\"aw\",@nobits#")));
static const struct idt_data def_idts[]
__attribute__((section(".init.data"), used)) = {
	{ .vector = 3, .addr = tiny }, { .vector = 128, .addr = patched },
};
static const struct idt_data apic_idts[]
__attribute__((section(".init.data"), used)) = {
	{ .vector = 255, .addr = native_function },
};
struct alt_instr alt_sample;
struct paravirt_patch_site paravirt_sample;
