/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "policy.h"

#define MAX_VALUES 3u

static const char *const change_values[MAX_VALUES] = {
	[US_DENY] = "deny", [US_ALLOW] = "allow", [US_ALLOW_LOG] = "allow-log",
};

static const char *const module_values[MAX_VALUES] = {
	[US_MODULE_OPEN] = "open", [US_MODULE_AS_FOUND] = "as-found",
};

static const char *const mapping_values[MAX_VALUES] = {
	[US_MAPPING_REPORT] = "report", [US_MAPPING_REPAIR] = "repair",
	[US_MAPPING_HALT] = "halt",
};

static const char *const execute_values[MAX_VALUES] = {
	[US_EXECUTE_ANY] = "any", [US_EXECUTE_SEALED] = "sealed",
};

static const struct {
	const char *name;
	const char *const *values;
	u8 normal;
} rows[US_POLICY_ROWS] = {
	[US_POLICY_JUMP_LABEL] = { "jump-label", change_values, US_ALLOW },
	[US_POLICY_STATIC_CALL] = { "static-call", change_values, US_ALLOW },
	[US_POLICY_FTRACE] = { "ftrace", change_values, US_ALLOW },
	[US_POLICY_TRAMPOLINE] = { "trampoline", change_values, US_ALLOW },
	[US_POLICY_KPROBE] = { "kprobe", change_values, US_ALLOW_LOG },
	[US_POLICY_SMP_LOCK] = { "smp-lock", change_values, US_ALLOW },
	[US_POLICY_MODULE] = { "module", module_values, US_MODULE_OPEN },
	[US_POLICY_MAPPING] = { "mapping", mapping_values, US_MAPPING_REPAIR },
	[US_POLICY_EXECUTE] = { "execute", execute_values, US_EXECUTE_ANY },
};

static_assert(US_POLICY_ROWS <= POLICY_BYTES, "a byte for each row");

void policy_default(u8 policy[POLICY_BYTES])
{
	u32 i;

	memset(policy, 0, POLICY_BYTES);
	for (i = 0; i < US_POLICY_ROWS; i++)
		policy[i] = rows[i].normal;
}

const char *policy_row_name(u32 row)
{
	return row < US_POLICY_ROWS ? rows[row].name : NULL;
}

const char *policy_value_name(u32 row, u8 value)
{
	const char *name = NULL;

	if (row < US_POLICY_ROWS && value < MAX_VALUES)
		name = rows[row].values[value];
	return name ? name : "unknown";
}

static bool is_word(const char *word, size_t len, const char *name)
{
	return name && strlen(name) == len && !memcmp(word, name, len);
}

/* "ROW=VALUE", @len bytes. */
static bool parse_one(const char *text, size_t len, u8 *policy)
{
	const char *equals = memchr(text, '=', len);
	size_t row_len, value_len;
	u32 row;
	u8 value;

	if (!equals)
		return false;
	row_len = equals - text;
	value_len = len - row_len - 1;
	for (row = 0; row < US_POLICY_ROWS; row++)
		if (is_word(text, row_len, rows[row].name))
			break;
	for (value = 0; row < US_POLICY_ROWS && value < MAX_VALUES; value++) {
		if (!is_word(equals + 1, value_len, rows[row].values[value]))
			continue;
		policy[row] = value;
		return true;
	}
	return false;
}

bool policy_parse(const char *text, u8 policy[POLICY_BYTES],
		  const char **problem)
{
	static char part[64];
	size_t len;

	for (;;) {
		len = strcspn(text, ",");
		if (!parse_one(text, len, policy)) {
			snprintf(part, sizeof(part), "%.*s", (int)len, text);
			*problem = part;
			return false;
		}
		if (!text[len])
			return true;
		text += len + 1;
	}
}

json_t *policy_json(const u8 policy[POLICY_BYTES])
{
	json_t *object = json_object();
	u32 i;

	for (i = 0; i < US_POLICY_ROWS; i++)
		json_object_set_new(object, rows[i].name, json_string(
			policy_value_name(i, policy[i])));
	return object;
}

const char *policy_text(const u8 policy[POLICY_BYTES])
{
	static char text[256];
	size_t used = 0;
	u32 i;

	for (i = 0; i < US_POLICY_ROWS && used < sizeof(text); i++)
		used += snprintf(text + used, sizeof(text) - used, "%s%s=%s",
				 i ? " " : "", rows[i].name,
				 policy_value_name(i, policy[i]));
	return text;
}
