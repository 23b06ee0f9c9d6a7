/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <string.h>

#include "cli.h"
#include "write_spec.h"

#define WORDS_MAX	5u
#define TEXT_MAX	1024u
#define BLANKS		" \t\r\n"

static bool is_symbol(const char *text)
{
	size_t len = strlen(text), i;

	for (i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) &&
		    !strchr("_.$", text[i]))
			return false;
	return len && len < SPEC_NAME_MAX && !isdigit((unsigned char)*text);
}

/* What follows the last @mark of @text as a number; the text ends there then. */
static bool take_number(char *text, char mark, u64 max, u64 *number)
{
	char *at = strrchr(text, mark);

	*number = 0;
	if (!at)
		return true;
	*at = 0;
	return parse_number(at + 1, 0, max, number);
}

/* @text is taken apart. */
static bool parse_variable(char *text, struct variable_spec *out)
{
	bool sized = strchr(text, '/');

	if (!take_number(text, '/', US_HUNK_MAX, &out->size) ||
	    (sized && !out->size) ||
	    !take_number(text, '+', SIZE_1G, &out->offset) || !is_symbol(text))
		return false;
	strcpy(out->name, text);
	return true;
}

static bool parse_bytes(const char *text, struct value_spec *out)
{
	static const char digits[] = "0123456789abcdef";
	const char *high, *low;

	for (; *text; text += 2) {
		high = strchr(digits, tolower((unsigned char)text[0]));
		if (!high || !text[1] || out->len == US_HUNK_MAX)
			return false;
		low = strchr(digits, tolower((unsigned char)text[1]));
		if (!low)
			return false;
		out->bytes[out->len++] = (u8)((high - digits) << 4 |
					      (low - digits));
	}
	return out->len;
}

static bool parse_value(char *text, struct value_spec *out)
{
	*out = (struct value_spec){ .kind = VALUE_NUMBER };
	if (!strncmp(text, "hex:", 4)) {
		out->kind = VALUE_BYTES;
		return parse_bytes(text + 4, out);
	}
	if (*text == '&') {
		out->kind = VALUE_ADDRESS;
		return parse_variable(text + 1, &out->address) &&
		       !out->address.size;
	}
	out->negative = *text == '-';
	if (!parse_number(text + out->negative, 0,
			  out->negative ? 1ull << 63 : UINT64_MAX,
			  &out->number))
		return false;
	if (out->negative)
		out->number = -out->number;
	return true;
}

/* Blanks become ends of words; false when there are more than @WORDS_MAX. */
static bool split(char *text, char *words[WORDS_MAX], u32 *count)
{
	char *save, *word;

	*count = 0;
	for (word = strtok_r(text, BLANKS, &save); word;
	     word = strtok_r(NULL, BLANKS, &save)) {
		if (*count == WORDS_MAX)
			return false;
		words[(*count)++] = word;
	}
	return true;
}

static bool copy_text(const char *text, char copy[TEXT_MAX])
{
	if (strlen(text) >= TEXT_MAX)
		return false;
	strcpy(copy, text);
	return true;
}

bool write_spec_parse(const char *text, struct write_spec *spec)
{
	char copy[TEXT_MAX], *words[WORDS_MAX], **word = words;
	u32 count;

	*spec = (struct write_spec){ .when = US_WRITE_PRE_APPLY };
	if (!copy_text(text, copy) || !split(copy, words, &count))
		return false;
	if (count && (!strcmp(*word, "pre") || !strcmp(*word, "post"))) {
		if (!strcmp(*word, "post"))
			spec->when = US_WRITE_POST_APPLY;
		word++;
		count--;
	}
	if (count == 4) {
		if (strcmp(word[3], "keep"))
			return false;
		spec->keep = true;
		count--;
	}
	return count == 3 && parse_variable(word[0], &spec->variable) &&
	       parse_value(word[1], &spec->expected) &&
	       parse_value(word[2], &spec->replacement);
}

bool watch_spec_parse(const char *text, struct watch_spec *spec)
{
	char copy[TEXT_MAX];

	*spec = (struct watch_spec){ 0 };
	return copy_text(text, copy) &&
	       take_number(copy, ':', UINT64_MAX, &spec->allowed) &&
	       parse_variable(copy, &spec->variable);
}
