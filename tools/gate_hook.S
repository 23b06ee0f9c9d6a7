/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stands in front of klp_module_coming(), which the kernel calls when all of a
 * module is in its place and none of it has run (kernel/module/main.c,
 * prepare_coming_module()); an error that it returns ends the load. It asks the
 * control domain whether the module has what is awaited for it, and sleeps and asks
 * again while it has not. The caller may sleep, and holds no lock.
 *
 *	int klp_module_coming(struct module *mod)
 *
 * Only a clear "go on" opens the gate: the branch to us_gate_else, behind which the
 * function's own body follows. Else control comes to the end with an error in EAX, and
 * cmd_gate.c puts a return there.
 */
#include "gate_hook.h"

	.section .rodata, "a"

/* From here on @bytes lie on the stack above the return address. */
.macro depth bytes
.Lmark\@:
	.pushsection .rodata.us_gate_marks, "a"
	.long	.Lmark\@ - us_gate, \bytes
	.popsection
.endm

	.pushsection .rodata.us_gate_marks, "a"
	.globl us_gate_marks
us_gate_marks:
	.popsection

	.globl us_gate, us_gate_name, us_gate_else, us_gate_end
us_gate:
	push	%rbx
	depth	8
	push	%rbp
	depth	16
	push	%r12
	depth	24
	sub	$GATE_ROOM, %rsp
	depth	24+GATE_ROOM
	mov	%rdi, %r12
	mov	$GATE_TRIES, %ebp

.Lask:
	xor	%eax, %eax
	mov	$GATE_ROOM / 8, %ecx
	mov	%rsp, %rdi
	rep stosq
	movl	$GATE_MAGIC, (%rsp)
	movw	$GATE_VERSION, GATE_AT_VERSION(%rsp)
	movw	$GATE_OP, GATE_AT_OP(%rsp)
	.byte	0x49, 0x8d, 0xbc, 0x24	/* LEA distance(%r12), %rdi: mod->name */
	.long	0
us_gate_name:
	mov	%rdi, GATE_AT_NAME(%rsp)
.Lmeasure:
	cmpb	$0, (%rdi, %rcx)	/* RCX was left at 0 */
	je	.Lmeasured
	inc	%ecx
	cmp	$GATE_NAME_MAX, %ecx
	jb	.Lmeasure
.Lmeasured:
	mov	%rcx, GATE_AT_LEN(%rsp)
	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
	mov	%rsp, %rdx
	shl	$16, %rdx
	xor	%rdx, %rax
	or	$1, %rax
	mov	%rax, GATE_AT_TICKET(%rsp)

.Lring:
	mov	$GATE_CALL, %eax
	mov	%rsp, %rbx
	mov	GATE_AT_TICKET(%rsp), %rcx
	mov	$GATE_PORT, %edx
	out	%eax, %dx
	test	%rax, %rax
	jz	.Lopen
	cmp	$GATE_AGAIN, %rax
	je	.Lpause
	cmp	$GATE_BUSY, %rax
	je	.Lpause
	cmp	$GATE_WAITS, %rax
	jne	.Lshut
.Lpause:
	dec	%ebp
	jz	.Lshut
	mov	%eax, %ebx
	mov	$GATE_PAUSE_MS, %edi
	depth	GATE_MARK_CALL
	.byte	0xe8			/* CALL msleep */
	.long	0
	cmp	$GATE_WAITS, %ebx
	je	.Lask
	jmp	.Lring

.Lopen:
	mov	%r12, %rdi
	add	$GATE_ROOM, %rsp
	depth	24
	pop	%r12
	depth	16
	pop	%rbp
	depth	8
	pop	%rbx
	depth	0
	.byte	0xe9			/* JMP rel32 */
	.long	0
us_gate_else:

.Lshut:
	depth	24+GATE_ROOM
	mov	$GATE_REFUSED, %eax
	add	$GATE_ROOM, %rsp
	depth	24
	pop	%r12
	depth	16
	pop	%rbp
	depth	8
	pop	%rbx
	depth	0
us_gate_end:

	.pushsection .rodata.us_gate_marks, "a"
	.globl us_gate_marks_end
us_gate_marks_end:
	.popsection

	.section .note.GNU-stack, "", @progbits
