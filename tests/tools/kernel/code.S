/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text with one site of each kind and one relocation of each sort. The test reads
 * the expected offsets from the symbols that end in _site and _reloc.
 */
#define FUNCTION(name) .globl name; .type name, @function; name:
#define END(name) .size name, . - name

.text
FUNCTION(entry_SYSCALL_64)
	nop
	ret
END(entry_SYSCALL_64)
	.balign 16, 0xcc
FUNCTION(__fentry__)
	ret
END(__fentry__)
	.balign 16, 0xcc
FUNCTION(__x86_return_thunk)
	ret
	int3
END(__x86_return_thunk)
	.balign 16, 0xcc

/* A function to replace: ftrace site, relocations, lock, return. */
FUNCTION(victim)
mcount_site:
	call __fentry__
	mov $4, %eax
lock_site:
	lock incl counter(%rip)
add32_reloc = . + 3
	movq $counter, %rdi
sub32_reloc = . + 3
	movl %gs:percpu_value(%rip), %eax
return_site:
	jmp.d32 __x86_return_thunk
END(victim)
	.balign 16, 0xcc
	.type victim.cold, @function
victim.cold:
	ud2
	.size victim.cold, . - victim.cold
	.balign 16, 0xcc

/* A landing pad before the ftrace site. */
FUNCTION(guarded)
endbr_site:
	endbr64
guarded_mcount_site:
	call __fentry__
	mov $5, %eax
	xor %edx, %edx
	ret
END(guarded)
	.balign 16, 0xcc

/* The redirect would lie on the return site. */
FUNCTION(crowded)
crowded_mcount_site:
	call __fentry__
	nop
crowded_return_site:
	jmp.d32 __x86_return_thunk
END(crowded)
	.balign 16, 0xcc

FUNCTION(tiny)
	ret
END(tiny)
FUNCTION(patched)
jump_label_site:
	.byte 0x0f, 0x1f, 0x44, 0x00, 0x00
short_jump_label_site:
	.byte 0x66, 0x90
static_call_site:
	call __SCT__hook
retpoline_site:
	.byte 0x2e
	call __x86_indirect_thunk_array
behind_prefix:
	nop
constant_site = . + 2
	movabs $0x0123456789abcdef, %rax
	ret
END(patched)
	.balign 16, 0xcc
FUNCTION(__SCT__hook)
	jmp.d32 tiny
	ud1 %esp, %ecx
END(__SCT__hook)
	.balign 16, 0xcc
FUNCTION(ftrace_caller)
.globl ftrace_call
ftrace_call:
	call tiny
	ret
END(ftrace_caller)
	.balign 8, 0xcc
add64_reloc:
	.quad counter
	/* Two functions of one name. */
	.type twice, @function
twice:
	nopl 0(%rax)
	nopl 0(%rax)
	ret
	.size twice, . - twice
	/* The last symbol of the text needs a next one. */
	.balign 16, 0xcc
	.type text_tail, @function
text_tail:
	ret

.section __mcount_loc, "a"
	.quad mcount_site, guarded_mcount_site, crowded_mcount_site
.section .retpoline_sites, "a"
	.long retpoline_site - .
.section .return_sites, "a"
	.long return_site - ., crowded_return_site - .
.section .smp_locks, "a"
	.long lock_site - .
	/* One behind another prefix, which the kernel passes over. */
	.long behind_prefix - .
.section .ibt_endbr_seal, "a"
	.long endbr_site - .
.section __jump_table, "aw"
	.long jump_label_site - ., tiny - .
	.quad 0
	.long short_jump_label_site - ., static_call_site - .
	.quad 0
.section .static_call_sites, "aw"
	.long static_call_site - ., __SCK__hook - .
.section runtime_ptr_table, "a"
	.long constant_site - .

.section .data..percpu, "aw"
	.long 0
.globl percpu_value
percpu_value:
	.long 0
.globl current_task, hardirq_stack_ptr, runqueues, cea_exception_stacks
	.balign 8
current_task:
	.quad 0
hardirq_stack_ptr:
	.quad 0
cea_exception_stacks:
	.quad 0
runqueues:
	.skip 32
.section .note.GNU-stack, "", @progbits
