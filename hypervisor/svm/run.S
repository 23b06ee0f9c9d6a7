/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The few instructions that C cannot say. Offsets are those of struct guest_regs. */
#define REG(n) ((n) * 8)(%rsi)

	.text
	.global svm_enter
svm_enter:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rdx			/* host VMCB */
	push	%rsi			/* guest registers */

	mov	%rdi, %rax
	vmload				/* FS GS TR LDTR, syscall MSRs: 15.5.2 */
	test	%cl, %cl
	mov	REG(1), %rcx
	mov	REG(2), %rdx
	mov	REG(3), %rbx
	mov	REG(5), %rbp
	mov	REG(7), %rdi
	mov	REG(8), %r8
	mov	REG(9), %r9
	mov	REG(10), %r10
	mov	REG(11), %r11
	mov	REG(12), %r12
	mov	REG(13), %r13
	mov	REG(14), %r14
	mov	REG(15), %r15
	mov	REG(6), %rsi
	jz	1f
	sti				/* GIF is off: nothing is taken here */
1:	vmrun
	cli
	vmsave				/* RAX is the host's again: the VMCB */

	push	%rsi
	mov	8(%rsp), %rsi		/* guest registers */
	mov	%rcx, REG(1)
	mov	%rdx, REG(2)
	mov	%rbx, REG(3)
	mov	%rbp, REG(5)
	mov	%rdi, REG(7)
	mov	%r8, REG(8)
	mov	%r9, REG(9)
	mov	%r10, REG(10)
	mov	%r11, REG(11)
	mov	%r12, REG(12)
	mov	%r13, REG(13)
	mov	%r14, REG(14)
	mov	%r15, REG(15)
	pop	%rax
	mov	%rax, REG(6)
	pop	%rsi
	pop	%rax			/* host VMCB */
	vmload
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret

	.global svm_accept_pending
svm_accept_pending:
	stgi
	nop
	clgi
	ret

	.global svm_accept_interrupts
svm_accept_interrupts:
	sti
	stgi
	nop
	nop
	clgi
	cli
	ret

	.global svm_halt_until_nmi, svm_halt_insn
svm_halt_until_nmi:
	stgi
svm_halt_insn:
	hlt
	clgi
	ret

	.section .note.GNU-stack, "", @progbits
