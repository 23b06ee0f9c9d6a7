/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What underseal.efi carries, exactly as built; module.mk passes the file names. One
 * Secure Boot signature over the loader covers them too.
 */
	.macro blob name, file
	.section .rodata.\name, "a", @progbits
	.balign 16
	.globl \name
	.hidden \name
\name:
	.incbin "\file"
	.globl \name\()_end
	.hidden \name\()_end
\name\()_end:
	.balign 16
	.endm

	blob hypervisor_blob, HYPERVISOR_FILE
	blob control_blob, CONTROL_FILE
	blob keys_blob, KEYS_FILE

	.section .note.GNU-stack, "", @progbits
