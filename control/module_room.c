/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "module_room.h"

static u8 room[MODULE_ROOM] __attribute__((aligned(8)));

/* The first gap of @len bytes between what modules have. */
static bool find_gap(const struct module *own, u64 len, u64 *at)
{
	bool moved = true;
	u32 i;

	*at = 0;
	while (moved) {
		moved = false;
		for (i = 0; i < MODULES_MAX; i++) {
			const struct module *module = &module_table[i];

			if (module == own ||
			    !spans_overlap(*at, len, module->room_at,
					   module->room_len))
				continue;
			*at = module->room_at + module->room_len;
			moved = true;
		}
	}
	return span_inside(*at, len, sizeof(room));
}

static u64 page_count(u64 len)
{
	return ALIGN_UP(len, PAGE_SIZE) / PAGE_SIZE;
}

static u64 probe_bytes(const struct module_room_wants *wants)
{
	return wants->head_len ? ALIGN_UP((wants->text_len + 7) / 8, 8) : 0;
}

/* Cannot overflow: all of it is bounded by the size of a file. */
static u64 bytes_wanted(const struct module_room_wants *wants)
{
	return ALIGN_UP(wants->head_len, 8) + wants->bases * sizeof(u64) +
	       probe_bytes(wants) +
	       page_count(wants->text_len) * sizeof(struct frame_run) +
	       ALIGN_UP(wants->fields * sizeof(u32), 8);
}

enum us_error module_room_take(struct module *module,
			       const struct module_room_wants *wants)
{
	u64 len = bytes_wanted(wants), probes = probe_bytes(wants), at;

	if (!find_gap(module, len, &at))
		return control_fail(US_E_MODULE_ROOM, len, sizeof(room), NULL);
	module->room_at = at;
	module->room_len = len;
	at += ALIGN_UP(wants->head_len, 8);
	module->moves = (void *)(room + at);
	at += wants->bases * sizeof(u64);
	module->map.probes = probes ? room + at : NULL;
	module->map.probe_room = probes;
	memset(room + at, 0, probes);
	at += probes;
	module->frames.runs = (void *)(room + at);
	module->frames.room = page_count(wants->text_len);
	return US_OK;
}

u8 *module_room_head(const struct module *module)
{
	return room + module->room_at;
}

void module_room_end_frames(struct module *module)
{
	struct frames *frames = &module->frames;
	u8 *end = (u8 *)(frames->runs + frames->count);

	frames->room = frames->count;
	module->map.fields = (void *)end;
	module->map.field_room = (module_room_head(module) + module->room_len -
				  end) / sizeof(u32);
}

void module_room_end_fields(struct module *module)
{
	struct text_map *map = &module->map;
	u8 *end = (u8 *)(map->fields + map->field_count);

	map->field_room = map->field_count;
	module->room_len = ALIGN_UP(end - module_room_head(module), 8);
}
