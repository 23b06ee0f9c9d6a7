/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What C cannot say: thunks, sites on an entry, data among instructions. */
#define FUNCTION(name) .globl name; .type name, @function; name:
#define END(name) .size name, . - name
/* What modules may use. */
#define EXPORT(name) .pushsection __ksymtab, "a"; .globl __ksymtab_##name; \
	__ksymtab_##name: .long name - .; .popsection
	.section .note.GNU-stack, "", @progbits
	.text
FUNCTION(__fentry__)
	ret
END(__fentry__)
FUNCTION(__x86_return_thunk)
	ret
	int3
END(__x86_return_thunk)
FUNCTION(__x86_indirect_thunk_rax)
	jmp *%rax
END(__x86_indirect_thunk_rax)
EXPORT(__fentry__)
EXPORT(__x86_return_thunk)
EXPORT(__x86_indirect_thunk_rax)

#define RETURN \
661:	jmp.d32 __x86_return_thunk; \
	.pushsection .return_sites, "a"; .long 661b - .; .popsection
#define RETPOLINE(branch) \
662:	branch __x86_indirect_thunk_rax; \
	.pushsection .retpoline_sites, "a"; .long 662b - .; .popsection

/* Returns and indirect jumps that a new body can share. */
FUNCTION(unchanged_return)
	mov $1, %eax
	RETURN
END(unchanged_return)
FUNCTION(unchanged_jump)
	mov %rdi, %rax
	RETPOLINE(jmp.d32)
END(unchanged_jump)

FUNCTION(mitigated)
	push %rbx
	mov %rdi, %rax
#ifdef NEW
	mov $40, %edi
#else
	mov $30, %edi
#endif
	RETPOLINE(call)
	pop %rbx
	RETURN
END(mitigated)

/* The redirecting jump would lie on a return. */
FUNCTION(site_at_entry)
	nop
#ifdef NEW
	nop
#endif
	RETURN
END(site_at_entry)

FUNCTION(too_short)
#ifdef NEW
	inc %eax
#endif
	ret
END(too_short)

/* A distance that only fits a LOOP. */
FUNCTION(loop_instruction)
	mov $3, %ecx
#ifdef NEW
	nop
#endif
1:	inc %eax
	loop 1b
	ret
END(loop_instruction)
