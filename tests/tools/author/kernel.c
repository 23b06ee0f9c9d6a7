/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel of some twenty functions; with -DNEW, its update. Each function or object
 * provokes one decision, named in diff_tests.py.
 */
#include "kernel.h"

struct cpuinfo_x86 { long before; unsigned int x86_capability[24]; };
struct thing {
	int first;
#ifdef NEW
	int added;
#endif
	int second;
};

union alias {
	int first;
#ifdef NEW
	unsigned int other;	/* the same bits under another name */
#endif
};

/* Modules of this kernel have one area. */
struct module { int state; struct { void *base; int size; } core_layout; };
struct module this_module;

struct cpuinfo_x86 boot_cpu_data = { 1, { 0 } };
struct static_key key = { 0, 0 };
const char linux_banner[] = "Linux version " RELEASE " (who) (gcc) #1 " RELEASE;
int warnings, last_line, last_taint, printed, counter = 3, external;
const char *last_file;
char note_text[64];
int percpu_value section(".data..percpu") = 1;

void entry_SYSCALL_64(void) { counter++; }
noinline void _printk(const char *format, ...) { printed += format[0] == '-'; }
noinline void __warn(const char *file, int line, void *caller,
		     unsigned int taint, void *regs, void *args)
{
	if (!caller || regs || args)
		return;
	warnings++;
	last_file = file;
	last_line = line;
	last_taint = taint;
}

noinline int stays(int x) { return x * 7 + counter; }
noinline int plain(int x);
noinline int chosen(int x);

/* Addresses shift, nothing else: not to be reported. */
#ifdef NEW
noinline int shifts_everything(int x) { return x / 3 + counter * 11; }
#endif
noinline const char *text_of(int x)
{
	static const char *const names[] = { "one", "two", "three", "four" };

	return x < 0 ? "negative" : names[x & 3];
}
noinline int table_of(int x)
{
	static const int squares[] = { 0, 1, 4, 9, 16, 25, 36, 49 };

	return squares[x & 7] + stays(x);
}
noinline const char *release_of(void) { return "running " RELEASE; }

/* Lines were added above: not a change. */
#ifdef NEW
#line 1009
#else
#line 1000
#endif
noinline void line_of(int x) { if (x) WARN(__LINE__); }
noinline int note_line(int line, int x) { return line + x + counter; }
noinline int passes_line(int x)
{
	counter += stays(x);
	return note_line(__LINE__, x);
}
/* The same number, but none of a line. */
noinline int passes_number(int x)
{
	counter += stays(x);
	return note_line(PICK(5000, 5009), x);
}

/* Simple: code, a string, a constant table, a new helper, a call of another
 * changed function. */
noinline int plain(int x) { return stays(x) + PICK(1, 2); }
/* Matters only in a kernel whose other functions are traced. */
noinline __attribute__((no_instrument_function)) int untraced(int x)
{
	return stays(x) + PICK(21, 22);
}
static noinline __attribute__((used)) int traced_here(int x)
{
	return stays(x) * 5;
}
static noinline __attribute__((used, no_instrument_function))
int among_traced(int x)
{
	return stays(x) + PICK(31, 32);
}
#ifdef NEW
noinline int helper(int x) { return x * x + counter; }
#endif
noinline int chosen(int x)
{
	static const short steps[] = {
		PICK(1, 5), PICK(2, 6), PICK(3, 7), PICK(4, 8),
	};

	return plain(x) + steps[x & 3] + PICK(0, helper(x));
}
noinline const char *says(int x) { return x ? "same" : PICK("old", "new!"); }
noinline int loops(int x)
{
	int sum = 0;

	for (int i = 0; i < x; i++)
		sum += i ^ stays(i) ^ PICK(1, 3);
	return sum;
}

/* Sites. */
noinline int alternative(int x)
{
	int result;

	x = stays(x);
	asm volatile(ALTERNATIVE("movl $1, %0", "movl $2, %0", 7) : "=a" (result));
	return result + x + PICK(0, 100);
}
noinline int alternative_2(int x)
{
	int result;

	x = stays(x);
	asm volatile(ALTERNATIVE_2("movl $1, %0", "movl $2, %0", 7, "movl $3, %0", 40)
	    : "=a" (result));
	return result + x + PICK(0, 100);
}
noinline int alternative_not(int x)
{
	int result;

	x = stays(x);
	asm volatile(ALTERNATIVE("movl $1, %0", "movl $2, %0", 32775) : "=a" (result));
	return result + x + PICK(0, 100);
}
noinline int alternative_flags(int x)
{
	int result;

	asm volatile("xorl %%eax, %%eax\ncmpl $5, %1\n"
		     ALTERNATIVE("movl $1, %%edx", "movl $2, %%edx", 7)
		     "adcl $0, %%eax" : "=&a" (result) : "r" (x) : "edx");
	return result + PICK(0, 100);
}
noinline int label(int x)
{
	x = stays(x);
	if (static_branch(&key, 0))
		x += 1000;
	if (static_branch(&key, 1))
		x += 20;
	return x + PICK(1, 2);
}
noinline int warns(int x)
{
	if (x > 5)
		WARN(77);
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
noinline int calls_through(int (*function)(int), int x)
{
	return function(x) + PICK(1, 2);
}

/* Refusals. */
#ifdef NEW
int new_variable = 5;
struct static_key new_key = { 0, 0 };
int new_percpu section(".data..percpu") = 1;
#endif
int grown[PICK(4, 8)] = { 1, 2, 3, 4 };
int edited = PICK(1, 2);
noinline int uses_new_data(int x)
{
	return stays(x) + PICK(1, __atomic_add_fetch(&new_variable, 1, 0));
}
noinline int uses_grown(int x) { return grown[x] + PICK(1, 2); }
noinline int uses_percpu(int x)
{
	return x + *(volatile int *)PICK(&percpu_value, &new_percpu);
}
noinline int uses_new_key(int x)
{
	return stays(x) + PICK(0, static_branch(&new_key, 0));
}
noinline int new_warning(int x)
{
	if (x > 5)
		PICK(counter++, WARN_ONCE(80));
	return x + PICK(1, 2);
}
noinline int excepts(int x)
{
	x = stays(x);
	EXCEPTION("movl (%%rsp), %%eax");
	return x + PICK(1, 2);
}
noinline int aliased(union alias *alias)
{
	return stays(alias->first) + PICK(1, 2);
}
noinline int layout(struct thing *thing)
{
	return stays(thing->second) + thing->first;
}
noinline section(".noinstr.text") int quiet(int x) { return x + PICK(1, 2); }
noinline section(".init.text") int at_boot(int x) { return x + PICK(1, 2); }
noinline int depends(int x) { return excepts(x) + PICK(1, 2); }
/* Called by a changed function that stays as it was. */
noinline int called_by_refused(int x) { return stays(x) + PICK(1, 2); }
noinline int refused_caller(int x)
{
	return called_by_refused(x) + PICK(1, new_variable);
}
/* Called by one that is gone: out of reach once its caller is replaced, or not. */
noinline int called_by_gone(int x) { return stays(x) + PICK(1, 2); }
#ifndef NEW
noinline int gone(int x) { return called_by_gone(x) + 1; }
#endif
noinline int calls_gone(int x) { return PICK(gone(x) + x, stays(x)); }
noinline int called_by_kept(int x) { return stays(x) + PICK(1, 2); }
#ifndef NEW
noinline int kept(int x) { return called_by_kept(x) + 1; }
#endif
int (*keeps)(int) = PICK(kept, stays);
noinline int removed_or_not(int x);
#ifndef NEW
noinline int removed_or_not(int x) { return x; }
#else
const int exported section("__ksymtab") = 1;
asm(".globl __ksymtab_exported\n.set __ksymtab_exported, exported");
#endif

/* What modules may use. */
#define EXPORT(name) ".pushsection __ksymtab, \"a\"\n.globl __ksymtab_" #name "\n" \
	"__ksymtab_" #name ": .long " #name " - .\n.popsection\n"
asm(EXPORT(stays) EXPORT(text_of) EXPORT(note_line) EXPORT(key) EXPORT(percpu_value)
    EXPORT(counter)
    ".globl __crc_stays, __crc_note_line\n"
    ".set __crc_stays, 5\n.set __crc_note_line, 6\n");
