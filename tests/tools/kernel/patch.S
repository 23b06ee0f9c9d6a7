/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Code that patches itself while it boots, with the tables that say so: a place for
 * each rule of arch/x86/kernel/alternative.c, named in baseline_tests.py where the
 * values that may stand there are written out. RULES_6_8 as for that kernel.
 */
#define FUNCTION(name) .globl name; .type name, @function; name:
#define END(name) .size name, . - name

#define FEATURE_A		40
#define FEATURE_B		41
#define FEATURE_ALWAYS		(3 * 32 + 21)
#define FEATURE_XENPV		(8 * 32 + 16)

#ifdef RULES_6_8
#define NOT_BIT		0x10000
#define DIRECT_CALL	0x20000
#define FEATURE		.long
#else
#define NOT_BIT		0x8000
#define FEATURE		.word
#endif

.macro alternative place, end, other, other_end, feature
	.pushsection .altinstructions, "a"
	.long \place - ., \other - .
	FEATURE \feature
	.byte \end - \place, \other_end - \other
	.popsection
.endm

.text
	.balign 64, 0xcc
FUNCTION(__x86_indirect_thunk_array)
	.rept 16
	jmp *%rax
	.balign 32, 0xcc
	.endr
END(__x86_indirect_thunk_array)
	.balign 64, 0xcc
FUNCTION(its_return_thunk)
	ret
	int3
END(its_return_thunk)
FUNCTION(retbleed_return_thunk)
	ret
	int3
END(retbleed_return_thunk)

	.balign 64, 0xcc
FUNCTION(patches)
	/* In the lower half of a cache line, and in the upper one. */
low_return:
	jmp.d32 __x86_return_thunk
	.balign 64, 0xcc
	.skip 32, 0xcc
high_return:
	jmp.d32 __x86_return_thunk
call_thunk:
	.byte 0x2e
	call __x86_indirect_thunk_array
jump_thunk:
	jmp.d32 __x86_indirect_thunk_array + 11 * 32
jcc_thunk:
	.byte 0x0f, 0x84
	.long __x86_indirect_thunk_array + 11 * 32 - . - 4
plain_nops:
	.skip 9, 0x90
plain_nops_end:
moved_call:
	.byte 0x0f, 0x1f, 0x44, 0x00, 0x00
moved_call_end:
two_others:
	.skip 7, 0x90
two_others_end:
always_there:
	.skip 3, 0x90
always_there_end:
never_there:
	.skip 3, 0x90
never_there_end:
	/* A field that KASLR changes, and one that begins before the place. */
with_field:
	movq $counter, %rdi
with_field_end:
locked:
	lock incl (%rdi)
locked_end:
	/* Two places that overlap. */
outer:
	nop
	nop
inner:
	nop
	nop
inner_end:
	nop
outer_end:
near_jump:
	.skip 5, 0x90
near_jump_end:
#ifdef RULES_6_8
pv_call:
	call *pv_slots(%rip)
pv_call_end:
pv_nop:
	call *pv_slots+8(%rip)
pv_nop_end:
pv_none:
	call *pv_slots+16(%rip)
pv_none_end:
long_nops:
	.skip 14, 0x90
long_nops_end:
relative:
	.skip 9, 0x90
relative_end:
far_jump:
	.skip 5, 0x90
far_jump_end:
#else
pv_call:
	call *pv_ops
pv_call_end:
pv_nop:
	call *pv_ops + 8
pv_nop_end:
pv_none:
	call *pv_ops + 16
pv_none_end:
#endif
returned:
	.skip 5, 0x90
returned_end:
user_end = . + 2
	movabs $0x0123456789abcdef, %rax
shift_count = . + 2
	shrl $12, %eax
	ret
END(patches)
	.balign 16, 0xcc
FUNCTION(__SCT__typed)
	jmp.d32 with_its_type
	ud1 %esp, %ecx
END(__SCT__typed)
FUNCTION(calls_typed)
typed_call_site:
	call __SCT__typed
	ret
END(calls_typed)
FUNCTION(native_function)
	ret
END(native_function)
FUNCTION(_paravirt_nop)
.globl nop_func
nop_func:
	ret
END(_paravirt_nop)
FUNCTION(paravirt_BUG)
.globl BUG_func
BUG_func:
	ud2
END(paravirt_BUG)
FUNCTION(not_probed)
	nopl (%rax)
	ret
END(not_probed)
FUNCTION(ftrace_stub)
	ret
END(ftrace_stub)
	.balign 8, 0xcc
.globl irq_entries_start, spurious_entries_start
	.type irq_entries_start, @function
irq_entries_start:
	.skip 208 * 8, 0xcc
	.size irq_entries_start, . - irq_entries_start
	.type spurious_entries_start, @function
spurious_entries_start:
	.skip 16 * 8, 0xcc
	.size spurious_entries_start, . - spurious_entries_start

.section .init.text, "ax"
.globl early_idt_handler_array
	.type early_idt_handler_array, @function
early_idt_handler_array:
	.skip 32 * 9, 0xcc
	.size early_idt_handler_array, . - early_idt_handler_array

.section .altinstr_replacement, "ax"
a_call:
	call native_function
a_call_end:
a_short:
	xor %eax, %eax
a_short_end:
a_longer:
	movl $1, %eax
a_longer_end:
a_field:
	movq $counter + 8, %rdi
a_field_end:
a_nothing:
a_nothing_end:
an_inner:
	pushf
	popf
an_inner_end:
a_jump:
	jmp.d32 near_jump + 20
a_jump_end:
	/* A return inside a replacement is patched there first. */
a_return:
	jmp.d32 __x86_return_thunk
a_return_end:
#ifdef RULES_6_8
a_bug:
	call BUG_func
a_bug_end:
a_relative:
	jmp 1f
1:	lea counter(%rip), %rax
a_relative_end:
a_far_jump:
	jmp.d32 __x86_indirect_thunk_array
a_far_jump_end:
#endif

	alternative plain_nops, plain_nops_end, a_nothing, a_nothing_end, FEATURE_A
	alternative moved_call, moved_call_end, a_call, a_call_end, FEATURE_A
	alternative two_others, two_others_end, a_short, a_short_end, FEATURE_A
	alternative two_others, two_others_end, a_longer, a_longer_end, FEATURE_B
	alternative always_there, always_there_end, a_short, a_short_end, \
		FEATURE_ALWAYS
	alternative never_there, never_there_end, a_short, a_short_end, \
		FEATURE_XENPV
	alternative with_field, with_field_end, a_field, a_field_end, \
		FEATURE_A | NOT_BIT
	alternative locked, locked_end, a_short, a_short_end, FEATURE_A
	alternative returned, returned_end, a_return, a_return_end, FEATURE_A
	alternative outer, outer_end, a_call, a_call_end, FEATURE_A
	alternative inner, inner_end, an_inner, an_inner_end, FEATURE_B
	alternative near_jump, near_jump_end, a_jump, a_jump_end, FEATURE_A
#ifdef RULES_6_8
	alternative pv_call, pv_call_end, a_bug, a_bug_end, \
		FEATURE_ALWAYS | DIRECT_CALL
	alternative pv_nop, pv_nop_end, a_bug, a_bug_end, \
		FEATURE_ALWAYS | DIRECT_CALL
	alternative pv_none, pv_none_end, a_bug, a_bug_end, \
		FEATURE_ALWAYS | DIRECT_CALL
	alternative long_nops, long_nops_end, a_nothing, a_nothing_end, FEATURE_A
	alternative relative, relative_end, a_relative, a_relative_end, FEATURE_A
	alternative far_jump, far_jump_end, a_far_jump, a_far_jump_end, FEATURE_A
#else
.section .parainstructions, "a"
	.irp name, call, nop, none
	.quad pv_\name
	.byte pv_\name\()_type, pv_\name\()_end - pv_\name
	.balign 8
	.endr
pv_call_type = 0
pv_nop_type = 1
pv_none_type = 2
#endif

.section .smp_locks, "a"
	.long locked - .
.section .retpoline_sites, "a"
	.long call_thunk - ., jump_thunk - ., jcc_thunk - .
.section .return_sites, "a"
	.long low_return - ., high_return - ., a_return - .
.section runtime_ptr_USER_PTR_MAX, "a"
	.long user_end - .
.section runtime_shift_table, "a"
	.long shift_count - .
.section _kprobe_blacklist, "aw"
	.quad not_probed
.section .static_call_sites, "aw"
	.long typed_call_site - ., __SCK__typed - .
.section .note.GNU-stack, "", @progbits
