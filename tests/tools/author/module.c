/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A module of the small kernel (kernel.c); with -DNEW, its update. Each function
 * provokes one decision, named in author_module_tests.py.
 */
#include "kernel.h"

#define INFO(text) ".asciz \"" text "\"\n"
#define VERSION(number, name) VERSION2(number, name)
#define VERSION2(number, name) \
	".quad " #number "\n1: .asciz \"" name "\"\n.zero 56 - (. - 1b)\n"
asm(".pushsection .modinfo, \"a\"\n" INFO("name=author")
    INFO("vermagic=" RELEASE " SMP") ".popsection\n"
    ".pushsection __versions, \"a\"\n" VERSION(5, "stays")
    VERSION(PICK(6, 7), "note_line") ".popsection");

struct thing {
	int first;
#ifdef NEW
	int added;
#endif
	int second;
};

extern int counter, percpu_value, shared_counter;
extern struct static_key key;
int stays(int x);
const char *text_of(int x);
int table_of(int x);
int note_line(int line, int x);
int shared(int x);
int unshared(int x);

int own = 7;
static int own_zero;
int own_percpu section(".data..percpu") = 11;
struct static_key own_key = { 0, 0 };

/* In its way or other, what the module refers to before the update. */
noinline int keeps(int x)
{
	return shared(x) + shared_counter + *(volatile int *)&own_percpu;
}

noinline int plain(int x) { return stays(x) + own + PICK(1, 2); }
#ifdef NEW
noinline int helper(int x) { return x * x + counter + own_zero; }
#endif
noinline int chosen(int x)
{
	static const short steps[] = {
		PICK(1, 5), PICK(2, 6), PICK(3, 7), PICK(4, 8),
	};

	own_zero += x;
	return plain(x) + steps[x & 3] + PICK(0, helper(x));
}
noinline const char *says(int x) { return x ? "same" : PICK("old", "new!"); }
noinline const char *imports(int x)
{
	own_zero++;
	return PICK("none", text_of(x));
}
noinline int calls_shared(int x) { return shared(x) + shared_counter + PICK(1, 2); }
noinline int percpu(int x)
{
	return x + *(volatile int *)&own_percpu + PICK(1, 2);
}
/* Not run: it lies at address 0. */
noinline int kernel_percpu(int x)
{
	return x + *(volatile int *)&percpu_value + PICK(1, 2);
}
noinline int alternative(int x)
{
	int result;

	x = stays(x);
	asm volatile(ALTERNATIVE("movl $1, %0", "movl $2, %0", 7) : "=a" (result));
	return result + x + PICK(0, 100);
}
noinline int label(int x)
{
	x = stays(x);
	if (static_branch(&key, 0))
		x += 1000;
	if (static_branch(&own_key, 1))
		x += 20;
	return x + PICK(1, 2);
}
noinline int warns_once(int x)
{
	if (x > 5)
		WARN_ONCE(78);
	return x + PICK(1, 2);
}
noinline int bugs(int x)
{
	if (x > 5)
		BUG(79);
	return x + PICK(1, 2);
}

/* Its return and jump go through the kernel's. */
asm(".globl mitigated\n.type mitigated, @function\n"
    "mitigated: push %rbx\nmov %rdi, %rax\nmov $" PICK("30", "40") ", %edi\n"
    "1: call __x86_indirect_thunk_rax\npop %rbx\n"
    "2: jmp.d32 __x86_return_thunk\n.size mitigated, . - mitigated\n"
    ".pushsection .retpoline_sites, \"a\"\n.long 1b - .\n.popsection\n"
    ".pushsection .return_sites, \"a\"\n.long 2b - .\n.popsection");

/* Refusals. */
#ifdef NEW
int new_variable = 5;
#endif
int grown[PICK(4, 8)] = { 1, 2, 3, 4 };
noinline int uses_new_data(int x)
{
	return stays(x) + PICK(1, __atomic_add_fetch(&new_variable, 1, 0));
}
noinline int uses_grown(int x) { return grown[x] + PICK(1, 2); }
noinline int not_exported(int x) { return stays(x) + PICK(1, table_of(x)); }
noinline int other_version(int x) { return stays(x) + PICK(1, note_line(1, x)); }
noinline int new_neighbour(int x) { return stays(x) + PICK(1, unshared(x)); }
noinline int layout(struct thing *thing)
{
	return stays(thing->second) + thing->first;
}
noinline section(".noinstr.text") int quiet(int x) { return x + PICK(1, 2); }
noinline section(".init.text") int at_boot(int x) { return x + PICK(1, 2); }
noinline int depends(int x) { return uses_grown(x) + PICK(1, 2); }
/* Lines were added above: not a change. */
#ifdef NEW
#line 1009
#else
#line 1000
#endif
noinline int passes_line(int x)
{
	own += stays(x);
	return keeps(__LINE__) + x;
}
