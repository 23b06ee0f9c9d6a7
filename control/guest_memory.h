/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one gate for guest linear addresses. Nothing else in the core turns a
 * number that a guest supplied into an access. What a caller asks to be written
 * for it never reaches sealed frames or the arena, whatever its page tables
 * say; hidden memory is kept out of reach by the host as well.
 */
#ifndef UNDERSEAL_GUEST_MEMORY_H
#define UNDERSEAL_GUEST_MEMORY_H

#include "core.h"
#include "page_walk.h"

struct address_space {
	u64 cr3;
	u32 levels;		/* 4 or 5 */
	bool nxe;
};

/*
 * Forget the page tables noted so far, and read them anew each time. Called at the
 * start of every event and after each stop.
 */
void guest_forget_tables(void);

/*
 * From here on page tables that are read are noted, and read once. Are those noted so
 * far the same in memory now, as far as they were read? False also when nothing was
 * noted, tables were forgotten since, or there were too many.
 */
void guest_note_tables(void);
bool guest_tables_same(void);

/* The address space of @who. GUEST_ADDRESS unless it is in long mode. */
enum us_error guest_caller_space(const struct control_caller *who,
				 struct address_space *space);

/* Read the page-table entry at @gpa (8-byte aligned). GUEST_ADDRESS. */
enum us_error guest_read_entry(u64 gpa, u64 *entry);
/* The same for @count of them, 1 .. 512, all in the table that lies in one page. */
enum us_error guest_read_entries(u64 gpa, u64 *entries, u32 count);

/* As page_walk(). */
enum us_error guest_translate(const struct address_space *space, u64 gva,
			      struct page_mapping *out);

/* Copy @len bytes at @gva, which may cross pages, to @dst. GUEST_ADDRESS when a
 * page is not mapped; @dst may be partly written then. */
enum us_error guest_read(const struct address_space *space, u64 gva, void *dst,
			 u64 len);

/*
 * The same for a caller's buffers: at CPL 3 every page must be the user's. The
 * check says in advance whether the write can be made and changes nothing; the
 * write fails half way only when the guest changes its tables meanwhile.
 */
enum us_error caller_read(const struct control_caller *who, u64 gva, void *dst,
			  u64 len);
enum us_error caller_check_write(const struct control_caller *who, u64 gva,
				 u64 len);
enum us_error caller_write(const struct control_caller *who, u64 gva,
			   const void *src, u64 len);

#endif
