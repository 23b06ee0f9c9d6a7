/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who includes a header? Only the preprocessor knows for sure, and asking it means going
 * through every unit of the kernel. Here each "#include" line counts, whatever
 * conditions it stands under, and stands for every file that it could mean: too
 * many units rather than one too few.
 */
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive.h"
#include "build_units.h"
#include "cli.h"

/* Tables of a graphics card's registers get longer than any source that people
 * would fix: 24 MB in Linux 6.1. */
#define READ_MAX	(256u << 20)

struct include {
	const char *what;	/* as written, without "../" in front */
	u32 file;		/* that includes it */
};

struct graph {
	char **files;		/* relative paths */
	bool *reached;
	size_t file_count, file_room;
	struct include *includes;
	size_t include_count, include_room;
};

static bool skip_directory(const char *path)
{
	static const char *const skipped[] = {
		"Documentation", "tools", "samples", "scripts", "LICENSES",
		".git", "debian", "rust",
	};
	size_t i;

	if (!strncmp(path, "arch/", 5))
		return strncmp(path, "arch/x86", 8);
	for (i = 0; i < ARRAY_SIZE(skipped); i++)
		if (!strcmp(path, skipped[i]))
			return true;
	return false;
}

static bool is_source(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot && (!strcmp(dot, ".c") || !strcmp(dot, ".h") ||
		       !strcmp(dot, ".inc"));
}

static bool grow(void **list, size_t count, size_t *room, size_t size)
{
	void *grown;

	if (count < *room)
		return true;
	grown = reallocarray(*list, *room ? 2 * *room : 4096, size);
	if (!grown)
		return false;
	*list = grown;
	*room = *room ? 2 * *room : 4096;
	return true;
}

static enum us_error add_include(struct graph *graph, const char *name,
				 size_t len)
{
	while (len > 2 && (!strncmp(name, "./", 2) ||
			   !strncmp(name, "../", 3))) {
		len -= name[1] == '/' ? 2 : 3;
		name += name[1] == '/' ? 2 : 3;
	}
	if (!grow((void **)&graph->includes, graph->include_count,
		  &graph->include_room, sizeof(*graph->includes)))
		return fail(US_E_NO_MEMORY, "includes");
	graph->includes[graph->include_count].file = graph->file_count - 1;
	graph->includes[graph->include_count].what = strndup(name, len);
	if (!graph->includes[graph->include_count].what)
		return fail(US_E_NO_MEMORY, "includes");
	graph->include_count++;
	return US_OK;
}

/* "# include <a/b.h>" at the start of a line. */
static enum us_error read_line(struct graph *graph, const char *line)
{
	size_t len;

	line += strspn(line, " \t");
	if (*line++ != '#')
		return US_OK;
	line += strspn(line, " \t");
	if (strncmp(line, "include", 7))
		return US_OK;
	line += 7;
	line += strspn(line, " \t");
	if (*line != '"' && *line != '<')
		return US_OK;
	len = strcspn(++line, "\">\n");
	return add_include(graph, line, len);
}

static enum us_error read_source(struct graph *graph, const char *full,
				 const char *path)
{
	struct buffer text;
	enum us_error error;
	const char *line;

	if (!grow((void **)&graph->files, graph->file_count, &graph->file_room,
		  sizeof(*graph->files)))
		return fail(US_E_NO_MEMORY, "files");
	graph->files[graph->file_count] = strdup(path);
	if (!graph->files[graph->file_count++])
		return fail(US_E_NO_MEMORY, "files");
	error = file_read(full, READ_MAX, &text);
	if (!error)
		error = buffer_append(&text, "", 1);
	line = (const char *)text.data;
	while (!error && line) {
		error = read_line(graph, line);
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	buffer_free(&text);
	return error;
}

static enum us_error visit(struct graph *graph, FTS *walk, FTSENT *entry,
			   size_t prefix)
{
	const char *path;

	if (entry->fts_pathlen <= prefix)
		return US_OK;
	path = entry->fts_path + prefix + 1;
	if (entry->fts_info == FTS_D && skip_directory(path))
		fts_set(walk, entry, FTS_SKIP);
	if (entry->fts_info == FTS_F && is_source(path))
		return read_source(graph, entry->fts_path, path);
	return US_OK;
}

static enum us_error read_graph(struct graph *graph,
				const struct source_tree *tree)
{
	char *const roots[] = { (char *)tree->path, NULL };
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	enum us_error error = US_OK;
	FTSENT *entry;

	if (!walk)
		return fail(US_E_FILE_READ, "%s", tree->path);
	while (!error && (entry = fts_read(walk)))
		error = visit(graph, walk, entry, strlen(tree->path));
	fts_close(walk);
	return error;
}

/* Can the text of an #include mean @path? Its end, from a '/' on. */
static bool can_mean(const char *what, const char *path)
{
	size_t len = strlen(what), whole = strlen(path);

	return len && len <= whole && !strcmp(path + whole - len, what) &&
	       (len == whole || path[whole - len - 1] == '/');
}

static enum us_error reach(struct graph *graph, const char *path,
			   enum us_error (*found)(void *context,
						  const char *unit),
			   void *context)
{
	enum us_error error = US_OK;
	const char *includer;
	size_t i;

	for (i = 0; i < graph->include_count && !error; i++) {
		if (graph->reached[graph->includes[i].file] ||
		    !can_mean(graph->includes[i].what, path))
			continue;
		graph->reached[graph->includes[i].file] = true;
		includer = graph->files[graph->includes[i].file];
		error = found(context, includer);
		if (!error)
			error = reach(graph, includer, found, context);
	}
	return error;
}

static void free_graph(struct graph *graph)
{
	size_t i;

	for (i = 0; i < graph->file_count; i++)
		free(graph->files[i]);
	for (i = 0; i < graph->include_count; i++)
		free((char *)graph->includes[i].what);
	free(graph->files);
	free(graph->includes);
	free(graph->reached);
}

enum us_error includers_find(const struct source_tree *tree, const char *path,
			     enum us_error (*found)(void *context,
						    const char *unit),
			     void *context)
{
	struct graph graph = { 0 };
	enum us_error error;

	note("looking for what includes %s", path);
	error = read_graph(&graph, tree);
	if (!error) {
		graph.reached = calloc(graph.file_count + 1, 1);
		error = graph.reached ?
			reach(&graph, path, found, context) :
			fail(US_E_NO_MEMORY, "files");
	}
	free_graph(&graph);
	return error;
}
