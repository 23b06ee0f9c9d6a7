/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "kernel_insn.h"
#include "kernel_nops.h"
#include "kernel_patch.h"

#define CALL	0xe8
#define JMP32	0xe9
#define JMP8	0xeb
#define INT3	0xcc
#define RET	0xc3

/* Code on its way into the image, with the fields that KASLR changes. */
struct code {
	u8 bytes[256 + INSN_MAX];
	u8 marks[256 + INSN_MAX];
};

static void find(const struct kernel_image *image, const char *name, u64 *out)
{
	if (!image_find(image, name, out))
		*out = 0;
}

void patch_find_symbols(const struct kernel_image *image,
			const struct kernel_memory *memory,
			enum patch_rules rules, struct patch_symbols *out)
{
	static const char *const thunks[] = {
		"__x86_return_thunk", "retbleed_return_thunk",
		"srso_return_thunk", "srso_alias_return_thunk",
		"its_return_thunk",
	};
	bool old = rules == RULES_6_1;
	u64 address;
	size_t i;

	*out = (struct patch_symbols){ 0 };
	find(image, "pv_ops", &out->pv_ops);
	find(image, old ? "paravirt_BUG" : "BUG_func", &out->pv_bug);
	find(image, old ? "_paravirt_nop" : "nop_func", &out->pv_nop);
	find(image, "native_load_gs_index", &out->load_gs_index);
	find(image, "native_lkgs", &out->lkgs);
	find(image, "__x86_indirect_thunk_array", &out->indirect_thunks);
	find(image, "__x86_return_thunk", &out->return_thunk);
	find(image, "its_return_thunk", &out->its_thunk);
	for (i = 0; i < ARRAY_SIZE(thunks); i++)
		if (image_find(image, thunks[i], &address) &&
		    memory_has(memory, address, 1))
			out->thunks[out->thunk_count++] = address;
}

bool world_has(const struct patch_world *world, u16 feature)
{
	u32 i;

	/* A kernel that runs here is no paravirtual guest of Xen. */
	if (feature == FEATURE_ALWAYS || feature == FEATURE_XENPV)
		return feature == FEATURE_ALWAYS;
	for (i = 0; i < world->feature_count; i++)
		if (world->features[i] == feature)
			return world->set >> i & 1;
	return false;
}

/* Put @code into the image: new bytes, new fields, and no field left that the
 * bytes before it begin and these cut. */
static void poke(struct kernel_memory *memory, u64 address,
		 const struct code *code, u32 len)
{
	u8 *marks = memory_marks(memory, address);
	u32 back;

	for (back = 1; back < 8 && address - back >= memory->base; back++)
		if (marks[-(s64)back] && field_size(marks[-(s64)back]) > back)
			marks[-(s64)back] = 0;
	memcpy(memory_at(memory, address), code->bytes, len);
	memcpy(marks, code->marks, len);
}

static void fetch(const struct kernel_memory *memory, u64 address,
		  struct code *code, u32 len)
{
	u64 room = memory->base + memory->len - address;

	if (room > len + INSN_MAX)
		room = len + INSN_MAX;
	memset(code, 0, sizeof(*code));
	memcpy(code->bytes, memory_at(memory, address), room);
	memcpy(code->marks, memory_marks(memory, address), len);
}

static void branch(u8 *bytes, u8 opcode, u64 from, u64 to)
{
	u32 distance = to - (from + 5);

	bytes[0] = opcode;
	memcpy(bytes + 1, &distance, 4);
}

/* What a slot of pv_ops holds when the patching reads it. Without a hypervisor's
 * guest support the kernel replaces one function alone (asm/gsseg.h). */
static u64 pv_slot(const struct kernel_memory *memory,
		   const struct patch_symbols *symbols,
		   const struct patch_world *world, u64 address, bool *known)
{
	const u8 *slot = memory_linked(memory, address, 8);
	u64 function;

	*known = slot != NULL;
	if (!slot)
		return 0;
	function = read_u64(slot);
	if (world->lkgs && function && function == symbols->load_gs_index)
		return symbols->lkgs;
	return function;
}

/* apply_paravirt() of 6.1. */
static bool apply_paravirt(struct kernel_memory *memory,
			   const struct patch_symbols *symbols,
			   const struct patch_world *world,
			   const struct patch *patch)
{
	struct code code = { 0 };
	u64 function;
	u32 used = 5;
	bool known;

	function = pv_slot(memory, symbols, world,
			   symbols->pv_ops + 8 * (u64)patch->type, &known);
	if (!known || !symbols->pv_ops)
		return false;
	if (!function)
		function = symbols->pv_bug;
	if (function == symbols->pv_nop)
		used = 0;
	else
		branch(code.bytes, CALL, patch->address, function);
	nops_fill(RULES_6_1, code.bytes + used, patch->len - used);
	poke(memory, patch->address, &code, patch->len);
	return true;
}

/* CALL or JMP *%reg, then what fills the place up. */
static u32 indirect(u8 *bytes, bool call, u32 reg)
{
	u32 at = 0;

	if (reg >= 8)
		bytes[at++] = 0x41;
	bytes[at++] = 0xff;
	bytes[at++] = (call ? 0xd0 : 0xe0) + (reg & 7);
	return at;
}

/*
 * apply_retpolines(). Left out: branches into thunks that the kernel allocates
 * while it boots, for indirect branches in the lower half of a cache line on
 * Intel processors with the ITS bug. They lie outside the image; a kernel that
 * has them is refused at seal.
 */
static bool apply_retpoline(struct kernel_memory *memory,
			    const struct patch_symbols *symbols,
			    enum patch_rules rules,
			    const struct patch_world *world,
			    const struct patch *patch)
{
	static const u8 lfence[] = { 0x0f, 0xae, 0xe8 };
	bool fence = world_has(world, FEATURE_RETPOLINE_LFENCE), call;
	struct code code = { 0 };
	struct insn insn;
	u64 thunk;
	u32 at = 0;

	if (world_has(world, FEATURE_RETPOLINE) && !fence)
		return true;
	if (!insn_decode(memory_at(memory, patch->address), patch->len, &insn))
		return false;
	/* RETPOLINE_THUNK_SIZE is 32. */
	thunk = patch->address + insn.length + insn.immediate -
		symbols->indirect_thunks;
	if (!symbols->indirect_thunks || thunk % 32 || thunk >= 16 * 32)
		return false;
	call = insn.opcode[0] == CALL;
	if (insn_is_jcc32(&insn)) {
		code.bytes[at++] = 0x70 + ((insn.opcode[1] & 0xf) ^ 1);
		code.bytes[at++] = insn.length - 2;
	}
	if (fence) {
		memcpy(code.bytes + at, lfence, sizeof(lfence));
		at += sizeof(lfence);
	}
	at += indirect(code.bytes + at, call, thunk / 32);
	if (!call && at < insn.length)
		code.bytes[at++] = INT3;
	while (at < insn.length)
		code.bytes[at++] = 0x90;
	/* What does not fit is not done. */
	if (at != insn.length)
		return true;
	nops_optimize(rules, code.bytes, at, sizeof(code.bytes));
	poke(memory, patch->address, &code, at);
	return true;
}

/* apply_returns(), for what leads to the compiler's thunk. */
static bool apply_return(struct kernel_memory *memory,
			 const struct patch_symbols *symbols,
			 const struct patch_world *world,
			 const struct patch *patch)
{
	struct code code = { 0 };
	struct insn insn;
	u32 at = 1;

	if (!insn_decode(memory_at(memory, patch->address), patch->len, &insn))
		return false;
	if (insn.opcode[0] != JMP32 || patch->address + insn.length +
	    insn.immediate != symbols->return_thunk)
		return true;
	code.bytes[0] = RET;
	/* cpu_wants_rethunk_at(): the ITS thunk only where it is needed. */
	if (world->return_thunk &&
	    (world->return_thunk != symbols->its_thunk ||
	     !(patch->address & 0x20))) {
		branch(code.bytes, JMP32, patch->address, world->return_thunk);
		at = 5;
	}
	if (at > patch->len)
		return false;
	memset(code.bytes + at, INT3, patch->len - at);
	poke(memory, patch->address, &code, patch->len);
	return true;
}

/* recompute_jump() of 6.1: a replacement that is one JMP. */
static void recompute_jump(struct code *code, const struct patch *patch)
{
	s32 distance;
	u64 target;

	memcpy(&distance, code->bytes + 1, 4);
	target = patch->replacement + 5 + (s64)distance;
	distance = target - patch->address;
	if ((s64)(target - patch->address) >= 0 ? distance - 2 <= 127 :
	    ((distance - 2) & 0xff) == distance - 2) {
		code->bytes[0] = JMP8;
		code->bytes[1] = distance - 2;
		nops_fill(RULES_6_1, code->bytes + 2, 3);
		return;
	}
	code->bytes[0] = JMP32;
	distance -= 5;
	memcpy(code->bytes + 1, &distance, 4);
}

static void add_distance(u8 *field, u64 difference)
{
	u32 value = read_u32(field) + (u32)difference;

	memcpy(field, &value, 4);
}

/* apply_alternatives() of 6.1. */
static bool apply_alternative_6_1(struct kernel_memory *memory,
				  const struct patch *patch, bool wanted)
{
	u32 room = patch->len + INSN_MAX;
	struct code code;
	u8 first;

	if (wanted) {
		fetch(memory, patch->replacement, &code,
		      patch->replacement_len);
		first = code.bytes[0];
		if (patch->replacement_len == 5 && first == CALL)
			add_distance(code.bytes + 1,
				     patch->replacement - patch->address);
		if (patch->replacement_len == 5 &&
		    (first == JMP32 || first == JMP8))
			recompute_jump(&code, patch);
		memset(code.bytes + patch->replacement_len, 0x90,
		       patch->len - patch->replacement_len);
		memset(code.marks + patch->replacement_len, 0,
		       patch->len - patch->replacement_len);
		poke(memory, patch->address, &code, patch->len);
	}
	fetch(memory, patch->address, &code, patch->len);
	nops_optimize(RULES_6_1, code.bytes, patch->len, room);
	poke(memory, patch->address, &code, patch->len);
	return true;
}

/* alt_replace_call() of 6.8: "call *slot(%rip)" to the slot's function. False when
 * the kernel would stop; *@used is the new code's length. */
static bool replace_call(const struct kernel_memory *memory,
			 const struct patch_symbols *symbols,
			 const struct patch_world *world,
			 const struct patch *patch, struct code *code, u32 *used)
{
	const u8 *old = memory_at(memory, patch->address);
	u64 target, slot;
	bool known;

	if (patch->replacement_len != 5 || code->bytes[0] != CALL ||
	    patch->len != 6 || old[0] != 0xff || old[1] != 0x15)
		return false;
	slot = patch->address + 6 + (u64)(s64)(s32)read_u32(old + 2);
	target = pv_slot(memory, symbols, world, slot, &known);
	if (!known)
		return false;
	if (!target)
		target = symbols->pv_bug;
	add_distance(code->bytes + 1, target - symbols->pv_bug);
	*used = target == symbols->pv_nop ? 0 : 5;
	return true;
}

/* Does a distance that is relative to the replacement lead out of it? */
static bool leads_out(s64 offset, u32 len)
{
	return offset < 0 || offset > (s64)len;
}

static bool move_field(u8 *field, u8 size, u64 difference)
{
	s64 value;

	if (size == 4) {
		add_distance(field, difference);
		return true;
	}
	value = (s64)(signed char)*field + (s64)difference;
	*field = value;
	return size == 1 && value >= -128 && value <= 127;
}

/* The relative branch at @code, its target outside the replacement. */
static bool move_branch(u8 *code, const struct insn *insn, u32 next, u32 len,
			u64 difference)
{
	s32 distance;

	if (leads_out(next + insn->immediate, len) &&
	    !move_field(code + insn->immediate_at, insn->immediate_size,
			difference))
		return false;
	if (insn->opcode[0] != JMP32)
		return true;
	distance = (s32)insn->immediate + (s32)difference + 3;
	if (distance < -128 || distance > 127)
		return true;
	code[0] = JMP8;
	code[1] = distance;
	memset(code + 2, INT3, insn->length - 2);
	return true;
}

/* __apply_relocation() of 6.8. */
static bool relocate(struct code *code, const struct patch *patch)
{
	u64 difference = patch->replacement - patch->address;
	struct insn insn;
	u32 at, next;
	u8 first;

	for (at = 0; at < patch->len; at = next) {
		if (!insn_decode(code->bytes + at,
				 sizeof(code->bytes) - at, &insn))
			return false;
		next = at + insn.length;
		first = insn.opcode[0];
		if ((insn_is_jcc32(&insn) || (first >= 0x70 && first <= 0x7f) ||
		     first == JMP8 || first == JMP32 || first == CALL) &&
		    !move_branch(code->bytes + at, &insn, next,
				 patch->replacement_len, difference))
			return false;
		if (insn.rip_relative &&
		    leads_out(next + insn.displacement,
			      patch->replacement_len) &&
		    !move_field(code->bytes + at + insn.displacement_at,
				insn.displacement_size, difference))
			return false;
	}
	return true;
}

/* apply_alternatives() of 6.8. */
static bool apply_alternative_6_8(struct kernel_memory *memory,
				  const struct patch_symbols *symbols,
				  const struct patch_world *world,
				  const struct patch *patch, bool wanted)
{
	u32 used = patch->replacement_len;
	struct code code;

	if (!wanted) {
		fetch(memory, patch->address, &code, patch->len);
	} else {
		fetch(memory, patch->replacement, &code, used);
		if (patch->flags & PATCH_DIRECT_CALL &&
		    !replace_call(memory, symbols, world, patch, &code, &used))
			return false;
		memset(code.bytes + used, 0x90, patch->len - used);
		memset(code.marks + used, 0, patch->len - used);
		if (!relocate(&code, patch))
			return false;
	}
	nops_optimize(RULES_6_8, code.bytes, patch->len,
		      patch->len + INSN_MAX);
	poke(memory, patch->address, &code, patch->len);
	return true;
}

/* apply_ibt_endbr(), apply_seal_endbr(): with IBT or without. */
static void poison_endbr(struct kernel_memory *memory, const struct patch *patch)
{
	static const struct code poison = {
		.bytes = { 0x66, 0x0f, 0x1f, 0x00 },	/* osp NOPL (%RAX) */
	};
	static const u8 endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };

	if (!memcmp(memory_at(memory, patch->address), endbr64, 4))
		poke(memory, patch->address, &poison, 4);
}

bool patch_apply(struct kernel_memory *memory, const struct patch_symbols *symbols,
		 enum patch_rules rules, const struct patch_world *world,
		 const struct patch *patch)
{
	bool wanted;
	u8 *at;

	switch (patch->kind) {
	case PATCH_PARAVIRT:
		return apply_paravirt(memory, symbols, world, patch);
	case PATCH_RETPOLINE:
		return apply_retpoline(memory, symbols, rules, world, patch);
	case PATCH_RETURN:
		return apply_return(memory, symbols, world, patch);
	case PATCH_ALTERNATIVE:
		wanted = world_has(world, patch->feature) !=
			 !!(patch->flags & PATCH_NOT);
		if (rules == RULES_6_1)
			return apply_alternative_6_1(memory, patch, wanted);
		return apply_alternative_6_8(memory, symbols, world, patch,
					     wanted);
	case PATCH_ENDBR:
		poison_endbr(memory, patch);
		return true;
	case PATCH_LOCK:
		/* Only those of the text itself. */
		at = memory_at(memory, patch->address);
		if (world->one_cpu && *at == 0xf0)
			*at = 0x3e;
		return true;
	}
	return false;
}
