/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "fix_file.h"

struct reader {
	struct fix *fix;
	size_t at;		/* the next line */
};

static enum us_error bad_fix(const struct reader *reader, const char *why)
{
	return fail(US_E_FIX_FORMAT, "%s: line %zu: %s", reader->fix->path,
		    reader->at + 1, why);
}

static enum us_error split_lines(struct fix *fix)
{
	const char *text = (const char *)fix->text.data, *end;
	const char *limit = text + fix->text.len;
	size_t room = 0;
	void *grown;

	for (; text < limit; text = end) {
		end = memchr(text, '\n', limit - text);
		end = end ? end + 1 : limit;
		if (fix->line_count == room) {
			room = room ? 2 * room : 1024;
			grown = realloc(fix->lines, room * sizeof(*fix->lines));
			if (!grown)
				return fail(US_E_NO_MEMORY, "%s", fix->path);
			fix->lines = grown;
		}
		fix->lines[fix->line_count++] = (struct fix_line){
			text, (size_t)(end - text),
		};
	}
	return US_OK;
}

static const struct fix_line *peek(const struct reader *reader)
{
	return reader->at < reader->fix->line_count ?
	       &reader->fix->lines[reader->at] : NULL;
}

static bool starts(const struct fix_line *line, const char *prefix)
{
	size_t len = strlen(prefix);

	return line && line->len >= len && !memcmp(line->text, prefix, len);
}

/* No way out of the tree, nothing hidden, nothing that a name does not hold. */
static bool path_allowed(const char *path)
{
	const char *part = path;
	size_t i, len;

	for (i = 0; path[i]; i++)
		if (path[i] <= ' ' || path[i] > '~' || path[i] == '\\' ||
		    path[i] == '"' || path[i] == ':')
			return false;
	for (;;) {
		len = strcspn(part, "/");
		if (!len || part[0] == '.')
			return false;
		if (!part[len])
			return true;
		part += len + 1;
	}
}

/* The path in a "--- a/path" line, without its first part; "" for /dev/null. */
static char *header_path(const struct fix_line *line)
{
	const char *path = line->text + 4, *slash;
	size_t len = line->len - 4;

	len = strcspn(path, "\t\r\n") < len ? strcspn(path, "\t\r\n") : len;
	if (len == strlen("/dev/null") && !memcmp(path, "/dev/null", len))
		return strdup("");
	slash = memchr(path, '/', len);
	if (!slash || slash == path)
		return strdup("/");	/* path_allowed() refuses it */
	return strndup(slash + 1, len - (slash + 1 - path));
}

static bool parse_range(const char **at, char sign, u64 *line, u64 *count)
{
	char *end;

	if (*(*at)++ != sign || **at < '0' || **at > '9')
		return false;
	*line = strtoull(*at, &end, 10);
	*count = 1;
	if (*end == ',') {
		if (end[1] < '0' || end[1] > '9')
			return false;
		*count = strtoull(end + 1, &end, 10);
	}
	*at = end;
	return *line <= FIX_SOURCE_MAX && *count <= FIX_SOURCE_MAX &&
	       *end == ' ' && ++*at;
}

/* "@@ -12,7 +12,9 @@ anything" */
static bool parse_hunk_header(const struct fix_line *line,
			      struct fix_hunk *hunk)
{
	const char *at = line->text + 3;
	u64 new_line;

	return parse_range(&at, '-', &hunk->old_line, &hunk->old_count) &&
	       parse_range(&at, '+', &new_line, &hunk->new_count) &&
	       at[0] == '@' && at[1] == '@' &&
	       (hunk->old_line || !hunk->old_count);
}

/* "\ No newline at end of file": of the line before. */
static void drop_newline(struct fix *fix, size_t at)
{
	if (at && fix->lines[at - 1].len)
		fix->lines[at - 1].len--;
}

static enum us_error read_hunk_lines(struct reader *reader,
				     struct fix_hunk *hunk)
{
	u64 old = hunk->old_count, new = hunk->new_count;
	const struct fix_line *line;

	hunk->first = reader->at;
	for (; old || new || starts(peek(reader), "\\"); reader->at++) {
		line = peek(reader);
		if (!line)
			return bad_fix(reader, "the diff ends inside a change");
		/* Mail programs cut the blank of an empty line of context. */
		if ((line->text[0] == ' ' || line->text[0] == '\n') && old &&
		    new) {
			old--;
			new--;
		} else if (line->text[0] == '-' && old) {
			old--;
		} else if (line->text[0] == '+' && new) {
			new--;
		} else if (line->text[0] == '\\') {
			drop_newline(reader->fix, reader->at);
		} else {
			return bad_fix(reader, "this line does not belong to "
				       "the change that its header announces");
		}
	}
	hunk->count = reader->at - hunk->first;
	return US_OK;
}

static enum us_error read_hunk(struct reader *reader,
			       struct fix_target *target)
{
	struct fix_hunk *grown, *hunk;

	grown = realloc(target->hunks,
			(target->hunk_count + 1) * sizeof(*grown));
	if (!grown)
		return fail(US_E_NO_MEMORY, "%s", reader->fix->path);
	target->hunks = grown;
	hunk = &target->hunks[target->hunk_count++];
	*hunk = (struct fix_hunk){ 0 };
	if (!parse_hunk_header(peek(reader), hunk))
		return bad_fix(reader, "bad header of a change");
	reader->at++;
	return read_hunk_lines(reader, hunk);
}

static struct fix_target *add_target(struct fix *fix)
{
	struct fix_target *grown;

	grown = realloc(fix->targets,
			(fix->target_count + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	fix->targets = grown;
	grown += fix->target_count++;
	*grown = (struct fix_target){ 0 };
	return grown;
}

static enum us_error check_paths(struct reader *reader, const char *old,
				 const char *new)
{
	size_t i;

	if (!old || !new)
		return fail(US_E_NO_MEMORY, "%s", reader->fix->path);
	if (!old[0] || !new[0])
		return bad_fix(reader, "adds or removes a file; a fix can only "
			       "change files");
	if (!path_allowed(old) || !path_allowed(new))
		return bad_fix(reader, "the path leads out of the tree, or is "
			       "not written as a/path and b/path");
	if (strcmp(old, new))
		return bad_fix(reader, "renames a file; a fix can only change "
			       "files");
	for (i = 0; i + 1 < reader->fix->target_count; i++)
		if (!strcmp(reader->fix->targets[i].path, new))
			return bad_fix(reader, "the same file a second time");
	return US_OK;
}

static enum us_error read_target(struct reader *reader)
{
	struct fix_target *target = add_target(reader->fix);
	enum us_error error;
	char *old;

	if (!target)
		return fail(US_E_NO_MEMORY, "%s", reader->fix->path);
	old = header_path(peek(reader));
	reader->at++;
	if (!starts(peek(reader), "+++ ")) {
		free(old);
		return bad_fix(reader, "no +++ line behind the --- line");
	}
	target->path = header_path(peek(reader));
	error = check_paths(reader, old, target->path);
	free(old);
	reader->at++;
	if (!error && !starts(peek(reader), "@@ "))
		error = bad_fix(reader, "no change behind the names of a file");
	while (!error && starts(peek(reader), "@@ "))
		error = read_hunk(reader, target);
	return error;
}

/* What diffs say beside lines: things that a fix of lines cannot carry. */
static bool unsupported(const struct fix_line *line)
{
	return starts(line, "GIT binary patch") || starts(line, "Binary files") ||
	       starts(line, "rename from ") || starts(line, "copy from ") ||
	       starts(line, "new file mode ") ||
	       starts(line, "deleted file mode ") || starts(line, "*** ");
}

static enum us_error parse(struct fix *fix)
{
	struct reader reader = { .fix = fix };
	const char *path = fix->path;
	enum us_error error;

	if (memchr(fix->text.data, 0, fix->text.len))
		return fail(US_E_FIX_FORMAT, "%s: not a text", path);
	error = split_lines(fix);
	while (!error && peek(&reader)) {
		if (starts(peek(&reader), "--- ") &&
		    reader.at + 1 < fix->line_count &&
		    starts(peek(&reader) + 1, "+++ "))
			error = read_target(&reader);
		else if (unsupported(peek(&reader)))
			error = bad_fix(&reader, "a fix can only change lines "
					"of text files");
		else
			reader.at++;
	}
	if (!error && !fix->target_count)
		error = fail(US_E_FIX_FORMAT, "%s: no unified diff; make one "
			     "with 'git diff' or 'diff -u'", path);
	return error;
}

enum us_error fix_parse(struct fix *fix, const char *path, struct buffer *text)
{
	enum us_error error;

	*fix = (struct fix){ .path = path, .text = *text };
	*text = (struct buffer){ 0 };
	/* A NUL at the end lets strcspn() and strtoull() stop there. */
	error = buffer_append(&fix->text, "", 1);
	if (error)
		return error;
	fix->text.len--;
	return parse(fix);
}

enum us_error fix_read(struct fix *fix, const char *path)
{
	struct buffer text = { 0 };
	enum us_error error = file_read(path, FIX_FILE_MAX, &text);

	*fix = (struct fix){ .path = path };
	return error ? error : fix_parse(fix, path, &text);
}

void fix_free(struct fix *fix)
{
	size_t i;

	for (i = 0; i < fix->target_count; i++) {
		free(fix->targets[i].path);
		free(fix->targets[i].hunks);
	}
	free(fix->targets);
	free(fix->lines);
	buffer_free(&fix->text);
	*fix = (struct fix){ 0 };
}
