/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libFuzzer target: any bytes as underseal.conf, and what must hold afterwards. */
#include <stdlib.h>
#include <string.h>

#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void require_path(const char *path)
{
	require(strnlen(path, US_CONFIG_PATH_MAX) < US_CONFIG_PATH_MAX);
	require(path[0] == '\\' && !strchr(path, '/'));
}

static u32 count_lines(const uint8_t *data, size_t size)
{
	u32 lines = 0;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	return lines + (size && data[size - 1] != '\n');
}

static bool mentions(const uint8_t *data, size_t size, const char *word)
{
	return memmem(data, size, word, strlen(word)) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct us_config_error error;
	struct us_config config;
	enum us_error result;

	memset(&config, 0xa5, sizeof(config));
	result = us_config_parse(data, size, &config, &error);
	require(result == US_E_OK || result == US_E_CONFIG_SYNTAX);
	require(error.line <= count_lines(data, size));
	require((result == US_E_OK) == !error.text[0]);
	require(config.initrds <= US_CONFIG_INITRDS);
	for (u32 i = 0; i < config.initrds; i++)
		require_path(config.initrd[i]);
	require(strnlen(config.args, US_CONFIG_ARGS_MAX) < US_CONFIG_ARGS_MAX);
	if (result == US_E_OK || config.next[0])
		require_path(config.next);
	require(config.on_failure == US_ON_FAILURE_HALT ||
		(config.on_failure == US_ON_FAILURE_BOOT &&
		 mentions(data, size, "on-failure") &&
		 mentions(data, size, "boot")));
	return 0;
}
