/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Code of both kinds under review: the kernel's, and a bundle's as it would lie in an
 * arena. Errors are recorded with fail(). */
#ifndef UNDERSEAL_INSPECT_CODE_H
#define UNDERSEAL_INSPECT_CODE_H

#include "diff_module.h"
#include "inspect.h"

/* Where the payload lies for the time being: within reach of the kernel's code. */
#define REVIEW_ARENA	0xffffffffb0000000ull

/* And its shadow memory. */
#define REVIEW_SHADOW	0xffffffffb8000000ull

/* A module's areas, while nothing tells where it is linked. */
#define REVIEW_BASES	0xffffffffa0000000ull
#define REVIEW_BASE_GAP	0x400000ull

struct name {
	u64 address;
	char *text;
};

struct review {
	const struct inspect_options *options;
	const struct us_bundle *bundle;
	u64 link_base;			/* of the kernel's text */
	u64 text_base;			/* of the text that is patched */
	u64 bases[US_BUNDLE_MAX_BASES];	/* where each of the bundle's lies */
	struct module_home home;	/* of the module, when it was named */
	bool have_text;
	struct baseline baseline;	/* of the old code, when have_text */
	struct buffer text;		/* the same from a vmlinux */
	u8 *payload;			/* relocated to REVIEW_ARENA */
	struct name *names;		/* sorted by address */
	size_t name_count, name_room;
	bool have_names;		/* of the kernel */
};

/* review_close() after success and failure alike. */
enum us_error review_open(struct review *review,
			  const struct inspect_options *options,
			  const struct us_bundle *bundle);
void review_close(struct review *review);

/* "name+0x12" for @address, or the address itself. @out has @room bytes. */
void review_name(const struct review *review, u64 address, char *out,
		 size_t room);

/* Where @reloc leads, in the addresses of the review. */
u64 review_target(const struct review *review,
		  const struct us_bundle_reloc *reloc);

/* The old code at text offset @offset; false when it is not at hand. */
bool review_old_code(const struct review *review, u64 offset, u64 len, u8 *out);

/* Where @write writes, in the same. */
u64 review_write_address(const struct review *review,
			 const struct us_bundle_write *write);

/* The target of @reloc as people read it: a name, a place in the payload, a number. */
void review_target_text(const struct review *review,
			const struct us_bundle_reloc *reloc, char *out,
			size_t room);

/* Writes and watches by the kernel's own names; with --json add to @object. */
void review_show_writes(const struct review *review, json_t *object);

/* What an author's note says of a new variable; false when it is another note. */
bool review_new_variable(const char *note, char name[128], u64 *offset);

/* One instruction in words. */
struct listing_line {
	u32 offset;		/* in the function */
	char text[120];
	char key[120];		/* the same without distances inside the
				 * function: what alignment goes by */
};

struct listing {
	struct listing_line *lines;
	u32 count;
};

/* Disassemble @len bytes that lie at @address. NO_MEMORY. */
enum us_error listing_make(const struct review *review, const u8 *code,
			   u64 len, u64 address, struct listing *out);
void listing_free(struct listing *listing);

/* Lines of the old and the new function beside each other; ~0 for none. NO_MEMORY. */
struct row {
	u32 old, new;
};

enum us_error listing_align(const struct listing *old,
			    const struct listing *new, struct row **rows,
			    u32 *count);

#endif
