/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One of two binaries that are compared: a linked kernel (vmlinux), a module or an
 * object file. All three look alike from here on: every section has an address, and
 * so has every symbol. In a relocatable file those addresses are made up: sections
 * are laid out one behind the other, and a symbol that is defined elsewhere gets a
 * region of its own. Reading is bounds-checked throughout; the file is not trusted.
 */
#ifndef UNDERSEAL_DIFF_SIDE_H
#define UNDERSEAL_DIFF_SIDE_H

#include <elf.h>

#include "errors.h"
#include "types.h"

#define SIDE_NONE	(~0u)		/* no such symbol, section or file */

struct side_section {
	const char *name;
	const u8 *data;			/* NULL without contents in the file */
	u64 address, size;
	u64 flags;			/* SHF_* */
	u32 type;			/* SHT_* */
	u32 rela_count;
	const Elf64_Rela *relas;	/* sorted by r_offset, which counts from
					 * the section's first byte here */
	Elf64_Rela *owned;		/* what relas points to */
};

struct side_symbol {
	const char *name;		/* of the section for section symbols */
	u64 address, size;
	u32 section;			/* index, or SIDE_NONE: elsewhere */
	u32 file;			/* symbol of its source file; locals only */
	u8 type, bind;			/* STT_*, STB_* */
	bool absolute;			/* a number, not an address */
};

/* Tables that list places in code. */
enum side_table {
	TABLE_ALTERNATIVE, TABLE_PARAVIRT, TABLE_RETPOLINE, TABLE_RETURN,
	TABLE_CALL, TABLE_ENDBR, TABLE_LOCK, TABLE_FTRACE, TABLE_JUMP_LABEL,
	TABLE_STATIC_CALL, TABLE_BUG, TABLE_EXCEPTION, TABLE_COUNT,
};

struct side_site {
	u64 address;			/* of the code it speaks of */
	u64 entry;			/* of the table's entry */
	u8 table;			/* enum side_table */
};

struct side {
	const char *path;
	int fd;
	const u8 *file;
	u64 file_len;
	bool linked;			/* addresses are final: a vmlinux */
	struct side_section *sections;
	u32 section_count;
	struct side_symbol *symbols;
	u32 symbol_count;
	u32 *by_name, name_count;	/* defined or not; no files, no sections */
	u32 *by_address, address_count;	/* defined ones */
	u64 *starts;			/* what anything points to, sorted */
	u64 start_count;
	struct side_site *sites;	/* sorted by address, table, entry */
	u32 site_count;
	u8 alternative_size;		/* bytes of a struct alt_instr */
	u64 mutable_start, mutable_end;	/* __ro_after_init inside .rodata */
};

/* What a field of code or data points to. */
struct side_target {
	u64 address;
	u32 symbol;		/* the relocation's, unless a section's */
	s64 addend;		/* to that symbol */
};

/* Open @path: x86-64, with a symbol table. FILE_OPEN, FILE_READ, ELF_FORMAT,
 * ELF_NO_RELOCATIONS, NO_MEMORY. side_close() after success and failure alike. */
enum us_error side_open(struct side *side, const char *path);
/* A linked kernel for its names, contents and tables of sites alone; it may lack
 * relocations. Errors as of side_open(). */
enum us_error side_open_kernel(struct side *side, const char *path);
/* The same for @len bytes in memory, which stay the caller's. */
enum us_error side_from_memory(struct side *side, const char *path,
			       const u8 *data, u64 len);
void side_close(struct side *side);

/* The section that holds @address, or NULL. One past the end counts as inside
 * when nothing else begins there. */
const struct side_section *side_section_at(const struct side *side, u64 address);
const struct side_section *side_section(const struct side *side,
					const char *name);

/* The file's bytes for [@address, @address + @len), or NULL. */
const u8 *side_bytes(const struct side *side, u64 address, u64 len);

/* A section's symbol, or one that the assembler made up (".LC5"). */
bool side_is_nameless(const struct side_symbol *symbol);

/* Is symbol @index a function whose code is in the file? */
bool side_is_function(const struct side *side, u32 index);

/* First index in by_name of @name; name_count when there is none. */
u32 side_find_name(const struct side *side, const char *name);
/* A global (else the only local) definition of @name, or SIDE_NONE. */
u32 side_symbol_named(const struct side *side, const char *name);

/* First index in by_address of a symbol at or behind @address. */
u32 side_find_address(const struct side *side, u64 address);
/* The function or object that contains @address, or SIDE_NONE. */
u32 side_symbol_at(const struct side *side, u64 address);

/* First relocation of @section at or behind @offset. */
u32 side_find_rela(const struct side_section *section, u64 offset);

/* Where @rela leads: S + A. false when it makes no sense. */
bool side_rela_target(const struct side *side, const Elf64_Rela *rela,
		      struct side_target *target);

/* The pointer in a table at @address: @width 4 is relative to itself, 8 absolute
 * (@relative false) or relative. false when there is none. */
bool side_pointer(const struct side *side, u64 address, unsigned int width,
		  bool relative, struct side_target *target);

/* Bytes from @address to where something else begins. */
u64 side_room(const struct side *side, u64 address);

/* Constant from the first instruction on: .rodata without __ro_after_init. */
bool side_is_constant(const struct side *side, u64 address);
bool side_is_code(const struct side *side, u64 address);
/* Gone after boot (or after the module has been loaded). */
bool side_is_init(const struct side *side, u64 address);
bool side_is_percpu(const struct side *side, u64 address);

/* First site at or behind @address. */
u32 side_find_site(const struct side *side, u64 address);
/* For side_open(): fill in sites. */
enum us_error side_collect_sites(struct side *side);

/* Bytes of a table's entry. */
unsigned int side_entry_size(const struct side *side, enum side_table table);
const char *side_table_name(enum side_table table);

#endif
