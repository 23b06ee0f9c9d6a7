/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer targets for the parsers, one program each: compiled once with
 * -DFUZZ_name for every name in module.mk. Each checks what the parser promises,
 * beside what the sanitizers see.
 */
#include <stdlib.h>
#include <string.h>

#include "baseline.h"
#include "bundle.h"
#include "fuzz.h"
#include "minisign.h"
#include "module_baseline.h"

#define REQUIRE(condition)	\
	do {			\
		if (!(condition)) abort();	\
	} while (0)

/* An exact copy: a read past its end is found. */
static void *copy_of(const u8 *data, size_t len)
{
	void *copy = malloc(len ? len : 1);

	if (len)
		memcpy(copy, data, len);
	return copy;
}

#ifdef FUZZ_bundle
int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	void *copy = copy_of(data, len);
	struct us_bundle bundle;
	u64 end = 0;
	u32 i;

	if (!us_bundle_parse(copy, len, &bundle)) {
		const struct us_bundle_header *header = bundle.header;

		REQUIRE(header->total_size == len);
		for (i = 0; i < header->hunks; i++) {
			REQUIRE(bundle.hunks[i].text_offset >= end);
			end = (u64)bundle.hunks[i].text_offset +
			      bundle.hunks[i].len;
		}
		for (i = 0; i < header->functions; i++)
			REQUIRE(strlen(bundle.strings +
				       bundle.functions[i].name));
		if (header->payload_bytes)
			REQUIRE(bundle.payload + header->payload_bytes <=
				(u8 *)copy + len);
	}
	free(copy);
	return 0;
}
#endif

#ifdef FUZZ_revert
int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	void *copy = copy_of(data, len);
	const struct us_revert *revert;

	if (!us_revert_parse(copy, len, &revert))
		REQUIRE(len == sizeof(*revert) && revert->generation);
	free(copy);
	return 0;
}
#endif

#ifdef FUZZ_baseline_head
int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	void *copy = copy_of(data, len);
	struct us_baseline_head head;
	u64 end = 0, file_len = len, offset, piece;
	u32 i;

	/* The file goes on after the head: believe what the header says. */
	if (len >= sizeof(*head.header))
		file_len = ((struct us_baseline_header *)copy)->total_size;
	if (!us_baseline_parse_head(copy, len, file_len, &head)) {
		for (i = 0; i < head.header->runtime_sites; i++) {
			REQUIRE(head.runtime[i].offset >= end);
			end = (u64)head.runtime[i].offset +
			      us_runtime_len(&head.runtime[i]);
			REQUIRE(end <= head.header->text_len);
		}
		for (i = 1; i < head.header->entries; i++)
			REQUIRE(head.entries[i - 1].class <=
				head.entries[i].class);
		for (i = 0; i < head.header->blocks; i++)
			REQUIRE(us_baseline_block_range(head.header, i, &offset,
							&piece) &&
				piece && piece <= US_BLOCK_BYTES);
		REQUIRE(!us_baseline_block_range(head.header, i, &offset, &piece));
		end = us_baseline_head_len(head.header);
		for (i = 0; i < head.header->blocks; i++) {
			REQUIRE(head.blocks[i].file_offset == end);
			end += head.blocks[i].len;
		}
		REQUIRE(end == file_len);
	}
	free(copy);
	return 0;
}
#endif

#ifdef FUZZ_baseline_block
int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	static u8 bytes[US_BLOCK_BYTES], found[US_SITE_MAX_LEN];
	struct us_range range = { .len = US_BLOCK_BYTES };
	struct us_block block;
	u64 relocs = 0, offset = 0, piece = US_BLOCK_BYTES;
	void *copy;
	u32 i;

	if (len < 3)
		return 0;
	/* Text or constants of any length that has two blocks, and either. */
	range.kind = data[0] & 2 ? US_RANGE_RODATA : US_RANGE_TEXT;
	range.len += 1 + (data[1] | data[2] << 8) % US_BLOCK_BYTES;
	if (data[0] & 1) {
		offset = US_BLOCK_BYTES;
		piece = range.len - US_BLOCK_BYTES;
	}
	data += 3;
	len -= 3;
	copy = copy_of(data, len);
	if (!us_baseline_parse_piece(&range, 1, offset, piece, copy, len,
				     &block)) {
		us_baseline_expect(&block, 0x1c000000, bytes, &relocs);
		REQUIRE(relocs == block.header->relocs);
		for (i = 0; i < block.header->sites; i++)
			if (block.sites[i].values)
				us_baseline_site_ok(&block, &block.sites[i],
						    0x1c000000, found);
	}
	free(copy);
	return 0;
}
#endif

#ifdef FUZZ_module
/* What was let through can be applied at any place without reading or writing past an
 * end. */
static void use_module(const struct us_module_head *head,
		       const struct us_block *block)
{
	u64 moves[US_RELOC_MAX_BASES], relocs = 0;
	u8 found[US_SITE_MAX_LEN] = { 0 }, *bytes = malloc(block->header->len);
	u32 i;

	for (i = 0; i < US_RELOC_MAX_BASES; i++)
		moves[i] = i < head->header->bases ? 0x123456789ull * i : ~0ull;
	us_block_expect(block, moves, bytes, &relocs);
	REQUIRE(relocs == block->header->relocs);
	for (i = 0; i < block->header->sites; i++)
		us_block_site_ok(block, &block->sites[i], moves, found);
	for (i = 0; i < block->header->relocs; i++)
		REQUIRE(block->relocs[i].base < head->header->bases);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	struct us_module_head head;
	struct us_block block;
	void *copy = copy_of(data, len), *part;
	u64 head_len = 0;
	u32 i;

	if (len >= sizeof(struct us_module_header))
		head_len = us_module_head_len(copy);
	if (!head_len || head_len > len)
		head_len = len;
	if (!us_module_parse_head(copy, head_len, len, &head)) {
		REQUIRE(head.bases[0].kind == US_BASE_TEXT);
		REQUIRE(head.bases[0].len >= head.header->text_len);
		for (i = 0; i < head.header->blocks; i++) {
			const struct us_block_ref *ref = &head.blocks[i];

			REQUIRE(span_inside(ref->file_offset, ref->len, len));
			part = copy_of(data + ref->file_offset, ref->len);
			if (!us_module_parse_block(&head, i, part, ref->len,
						   &block))
				use_module(&head, &block);
			free(part);
		}
	}
	free(copy);
	return 0;
}
#endif

#ifdef FUZZ_minisign_signature
int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	static const struct minisign_key key;
	struct minisign_signature signature;
	u8 digest[MINISIGN_DIGEST] = { 0 };
	char *copy = copy_of(data, len);

	if (!minisign_parse_signature(copy, len, &signature)) {
		REQUIRE(signature.comment >= copy &&
			signature.comment + signature.comment_len <= copy + len);
		REQUIRE(signature.comment_len <= MINISIGN_COMMENT_MAX);
		REQUIRE(minisign_verify(&signature, &key, digest));
	}
	free(copy);
	return 0;
}
#endif

#ifdef FUZZ_minisign_key
int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	void *copy = copy_of(data, len);
	struct minisign_key keys[4];
	u32 count, i, k;

	if (!minisign_parse_keys(copy, len, keys, 4, &count)) {
		REQUIRE(count <= 4);
		for (i = 0; i < count; i++)
			for (k = 0; k < i; k++)
				REQUIRE(memcmp(keys[i].id, keys[k].id, 8));
	}
	free(copy);
	return 0;
}
#endif
