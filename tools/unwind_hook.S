/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stands in front of two functions of the kernel, so that its stack traces go
 * through the arena; see common/unwind.h. Both may run at any time, also in an NMI
 * within each other: they write nothing and read nothing outside the arena. Only
 * registers that both old functions destroy themselves are used, and those that any
 * call may destroy.
 *
 * An address that is not in the arena takes the branch whose distance ends at the
 * label *_else: the function's own body follows. Otherwise control comes to the end,
 * where cmd_unwind.c puts a return in the form that the kernel chose.
 */
#include "unwind.h"

#define ARENA_MASK	((1 << US_ARENA_SHIFT) - 1)

	.section .rodata, "a"

/* Is %rdi in the arena, in which this code lies? */
.macro in_arena_or else
	lea	0(%rip), %rax
	xor	%rdi, %rax
	shr	$US_ARENA_SHIFT, %rax
	.byte	0x0f, 0x85		/* JNZ rel32 */
	.long	0
\else:
.endm

/* bool is_ftrace_trampoline(unsigned long addr): "is it code?" asks for it. */
	.globl us_hook_text, us_hook_text_else, us_hook_text_end
us_hook_text:
	in_arena_or us_hook_text_else
	mov	$1, %eax
us_hook_text_end:

/* struct orc_entry *orc_find(unsigned long ip) */
	.globl us_hook_orc, us_hook_orc_else, us_hook_orc_end
us_hook_orc:
	in_arena_or us_hook_orc_else
	mov	%rdi, %rdx
	and	$-US_UNWIND_ALIGN, %rdx
	movabs	$US_UNWIND_MAGIC, %rcx
.Llook:
	cmp	%rcx, (%rdx)
	je	.Lmagic
.Lnext:
	test	$ARENA_MASK, %edx
	jz	.Lnone
	sub	$US_UNWIND_ALIGN, %rdx
	jmp	.Llook
.Lmagic:
	mov	8(%rdx), %r8		/* len, count */
	mov	16(%rdx), %rax
	not	%rax
	cmp	%rax, %r8
	jne	.Lnext
	/* The nearest header below speaks of the address, or none does. */
	mov	%rdi, %rsi
	sub	%rdx, %rsi
	mov	%r8d, %eax
	cmp	%rax, %rsi
	jae	.Lnone
	shr	$32, %r8
	add	$US_UNWIND_HEADER, %rdx
	/* start[%rcx] <= %rsi < start[%r9]; start[count] counts as the end. */
	xor	%ecx, %ecx
	mov	%r8, %r9
.Lhalve:
	lea	(%rcx, %r9), %rax
	shr	%rax
	cmp	%rcx, %rax
	je	.Lfound
	cmp	%esi, (%rdx, %rax, 4)
	ja	.Lbelow
	mov	%rax, %rcx
	jmp	.Lhalve
.Lbelow:
	mov	%rax, %r9
	jmp	.Lhalve
.Lfound:
	lea	(%rdx, %r8, 4), %rax
	lea	(%rcx, %rcx, 2), %rcx	/* US_UNWIND_ORC is 6 */
	lea	(%rax, %rcx, 2), %rax
	jmp	.Lend
.Lnone:
	xor	%eax, %eax
.Lend:
us_hook_orc_end:

	.section .note.GNU-stack, "", @progbits
