/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The few instructions that C cannot say. Offsets are those of struct guest_regs. */
#define REG(n) ((n) * 8)(%rdi)
#define VMCS_HOST_RSP 0x6c14

	.text
/* RDI: guest registers, RSI: whether an NMI came, DL: VMRESUME rather than VMLAUNCH */
	.global vmx_enter, vmx_entry_start, vmx_entry_end, vmx_no_entry, vmx_exited
vmx_enter:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rdi
	mov	$VMCS_HOST_RSP, %eax
	vmwrite	%rsp, %rax
	jbe	vmx_failed
vmx_entry_start:
	cmpl	$0, (%rsi)
	jne	vmx_no_entry
	test	%dl, %dl
	mov	REG(0), %rax
	mov	REG(1), %rcx
	mov	REG(2), %rdx
	mov	REG(3), %rbx
	mov	REG(5), %rbp
	mov	REG(6), %rsi
	mov	REG(8), %r8
	mov	REG(9), %r9
	mov	REG(10), %r10
	mov	REG(11), %r11
	mov	REG(12), %r12
	mov	REG(13), %r13
	mov	REG(14), %r14
	mov	REG(15), %r15
	mov	REG(7), %rdi
	jnz	1f
	vmlaunch
	jmp	vmx_failed
1:	vmresume
vmx_entry_end:
vmx_failed:
	mov	$1, %eax
	jmp	2f
vmx_no_entry:
	mov	$2, %eax
	jmp	2f
vmx_exited:
	push	%rdi
	mov	8(%rsp), %rdi		/* guest registers */
	mov	%rax, REG(0)
	mov	%rcx, REG(1)
	mov	%rdx, REG(2)
	mov	%rbx, REG(3)
	mov	%rbp, REG(5)
	mov	%rsi, REG(6)
	mov	%r8, REG(8)
	mov	%r9, REG(9)
	mov	%r10, REG(10)
	mov	%r11, REG(11)
	mov	%r12, REG(12)
	mov	%r13, REG(13)
	mov	%r14, REG(14)
	mov	%r15, REG(15)
	pop	%rax
	mov	%rax, REG(7)
	xor	%eax, %eax
2:	add	$8, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	cld
	ret

	.global vmx_halt, vmx_halt_start, vmx_halt_end
vmx_halt:
vmx_halt_start:
	cmpl	$0, (%rdi)
	jne	vmx_halt_end
	hlt
vmx_halt_end:
	ret

	.global vmx_accept_interrupts
vmx_accept_interrupts:
	sti
	nop
	nop
	cli
	ret

	.global vmx_try_xsetbv, vmx_xsetbv_insn, vmx_xsetbv_failed
vmx_try_xsetbv:
	mov	%edi, %ecx
	mov	%esi, %eax
	mov	%rsi, %rdx
	shr	$32, %rdx
vmx_xsetbv_insn:
	xsetbv
	mov	$1, %eax
	ret
vmx_xsetbv_failed:
	xor	%eax, %eax
	ret

	.section .note.GNU-stack, "", @progbits
