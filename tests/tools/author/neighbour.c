/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Modules that another one (module.c) uses: -DFIRST, or one that only its update
 * uses. */
#define EXPORT(name) ".pushsection __ksymtab, \"a\"\n.globl __ksymtab_" #name "\n" \
	"__ksymtab_" #name ": .long " #name " - .\n.popsection\n"
#ifdef FIRST
#define NAME "neighbour"
int shared_counter = 5;
__attribute__((noinline)) int shared(int x) { return x * 3 + shared_counter; }
asm(EXPORT(shared) EXPORT(shared_counter));
#else
#define NAME "stranger"
__attribute__((noinline)) int unshared(int x) { return x * 5; }
asm(EXPORT(unshared));
#endif
asm(".pushsection .modinfo, \"a\"\n.asciz \"name=" NAME "\"\n.popsection");
