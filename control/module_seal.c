/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Seal a module: find it by the guest's list, freeze the frames of its text, compare
 * what is frozen with the module's baseline, and thaw it when anything differs.
 */
#include <string.h>

#include "arena.h"
#include "audit.h"
#include "baseline_file.h"
#include "module_list.h"
#include "module_room.h"
#include "text.h"
#include "verify.h"

/* One module on its way. */
struct sealing {
	const struct control_call *call;
	struct module *module;
	struct us_module_head head;
	struct listed_module listed;
	u64 moves[US_RELOC_MAX_BASES];
	bool known[US_RELOC_MAX_BASES];	/* moves[] is */
	u64 told;			/* bytes that only told a move */
	struct us_seal_report report;
};

static struct sealing sealing;

static enum us_error read_header(const struct control_call *call,
				 struct us_module_header *header)
{
	u64 len = call->request.in[0].len;
	struct us_module_head head;
	enum us_error error;

	memset(header, 0, sizeof(*header));
	if (len > sizeof(*header))
		len = sizeof(*header);
	error = baseline_file_read(call, 0, header, len);
	if (error)
		return error;
	if (len == sizeof(*header) && us_module_head_len(header) &&
	    us_module_head_len(header) <= call->request.in[0].len)
		return US_OK;
	/* The parser says what is wrong from what there is. */
	error = us_module_parse_head(header, len, call->request.in[0].len, &head);
	return control_fail(error ? error : US_E_BASELINE_TRUNCATED, 0, 0, NULL);
}

static enum us_error read_head(const struct control_call *call)
{
	u8 *head = module_room_head(sealing.module);
	u64 len = us_module_head_len((const void *)head);
	enum us_error error;

	error = baseline_file_read(call, 0, head, len);
	if (!error)
		error = us_module_parse_head(head, len, call->request.in[0].len,
					     &sealing.head);
	if (error)
		return control_fail(error, 0, 0, NULL);
	sealing.module->header = sealing.head.header;
	sealing.module->bases = sealing.head.bases;
	return US_OK;
}

static enum us_error check_kernel(const struct us_module_header *header)
{
	const struct kernel *kernel = &control.kernel;

	if (header->kernel_build_id_len != kernel->build_id_len ||
	    memcmp(header->kernel_build_id, kernel->build_id,
		   kernel->build_id_len))
		return control_fail(US_E_MODULE_KERNEL, 0, 0, header->kernel);
	return US_OK;
}

/* Is [gva, gva + len) pages where the kernel keeps modules? */
static bool area_ok(u64 gva, u64 len)
{
	return IS_ALIGNED(gva, PAGE_SIZE) && gva >= MODULE_AREA && len &&
	       gva < MODULE_AREA_END && len <= MODULE_AREA_END - gva;
}

static enum us_error not_found(const char *name, u64 detail)
{
	return control_fail(US_E_MODULE_NOT_FOUND, detail, 0, name);
}

static enum us_error find_listed(const char *name, struct listed_module *out)
{
	if (!module_list_find(&control.kernel, name, out))
		return not_found(name, 0);
	return US_OK;
}

/* Where @area of @listed is; false when there is no such thing. */
static bool listed_area(const struct listed_module *listed, u32 area, u64 len,
			u64 *gva)
{
	if (area == US_MODULE_AREA_PERCPU) {
		*gva = listed->percpu;
		return listed->percpu && listed->percpu < 1ull << 31;
	}
	*gva = listed->areas[area].gva;
	return area_ok(*gva, len) && len <= listed->areas[area].len;
}

/* The move of base @index. What the list says may be a lie: then the text does not
 * compare, or refers to data that any lie about data could have put there. */
static enum us_error find_move(u32 index)
{
	const struct us_module_base *base = &sealing.head.bases[index];
	const struct listed_module *listed = &sealing.listed;
	struct listed_module other;
	u32 area = base->area;
	enum us_error error;
	u64 gva;

	switch (base->kind) {
	case US_BASE_FREED:
		return US_OK;
	case US_BASE_KERNEL:
		sealing.moves[index] = control.kernel.slide;
		sealing.known[index] = true;
		return US_OK;
	case US_BASE_PERCPU:
		area = US_MODULE_AREA_PERCPU;
		break;
	case US_BASE_MODULE:
	case US_BASE_CODE:
		error = find_listed(base->module, &other);
		if (error)
			return error;
		listed = &other;
		break;
	}
	if (!listed_area(listed, area, base->len, &gva))
		return not_found(listed->name, listed->areas[0].gva);
	if (base->kind == US_BASE_CODE && !module_sealed_at(base->module, gva))
		return control_fail(US_E_MODULE_DEPENDS, gva, 0, base->module);
	sealing.moves[index] = gva - base->link;
	sealing.known[index] = true;
	return US_OK;
}

static enum us_error find_moves(void)
{
	enum us_error error = US_OK;
	u32 i;

	for (i = 0; i < sealing.head.header->bases && !error; i++)
		error = find_move(i);
	return error;
}

static enum us_error bad_mapping(u64 gva)
{
	return control_fail(US_E_KERNEL_MAPPING, gva, 0,
			    sealing.listed.name);
}

/* May a module's text lie in the frame at @gpa? */
static bool frame_ok(u64 gpa)
{
	return !arena_overlaps(gpa, PAGE_SIZE) &&
	       !kernel_overlaps(&control.kernel, gpa, PAGE_SIZE) &&
	       (!modules_overlap(gpa, PAGE_SIZE) || modules_lapsed(gpa));
}

static bool text_page(u64 gva, u64 *gpa)
{
	struct page_mapping mapping;

	if (guest_translate(&control.kernel.space, gva, &mapping) ||
	    (mapping.flags & (PTE_NX | PTE_USER | PTE_WRITE)))
		return false;
	*gpa = mapping.gpa;
	return true;
}

static enum us_error map_frames(struct module *module)
{
	u64 offset, gpa;

	for (offset = 0; offset < module->map.len; offset += PAGE_SIZE)
		if (!text_page(module->map.gva + offset, &gpa) ||
		    !frame_ok(gpa) ||
		    !frames_add(&module->frames, offset, gpa, US_RANGE_TEXT))
			return bad_mapping(module->map.gva + offset);
	module_room_end_frames(module);
	return US_OK;
}

static enum us_error freeze(struct module *module)
{
	const struct frame_run *run;
	enum us_error error;
	u32 i;

	for (i = 0; i < module->frames.count; i++) {
		run = &module->frames.runs[i];
		error = host_protect(run->gpa, run->len, US_PROT_SEALED);
		if (!error)
			continue;
		if (error == US_E_GUEST_ADDRESS)
			return bad_mapping(module->map.gva + run->offset);
		return control_fail(error == US_E_STOP_FAILED ? error :
				    US_E_HOST_FAILED, run->gpa, error, NULL);
	}
	return US_OK;
}

/* The first field that follows a base of which nobody can tell where it was. */
static enum us_error learn(const struct us_text_reloc *reloc)
{
	u32 len = reloc->type == US_TEXT_ADD64 ? 8 : 4;
	u64 found = 0;

	if (!reloc->base || sealing.known[reloc->base])
		return US_OK;
	if (!span_inside(reloc->offset, len, sealing.module->map.len) ||
	    text_map_read(&sealing.module->map, reloc->offset, &found, len))
		return control_fail(US_E_GUEST_ADDRESS, reloc->offset, len, NULL);
	sealing.moves[reloc->base] = found - reloc->value +
		(reloc->type == US_TEXT_SUB32 ? sealing.moves[0] : 0);
	sealing.known[reloc->base] = true;
	sealing.told += len;
	return US_OK;
}

static enum us_error verify_block(u32 index)
{
	const struct us_block_ref *ref = &sealing.head.blocks[index];
	struct us_block block;
	enum us_error error;
	u32 i;

	error = baseline_file_read(sealing.call, ref->file_offset, verify_buffer,
				   ref->len);
	if (error)
		return error;
	error = us_module_parse_block(&sealing.head, index, verify_buffer,
				      ref->len, &block);
	if (!error)
		error = text_map_add_block(&sealing.module->map, &block);
	if (error)
		return control_fail(error, index, 0, NULL);
	for (i = 0; i < block.header->relocs && !error; i++)
		error = learn(&block.relocs[i]);
	return error ? error : verify_text(&sealing.module->map, &block,
					   &sealing.report);
}

static enum us_error verify(void)
{
	enum us_error error = US_OK;
	u32 i;

	for (i = 0; i < sealing.head.header->blocks && !error; i++)
		error = verify_block(i);
	if (!error)
		error = verify_tail(&sealing.module->map);
	return error == US_E_KERNEL_TEXT ? US_E_MODULE_TEXT : error;
}

static void describe(struct module *module, u32 state)
{
	struct us_module_info *info = &module->info;
	const struct us_seal_report *report = &sealing.report;

	info->state = state;
	info->error = US_OK;
	info->text_gva = module->map.gva;
	info->text_len = ALIGN_UP(module->map.len, PAGE_SIZE);
	info->bytes_exact = report->bytes_exact - sealing.told;
	info->bytes_enumerated = report->bytes_enumerated;
	info->bytes_masked = report->bytes_masked + sealing.told;
	info->relocations = report->relocations;
}

/* Frozen and right: keep watch over the mapping from here on. */
static enum us_error keep(struct module *module, u32 state)
{
	describe(module, state);
	return audit_add(module->map.gva, &module->frames, 0, module_gone_at);
}

static enum us_error freeze_and_verify(struct module *module)
{
	enum us_error error = freeze(module);

	if (!error && sealing.head.header)
		error = verify();
	if (!error)
		error = keep(module, sealing.head.header ? US_MODULE_VERIFIED :
				     US_MODULE_UNVERIFIED);
	if (error && !module_open_frames(module))
		host_log(US_LOG_ERROR, "module: frozen memory stays frozen");
	return error;
}

static void begin_map(struct module *module, u64 gva, u64 len)
{
	struct text_map *map = &module->map;

	map->gva = gva;
	map->len = len;
	map->moves = sealing.moves;
	map->offset_bits = TEXT_MAP_MODULE_BITS;
	map->kernel = &control.kernel;
	map->frames = &module->frames;
	/* Classes are the kernel's. */
	map->entries = kernel_text.entries;
	map->entry_count = kernel_text.entry_count;
	if (sealing.head.header) {
		map->sites = sealing.head.runtime;
		map->site_count = sealing.head.header->runtime_sites;
	}
}

static enum us_error seal_listed(struct module *module, u64 len)
{
	u64 gva = sealing.listed.areas[0].gva;
	u32 bases = module->header ? module->header->bases : 0;
	enum us_error error;

	begin_map(module, gva, len);
	error = map_frames(module);
	if (!error)
		error = freeze_and_verify(module);
	if (error)
		return error;
	module_room_end_fields(module);
	memcpy(module->moves, sealing.moves, bases * sizeof(*module->moves));
	module->map.moves = module->moves;
	return US_OK;
}

/* What is in a file beside its head and its text is for the most part fields, of 16
 * bytes each. */
static u64 most_fields(u64 file_len, u64 others)
{
	return file_len > others ?
	       (file_len - others) / sizeof(struct us_text_reloc) : 0;
}

/* Against its baseline, whose header has been read. */
static enum us_error seal_verified(const struct us_module_header *header)
{
	u64 head_len = us_module_head_len(header);
	const struct module_room_wants wants = {
		.head_len = head_len,
		.text_len = header->text_len,
		.fields = most_fields(sealing.call->request.in[0].len,
				      head_len + header->text_len),
		.bases = header->bases,
	};
	struct module *module = sealing.module;
	enum us_error error;

	error = module_room_take(module, &wants);
	if (error)
		return error;
	memcpy(module_room_head(module), header, sizeof(*header));
	error = read_head(sealing.call);
	if (!error)
		error = find_moves();
	return error ? error : seal_listed(module, header->text_len);
}

/* The executable pages at the start of the module's area are its text. */
static enum us_error seal_as_found(void)
{
	u64 gva = sealing.listed.areas[0].gva, len = 0, gpa;
	u64 room_for = ALIGN_DOWN(sealing.listed.areas[0].len, PAGE_SIZE);
	enum us_error error;

	/* The kernel has yet to patch it, and nothing tells where. */
	if (sealing.listed.state != MODULE_LIST_LIVE)
		return not_found(sealing.listed.name, gva);
	if (room_for > US_MODULE_MAX_TEXT)
		room_for = US_MODULE_MAX_TEXT;
	while (len < room_for && text_page(gva + len, &gpa))
		len += PAGE_SIZE;
	if (!len)
		return bad_mapping(gva);
	error = module_room_take(sealing.module, &(struct module_room_wants) {
					.text_len = len });
	return error ? error : seal_listed(sealing.module, len);
}

/* A name from outside that will be shown: as the kernel has them. */
static bool name_ok(const char *name, u64 len)
{
	u64 i;

	for (i = 0; i < len; i++)
		if (name[i] <= 0x20 || name[i] > 0x7e)
			return false;
	return len && len < US_NAME_MAX;
}

static enum us_error read_name(const struct control_call *call,
			       char name[US_NAME_MAX])
{
	const struct us_span *span = &call->request.in[0];
	enum us_error error;

	memset(name, 0, US_NAME_MAX);
	error = caller_read(call->who, span->gva, name, span->len);
	if (error)
		return control_fail(error, span->gva, span->len, NULL);
	if (!name_ok(name, span->len))
		return control_fail(US_E_BAD_REQUEST, span->len, 0, NULL);
	return US_OK;
}

/* Find the module and an entry for it, once nothing of the same name or in the same
 * place is in the way. */
static enum us_error begin(const char *name, u64 text_len)
{
	enum us_error error;
	u64 gva;

	if (!module_list_facts_ok(&control.kernel))
		return control_fail(US_E_BASELINE_FIELD, 0, 0, NULL);
	error = find_listed(name, &sealing.listed);
	if (error)
		return error;
	gva = sealing.listed.areas[0].gva;
	if (!area_ok(gva, sealing.listed.areas[0].len) ||
	    text_len > sealing.listed.areas[0].len)
		return not_found(name, gva);
	error = module_make_way(name, gva, text_len ? text_len : PAGE_SIZE);
	if (error)
		return error;
	sealing.module = module_slot(name);
	if (!sealing.module)
		return control_fail(US_E_MODULE_ROOM, MODULES_MAX, 0, name);
	memset(sealing.module, 0, sizeof(*sealing.module));
	memcpy(sealing.module->info.name, name, US_NAME_MAX);
	return US_OK;
}

static enum us_error with_baseline(const struct control_call *call)
{
	struct us_module_header header;
	enum us_error error;

	error = baseline_file_open(call);
	if (!error)
		error = read_header(call, &header);
	if (!error)
		error = check_kernel(&header);
	if (!error)
		error = begin(header.name, header.text_len);
	return error ? error : seal_verified(&header);
}

static enum us_error without_baseline(const struct control_call *call)
{
	char name[US_NAME_MAX];
	enum us_error error;

	error = read_name(call, name);
	if (!error)
		error = begin(name, 0);
	if (error)
		return error;
	if (control.kernel.policy[US_POLICY_MODULE] != US_MODULE_AS_FOUND) {
		/* What the policy says is no incident; the list of modules has it. */
		control.result.quiet = true;
		return control_fail(US_E_MODULE_POLICY, 0, 0, name);
	}
	return seal_as_found();
}

/* Refused: the list tells of it, and nothing else is left. */
static void leave_open(struct module *module, enum us_error error)
{
	struct us_module_info info = { .state = US_MODULE_UNPROTECTED,
				       .error = error };

	memcpy(info.name, module->info.name, sizeof(info.name));
	memset(module, 0, sizeof(*module));
	module->info = info;
}

enum us_error seal_module_request(const struct control_call *call)
{
	struct us_module_info *info = (void *)control_response;
	enum us_error error;

	memset(&sealing, 0, sizeof(sealing));
	sealing.call = call;
	if (!control.sealed)
		return control_fail(US_E_NOT_SEALED, 0, 0, NULL);
	/* A name is short: what is longer is a baseline, signed or not. */
	if (call->request.in[1].len || call->request.in[0].len >= US_NAME_MAX)
		error = with_baseline(call);
	else
		error = without_baseline(call);
	if (error) {
		if (sealing.module)
			leave_open(sealing.module, error);
		return error;
	}
	*info = sealing.module->info;
	control.result.out_len = sizeof(*info);
	return US_OK;
}
