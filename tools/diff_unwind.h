/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unwind data: the new side's ORC tables, and a payload's of its own. */
#ifndef UNDERSEAL_DIFF_UNWIND_H
#define UNDERSEAL_DIFF_UNWIND_H

#include "file.h"
#include "unwind.h"

struct author;
struct side;
struct orc_place;

/* A file's ORC tables, sorted by address. */
struct orc_tables {
	struct orc_place *list;
	u32 count;			/* 0: the file has none */
	u8 called[US_UNWIND_ORC];	/* where only the return address is on
					 * the stack */
	bool has_called;
};

/* ELF_FORMAT, NO_MEMORY. orc_close() after success and failure alike. */
enum us_error orc_open(struct orc_tables *tables, const struct side *side);
void orc_close(struct orc_tables *tables);

/* Do the files say so themselves that their tables differ in form? */
bool orc_forms_differ(const struct side *old, const struct side *new);

/* From here on in a body: unwinding is that of the new side's @address. NO_MEMORY. */
enum us_error author_unwind_as(struct author *author, u32 index, u64 address);
/* From here on the code has been called, and has put @depth bytes on the stack.
 * NO_MEMORY; OBJECT_UNSUPPORTED (refused). */
enum us_error author_unwind_called(struct author *author, u32 index, u32 depth);

/* Bytes of the table for all bodies; 0: there is nothing to say. */
u64 author_unwind_size(const struct author *author);
/* Write it to the start of @payload, in which all bodies have their places. */
enum us_error author_unwind_write(const struct author *author,
				  struct buffer *payload);

#endif
