/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Header and first instructions of the isolated domain. On entry RDI holds the
 * mailbox's address and the stack is as at a function's entry (control_abi.h).
 *
 * libsodium's archive is compiled with stack protector, which reads the canary at
 * FS:0x28. The domain has no MSR access, so FS gets its base from a descriptor:
 * in 64-bit mode loading FS takes the descriptor's 32 bits of base (APM volume 2,
 * section 4.5.3), and all of the domain lies below 4 GiB.
 */
#define CANARY_OFFSET	0x28
#define DATA_SELECTOR	0x08

	.section .header, "a"
	.quad 0x314c5254434c5355	/* US_CONTROL_MAGIC */
	.quad control_entry
	.quad control_text_end
	.quad control_rodata_end
	.quad control_file_end
	.quad control_mem_end

	.section .text.entry, "ax"
	.globl control_entry
	.type control_entry, @function
control_entry:
	/* Present, writable data, accessed: then the load writes nothing back. */
	movl $canary - CANARY_OFFSET, %eax
	movw %ax, gdt + DATA_SELECTOR + 2
	shrl $16, %eax
	movb %al, gdt + DATA_SELECTOR + 4
	movb %ah, gdt + DATA_SELECTOR + 7
	lgdt gdt_pointer
	movl $DATA_SELECTOR, %eax
	movl %eax, %fs

	/* Not known in advance; the low byte stops string overruns. */
	rdtsc
	shlq $32, %rdx
	orq %rdx, %rax
	movabsq $0x9e3779b97f4a7c15, %rdx
	imulq %rdx, %rax
	shlq $8, %rax
	movq %rax, canary
	jmp domain_main
	.size control_entry, . - control_entry

	.data
	.balign 8
gdt:
	.quad 0
	.quad 0x00cf93000000ffff
gdt_pointer:
	.word gdt_pointer - gdt - 1
	.quad gdt

	.bss
	.balign 8
canary:
	.quad 0

	.section .note.GNU-stack, "", @progbits
