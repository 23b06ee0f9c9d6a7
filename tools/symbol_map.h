/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A kernel's System.map: "address type name", one symbol a line. */
#ifndef UNDERSEAL_SYMBOL_MAP_H
#define UNDERSEAL_SYMBOL_MAP_H

#include "file.h"

struct map_symbol {
	u64 address;		/* link address */
	const char *name;
	char type;		/* as nm(1) prints it: 'T', 't', 'D', ... */
};

struct symbol_map {
	const char *path;
	struct buffer text;		/* the names point into it */
	struct map_symbol *symbols;	/* sorted by address */
	u32 *by_name;			/* indices sorted by name */
	size_t count;
};

/* FILE_*, ELF_FORMAT (a line that is no symbol), NO_MEMORY.
 * symbol_map_free() after success and failure alike. */
enum us_error symbol_map_read(struct symbol_map *map, const char *path);
void symbol_map_free(struct symbol_map *map);

/* The one address of @name. SYMBOL_MISSING, SYMBOL_AMBIGUOUS. */
enum us_error symbol_map_find(const struct symbol_map *map, const char *name,
			      u64 *address);

/* As above, for text symbols ('T', 't', 'W', 'w') only. */
enum us_error symbol_map_function(const struct symbol_map *map,
				  const char *name, u64 *address);

/* Is @name a text symbol of the map at all? */
bool symbol_map_has_function(const struct symbol_map *map, const char *name);

/* Bytes from @address to the next symbol behind it; 0 when there is none. */
u64 symbol_map_room(const struct symbol_map *map, u64 address);

#endif
