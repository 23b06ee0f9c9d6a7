/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "bench.h"

#define F	SIM_FUNCTION

static u64 arena_gva(void)
{
	/* The first free entry of level2_kernel_pgt behind the image. */
	return ALIGN_UP(sim_image_gva(SIM_IMAGE_END), SIZE_2M);
}

static u64 word(u64 gpa, u32 size)
{
	u64 value = 0;

	memcpy(&value, sim.memory + gpa, size);
	return value;
}

static void receipt(void)
{
	const struct us_receipt *found = (void *)bench_response;

	bench_start_sealed();
	ASSERT_OK(bench_apply(F, 3));
	CU_ASSERT_EQUAL(bench_answer.out_len, sizeof(*found));
	CU_ASSERT_EQUAL(found->generation, 3);
	CU_ASSERT_EQUAL(found->attempts, 1);
	CU_ASSERT_EQUAL(found->functions, 1);
	CU_ASSERT_EQUAL(found->bytes_written, 5);
	CU_ASSERT_EQUAL(found->arena_offset, 0);
	CU_ASSERT_EQUAL(found->arena_bytes, 61);
	CU_ASSERT(found->stop_ns > 0 && found->total_ns > found->stop_ns);
	CU_ASSERT_STRING_EQUAL(found->name, "default");
}

static void code(void)
{
	u64 jump = sim_image_gpa(F + 5), i;

	bench_start_sealed();
	ASSERT_OK(bench_apply(F, 1));
	CU_ASSERT_EQUAL(sim.memory[jump], 0xe9);
	CU_ASSERT_EQUAL(sim_image_gva(F + 10) + (u64)(s64)(s32)word(jump + 1, 4),
			arena_gva());
	CU_ASSERT_EQUAL(word(SIM_ARENA + 8, 8), sim_image_gva(0x2345));
	CU_ASSERT_EQUAL(arena_gva() + 24 + (u64)(s64)(s32)word(SIM_ARENA + 20, 4),
			sim_image_gva(0x3000));
	CU_ASSERT_EQUAL((u64)(s64)(s32)word(SIM_ARENA + 24, 4), arena_gva() + 32);
	CU_ASSERT_EQUAL(sim.memory[SIM_ARENA + 60], 0x40 + 60);
	for (i = 61; i < SIZE_2M; i++)
		if (sim.memory[SIM_ARENA + i] != 0xcc)
			break;
	CU_ASSERT_EQUAL(i, SIZE_2M);
}

static void arena_mapping(void)
{
	u64 slot = (arena_gva() - 0xffffffff80000000ull) / SIZE_2M;
	u64 entry = sim_image_gpa(SIM_LEVEL2_PGT) + 8 * slot;

	bench_start_sealed();
	CU_ASSERT_EQUAL(word(entry, 8), 0);
	ASSERT_OK(bench_apply(F, 1));
	CU_ASSERT_EQUAL(word(entry, 8), SIM_ARENA | 0x1e1);
	/* The guest clears accessed and dirty: it is still the arena. */
	sim_poke64(entry, SIM_ARENA | 0x181);
	ASSERT_OK(bench_apply(2 * F, 2));
	/* The guest takes the mapping away, or maps something else there. */
	sim_poke64(entry, 0);
	ASSERT_REFUSED(MAPPING_CHANGED, bench_apply(3 * F, 3));
	sim_poke64(entry, SIM_USER | 0x1e3);
	ASSERT_REFUSED(MAPPING_CHANGED, bench_apply(3 * F, 3));
	sim_poke64(entry, SIM_ARENA | 0x181);
	ASSERT_OK(bench_apply(3 * F, 3));
}

static void no_free_entry(void)
{
	u64 table = sim_image_gpa(SIM_LEVEL2_PGT), below;
	u32 i;

	bench_start_sealed();
	for (i = 0; i < 512; i++)
		if (!word(table + 8 * i, 8))
			sim_poke64(table + 8 * i, 2);
	ASSERT_REFUSED(ARENA_MAPPING, bench_apply(F, 1));
	/* One below the image will do. */
	below = (sim_image_gva(0) - 0xffffffff80000000ull) / SIZE_2M - 3;
	sim_poke64(table + 8 * below, 0);
	ASSERT_OK(bench_apply(F, 1));
	CU_ASSERT_EQUAL(word(table + 8 * below, 8), SIM_ARENA | 0x1e1);
}

/* Another page is mapped where level2_kernel_pgt ought to be. */
static void mapping_not_reached(void)
{
	bench_start_sealed();
	memcpy(sim.memory + 0xff000, sim.memory + sim_image_gpa(SIM_LEVEL2_PGT),
	       PAGE_SIZE);
	sim_poke64(sim_image_gpa(SIM_LEVEL3_PGT) + 8 * 510, 0xff003);
	ASSERT_REFUSED(ARENA_MAPPING, bench_apply(F, 1));
}

/* The kernel's tables say that level2_kernel_pgt lies in @gpa: in text, in the arena.
 * No entry may be written there. */
static void mapping_over_text(u64 gpa)
{
	u64 level2 = sim_image_gpa(SIM_LEVEL2_PGT), pages;
	u64 slot = (sim_image_gva(SIM_LEVEL2_PGT) >> 21) & 511;

	bench_start_sealed();
	pages = word(level2 + 8 * slot, 8) & PTE_ADDRESS;
	sim_poke64(pages + 8 * (SIM_LEVEL2_PGT / PAGE_SIZE % 512), gpa | 3);
	ASSERT_REFUSED(ARENA_MAPPING, bench_apply(F, 1));
}

static void mapping_in_text(void)
{
	/* After the text's end this page is zero: every entry looks free. */
	mapping_over_text(sim_image_gpa(ALIGN_DOWN(SIM_TEXT_LEN, PAGE_SIZE)));
	mapping_over_text(SIM_ARENA + PAGE_SIZE);
}

static void not_sealed(void)
{
	bench_start(0);
	ASSERT_REFUSED(NOT_SEALED, bench_apply(F, 1));
}

static void signatures(void)
{
	char signature[1024], *at;
	u64 len;

	bench_start_sealed();
	bundle_spec_default(&bench_spec, F, 1);
	make_bundle(&bench_spec, &bench_blob);
	ASSERT_REFUSED(SIG_KEY_UNKNOWN, bench_send(US_OP_APPLY, &bench_blob,
						   &bench_stranger, 0));
	ASSERT_REFUSED(SIG_MISSING, bench_send_signed(US_OP_APPLY, &bench_blob,
						      "", 0, 0));
	len = make_signature(&bench_key, bench_blob.data, bench_blob.len,
			     "comment", signature, sizeof(signature));
	ASSERT_REFUSED(SIG_FORMAT, bench_send_signed(US_OP_APPLY, &bench_blob,
						     signature, len - 20, 0));
	at = strstr(signature, "comment\n");
	at[0] = 'C';
	ASSERT_REFUSED(SIG_COMMENT, bench_send_signed(US_OP_APPLY, &bench_blob,
						      signature, len, 0));
	at[0] = 'c';
	ASSERT_OK(bench_send_signed(US_OP_APPLY, &bench_blob, signature, len, 0));
}

static void no_trusted_keys(void)
{
	bench_start(0);
	sim_build(0, "not a key file\n", 15);
	CU_ASSERT_PTR_NOT_NULL(strstr(sim.all_logs, "none is trusted"));
	ASSERT_REFUSED(SIG_KEY_UNKNOWN, bench_seal());
}

/* One bit in every byte of the signed file, and every truncation of it. */
static void altered(void)
{
	char signature[1024];
	u64 len, i, whole;

	bench_start_sealed();
	bundle_spec_default(&bench_spec, F, 1);
	make_bundle(&bench_spec, &bench_blob);
	len = make_signature(&bench_key, bench_blob.data, bench_blob.len, "c",
			     signature, sizeof(signature));
	whole = bench_blob.len;
	for (i = 0; i < whole; i++) {
		bench_blob.data[i] ^= 1 << (i % 8);
		ASSERT_REFUSED(SIG_INVALID, bench_send_signed(US_OP_APPLY,
			       &bench_blob, signature, len, 0));
		bench_blob.data[i] ^= 1 << (i % 8);
	}
	for (i = 0; i < whole; i++) {
		bench_blob.len = i;
		ASSERT_REFUSED(SIG_INVALID, bench_send_signed(US_OP_APPLY,
			       &bench_blob, signature, len, 0));
	}
}

/* Validly signed, and not a good bundle. */
static void truncated(void)
{
	u64 i, whole;

	bench_start_sealed();
	bundle_spec_default(&bench_spec, F, 1);
	make_bundle(&bench_spec, &bench_blob);
	whole = bench_blob.len;
	for (i = 0; i < whole; i++) {
		bench_blob.len = i;
		ASSERT_REFUSED(BUNDLE_TRUNCATED, bench_send(US_OP_APPLY,
			       &bench_blob, &bench_key, 0));
	}
}

#define BAD_BUNDLE(error, change)					\
	do {								\
		bundle_spec_default(&bench_spec, F, 1);			\
		make_bundle(&bench_spec, &bench_blob);			\
		change;							\
		ASSERT_REFUSED(error, bench_send(US_OP_APPLY,		\
			       &bench_blob, &bench_key, 0));		\
	} while (0)

static void bad_files(void)
{
	struct us_bundle_header *h = bundle_header(&bench_blob);

	bench_start_sealed();
	BAD_BUNDLE(BUNDLE_MAGIC, h->magic++);
	BAD_BUNDLE(BUNDLE_VERSION, h->version++);
	BAD_BUNDLE(BUNDLE_TRAILING, bench_blob.len += 8);
	BAD_BUNDLE(BUNDLE_FIELD, h->flags = 2);
	BAD_BUNDLE(BUNDLE_BOUNDS,
		   bundle_functions(&bench_blob)->arena_offset = 1000);
	/* Files of the other kinds, rightly signed. */
	make_baseline(&bench_blob);
	ASSERT_REFUSED(BUNDLE_MAGIC, bench_send(US_OP_APPLY, &bench_blob,
						&bench_key, 0));
	ASSERT_OK(bench_apply(F, 1));
	make_revert(&bench_blob, &bench_revert_blob);
	ASSERT_REFUSED(BUNDLE_MAGIC, bench_send(US_OP_APPLY, &bench_revert_blob,
						&bench_key, 0));
}

static void wrong_build_id(void)
{
	bench_start_sealed();
	BAD_BUNDLE(WRONG_BUILD_ID, bundle_header(&bench_blob)->build_id[0]++);
	BAD_BUNDLE(WRONG_BUILD_ID, bundle_header(&bench_blob)->build_id[19] = 0;
				   bundle_header(&bench_blob)->build_id_len--);
}

static void generation(void)
{
	bench_start_sealed();
	ASSERT_OK(bench_apply(F, 7));
	ASSERT_REFUSED(OLD_GENERATION, bench_apply(2 * F, 7));
	CU_ASSERT_EQUAL(bench_answer.detail[0], 7);
	CU_ASSERT_EQUAL(bench_answer.detail[1], 7);
	ASSERT_REFUSED(OLD_GENERATION, bench_apply(2 * F, 6));
	ASSERT_OK(bench_apply(2 * F, 8));
	/* A refused bundle does not push the number up. */
	ASSERT_REFUSED(HUNKS_OVERLAP, bench_apply(F, ~0ull));
	ASSERT_OK(bench_apply(3 * F, 9));
	ASSERT_REFUSED(OLD_GENERATION, bench_apply(3 * F, 1));
}

static void overlaps(void)
{
	bench_start_sealed();
	bundle_spec_default(&bench_spec, F, 1);
	bench_spec.hunk[1] = bench_spec.hunk[0];
	bench_spec.hunk[1].text_offset += 4;
	bench_spec.hunks = 2;
	ASSERT_REFUSED(HUNKS_OVERLAP, bench_apply_spec());
	ASSERT_OK(bench_apply(F, 1));
	ASSERT_REFUSED(HUNKS_OVERLAP, bench_apply(F, 2));
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "default");
}

static void outside(void)
{
	bench_start_sealed();
	bundle_spec_default(&bench_spec, F, 1);
	bench_spec.function[0].text_offset = 0x250f0;
	bench_spec.hunk[0].text_offset = 0x250f5;
	ASSERT_REFUSED(TARGET_OUTSIDE, bench_apply_spec());
	CU_ASSERT_EQUAL(bench_answer.detail[0], sim_image_gva(0x250f0));
	CU_ASSERT_STRING_EQUAL(bench_answer.text, "sim_function");
	bench_spec.function[0].text_offset = SIM_INIT_TASK;
	bench_spec.hunk[0].text_offset = SIM_INIT_TASK;
	ASSERT_REFUSED(TARGET_OUTSIDE, bench_apply_spec());
	/* The padding behind _etext is sealed but not text. */
	bench_spec.function[0].text_offset = SIM_TEXT_LEN;
	bench_spec.hunk[0].text_offset = SIM_TEXT_LEN;
	ASSERT_REFUSED(TARGET_OUTSIDE, bench_apply_spec());
}

static void expected_bytes(void)
{
	bench_start_sealed();
	bundle_spec_default(&bench_spec, F, 1);
	bench_spec.hunk[0].expected[2] ^= 1;
	ASSERT_REFUSED(EXPECTED_BYTES, bench_apply_spec());
	CU_ASSERT_EQUAL(bench_answer.detail[0], sim_image_gva(F + 7));
	CU_ASSERT_EQUAL(bench_answer.detail[1],
			(sim_linked[F + 7] ^ 1u) << 8 | sim_linked[F + 7]);
}

/* Hunks over fields that KASLR changed: whole, and parts from both ends. The
 * bundle carries link-time bytes; reverting brings the run-time ones back. */
static void relocated_places(void)
{
	const u32 places[] = { F + 5, F + 8, F + 10, F + 11, F + 0x5c, F + 0x60,
			       F + 0x66, F + 0xbe, F + 0xc2 };
	static u8 before[SIM_TEXT_LEN];
	u32 i, at, len = 5;

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		bench_start_sealed();
		memcpy(before, sim.memory + SIM_TEXT, sizeof(before));
		bundle_spec_default(&bench_spec, F, 1);
		at = places[i];
		bench_spec.hunk[0].text_offset = at;
		memcpy(bench_spec.hunk[0].expected, sim_linked + at, len);
		ASSERT_OK(bench_apply_spec());
		CU_ASSERT_EQUAL(sim.memory[sim_image_gpa(at)], 0xe9);
		ASSERT_OK(bench_revert());
		CU_ASSERT_FALSE(memcmp(before, sim.memory + SIM_TEXT,
				       sizeof(before)));
	}
	/* The test means something: fields did change. */
	CU_ASSERT(memcmp(sim.memory + sim_image_gpa(F + 8), sim_linked + F + 8, 4));
}

static void site_overlap(void)
{
	/* Last byte of the ftrace site, first of the jump label, a boot site. */
	bench_start_sealed();
	bundle_spec_default(&bench_spec, F, 1);
	bench_spec.hunk[0].text_offset = F + 4;
	ASSERT_REFUSED(SITE_OVERLAP, bench_apply_spec());
	bench_spec.hunk[0].text_offset = F + 0x3c;
	ASSERT_REFUSED(SITE_OVERLAP, bench_apply_spec());
	CU_ASSERT_EQUAL(bench_answer.detail[0], sim_image_gva(F + 0x3c));
	bench_spec.hunk[0].text_offset = F + 0x3b;
	ASSERT_REFUSED(EXPECTED_BYTES, bench_apply_spec());
	memcpy(bench_spec.hunk[0].expected, sim_linked + F + 0x3b, 5);
	ASSERT_OK(bench_apply_spec());
}

/* A per-CPU variable, which KASLR does not move, reached from the arena. */
static void absolute_target(void)
{
	bench_start_sealed();
	bundle_spec_default(&bench_spec, F, 1);
	bench_spec.reloc[1].target_space = US_SPACE_ABSOLUTE;
	bench_spec.reloc[1].target = 0x1fb80 - 4;
	ASSERT_OK(bench_apply_spec());
	CU_ASSERT_EQUAL(arena_gva() + 24 + (u64)(s64)(s32)word(SIM_ARENA + 20, 4),
			0x1fb80);
}

static void relocation(void)
{
	bench_start_sealed();
	bundle_spec_default(&bench_spec, F, 1);
	bench_spec.reloc[1].target = -(1ll << 31);
	ASSERT_REFUSED(RELOCATION, bench_apply_spec());
	CU_ASSERT_EQUAL(bench_answer.detail[0], 1);
	bundle_spec_default(&bench_spec, F, 1);
	bench_spec.reloc[2].target = -(1ll << 31);
	ASSERT_REFUSED(RELOCATION, bench_apply_spec());
	CU_ASSERT_EQUAL(bench_answer.detail[0], 2);
}

/* A bundle with @bytes of payload. */
static enum us_error apply_large(u32 function, u64 generation_, u32 bytes)
{
	u64 extra = ALIGN_UP(bytes, 8) - 64;

	bundle_spec_default(&bench_spec, function, generation_);
	make_bundle(&bench_spec, &bench_blob);
	memset(bench_blob.data + bench_blob.len, 0, extra);
	memset(bundle_payload(&bench_blob) + 61, 0x90, bytes - 61);
	bundle_header(&bench_blob)->payload_bytes = bytes;
	bench_blob.len += extra;
	bundle_header(&bench_blob)->total_size = bench_blob.len;
	return bench_send(US_OP_APPLY, &bench_blob, &bench_key, 0);
}

static void arena_full(void)
{
	const struct us_receipt *found = (void *)bench_response;
	u32 large = 480 << 10, i;

	bench_start_sealed();
	for (i = 1; i <= 4; i++)
		ASSERT_OK(apply_large(i * F, i, large));
	ASSERT_REFUSED(ARENA_FULL, apply_large(5 * F, 5, large));
	CU_ASSERT_EQUAL(bench_answer.detail[0], large);
	CU_ASSERT_EQUAL(bench_answer.detail[1], SIZE_2M - 4 * large);
	ASSERT_OK(apply_large(5 * F, 5, SIZE_2M - 4 * large));
	CU_ASSERT_EQUAL(found->arena_offset, 4 * large);
	ASSERT_REFUSED(ARENA_FULL, bench_apply(6 * F, 6));
}

static void too_many(void)
{
	u32 i;

	bench_start_sealed();
	/* Two hunks' places in each function would do; a function has room. */
	for (i = 0; i < US_MAX_PATCHES; i++) {
		u32 at = i / 2 * F + F + (i % 2 ? 0xe3 : 0);

		bundle_spec_default(&bench_spec, i / 2 * F + F, i + 1);
		if (at == US_BLOCK_BYTES)
			at += 0x10;
		bench_spec.hunk[0].text_offset = at + 5;
		memcpy(bench_spec.hunk[0].expected, sim_linked + at + 5, 5);
		ASSERT_OK(bench_apply_spec());
	}
	ASSERT_REFUSED(TOO_MANY_PATCHES, bench_apply(0x24000, 65));
}

static void never_stop(void)
{
	sim.fail_stop = 1;
}

static void stop_fails(void)
{
	const struct us_receipt *receipt = (void *)bench_response;
	u64 start;

	/* A vCPU that does not arrive is waited for until the deadline. */
	bench_start_sealed();
	sim.on_stop = never_stop;
	start = sim.now;
	ASSERT_REFUSED(STOP_FAILED, bench_apply(F, 1));
	CU_ASSERT(sim.now - start > 4800000000ull);
	CU_ASSERT(sim.now - start < 5100000000ull);
	sim.on_stop = NULL;
	sim.fail_stop = 1;
	ASSERT_OK(bench_apply(F, 1));
	CU_ASSERT_EQUAL(receipt->attempts, 2);
}

/* Staging or the commit: whichever of them fails, nothing has changed. */
static void write_fails(void)
{
	u32 n;

	for (n = 0; n < 2; n++) {
		bench_start_sealed();
		bundle_spec_default(&bench_spec, F, 1);
		bench_spec.hunk[1] = bench_spec.hunk[0];
		bench_spec.hunk[1].text_offset = F + 0x20;
		memcpy(bench_spec.hunk[1].expected, sim_linked + F + 0x20, 5);
		bench_spec.hunks = 2;
		sim.fail_write = n == 0;
		sim.fail_commit = n == 1;
		ASSERT_REFUSED(HOST_FAILED, bench_apply_spec());
		ASSERT_OK(bench_apply_spec());
	}
}

static void change_under_stop(void)
{
	sim_poke(sim_image_gpa(F + 6), "\xcc", 1);
}

/* Between the first check and the stop the kernel changed the place. */
static void changed_before_stop(void)
{
	u32 stops;

	bench_start_sealed();
	sim.on_stop = change_under_stop;
	stops = sim.stops;
	ASSERT_REFUSED(EXPECTED_BYTES, bench_apply(F, 1));
	CU_ASSERT_EQUAL(sim.stops, stops + 1);
}

static u32 bundle_reads;

/* As soon as the bundle has been copied, its memory in the guest is destroyed. */
static void destroy_input(u64 gpa, u64 len)
{
	static const u8 zeros[64];

	if (gpa == sim_user_gpa(BENCH_SIGNATURE) && len > 3) {
		bundle_reads++;
		sim_poke(sim_user_gpa(BENCH_INPUT), zeros, sizeof(zeros));
	}
}

static void copied_once(void)
{
	bench_start_sealed();
	bundle_reads = 0;
	sim.on_read = destroy_input;
	ASSERT_OK(bench_apply(F, 1));
	CU_ASSERT_EQUAL(bundle_reads, 1);
}

const struct test apply_tests[] = {
	{ "receipt", receipt },
	{ "code in memory", code },
	{ "arena mapping", arena_mapping },
	{ "no free page table entry", no_free_entry },
	{ "mapping does not reach the arena", mapping_not_reached },
	{ "mapping in sealed text", mapping_in_text },
	{ "not sealed", not_sealed },
	{ "signatures", signatures },
	{ "no trusted keys", no_trusted_keys },
	{ "every byte altered", altered },
	{ "truncated at every length", truncated },
	{ "bad bundles", bad_files },
	{ "wrong build id", wrong_build_id },
	{ "generation", generation },
	{ "overlaps", overlaps },
	{ "outside the text", outside },
	{ "expected bytes", expected_bytes },
	{ "places that KASLR changed", relocated_places },
	{ "site overlap", site_overlap },
	{ "relocation to a fixed number", absolute_target },
	{ "relocation out of reach", relocation },
	{ "arena full", arena_full },
	{ "too many patches", too_many },
	{ "stop fails", stop_fails },
	{ "every write fails once", write_fails },
	{ "changed before the stop", changed_before_stop },
	{ "bundle is copied once", copied_once },
	{ 0 },
};
