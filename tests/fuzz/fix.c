/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libFuzzer target: a diff, a NUL, and a source file that each of the diff's targets
 * is applied to. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "fix_file.h"
#include "fuzz.h"

#define LINE_DIRECTIVE	32u	/* bytes of one at most */

const struct command commands[] = { { 0 } };

#define REQUIRE(condition)	\
	do {			\
		if (!(condition)) abort();	\
	} while (0)

static struct buffer copy_of(const u8 *data, size_t len)
{
	struct buffer buffer = { 0 };

	if (buffer_append(&buffer, data, len))
		abort();
	return buffer;
}

/* What fix_file.h promises of a path: it stays in the tree. */
static void check_path(const char *path)
{
	const char *dots = strstr(path, "..");

	REQUIRE(path[0] && path[0] != '/' && path[0] != '.');
	REQUIRE(!strstr(path, "//") && !strstr(path, "/."));
	REQUIRE(path[strlen(path) - 1] != '/');
	REQUIRE(!dots || dots > path);
}

static u64 count_lines(const struct buffer *text)
{
	u64 lines = 0, i;

	for (i = 0; i < text->len; i++)
		lines += text->data[i] == '\n';
	return lines;
}

static void check_target(const struct fix *fix, const struct fix_target *target,
			 const struct buffer *old)
{
	struct buffer out;
	size_t i;

	check_path(target->path);
	REQUIRE(target->hunk_count);
	for (i = 0; i < target->hunk_count; i++)
		REQUIRE(span_inside(target->hunks[i].first,
				    target->hunks[i].count, fix->line_count));
	if (fix_apply(fix, target, old, &out))
		return;
	/* No byte comes from elsewhere. */
	REQUIRE(out.len <= old->len + fix->text.len +
		LINE_DIRECTIVE * count_lines(old));
	buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	const u8 *nul = len ? memchr(data, 0, len) : NULL;
	size_t diff_len = nul ? (size_t)(nul - data) : len, i;
	struct buffer text = copy_of(data, diff_len);
	struct buffer old = copy_of(data + diff_len + (nul != NULL),
				    len - diff_len - (nul != NULL));
	struct fix fix;

	if (!fix_parse(&fix, "input", &text))
		for (i = 0; i < fix.target_count; i++)
			check_target(&fix, &fix.targets[i], &old);
	fix_free(&fix);
	buffer_free(&old);
	return 0;
}
