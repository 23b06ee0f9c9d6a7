/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "symbol_map.h"

#define MAP_MAX		(64u << 20)

static enum us_error bad_line(const struct symbol_map *map, size_t line)
{
	return fail(US_E_ELF_FORMAT, "%s: line %zu is no symbol", map->path,
		    line);
}

static size_t count_lines(const struct buffer *text)
{
	size_t i, lines = 0;

	for (i = 0; i < text->len; i++)
		lines += text->data[i] == '\n';
	return lines + 1;
}

/* "ffffffff81000000 T _text" in @line, which ends in a NUL. */
static bool parse_line(char *line, struct map_symbol *symbol)
{
	char *end;

	symbol->address = strtoull(line, &end, 16);
	if (end == line || end[0] != ' ' || !end[1] || end[2] != ' ' || !end[3])
		return false;
	symbol->type = end[1];
	symbol->name = end + 3;
	return true;
}

static enum us_error parse_lines(struct symbol_map *map)
{
	char *line = (char *)map->text.data, *end;
	size_t number = 1;

	for (; *line; line = end, number++) {
		end = strchrnul(line, '\n');
		if (*end)
			*end++ = 0;
		if (!*line)
			continue;
		if (!parse_line(line, &map->symbols[map->count]))
			return bad_line(map, number);
		map->count++;
	}
	return map->count ? US_OK : bad_line(map, 1);
}

static int compare_addresses(const void *a, const void *b)
{
	const struct map_symbol *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return strcmp(x->name, y->name);
}

static const struct symbol_map *sorting;

static int compare_names(const void *a, const void *b)
{
	return strcmp(sorting->symbols[*(const u32 *)a].name,
		      sorting->symbols[*(const u32 *)b].name);
}

static enum us_error index_names(struct symbol_map *map)
{
	size_t i;

	map->by_name = calloc(map->count, sizeof(*map->by_name));
	if (!map->by_name)
		return fail(US_E_NO_MEMORY, "%s", map->path);
	for (i = 0; i < map->count; i++)
		map->by_name[i] = i;
	sorting = map;
	qsort(map->by_name, map->count, sizeof(*map->by_name), compare_names);
	return US_OK;
}

enum us_error symbol_map_read(struct symbol_map *map, const char *path)
{
	enum us_error error;

	*map = (struct symbol_map){ .path = path };
	error = file_read(path, MAP_MAX, &map->text);
	if (!error)
		error = buffer_append(&map->text, NULL, 1);
	if (error)
		return error;
	map->symbols = calloc(count_lines(&map->text), sizeof(*map->symbols));
	if (!map->symbols)
		return fail(US_E_NO_MEMORY, "%s", path);
	error = parse_lines(map);
	if (error)
		return error;
	qsort(map->symbols, map->count, sizeof(*map->symbols),
	      compare_addresses);
	return index_names(map);
}

void symbol_map_free(struct symbol_map *map)
{
	buffer_free(&map->text);
	free(map->symbols);
	free(map->by_name);
	*map = (struct symbol_map){ 0 };
}

static size_t lower_bound(const struct symbol_map *map, const char *name)
{
	size_t low = 0, high = map->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (strcmp(map->symbols[map->by_name[middle]].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_text(const struct map_symbol *symbol)
{
	return symbol->type && strchr("TtWw", symbol->type);
}

static enum us_error find(const struct symbol_map *map, const char *name,
			  bool text_only, u64 *address)
{
	const struct map_symbol *found = NULL, *symbol;
	size_t i;

	for (i = lower_bound(map, name); i < map->count; i++) {
		symbol = &map->symbols[map->by_name[i]];
		if (strcmp(symbol->name, name))
			break;
		if (text_only && !is_text(symbol))
			continue;
		if (found && found->address != symbol->address)
			return fail(US_E_SYMBOL_AMBIGUOUS,
				    "%s: %s is at %#llx and at %#llx",
				    map->path, name,
				    (unsigned long long)found->address,
				    (unsigned long long)symbol->address);
		found = symbol;
	}
	if (!found)
		return fail(US_E_SYMBOL_MISSING, "%s: %s", map->path, name);
	*address = found->address;
	return US_OK;
}

enum us_error symbol_map_find(const struct symbol_map *map, const char *name,
			      u64 *address)
{
	return find(map, name, false, address);
}

enum us_error symbol_map_function(const struct symbol_map *map,
				  const char *name, u64 *address)
{
	return find(map, name, true, address);
}

bool symbol_map_has_function(const struct symbol_map *map, const char *name)
{
	size_t i;

	for (i = lower_bound(map, name); i < map->count; i++) {
		if (strcmp(map->symbols[map->by_name[i]].name, name))
			return false;
		if (is_text(&map->symbols[map->by_name[i]]))
			return true;
	}
	return false;
}

u64 symbol_map_room(const struct symbol_map *map, u64 address)
{
	size_t low = 0, high = map->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (map->symbols[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < map->count ? map->symbols[low].address - address : 0;
}
