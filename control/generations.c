/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "abi.h"
#include "generations.h"
#include "module_list.h"
#include "text.h"

/* The kernel comes first. */
static struct {
	char module[US_NAME_MAX];
	u64 generation;
} highest[1 + GENERATIONS_MAX];
static u32 count;

void generations_reset(void)
{
	highest[0].module[0] = '\0';
	highest[0].generation = 0;
	count = 1;
}

static u32 find(const char *module)
{
	u32 i;

	for (i = 0; i < count; i++)
		if (module_names_equal(highest[i].module, module))
			break;
	return i;
}

u64 generations_of(const char *module)
{
	u32 i = find(module);

	return i < count ? highest[i].generation : 0;
}

bool generations_have_room(const char *module)
{
	return find(module) <= GENERATIONS_MAX;
}

void generations_note(const char *module, u64 generation)
{
	u32 i = find(module);

	if (i == count) {
		text_copy(highest[i].module, US_NAME_MAX, module);
		highest[i].generation = 0;
		count++;
	}
	if (generation > highest[i].generation)
		highest[i].generation = generation;
}
