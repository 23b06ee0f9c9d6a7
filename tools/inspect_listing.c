/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Instructions in words, with names for addresses; old beside new. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decoder.h"
#include "inspect_code.h"

#define ALIGN_MAX	3000u	/* lines on either side that are aligned */

/* What the formatter's hook needs to know. */
struct listing_context {
	const struct review *review;
	u64 start, len;		/* of the function */
	bool blind;		/* leave distances inside it out */
};

static ZydisFormatterFunc print_immediate_default;

static ZyanStatus append(ZydisFormatterBuffer *buffer, const char *text)
{
	ZyanStringView view;
	ZyanString *string;

	ZYAN_CHECK(ZydisFormatterBufferAppend(buffer, ZYDIS_TOKEN_SYMBOL));
	ZYAN_CHECK(ZydisFormatterBufferGetString(buffer, &string));
	ZYAN_CHECK(ZyanStringViewInsideBuffer(&view, text));
	return ZyanStringAppend(string, &view);
}

/* Addresses of the kernel and the arena are sign-extended from 32 bits. */
static ZyanStatus print_immediate(const ZydisFormatter *formatter,
				  ZydisFormatterBuffer *buffer,
				  ZydisFormatterContext *context)
{
	const struct listing_context *listing = context->user_data;
	u64 value = context->operand->imm.value.u;
	u64 start = listing->review->link_base;
	char text[100] = "$";

	if (listing->review->text_base && listing->review->text_base < start)
		start = listing->review->text_base;
	if (!start || value < start || value - start >= SIZE_1G)
		return print_immediate_default(formatter, buffer, context);
	review_name(listing->review, value, text + 1, sizeof(text) - 1);
	return append(buffer, text);
}

static ZyanStatus print_address(const ZydisFormatter *formatter,
				ZydisFormatterBuffer *buffer,
				ZydisFormatterContext *context)
{
	const struct listing_context *listing = context->user_data;
	ZyanU64 address;
	char text[100];

	(void)formatter;
	if (!ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(context->instruction,
						   context->operand,
						   context->runtime_address,
						   &address)))
		return ZYAN_STATUS_FAILED;
	if (address - listing->start < listing->len)
		snprintf(text, sizeof(text), listing->blind ? "+" : "+%#llx",
			 (unsigned long long)(address - listing->start));
	else
		review_name(listing->review, address, text, sizeof(text));
	return append(buffer, text);
}

static void init_formatter(ZydisFormatter *formatter)
{
	ZydisFormatterFunc hook = (ZydisFormatterFunc)&print_address;
	ZydisFormatterFunc immediate = (ZydisFormatterFunc)&print_immediate;

	ZydisFormatterInit(formatter, ZYDIS_FORMATTER_STYLE_ATT);
	ZydisFormatterSetHook(formatter, ZYDIS_FORMATTER_FUNC_PRINT_ADDRESS_ABS,
			      (const void **)&hook);
	ZydisFormatterSetHook(formatter, ZYDIS_FORMATTER_FUNC_FORMAT_OPERAND_IMM,
			      (const void **)&immediate);
	print_immediate_default = immediate;
	ZydisFormatterSetProperty(formatter, ZYDIS_FORMATTER_PROP_FORCE_SIZE,
				  ZYAN_FALSE);
	ZydisFormatterSetProperty(formatter,
				  ZYDIS_FORMATTER_PROP_HEX_UPPERCASE,
				  ZYAN_FALSE);
	ZydisFormatterSetProperty(formatter,
				  ZYDIS_FORMATTER_PROP_ADDR_PADDING_ABSOLUTE,
				  ZYDIS_PADDING_DISABLED);
	ZydisFormatterSetProperty(formatter, ZYDIS_FORMATTER_PROP_DISP_PADDING,
				  ZYDIS_PADDING_DISABLED);
	ZydisFormatterSetProperty(formatter, ZYDIS_FORMATTER_PROP_IMM_PADDING,
				  ZYDIS_PADDING_DISABLED);
}

static u32 list_one(const ZydisFormatter *formatter,
		    struct listing_context *context, const u8 *code, u64 at,
		    struct listing_line *line)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction insn;

	line->offset = at;
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(decoder_full(), code + at,
						 context->len - at, &insn,
						 operands))) {
		snprintf(line->text, sizeof(line->text), ".byte %#x", code[at]);
		strcpy(line->key, line->text);
		return 1;
	}
	context->blind = false;
	ZydisFormatterFormatInstruction(formatter, &insn, operands,
					insn.operand_count_visible, line->text,
					sizeof(line->text),
					context->start + at, context);
	context->blind = true;
	ZydisFormatterFormatInstruction(formatter, &insn, operands,
					insn.operand_count_visible, line->key,
					sizeof(line->key),
					context->start + at, context);
	return insn.length;
}

enum us_error listing_make(const struct review *review, const u8 *code,
			   u64 len, u64 address, struct listing *out)
{
	struct listing_context context = {
		.review = review, .start = address, .len = len,
	};
	ZydisFormatter formatter;
	u64 at = 0;

	*out = (struct listing){ .lines = calloc(len + 1,
						 sizeof(*out->lines)) };
	if (!out->lines)
		return fail(US_E_NO_MEMORY, "listing");
	init_formatter(&formatter);
	/* What fills the room up to the next function is not worth a line. */
	while (len && code[len - 1] == 0xcc)
		context.len = --len;
	while (at < len)
		at += list_one(&formatter, &context, code, at,
			       &out->lines[out->count++]);
	return US_OK;
}

void listing_free(struct listing *listing)
{
	free(listing->lines);
	*listing = (struct listing){ 0 };
}

static bool alike(const struct listing *old, u32 i, const struct listing *new,
		  u32 k)
{
	return !strcmp(old->lines[i].key, new->lines[k].key);
}

/* Longest common subsequence: length[i][k] of the lines from i and k on. */
static void fill_lengths(u16 *length, const struct listing *old,
			 const struct listing *new)
{
	u32 width = new->count + 1, i, k;
	u16 down, right;

	for (i = old->count; i--;) {
		for (k = new->count; k--;) {
			down = length[(i + 1) * width + k];
			right = length[i * width + k + 1];
			if (alike(old, i, new, k))
				length[i * width + k] =
					length[(i + 1) * width + k + 1] + 1;
			else
				length[i * width + k] =
					down > right ? down : right;
		}
	}
}

static u32 walk(const u16 *length, const struct listing *old,
		const struct listing *new, struct row *rows)
{
	u32 width = new->count + 1, i = 0, k = 0, count = 0;

	while (i < old->count || k < new->count) {
		if (i < old->count && k < new->count && alike(old, i, new, k))
			rows[count++] = (struct row){ i++, k++ };
		else if (k == new->count ||
			 (i < old->count && length[(i + 1) * width + k] >=
			  length[i * width + k + 1]))
			rows[count++] = (struct row){ i++, ~0u };
		else
			rows[count++] = (struct row){ ~0u, k++ };
	}
	return count;
}

/* Too long to align: all of the one, then all of the other. */
static u32 one_by_one(const struct listing *old, const struct listing *new,
		      struct row *rows)
{
	u32 i, count = 0;

	for (i = 0; i < old->count || i < new->count; i++)
		rows[count++] = (struct row){
			i < old->count ? i : ~0u, i < new->count ? i : ~0u,
		};
	return count;
}

enum us_error listing_align(const struct listing *old,
			    const struct listing *new, struct row **rows,
			    u32 *count)
{
	bool align = old->count <= ALIGN_MAX && new->count <= ALIGN_MAX;
	u16 *length = NULL;

	*rows = calloc(old->count + new->count + 1ull, sizeof(**rows));
	if (align)
		length = calloc((old->count + 1ull) * (new->count + 1ull),
				sizeof(*length));
	if (!*rows || (align && !length)) {
		free(length);
		return fail(US_E_NO_MEMORY, "listing");
	}
	if (align) {
		fill_lengths(length, old, new);
		*count = walk(length, old, new, *rows);
	} else {
		*count = one_by_one(old, new, *rows);
	}
	free(length);
	return US_OK;
}
