/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Carrying functions of the new side over to the old one. Each body is taken apart and
 * put together again, because what the kernel patches at boot or later in its own text
 * it does not patch in the arena:
 *
 *	call to ftrace		left out; the old entry, which stays, is traced
 *	return			goes through a return of the old kernel that the
 *				kernel has patched for the CPU (any CPU's form of a
 *				return is right where the old function used it)
 *	retpoline		likewise through a patched indirect jump by the same
 *				register; where there is none, through the thunk
 *	alternative		a test of the CPU's feature bits and all variants
 *	jump label		a test of the key, each time
 *	static call		through the trampoline, which follows every change
 *	paravirt call		as linked: through pv_ops
 *	LOCK prefix		kept; right with one CPU too
 *	BUG			a jump to a BUG of the old kernel in the same file
 *	WARN			a call of what the kernel's handler of UD2 calls;
 *				WARN_ONCE shares its mark with the old function's
 *	unwind data		goes along, in front of the code (unwind.h)
 *
 * What cannot be carried soundly is refused with a reason.
 */
#ifndef UNDERSEAL_DIFF_AUTHOR_H
#define UNDERSEAL_DIFF_AUTHOR_H

#include "bundle.h"
#include "diff_compare.h"
#include "diff_unwind.h"
#include "file.h"

#define REASONS(X) \
X(NONE, "", "") \
X(INIT, "init-code", "runs at boot, or as a module comes or goes") \
X(ASSEMBLY, "assembly", "is written in assembly or is not understood") \
X(ENTRY, "entry-code", "must not be traced or redirected (entry, noinstr)") \
X(UNTRACED, "untraced", "is compiled without the call to ftrace; its callers may " \
	"count on registers that it leaves alone") \
X(TOO_SHORT, "too-short", "has no room for the redirecting jump") \
X(ENTRY_SITE, "entry-site", "begins with a place that the kernel patches") \
X(NEW_DATA, "new-data", "uses a variable that the old kernel lacks") \
X(CHANGED_DATA, "changed-data", "uses data whose contents or size changed") \
X(PER_CPU, "per-cpu-data", "uses per-CPU data that is new or changed") \
X(LAYOUT, "changed-layout", "uses a type whose layout changed") \
X(EXCEPTION, "exception-table", "survives faults by the exception table") \
X(WARN, "warning", "has a WARN or BUG that the old kernel lacks") \
X(JUMP_LABEL, "jump-label", "has a jump label that cannot be followed") \
X(STATIC_CALL, "static-call", "has a static call that the old kernel lacks") \
X(ALTERNATIVE, "alternative", "has alternatives of an unknown kind") \
X(UNWIND, "unwind-data", "has unwind data of another form") \
X(REFERENCE, "reference", "refers to what the old kernel lacks") \
X(LEFT_OUT, "left-out", "depends on a changed function that is left out") \
X(REMOVED, "removed", "is gone in the new kernel") \
X(EXPORT, "new-export", "offers a new symbol to modules") \
X(DATA, "data", "is data; a patch changes code only") \
X(UNUSED, "unused", "is new, and nothing that is carried uses it") \
X(LARGE, "too-large", "does not fit into a bundle")

enum reason {
#define REASON_ENUM(name, slug, text) REASON_##name,
	REASONS(REASON_ENUM)
#undef REASON_ENUM
	REASON_COUNT,
};

const char *reason_slug(enum reason reason);
const char *reason_text(enum reason reason);

struct verdict {
	u8 reason;		/* enum reason; REASON_NONE: can be patched */
	char detail[192];	/* what exactly, for people */
};

/* Where something is once it is installed. */
struct place {
	enum {
		PLACE_IMAGE,	/* value: offset from _text */
		PLACE_NUMBER,	/* value: does not move */
		PLACE_BASE,	/* index: of a base of the old module; value: offset
				 * from there */
		PLACE_BODY,	/* index: of a body; value: offset in the new
				 * side's function */
		PLACE_CONSTANT,	/* index: of a constant or a new variable; value:
				 * offset in it */
	} kind;
	u32 index;
	s64 value;
};

#define BODY_WARNINGS	32u

struct fixup {
	u32 at;			/* in the body's or constant's bytes */
	u8 type;		/* enum us_reloc_type */
	s64 addend;
	struct place place;
};

/* A function of the new side, or constants, as they will lie in the arena. */
struct body {
	u32 symbol;		/* of the new side; SIDE_NONE for data */
	u32 variable;		/* symbol of a new variable, which lies in shadow
				 * memory; else SIDE_NONE */
	u64 address, len;	/* on the new side */
	struct buffer bytes;
	struct fixup *fixups;
	u32 fixup_count, fixup_room;
	u32 *map;		/* code: offset in bytes by old offset, or ~0 */
	struct unwind_range {	/* code: how to unwind from @at on */
		u32 at;
		u8 orc[US_UNWIND_ORC];
	} *ranges;
	u32 range_count, range_room;
	struct warning {	/* calls to code that warns, behind the body */
		u32 site;	/* of the new side's sites */
		u32 call_end;
	} warnings[BODY_WARNINGS];
	u32 warning_count;
	u32 payload;		/* offset in the payload, or in shadow memory */
};

#define WARN_PARAMETERS	6u	/* of __warn(), see diff_warn.c */
#define AUTHOR_BODIES	2048u

struct author {
	struct match *match;
	const struct changes *changes;
	const struct side *kernel;	/* the old one; NULL: not known, for a report
					 * on modules */
	u64 link_base;			/* its _text */
	u64 capability;			/* x86_capability[] of boot_cpu_data, or 0 */
	bool strange_warn;		/* __warn() is not as it is called here */
	bool new_variables;		/* may be carried: nothing but the code at hand
					 * sets them up */
	struct buffer contents, content_relocs; /* theirs, when laid out; as in struct
					 * bundle_plan */
	bool strange_orc;		/* the new side's unwind data has another form */
	struct orc_tables orc;		/* of the new side */
	u64 unwind_shift;		/* from the code being emitted to that whose
					 * unwind data it has */
	u8 *old_changed;		/* by old symbol: enum change_kind + 1 */
	struct body *bodies;
	u32 body_count;
	struct verdict *verdict;	/* where refusals go */
	u32 *used_changed;		/* old symbols of changed functions that
					 * the bodies call */
	u32 used_count;
};

/* OBJECT_UNSUPPORTED with the reason in author->verdict. */
enum us_error author_refuse(struct author *author, enum reason reason,
			    const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* NO_MEMORY, SYMBOL_MISSING. author_close() after success and failure alike. */
enum us_error author_open(struct author *author, struct match *match,
			  const struct changes *changes);
void author_close(struct author *author);
/* Forget all bodies. */
void author_clear(struct author *author);

/*
 * Carry the function @symbol of the new side with all that it needs: its cold part,
 * new functions, constants. OBJECT_UNSUPPORTED (refused), NO_MEMORY, ELF_FORMAT.
 */
enum us_error author_carry(struct author *author, u32 symbol, u32 *body);

/* Give bodies their place in the payload; append bytes and relocations to
 * @payload and @relocs (struct us_bundle_reloc), those of new variables to the
 * author's own. TOO_LARGE, NO_MEMORY, RELOCATION. */
enum us_error author_lay_out(struct author *author, struct buffer *payload,
			     struct buffer *relocs);

/* For the parts of the author. */

/* What lies at @address of the old side, as a place. OBJECT_UNSUPPORTED. */
enum us_error author_old(struct author *author, u64 address,
			 struct place *place);
/* The same for an address of the old kernel. */
struct place author_kernel(const struct author *author, u64 address);
/* The bytes [@address, + @len) of the old side's text as they run, and their text
 * offset; NULL when they are no text. */
const u8 *author_old_text(const struct author *author, u64 address, u64 len,
			  u64 *offset);
enum us_error author_place(struct author *author,
			   const struct side_target *target, u32 from,
			   struct place *place);
enum us_error author_add_body(struct author *author, u32 symbol, u64 address,
			      u64 len, u32 *index);
enum us_error author_fixup(struct body *body, u32 at, u8 type, s64 addend,
			   const struct place *place);
enum us_error author_put(struct body *body, const void *bytes, u64 len);
enum us_error author_emit(struct author *author, u32 index);
enum us_error author_emit_constant(struct author *author, u32 index);
/* Emit code [@from, @to) of @side's new body @index as it stands in @address. */
enum us_error author_emit_code(struct author *author, u32 index, u64 address,
			       u64 len, bool sites);
/* A branch, CALL (0xe8) or JMP (0xe9), or 0x0f8x, to @place. */
enum us_error author_branch(struct author *author, u32 index, u16 opcode,
			    const struct place *place);

/* Site handling: *@consumed is how many bytes of the body were dealt with. */
enum us_error author_emit_site(struct author *author, u32 index, u64 address,
			       const struct code_insn *insn, u64 *consumed);

/* A WARN or BUG; what warns is emitted behind the body. */
enum us_error author_emit_bug(struct author *author, u32 index, u32 site,
			      u64 *consumed);
enum us_error author_emit_warnings(struct author *author, u32 index);

/* Put a branch inside the body whose distance, which ends at *@end, is not known
 * yet; make it lead to where the body has grown to. */
enum us_error author_put_branch(struct body *body, u16 opcode, u64 *end);
void author_land_here(struct body *body, u64 at);

/* A return, in the form that the kernel chose for this CPU. */
enum us_error author_put_return(struct author *author, u32 index);

/* The place to go to instead of __x86_return_thunk or a retpoline thunk, when
 * @target is one. */
bool author_borrow(const struct author *author, u32 from,
		   const struct side_target *target, struct place *place);

/* Are arithmetic flags that were set before @at of the body read behind it? */
bool author_flags_live(const u8 *code, u64 len, u64 at);

#endif
