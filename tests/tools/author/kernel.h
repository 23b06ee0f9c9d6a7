/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a kernel's source does to its binary, in miniature: entries of the tables by
 * which it patches itself. Layouts as in 6.1. */
#define noinline __attribute__((noinline, noclone))
#define section(name) __attribute__((section(name)))
#define traced __attribute__((no_instrument_function))

#ifdef NEW
#define PICK(old, new) new
#else
#define PICK(old, new) old
#endif

#define FEATURE_A	7	/* bits of boot_cpu_data.x86_capability */
#define FEATURE_B	40
#define ALWAYS		(3 * 32 + 21)
#define NOT(feature)	((feature) | 1 << 15)

#define STR2(x) #x
#define STR(x) STR2(x)

#define ENTRY(start, end, n, feature, new) \
	".pushsection .altinstructions, \"a\"\n" \
	".long " start " - .\n.long 664" #n "f - .\n.word " STR(feature) "\n" \
	".byte " end " - " start "\n.byte 665" #n "f - 664" #n "f\n" \
	".popsection\n.pushsection .altinstr_replacement, \"ax\"\n" \
	"664" #n ": " new "\n665" #n ":\n.popsection\n"

/* One instruction of five bytes, so that no padding is needed. */
#define ALTERNATIVE(old, new, feature) \
	"661: " old "\n663:\n" ENTRY("661b", "663b", 1, feature, new)
#define ALTERNATIVE_2(old, new1, feature1, new2, feature2) \
	"661: " old "\n663:\n" ENTRY("661b", "663b", 1, feature1, new1) \
	ENTRY("661b", "663b", 2, feature2, new2)

#define WARNING		1
#define ONCE		2
#define NO_CUT_HERE	8

#define UD2(flags, line) \
	asm volatile("1: ud2\n.pushsection __bug_table, \"aw\"\n" \
		     "2: .long 1b - .\n.long %c0 - .\n.word %c1\n.word %c2\n" \
		     ".popsection" : : "i" (__FILE__), "i" (line), \
		     "i" (flags))
#define WARN(line)	UD2(WARNING | 9 << 8, line)
#define WARN_ONCE(line)	UD2(WARNING | ONCE | 9 << 8, line)
#define BUG(line)	do { UD2(0, line); __builtin_unreachable(); } while (0)

struct static_key { int enabled; long type; };

static inline __attribute__((always_inline)) int
static_branch(struct static_key *key, int branch)
{
	asm goto("1: .byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n"
		 ".pushsection __jump_table, \"aw\"\n.balign 8\n"
		 ".long 1b - .\n.long %l[yes] - .\n.quad %c0 + %c1 - .\n"
		 ".popsection" : : "i" (key), "i" (branch) : : yes);
	return 0;
yes:
	return 1;
}

#define EXCEPTION(code) \
	asm volatile("1: " code "\n2:\n.pushsection __ex_table, \"a\"\n" \
		     ".long 1b - .\n.long 2b - .\n.long 1\n.popsection" \
		     : : : "memory")
