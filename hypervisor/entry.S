/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ways into the hypervisor: the two calls of the loader (common/boot_abi.h) and
 * the exceptions of its own code.
 */
	.text

/* u32 us_hv_init(const struct us_boot_info *). First relocate the image: all
 * relocations of a static PIE are R_X86_64_RELATIVE (checked at build time). */
	.global us_hv_init
us_hv_init:
	lea	hv_image_start(%rip), %rax
	lea	hv_rela_start(%rip), %rdx
	lea	hv_rela_end(%rip), %rcx
1:	cmp	%rcx, %rdx
	jae	2f
	mov	(%rdx), %r8		/* r_offset */
	mov	16(%rdx), %r9		/* r_addend */
	add	%rax, %r9
	mov	%r9, (%rax,%r8)
	add	$24, %rdx
	jmp	1b
2:	jmp	hv_init

/*
 * u32 us_hv_launch(u32 cpu). Writes down the caller's state (struct launch_state),
 * lets C make a vCPU of it, and changes over to the hypervisor's own world. The
 * guest then continues at our return address, so only a failure returns here.
 */
	.global us_hv_launch
us_hv_launch:
	sub	$72, %rsp		/* struct launch_state */
	mov	72(%rsp), %rax
	mov	%rax, 0(%rsp)		/* rip: the return address */
	lea	80(%rsp), %rax
	mov	%rax, 8(%rsp)		/* rsp after the return */
	pushfq
	pop	16(%rsp)
	mov	%rbx, 24(%rsp)
	mov	%rbp, 32(%rsp)
	mov	%r12, 40(%rsp)
	mov	%r13, 48(%rsp)
	mov	%r14, 56(%rsp)
	mov	%r15, 64(%rsp)
	mov	%edi, %ebx
	mov	%rsp, %rsi
	sub	$8, %rsp		/* System V: 16-byte aligned at calls */
	cld
	call	launch_prepare
	test	%rax, %rax		/* top of this CPU's stack, or 0 */
	jnz	1f
	add	$8, %rsp
	mov	24(%rsp), %rbx
	add	$72, %rsp
	mov	launch_error(%rip), %eax
	ret
1:	mov	%rax, %rsp
	mov	%ebx, %edi
	xor	%ebp, %ebp
	call	launch_enter
	ud2

/* Far return, the only way to load CS: void load_cs(u16 selector). */
	.global load_cs
load_cs:
	pop	%rax
	push	%rdi
	push	%rax
	lretq

/*
 * Exceptions. One stub for each of the first 32 vectors; those without an error
 * code push a zero. Then all registers, as struct exception_frame (panic.h).
 */
	.macro stub vector, has_error=0
	.balign 16
	.if !\has_error
	push	$0
	.endif
	push	$\vector
	jmp	exception_common
	.endm

	.balign 16
	.global exception_stubs
exception_stubs:
	.irp	vector, 0, 1, 2, 3, 4, 5, 6, 7
	stub	\vector
	.endr
	stub	8, 1
	stub	9
	.irp	vector, 10, 11, 12, 13, 14
	stub	\vector, 1
	.endr
	stub	15
	stub	16
	stub	17, 1
	.irp	vector, 18, 19, 20
	stub	\vector
	.endr
	stub	21, 1
	.irp	vector, 22, 23, 24, 25, 26, 27, 28
	stub	\vector
	.endr
	stub	29, 1
	stub	30, 1
	stub	31
	stub	32			/* serves all interrupts */

exception_common:
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%r11
	push	%r10
	push	%r9
	push	%r8
	push	%rdi
	push	%rsi
	push	%rbp
	push	%rsp
	push	%rbx
	push	%rdx
	push	%rcx
	push	%rax
	mov	%rsp, %rdi
	cld
	call	handle_exception
	pop	%rax
	pop	%rcx
	pop	%rdx
	pop	%rbx
	add	$8, %rsp
	pop	%rbp
	pop	%rsi
	pop	%rdi
	pop	%r8
	pop	%r9
	pop	%r10
	pop	%r11
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	add	$16, %rsp		/* vector, error code */
	iretq

	.section .note.GNU-stack, "", @progbits
