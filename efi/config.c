/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

struct parser {
	struct us_config *config;
	struct us_config_error *error;
	u32 line;
	bool failed;
	bool have_next, have_args, have_on_failure;
};

/* A piece of the file; never NUL-terminated. */
struct piece {
	const char *at;
	size_t len;
};

/* Only the first mistake is kept: later ones are often its consequences. */
static void mistake(struct parser *p, const char *text)
{
	if (p->failed)
		return;
	p->failed = true;
	p->error->line = p->line;
	p->error->text = text;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct piece trim(struct piece s)
{
	while (s.len && is_blank(s.at[0])) {
		s.at++;
		s.len--;
	}
	while (s.len && is_blank(s.at[s.len - 1]))
		s.len--;
	return s;
}

static bool equals(struct piece s, const char *word)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if (word[i] != s.at[i] || !word[i])
			return false;
	return !word[i];
}

static bool contains_nul(struct piece s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!s.at[i])
			return true;
	return false;
}

static bool is_text(struct piece s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] != '\t' && (s.at[i] < 0x20 || s.at[i] > 0x7e))
			return false;
	return true;
}

/* The caller knows that @s and a NUL fit. */
static void copy(char *to, struct piece s)
{
	for (size_t i = 0; i < s.len; i++)
		to[i] = s.at[i];
	to[s.len] = 0;
}

static bool set_path(struct parser *p, char *to, struct piece value)
{
	if (!value.len || (value.at[0] != '\\' && value.at[0] != '/')) {
		mistake(p, "a path must start with \\ or /");
		return false;
	}
	if (value.len >= US_CONFIG_PATH_MAX) {
		mistake(p, "the path is longer than 255 characters");
		return false;
	}
	copy(to, value);
	for (size_t i = 0; i < value.len; i++)
		if (to[i] == '/')
			to[i] = '\\';
	return true;
}

static void set_next(struct parser *p, struct piece value)
{
	if (p->have_next) {
		mistake(p, "the key next is given twice");
		return;
	}
	p->have_next = set_path(p, p->config->next, value);
}

static void set_args(struct parser *p, struct piece value)
{
	if (p->have_args) {
		mistake(p, "the key args is given twice");
		return;
	}
	if (value.len >= US_CONFIG_ARGS_MAX) {
		mistake(p, "the arguments are longer than 2047 characters");
		return;
	}
	copy(p->config->args, value);
	p->have_args = true;
}

static void set_initrd(struct parser *p, struct piece value)
{
	struct us_config *config = p->config;

	if (config->initrds == US_CONFIG_INITRDS) {
		mistake(p, "there are more than 4 initrd lines");
		return;
	}
	if (set_path(p, config->initrd[config->initrds], value))
		config->initrds++;
}

/* Any doubt about what the administrator wants means halt. */
static void set_on_failure(struct parser *p, struct piece value)
{
	if (p->have_on_failure) {
		p->config->on_failure = US_ON_FAILURE_HALT;
		mistake(p, "the key on-failure is given twice");
		return;
	}
	p->have_on_failure = true;
	if (equals(value, "boot"))
		p->config->on_failure = US_ON_FAILURE_BOOT;
	else if (!equals(value, "halt"))
		mistake(p, "on-failure must be boot or halt");
}

static const struct {
	const char *name;
	void (*set)(struct parser *p, struct piece value);
} keys[] = {
	{ "next", set_next },
	{ "args", set_args },
	{ "initrd", set_initrd },
	{ "on-failure", set_on_failure },
};

static void parse_setting(struct parser *p, struct piece line)
{
	struct piece key = line, value;
	size_t equal = 0;

	while (equal < line.len && line.at[equal] != '=')
		equal++;
	if (equal == line.len) {
		mistake(p, "there is no = in the line");
		return;
	}
	key.len = equal;
	key = trim(key);
	value.at = line.at + equal + 1;
	value.len = line.len - equal - 1;
	value = trim(value);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (equals(key, keys[i].name)) {
			keys[i].set(p, value);
			return;
		}
	}
	mistake(p, "the key is not known");
}

static void parse_line(struct parser *p, struct piece line)
{
	if (line.len && line.at[line.len - 1] == '\r')
		line.len--;
	if (line.len > US_CONFIG_LINE_MAX) {
		mistake(p, "the line is too long");
		return;
	}
	if (contains_nul(line)) {
		mistake(p, "the line holds a NUL byte");
		return;
	}
	line = trim(line);
	if (!line.len || line.at[0] == '#')
		return;
	if (!is_text(line)) {
		mistake(p, "the line holds a character that is not printable ASCII");
		return;
	}
	parse_setting(p, line);
}

/* memset() and "= { 0 }" of this size would need a C library on the loader's side. */
static void clear(struct us_config *config)
{
	config->next[0] = 0;
	config->args[0] = 0;
	for (u32 i = 0; i < US_CONFIG_INITRDS; i++)
		config->initrd[i][0] = 0;
	config->initrds = 0;
	config->on_failure = US_ON_FAILURE_HALT;
}

enum us_error us_config_parse(const void *text, size_t len,
			      struct us_config *config,
			      struct us_config_error *error)
{
	struct parser p = { .config = config, .error = error };
	struct piece rest = { .at = text, .len = len };

	clear(config);
	error->line = 0;
	error->text = "";
	if (len > US_CONFIG_FILE_MAX) {
		mistake(&p, "the file is larger than 64 KiB");
		return US_E_CONFIG_SYNTAX;
	}
	while (rest.len) {
		struct piece line = { .at = rest.at, .len = 0 };

		while (line.len < rest.len && line.at[line.len] != '\n')
			line.len++;
		p.line++;
		parse_line(&p, line);
		/* Past the line and its end, if it has one. */
		if (line.len < rest.len)
			line.len++;
		rest.at += line.len;
		rest.len -= line.len;
	}
	if (!p.have_next)
		mistake(&p, "there is no line with the key next");
	return p.failed ? US_E_CONFIG_SYNTAX : US_E_OK;
}
