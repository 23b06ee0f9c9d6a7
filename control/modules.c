/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The modules that are sealed, and how a seal ends. */
#include <string.h>

#include "audit.h"
#include "dropped.h"
#include "module_list.h"
#include "module_table.h"
#include "modules.h"
#include "probes.h"
#include "text.h"

struct module module_table[MODULES_MAX];

void modules_reset(void)
{
	memset(module_table, 0, sizeof(module_table));
}

bool module_is_sealed(const struct module *module)
{
	return module->info.state == US_MODULE_VERIFIED ||
	       module->info.state == US_MODULE_UNVERIFIED;
}

const struct text_map *modules_find(u64 gpa, u64 len, u64 *offset)
{
	u32 i;

	for (i = 0; i < MODULES_MAX; i++)
		if (module_is_sealed(&module_table[i]) &&
		    frames_offset(&module_table[i].frames, gpa, len,
				  US_RANGE_TEXT, offset))
			return &module_table[i].map;
	return NULL;
}

static struct module *at_frame(u64 gpa, u64 len)
{
	u32 i;

	for (i = 0; i < MODULES_MAX; i++)
		if (module_is_sealed(&module_table[i]) &&
		    frames_overlap(&module_table[i].frames, gpa, len))
			return &module_table[i];
	return NULL;
}

bool modules_overlap(u64 gpa, u64 len)
{
	return at_frame(gpa, len) != NULL;
}

void modules_count(u32 *sealed, u32 *open)
{
	u32 i;

	*sealed = 0;
	*open = 0;
	for (i = 0; i < MODULES_MAX; i++) {
		*sealed += module_is_sealed(&module_table[i]);
		*open += module_table[i].info.state == US_MODULE_UNPROTECTED;
	}
}

bool module_open_frames(const struct module *module)
{
	const struct frames *frames = &module->frames;
	bool done = true;
	u32 i;

	for (i = 0; i < frames->count; i++)
		if (host_protect(frames->runs[i].gpa, frames->runs[i].len,
				 US_PROT_OPEN))
			done = false;
	return done;
}

static void log_gone(const struct module *module)
{
	struct text line = { 0 };

	text_string(&line, "module gone, not sealed any more: ");
	text_guest_string(&line, module->info.name, US_NAME_MAX - 1);
	text_string(&line, " at ");
	text_hex(&line, module->map.gva);
	host_log(US_LOG_INFO, line.chars);
}

/* Nothing of @module stays behind. False when its frames could not be opened: then it
 * stays in the table, and the next one to find out tries again. */
static bool forget(struct module *module)
{
	if (!module_open_frames(module)) {
		host_log(US_LOG_ERROR, "module: frames stay sealed");
		return false;
	}
	log_gone(module);
	dropped_with(&module->map);
	probes_forget(module->map.gva, module->info.text_len);
	audit_remove(module->map.gva);
	memset(module, 0, sizeof(*module));
	return true;
}

/* How the page at @offset of @module is mapped now. */
enum page_state { PAGE_SAME, PAGE_OPEN, PAGE_AWAY };

static enum page_state page_state(const struct module *module, u64 offset)
{
	struct page_mapping mapping;
	u64 gpa, run;

	if (guest_translate(&control.kernel.space, module->map.gva + offset,
			    &mapping) ||
	    !frames_locate(&module->frames, offset, &gpa, &run) ||
	    gpa != mapping.gpa)
		return PAGE_AWAY;
	return mapping.flags & (PTE_WRITE | PTE_USER | PTE_NX) ? PAGE_OPEN :
								 PAGE_SAME;
}

/*
 * Has the guest given @module up? Addresses that lead elsewhere or nowhere say so: it
 * was unloaded, and another one, or itself again, may have come into its place. (Or
 * somebody has put other code there; the frames that are sealed are not what runs
 * then, and what runs is not called sealed.) The same frame, but writable, is an
 * attack while the module is live; else it is a loader at work that got the frame again.
 */
static bool is_gone(const struct module *module, u64 first, u64 len)
{
	struct listed_module listed;
	enum page_state state;
	u64 offset;

	for (offset = first; offset < first + len; offset += PAGE_SIZE) {
		state = page_state(module, offset);
		if (state == PAGE_AWAY)
			return true;
		if (state == PAGE_OPEN)
			return !module_list_find(&control.kernel,
						 module->info.name, &listed) ||
			       listed.areas[0].gva != module->map.gva;
	}
	return false;
}

bool module_lapse(struct module *module)
{
	return module_is_sealed(module) &&
	       is_gone(module, 0, module->info.text_len) && forget(module);
}

bool modules_lapsed(u64 gpa)
{
	struct module *module = at_frame(gpa, 1);
	u64 offset;

	guest_forget_tables();
	return module && frames_offset(&module->frames, gpa, 1, US_RANGE_TEXT,
				       &offset) &&
	       is_gone(module, ALIGN_DOWN(offset, PAGE_SIZE), PAGE_SIZE) &&
	       forget(module);
}

bool module_gone_at(u64 gva)
{
	u32 i;

	for (i = 0; i < MODULES_MAX; i++)
		if (module_table[i].map.gva == gva &&
		    module_lapse(&module_table[i]))
			return true;
	return false;
}

enum us_error module_make_way(const char *name, u64 gva, u64 len)
{
	struct module *module;
	u32 i;

	for (i = 0; i < MODULES_MAX; i++) {
		module = &module_table[i];
		if (!module_is_sealed(module) ||
		    (!module_names_equal(module->info.name, name) &&
		     !spans_overlap(gva, len, module->map.gva,
				    module->info.text_len)))
			continue;
		if (!module_lapse(module))
			return control_fail(US_E_MODULE_SEALED,
					    module->map.gva,
					    module->info.text_len,
					    module->info.name);
	}
	return US_OK;
}

bool module_sealed_at(const char *name, u64 gva)
{
	const struct us_module_info *info;
	u32 i;

	for (i = 0; i < MODULES_MAX; i++) {
		info = &module_table[i].info;
		if (info->state == US_MODULE_VERIFIED && info->text_gva == gva &&
		    module_names_equal(info->name, name))
			return true;
	}
	return false;
}

const struct module *module_verified(const char *name)
{
	struct module *module;
	u32 i;

	for (i = 0; i < MODULES_MAX; i++) {
		module = &module_table[i];
		if (module->info.state == US_MODULE_VERIFIED &&
		    module_names_equal(module->info.name, name))
			return module_lapse(module) ? NULL : module;
	}
	return NULL;
}

void modules_look(void)
{
	u32 i;

	for (i = 0; i < MODULES_MAX; i++)
		module_lapse(&module_table[i]);
}

struct module *module_slot(const char *name)
{
	struct module *found = NULL, *module;
	u32 i;

	for (i = 0; i < MODULES_MAX; i++) {
		module = &module_table[i];
		if (module_names_equal(module->info.name, name))
			return module;
		if (!found && !module->info.state)
			found = module;
	}
	for (i = 0; i < MODULES_MAX && !found; i++)
		if (module_table[i].info.state == US_MODULE_UNPROTECTED)
			found = &module_table[i];
	if (found)
		memset(found, 0, sizeof(*found));
	return found;
}

static_assert(MODULES_MAX * sizeof(struct us_module_info) <= US_MAX_RESPONSE,
	      "a full list fits");

enum us_error modules_request(const struct control_call *call)
{
	struct us_module_info *list = (void *)control_response;
	u64 len;
	u32 i, count = 0;

	modules_look();
	for (i = 0; i < MODULES_MAX; i++)
		if (module_table[i].info.state)
			list[count++] = module_table[i].info;
	len = count * sizeof(*list);
	if (call->request.out.len < len)
		return control_fail(US_E_OUT_TOO_SMALL, call->request.out.len,
				    len, NULL);
	control.result.out_len = len;
	return US_OK;
}
