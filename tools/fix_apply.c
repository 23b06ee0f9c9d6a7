/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "fix_file.h"

/* A file being changed: its lines, and how far it has been copied. */
struct source {
	const struct fix *fix;
	const struct fix_target *target;
	struct fix_line *lines;		/* text without a sign in front */
	size_t count;
	size_t at;			/* the next line to copy */
	bool moved;			/* a change came before */
	struct buffer *out;
};

static enum us_error read_lines(struct source *source,
				const struct buffer *old)
{
	const char *text = (const char *)old->data, *end;
	const char *limit = text + old->len;
	size_t lines = 1;
	u64 i;

	for (i = 0; i < old->len; i++)
		lines += old->data[i] == '\n';
	source->lines = calloc(lines, sizeof(*source->lines));
	if (!source->lines)
		return fail(US_E_NO_MEMORY, "%s", source->target->path);
	for (; text < limit; text = end) {
		end = memchr(text, '\n', limit - text);
		end = end ? end + 1 : limit;
		source->lines[source->count++] = (struct fix_line){
			text, (size_t)(end - text),
		};
	}
	return US_OK;
}

/* What a line of the diff says a line of the file is. */
static struct fix_line content(const struct fix_line *line)
{
	if (line->text[0] == '\n')
		return *line;
	return (struct fix_line){ line->text + 1, line->len - 1 };
}

static bool same(const struct fix_line *a, struct fix_line b)
{
	return a->len == b.len && !memcmp(a->text, b.text, b.len);
}

static bool matches(const struct source *source, const struct fix_hunk *hunk,
		    size_t at)
{
	const struct fix_line *line = &source->fix->lines[hunk->first];
	const struct fix_line *end = line + hunk->count;

	if (!span_inside(at, hunk->old_count, source->count))
		return false;
	for (; line < end; line++) {
		if (line->text[0] == '+' || line->text[0] == '\\')
			continue;
		if (!same(&source->lines[at], content(line)))
			return false;
		at++;
	}
	return true;
}

/* The nearest place to @wanted, not before what is copied already, or -1. */
static s64 find_place(const struct source *source, const struct fix_hunk *hunk,
		      size_t wanted)
{
	size_t away;

	for (away = 0; away <= source->count; away++) {
		if (wanted + away >= source->at &&
		    matches(source, hunk, wanted + away))
			return wanted + away;
		if (away && away <= wanted && wanted - away >= source->at &&
		    matches(source, hunk, wanted - away))
			return wanted - away;
	}
	return -1;
}

static enum us_error put(struct source *source, struct fix_line line)
{
	return buffer_append(source->out, line.text, line.len);
}

static bool ends_block(const struct fix_line *line)
{
	return line->len == 2 && !memcmp(line->text, "}\n", 2);
}

/* Copy lines up to @end, and say behind each block which line follows. */
static enum us_error copy_to(struct source *source, size_t end)
{
	enum us_error error = US_OK;
	char directive[64];

	while (source->at < end && !error) {
		error = put(source, source->lines[source->at++]);
		if (error || !source->moved ||
		    !ends_block(&source->lines[source->at - 1]))
			continue;
		snprintf(directive, sizeof(directive), "#line %zu\n",
			 source->at + 1);
		error = put(source, (struct fix_line){
			directive, strlen(directive) });
	}
	return error;
}

static enum us_error apply_hunk(struct source *source,
				const struct fix_hunk *hunk, s64 *drift)
{
	const struct fix_line *line = &source->fix->lines[hunk->first];
	s64 wanted = (s64)hunk->old_line - (hunk->old_count != 0) + *drift;
	enum us_error error;
	size_t i;
	s64 at;

	at = find_place(source, hunk, wanted < 0 ? 0 : wanted);
	if (at < 0)
		return fail(US_E_FIX_APPLY, "%s: the change at line %llu of %s "
			    "is not found in this kernel's source",
			    source->fix->path,
			    (unsigned long long)hunk->old_line,
			    source->target->path);
	*drift += at - wanted;
	error = copy_to(source, at);
	for (i = 0; i < hunk->count && !error; i++)
		if (line[i].text[0] != '-' && line[i].text[0] != '\\')
			error = put(source, content(&line[i]));
	source->at += hunk->old_count;
	source->moved = true;
	return error;
}

enum us_error fix_apply(const struct fix *fix, const struct fix_target *target,
			const struct buffer *old, struct buffer *out)
{
	struct source source = { .fix = fix, .target = target, .out = out };
	enum us_error error;
	s64 drift = 0;
	size_t i;

	*out = (struct buffer){ 0 };
	error = read_lines(&source, old);
	for (i = 0; i < target->hunk_count && !error; i++)
		error = apply_hunk(&source, &target->hunks[i], &drift);
	if (!error)
		error = copy_to(&source, source.count);
	free(source.lines);
	if (error)
		buffer_free(out);
	return error;
}
