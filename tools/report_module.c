/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "report.h"
#include "report_module.h"

static enum us_error check_blocks(const struct us_module_head *head,
				  const u8 *data, u32 *index)
{
	enum us_error error = US_OK;
	struct us_block block;
	u32 i;

	for (i = 0; i < head->header->blocks && !error; i++) {
		*index = i;
		error = us_module_parse_block(head, i, data +
					      head->blocks[i].file_offset,
					      head->blocks[i].len, &block);
	}
	return error;
}

static enum us_error parse_head(const void *data, u64 len,
				struct us_module_head *head)
{
	const struct us_module_header *header = data;
	u64 head_len = len;

	if (len >= sizeof(*header) && us_module_head_len(header) &&
	    us_module_head_len(header) < len)
		head_len = us_module_head_len(header);
	return us_module_parse_head(data, head_len, len, head);
}

enum us_error check_module(const char *path, const void *data, u64 len)
{
	struct us_module_head head;
	enum us_error error;
	u32 index = 0;

	error = parse_head(data, len, &head);
	if (error)
		return fail(error, "%s", path);
	error = check_blocks(&head, data, &index);
	return error ? fail(error, "%s: block %u", path, index) : US_OK;
}

enum us_error check_module_name(const char *path, const char *name)
{
	struct us_module_header header;
	FILE *file = fopen(path, "re");
	bool whole;

	whole = file && fread(&header, sizeof(header), 1, file) == 1;
	if (file)
		fclose(file);
	if (!whole || header.magic != US_MODULE_MAGIC ||
	    !strncmp(header.name, name, sizeof(header.name)))
		return US_OK;
	return fail(US_E_USAGE, "%s is the baseline of module %.*s, not of %s",
		    path, US_NAME_MAX, header.name, name);
}

static struct us_module_head head_of(const void *data)
{
	const struct us_module_header *header = data;
	struct us_module_head head = { 0 };

	parse_head(data, header->total_size, &head);
	return head;
}

static json_t *bases_json(const struct us_module_head *head)
{
	json_t *list = json_array();
	u32 i;

	for (i = 0; i < head->header->bases; i++) {
		const struct us_module_base *base = &head->bases[i];

		json_array_append_new(list, json_pack("{s:s, s:i, s:o, s:I, s:I}",
			"kind", base_kind_name(base->kind), "area", (int)base->area,
			"module", json_name(base->module, sizeof(base->module)),
			"link", (json_int_t)base->link,
			"bytes", (json_int_t)base->len));
	}
	return list;
}

static json_t *sites_json(const u32 *counts)
{
	json_t *sites = json_object();
	unsigned int i;

	for (i = 0; i < US_SITE_KINDS; i++)
		json_object_set_new(sites, site_kind_name(i),
				    json_integer(counts[i]));
	return sites;
}

json_t *module_baseline_json(const void *data)
{
	struct us_module_head head = head_of(data);
	const struct us_module_header *header = head.header;

	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:i, s:i, s:o, s:o}",
			 "type", "module",
			 "name", json_name(header->name, sizeof(header->name)),
			 "kernel",
			 json_name(header->kernel, sizeof(header->kernel)),
			 "kernel_build_id",
			 json_hex(header->kernel_build_id,
				  header->kernel_build_id_len),
			 "build_id",
			 json_hex(header->build_id, header->build_id_len),
			 "bytes", (json_int_t)header->total_size,
			 "text_bytes", (json_int_t)header->text_len,
			 "blocks", (int)header->blocks,
			 "runtime_sites", (int)header->runtime_sites,
			 "bases", bases_json(&head),
			 "sites", sites_json(header->site_counts));
}

void module_baseline_print(const void *data)
{
	struct us_module_head head = head_of(data);
	const struct us_module_header *header = head.header;
	u32 i;

	printf("baseline of module %.*s of kernel %.*s\n", US_NAME_MAX,
	       header->name, US_NAME_MAX, header->kernel);
	printf("  kernel         build id %s\n",
	       hex(header->kernel_build_id, header->kernel_build_id_len));
	printf("  build id       %s\n",
	       hex(header->build_id, header->build_id_len));
	printf("  size           %llu bytes, %u of text in %u blocks\n",
	       (unsigned long long)header->total_size, header->text_len,
	       header->blocks);
	printf("  runtime sites  %u\n", header->runtime_sites);
	for (i = 0; i < header->bases; i++)
		printf("  refers to      %-12s %.*s %u\n",
		       base_kind_name(head.bases[i].kind), US_NAME_MAX,
		       head.bases[i].module, head.bases[i].area);
	for (i = 0; i < US_SITE_KINDS; i++)
		printf("  sites          %-12s %u\n", site_kind_name(i),
		       header->site_counts[i]);
}
