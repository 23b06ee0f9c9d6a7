/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check_module BASELINE SLIDE LIST DUMP: compare a dump of a loaded module's text with
 * its baseline. LIST has the lines of the guest's /proc/modules, which give the text
 * of every module. Where other parts lie nobody says: the first field that follows a
 * base tells, and all others have to agree, to the last bit. Prints figures; exits 1
 * when a byte is not as it may be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "file.h"
#include "report.h"
#include "report_module.h"

#define SHOWN	20	/* differences that are printed */

static struct us_module_head head;
static u64 moves[US_RELOC_MAX_BASES];
static bool known[US_RELOC_MAX_BASES];
static u64 exact, enumerated, masked, wrong, relocs, told, outside;

static void show(const char *what, u32 offset, const u8 *found, u32 len)
{
	static u32 shown;
	u32 i;

	if (shown++ >= SHOWN)
		return;
	printf("wrong: %s +%#x:", what, offset);
	for (i = 0; i < len && i < 64; i++)
		printf(" %02x", found[i]);
	printf("\n");
}

static struct buffer load(const char *path)
{
	struct buffer buffer;

	if (file_read(path, US_MAX_BASELINE, &buffer)) {
		fail_print();
		exit(2);
	}
	return buffer;
}

/* "name size uses users state address": the address of @name; 0 when not loaded. */
static u64 listed(const char *list, const char *name)
{
	size_t len = strlen(name);
	const char *line, *address;

	for (line = list; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) || line[len] != ' ')
			continue;
		address = strstr(line, " 0x");
		return address ? strtoull(address, NULL, 16) : 0;
	}
	return 0;
}

static bool find_bases(const char *list, u64 slide)
{
	u32 i;

	for (i = 0; i < head.header->bases; i++) {
		const struct us_module_base *base = &head.bases[i];
		bool text = base->kind == US_BASE_TEXT;
		u64 address;

		if (base->kind == US_BASE_KERNEL) {
			moves[i] = slide;
			known[i] = true;
		}
		/* The list tells of the first area alone. */
		if (!text && ((base->kind != US_BASE_CODE &&
			       base->kind != US_BASE_MODULE) || base->area))
			continue;
		address = listed(list, text ? head.header->name : base->module);
		if (!address) {
			printf("%s is not loaded\n",
			       text ? head.header->name : base->module);
			return false;
		}
		moves[i] = address - base->link;
		known[i] = true;
	}
	return true;
}

static u32 width(u8 type)
{
	return US_RELOC_CODE_TYPE(type) == US_TEXT_ADD64 ? 8 : 4;
}

static void learn(const struct us_block *block, const u8 *text)
{
	u32 i;

	for (i = 0; i < block->header->relocs; i++) {
		const struct us_text_reloc *reloc = &block->relocs[i];
		u64 found = 0;

		if (!reloc->base || known[reloc->base])
			continue;
		memcpy(&found, text + reloc->offset, width(reloc->type));
		moves[reloc->base] = found - reloc->value +
			(reloc->type == US_TEXT_SUB32 ? moves[0] : 0);
		known[reloc->base] = true;
		if (head.bases[reloc->base].kind == US_BASE_FREED)
			masked += width(reloc->type);
		/* Areas are pages. */
		else if (head.bases[reloc->base].kind != US_BASE_PERCPU &&
			 head.bases[reloc->base].area !=
			 US_MODULE_AREA_PERCPU &&
			 (moves[reloc->base] + head.bases[reloc->base].link) %
			 PAGE_SIZE) {
			wrong++;
			show("area", reloc->offset, text + reloc->offset, 4);
		}
		told++;
	}
}

static bool is_fixed(const struct us_runtime_site *site, const u8 *code)
{
	static const u8 fixed[][6] = {
		{ 5, 0x0f, 0x1f, 0x44, 0, 0 }, { 2, 0x66, 0x90 },
		{ 5, 0x2e, 0x2e, 0x2e, 0x31, 0xc0 },
		{ 5, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc }, { 1, 0xf0 }, { 1, 0x3e },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fixed); i++)
		if (fixed[i][0] == us_runtime_len(site) &&
		    !memcmp(code, fixed[i] + 1, fixed[i][0]))
			return true;
	return false;
}

static bool runtime_ok(const struct us_runtime_site *site, const u8 *code)
{
	static const u8 opcode[] = {
		[US_RUN_JUMP] = 0xe9, [US_RUN_FTRACE] = 0xe8,
		[US_RUN_CALL] = 0xe8, [US_RUN_TAIL] = 0xe9, [US_RUN_JCC] = 0x0f,
	};
	u32 len = us_runtime_len(site);
	s32 distance = len == 2 ? (signed char)code[1] : 0;

	if (is_fixed(site, code))
		return true;
	if (us_runtime_kind(site) >= ARRAY_SIZE(opcode) ||
	    *code != (len == 2 ? 0xeb : opcode[us_runtime_kind(site)]))
		return false;
	if (len > 2)
		memcpy(&distance, code + len - 4, 4);
	if (us_runtime_kind(site) == US_RUN_JUMP)
		return site->offset + len + (s64)distance == site->target;
	outside++;
	return true;
}

static void check_sites(const struct us_block *block, const u8 *text, u8 *marks)
{
	u32 i;

	for (i = 0; i < block->header->sites; i++) {
		const struct us_site *site = &block->sites[i];

		memset(marks + site->offset, 1, site->len);
		if (site->offset < block->header->offset)
			continue;
		if (!site->values) {
			masked += site->len;
		} else if (us_block_site_ok(block, site, moves,
					    text + site->offset)) {
			enumerated += site->len;
		} else {
			wrong += site->len;
			show(site_kind_name(site->kind), site->offset,
			     text + site->offset, site->len);
		}
	}
}

static void check_runtime(const u8 *text, u8 *marks)
{
	u32 i;

	for (i = 0; i < head.header->runtime_sites; i++) {
		const struct us_runtime_site *site = &head.runtime[i];

		if (marks[site->offset])
			continue;
		memset(marks + site->offset, 1, us_runtime_len(site));
		if (runtime_ok(site, text + site->offset)) {
			enumerated += us_runtime_len(site);
		} else {
			wrong += us_runtime_len(site);
			show("run-time site", site->offset, text + site->offset,
			     us_runtime_len(site));
		}
	}
}

static void check_exact(const struct us_block *block, const u8 *text,
			const u8 *marks)
{
	static u8 want[US_BLOCK_BYTES];
	u32 i, at;

	us_block_expect(block, moves, want, &relocs);
	for (i = 0; i < block->header->len; i++) {
		at = block->header->offset + i;
		if (marks[at])
			continue;
		if (want[i] == text[at]) {
			exact++;
		} else {
			wrong++;
			show("byte", at, text + at, 8);
		}
	}
}

static void check_tail(const u8 *text, u64 len)
{
	u64 at;

	for (at = head.header->text_len; at < len; at++)
		if (text[at]) {
			wrong++;
			show("tail", at, text + at, 1);
		}
}

int main(int argc, char **argv)
{
	struct buffer file, list, dump;
	struct us_block *blocks;
	u8 *marks;
	u32 i;

	if (argc != 5)
		return 2;
	file = load(argv[1]);
	list = load(argv[3]);
	dump = load(argv[4]);
	if (check_module(argv[1], file.data, file.len) ||
	    buffer_append(&list, "", 1)) {
		fail_print();
		return 2;
	}
	us_module_parse_head(file.data, us_module_head_len((void *)file.data),
			     file.len, &head);
	if (dump.len != ALIGN_UP(head.header->text_len, PAGE_SIZE) ||
	    !find_bases((char *)list.data, strtoull(argv[2], NULL, 0)))
		return 2;
	blocks = calloc(head.header->blocks, sizeof(*blocks));
	marks = calloc(1, dump.len);
	for (i = 0; i < head.header->blocks; i++) {
		us_module_parse_block(&head, i, file.data +
				      head.blocks[i].file_offset,
				      head.blocks[i].len, &blocks[i]);
		learn(&blocks[i], dump.data);
	}
	for (i = 0; i < head.header->blocks; i++)
		check_sites(&blocks[i], dump.data, marks);
	check_runtime(dump.data, marks);
	for (i = 0; i < head.header->blocks; i++)
		check_exact(&blocks[i], dump.data, marks);
	check_tail(dump.data, dump.len);
	printf("exact %llu enumerated %llu masked %llu wrong %llu; relocations "
	       "%llu; bases that a field told %llu; branches %llu\n",
	       (unsigned long long)exact, (unsigned long long)enumerated,
	       (unsigned long long)masked, (unsigned long long)wrong,
	       (unsigned long long)relocs, (unsigned long long)told,
	       (unsigned long long)outside);
	free(blocks);
	free(marks);
	return wrong ? 1 : 0;
}
