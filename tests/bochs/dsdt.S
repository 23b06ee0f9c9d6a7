/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dsdt.asl as iasl compiles it; module.mk passes the file's name. */
	.data
	.balign 16
	.globl dsdt
	.hidden dsdt
dsdt:
	.incbin DSDT_FILE

	.section .note.GNU-stack, "", @progbits
