/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * us_attack.ko: a hostile kernel on demand. One command is written to
 * /sys/kernel/debug/us_attack; reading the file gives the answer, one line.
 * Everything here is meant to survive a refusal, so that the test can go on.
 */
#ifndef US_ATTACK_H
#define US_ATTACK_H

#include <linux/errno.h>
#include <linux/types.h>
#include <asm/asm.h>

/* Print the answer to the running command. */
__printf(1, 2) void answer(const char *format, ...);

/* One store to @to; -EFAULT when it faults (copy_to_kernel_nofault is not for
 * modules). */
static inline int poke_u8(u8 *to, u8 value)
{
	int error = -EFAULT;

	asm volatile("1: movb %2, %1\n\txorl %0, %0\n2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : "+r"(error), "=m"(*to) : "q"(value) : "memory");
	return error;
}

struct command {
	const char *name;
	int args;		/* numbers that must follow, at most 4 */
	void (*run)(const u64 *args);
};

extern const struct command text_commands[];
extern const struct command hidden_commands[];
extern const struct command processor_commands[];
extern const struct command mapping_commands[];
extern const struct command register_commands[];
extern const struct command tasks_commands[];

#endif
