/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The error table and its page, common/ERRORS.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "suites.h"

static const struct {
	const char *name;
	unsigned int number;
	const char *text;
} table[] = {
#define ROW(name, number, text) { #name, number, text },
	US_ERRORS(ROW)
#undef ROW
};

#define ROWS (sizeof(table) / sizeof(table[0]))

static void numbers_and_names(void)
{
	unsigned int i;

	for (i = 0; i < ROWS; i++) {
		if (i)
			CU_ASSERT(table[i].number > table[i - 1].number);
		CU_ASSERT_STRING_EQUAL(us_error_name(table[i].number),
				       table[i].name);
		CU_ASSERT_STRING_EQUAL(us_error_text(table[i].number),
				       table[i].text);
	}
	CU_ASSERT_STRING_EQUAL(us_error_name(9999), "UNKNOWN");
	CU_ASSERT_STRING_EQUAL(us_error_text(9999), "Unknown error.");
}

/* Cut the next cell of a table row out of *@row and trim it. */
static char *cell(char **row)
{
	char *start = *row + strspn(*row, " "), *end = strchr(start, '|');

	if (!end)
		return NULL;
	*row = end + 1;
	while (end > start && end[-1] == ' ')
		end--;
	*end = '\0';
	return start;
}

static int file_mentions(const char *path, const char *word)
{
	static char text[1 << 20];
	FILE *file = fopen(path, "r");
	size_t len;

	if (!file)
		return 0;
	len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[len] = '\0';
	return strcasestr(text, word) != NULL;
}

/*
 * "SUITE: TEST" of this program, or a file below tests/ that names the error. Of the
 * loader's alone a row may say that there is "no test: REASON".
 */
static int test_exists(char *where, const char *error, unsigned int number)
{
	char *colon = strstr(where, ": ");

	if (!strncmp(where, "tests/", 6))
		return file_mentions(where, error);
	if (!strncmp(where, "no test: ", 9))
		return number >= US_E_CPU_VENDOR && where[9];
	if (!colon)
		return 0;
	*colon = '\0';
	return suite_has_test(where, colon + 2);
}

static void check_row(char *row, unsigned char *seen)
{
	char *number, *name, *what, *details, *where;
	unsigned int i;

	number = cell(&row);
	name = cell(&row);
	what = cell(&row);
	details = cell(&row);
	where = cell(&row);
	if (!where || !atoi(number))
		return;		/* the table's head */
	for (i = 0; i < ROWS; i++)
		if (!strcmp(name, table[i].name))
			break;
	if (i == ROWS || (unsigned int)atoi(number) != table[i].number ||
	    strcmp(what, table[i].text) || !*details ||
	    !test_exists(where, name, table[i].number)) {
		printf("\ncommon/ERRORS.md: bad row for %s\n", name);
		CU_FAIL("row does not match");
		return;
	}
	seen[i]++;
}

static void documented(void)
{
	unsigned char seen[ROWS] = { 0 };
	FILE *file = fopen("common/ERRORS.md", "r");
	char line[1024];
	unsigned int i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	while (fgets(line, sizeof(line), file))
		if (line[0] == '|')
			check_row(line + 1, seen);
	fclose(file);
	for (i = 0; i < ROWS; i++) {
		if (table[i].number == US_E_OK || seen[i] == 1)
			continue;
		printf("\ncommon/ERRORS.md: %u rows for %s\n", seen[i],
		       table[i].name);
		CU_FAIL("not exactly one row");
	}
}

const struct test errors_tests[] = {
	{ "numbers and names", numbers_and_names },
	{ "every error is documented and provoked", documented },
	{ 0 },
};
