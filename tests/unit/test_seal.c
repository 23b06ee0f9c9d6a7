/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "bench.h"

static bool all_prot(u64 gpa, u64 len, u8 prot)
{
	u64 page;

	for (page = gpa / PAGE_SIZE; page < (gpa + len) / PAGE_SIZE; page++)
		if (sim.prot[page] != prot)
			return false;
	return true;
}

/* Bytes of all sites of the text that have values, and of those without. */
static void count_site_bytes(u64 *enumerated, u64 *masked)
{
	u32 i, inside = 0;

	*enumerated = *masked = 0;
	for (i = 0; i < sim_site_count; i++)
		*(sim_sites[i].values ? enumerated : masked) += sim_sites[i].len;
	for (i = 0; i < sim_runtime_count; i++)
		if (sim_runtime[i].offset % 0x1000 == 0x84)
			inside++;	/* lies in a boot-time site */
		else
			*enumerated += us_runtime_len(&sim_runtime[i]);
	CU_ASSERT(inside > 30);
}

static void good(void)
{
	const struct us_seal_report *report = (void *)bench_response;
	u64 pages = ALIGN_UP(SIM_TEXT_LEN, PAGE_SIZE);
	u64 enumerated, masked;

	bench_start(0);
	ASSERT_OK(bench_seal());
	count_site_bytes(&enumerated, &masked);
	CU_ASSERT_EQUAL(bench_answer.out_len, sizeof(*report));
	CU_ASSERT_EQUAL(report->slide, SIM_SLIDE);
	CU_ASSERT_EQUAL(report->text_gva, sim_image_gva(0));
	CU_ASSERT_EQUAL(report->bytes_exact, SIM_TEXT_LEN - enumerated - masked);
	CU_ASSERT_EQUAL(report->bytes_enumerated, enumerated);
	CU_ASSERT_EQUAL(report->bytes_masked, masked);
	CU_ASSERT_EQUAL(report->masked[US_SITE_CONSTANT], masked);
	CU_ASSERT_EQUAL(report->rodata_exact, SIM_RODATA_LEN);
	CU_ASSERT_EQUAL(report->rodata_as_found, SIM_AFTER_INIT_LEN);
	CU_ASSERT(report->relocations >= sim_reloc_count);
	CU_ASSERT_EQUAL(report->sites[US_SITE_FTRACE], 32);
	CU_ASSERT_EQUAL(report->policy[US_POLICY_KPROBE], US_ALLOW);
	CU_ASSERT(all_prot(SIM_TEXT, pages, US_PROT_SEALED));
	CU_ASSERT(all_prot(0, SIM_TEXT, US_PROT_OPEN));
	CU_ASSERT(all_prot(sim_image_gpa(SIM_RODATA), SIM_RODATA_LEN,
			   US_PROT_READ_ONLY));
	CU_ASSERT(all_prot(sim_image_gpa(SIM_AFTER_INIT), SIM_AFTER_INIT_LEN,
			   US_PROT_SEALED));
	CU_ASSERT(all_prot(sim_image_gpa(SIM_IDT), PAGE_SIZE,
			   US_PROT_READ_ONLY));
	CU_ASSERT(all_prot(SIM_TEXT + pages, sim_image_gpa(SIM_RODATA) -
			   SIM_TEXT - pages, US_PROT_OPEN));
	CU_ASSERT(all_prot(sim_image_gpa(SIM_IDT) + PAGE_SIZE, SIM_END -
			   sim_image_gpa(SIM_IDT) - PAGE_SIZE, US_PROT_OPEN));
}

static void scattered(void)
{
	bench_start(SIM_SCATTERED);
	ASSERT_OK(bench_seal());
	CU_ASSERT(all_prot(sim_image_gpa(0), 0x10000, US_PROT_SEALED));
	CU_ASSERT(all_prot(sim_image_gpa(0x10000), 0x16000, US_PROT_SEALED));
	CU_ASSERT(all_prot(SIM_TEXT + 0x10000, 0x10000, US_PROT_OPEN));
	ASSERT_OK(bench_apply(0x11000, 1));
	ASSERT_OK(bench_revert());
}

static void page_table_isolation(void)
{
	bench_start(SIM_PTI);
	ASSERT_OK(bench_seal());
	ASSERT_OK(bench_apply(SIM_FUNCTION, 1));
}

static void twice(void)
{
	bench_start_sealed();
	ASSERT_REFUSED(ALREADY_SEALED, bench_seal());
}

/* Any single byte of text that is not in a site; details say which and what. */
static void text_differs(void)
{
	const u64 offsets[] = { 0, SIM_FUNCTION + 5, SIM_FUNCTION + 9, 0xffff,
				0x10000, 0x20010, 0x1fff9, 0x20003,
				SIM_TEXT_LEN - 1 };
	u64 gpa;
	u8 byte;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		bench_start(0);
		gpa = sim_image_gpa(offsets[i]);
		byte = sim.memory[gpa] ^ 0x10;
		sim_poke(gpa, &byte, 1);
		ASSERT_REFUSED(KERNEL_TEXT, bench_seal());
		CU_ASSERT_EQUAL(bench_answer.detail[0], sim_image_gva(offsets[i]));
		CU_ASSERT_EQUAL(bench_answer.detail[1] & 0xff, byte);
		CU_ASSERT_EQUAL(bench_answer.detail[1] >> 8, byte ^ 0x10);
	}
}

static void padding_differs(void)
{
	bench_start(0);
	sim_poke(sim_image_gpa(0x25fff), "\xc3", 1);
	ASSERT_REFUSED(KERNEL_TEXT, bench_seal());
	CU_ASSERT_EQUAL(bench_answer.detail[0], sim_image_gva(0x25fff));
	/* The next page is not part of it. */
	bench_start(0);
	sim_poke(sim_image_gpa(0x26000), "\xc3", 1);
	ASSERT_OK(bench_seal());
}

/* Try @bytes at image offset @offset and seal. */
static enum us_error seal_with(u64 offset, const void *bytes, u64 len)
{
	bench_start(0);
	sim_poke(sim_image_gpa(offset), bytes, len);
	return bench_seal();
}

/* Boot-time sites: every value of one function's, and the one over two blocks. */
static void boot_sites(void)
{
	const struct sim_site *site;
	u8 bytes[16];
	u32 i, k;

	for (i = 0; i < sim_site_count; i++) {
		site = &sim_sites[i];
		if (site->offset >= 0x2000 && site->kind != US_SITE_OTHER)
			continue;
		for (k = 0; k < site->values; k++) {
			sim_value_bytes(site, k, SIM_SLIDE, bytes);
			ASSERT_OK(seal_with(site->offset, bytes, site->len));
			bytes[site->len - 1] ^= 1;
			ASSERT_REFUSED(KERNEL_TEXT, seal_with(site->offset, bytes,
							      site->len));
			CU_ASSERT_EQUAL(bench_answer.detail[0],
					sim_image_gva(site->offset));
			CU_ASSERT_FALSE(memcmp(&bench_answer.detail[1], bytes,
					       site->len < 8 ? site->len : 8));
		}
		if (!site->values)
			ASSERT_OK(seal_with(site->offset, "\x12\x34", 2));
	}
}

/* Runtime sites: steady values alone; nothing is in transit at seal. */
static void runtime_sites(void)
{
	static const u8 nop[] = { 0x0f, 0x1f, 0x44, 0, 0 };
	u8 call[5];
	u32 site = SIM_FUNCTION;

	ASSERT_OK(seal_with(site, nop, 5));
	sim_branch(call, 5, 0xe8, site, SIM_FENTRY + 0x20);
	ASSERT_OK(seal_with(site, call, 5));
	sim_branch(call, 5, 0xe8, site, SIM_FENTRY + 0x21);
	ASSERT_REFUSED(KERNEL_TEXT, seal_with(site, call, 5));
	CU_ASSERT_EQUAL(bench_answer.detail[0], sim_image_gva(site));
	ASSERT_REFUSED(KERNEL_TEXT, seal_with(site, "\xcc", 1));
	/* One on two pages. */
	site = 0x22000 - 3;
	ASSERT_OK(seal_with(site, nop, 5));
	ASSERT_REFUSED(KERNEL_TEXT, seal_with(site + 4, "\x77", 1));
	/* A lock prefix inside a boot-time site is that site's. */
	ASSERT_REFUSED(KERNEL_TEXT, seal_with(SIM_FUNCTION + 0x84, "\x3e", 1));
	ASSERT_OK(seal_with(SIM_FUNCTION + 0x90, "\x3e", 1));
}

static void constants(void)
{
	u64 last = SIM_RODATA + SIM_RODATA_LEN - 1;
	u8 byte = sim_constants[SIM_RODATA_LEN - 1] ^ 2;

	ASSERT_REFUSED(KERNEL_RODATA, seal_with(last, &byte, 1));
	CU_ASSERT_EQUAL(bench_answer.detail[0], sim_image_gva(last));
	CU_ASSERT_EQUAL(bench_answer.detail[1], (u64)((byte ^ 2) << 8 | byte));
	/* Written while booting: as found. */
	ASSERT_OK(seal_with(SIM_AFTER_INIT, "\x77", 1));
}

/* A policy that lets nothing out of the image finds nothing that has left. */
static void trampoline_at_seal(void)
{
	u8 call[5];
	u64 out = 0xffffffffc0001000ull - sim_image_gva(0);

	bench_start(0);
	make_baseline(&bench_blob);
	sim_branch(call, 5, 0xe8, SIM_FUNCTION, out);
	sim_poke(sim_image_gpa(SIM_FUNCTION), call, 5);
	baseline_header(&bench_blob)->policy[US_POLICY_TRAMPOLINE] = US_DENY;
	ASSERT_REFUSED(KERNEL_TEXT, bench_send(US_OP_SEAL, &bench_blob,
					       &bench_key, 0));
	baseline_header(&bench_blob)->policy[US_POLICY_TRAMPOLINE] = US_ALLOW;
	ASSERT_OK(bench_send(US_OP_SEAL, &bench_blob, &bench_key, 0));
}

static void seal_execute(u8 value, enum us_error guard_error)
{
	bench_start(0);
	sim.guard_error = guard_error;
	make_baseline(&bench_blob);
	baseline_header(&bench_blob)->policy[US_POLICY_EXECUTE] = value;
}

/* What the kernel may execute, by policy and as the processor can. */
static void execution(void)
{
	seal_execute(US_EXECUTE_ANY, US_OK);
	ASSERT_OK(bench_send(US_OP_SEAL, &bench_blob, &bench_key, 0));
	CU_ASSERT_FALSE(sim.execution_guarded);
	seal_execute(US_EXECUTE_SEALED, US_OK);
	ASSERT_OK(bench_send(US_OP_SEAL, &bench_blob, &bench_key, 0));
	CU_ASSERT_TRUE(sim.execution_guarded);
	seal_execute(US_EXECUTE_SEALED, US_E_HOST_FAILED);
	ASSERT_OK(bench_send(US_OP_SEAL, &bench_blob, &bench_key, 0));
	CU_ASSERT_FALSE(sim.execution_guarded);
	CU_ASSERT_PTR_NOT_NULL(strstr(sim.all_logs, "execute=sealed has no "
				      "effect"));
	seal_execute(US_EXECUTE_SEALED, US_E_STOP_FAILED);
	ASSERT_REFUSED(STOP_FAILED, bench_send(US_OP_SEAL, &bench_blob,
					       &bench_key, 0));
}

static void wrong_build_id(void)
{
	bench_start(0);
	sim_poke(sim_image_gpa(SIM_NOTE + 19), "\x43", 1);
	ASSERT_REFUSED(KERNEL_BUILD_ID, bench_seal());
}

static void no_kernel(void)
{
	const u64 wrong[] = { 0, 1, PAGE_SIZE, 0ull - SIM_SLIDE - SIZE_2M,
			      SIZE_1G, 1ull << 40 };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		bench_start(0);
		sim.vcpus[0].lstar += wrong[i];
		if (wrong[i])
			ASSERT_REFUSED(KERNEL_NOT_FOUND, bench_seal());
		else
			ASSERT_OK(bench_seal());
	}
	/* The slide is possible, but nothing is mapped there. */
	bench_start(0);
	sim.vcpus[0].lstar += SIZE_2M * 4;
	ASSERT_REFUSED(KERNEL_NOT_FOUND, bench_seal());
}

/* The text's page tables, one page of it changed. */
static enum us_error seal_with_page(u64 gpa, u64 flags)
{
	bench_start(SIM_SCATTERED);
	sim_map(sim.top_pgt, sim_image_gva(0x5000), gpa, flags, PAGE_SIZE);
	return bench_seal();
}

static void bad_mapping(void)
{
	u64 good_gpa = SIM_TEXT + 0x5000;

	ASSERT_OK(seal_with_page(good_gpa, PTE_PRESENT));
	ASSERT_REFUSED(KERNEL_MAPPING, seal_with_page(good_gpa, 0));
	ASSERT_REFUSED(KERNEL_MAPPING,
		       seal_with_page(good_gpa, PTE_PRESENT | PTE_NX));
	/* The same frame twice, in the arena, in hidden memory, beyond the end. */
	ASSERT_REFUSED(KERNEL_MAPPING, seal_with_page(SIM_TEXT, PTE_PRESENT));
	ASSERT_REFUSED(KERNEL_MAPPING, seal_with_page(SIM_ARENA, PTE_PRESENT));
	ASSERT_REFUSED(KERNEL_MAPPING, seal_with_page(SIM_HIDDEN, PTE_PRESENT));
	ASSERT_REFUSED(KERNEL_MAPPING, seal_with_page(1ull << 39, PTE_PRESENT));
	CU_ASSERT_EQUAL(seal_with_page(0xf0000, PTE_PRESENT), US_E_KERNEL_TEXT);
	ASSERT_REFUSED(KERNEL_MAPPING,
		       seal_with_page(good_gpa, PTE_PRESENT | PTE_USER));
}

/* The same with a page of constants. */
static enum us_error seal_with_constants(u64 flags)
{
	bench_start(0);
	sim_map(sim.top_pgt, sim_image_gva(SIM_RODATA),
		sim_image_gpa(SIM_RODATA), flags, PAGE_SIZE);
	return bench_seal();
}

static void bad_constant_mapping(void)
{
	ASSERT_OK(seal_with_constants(PTE_PRESENT | PTE_NX));
	ASSERT_REFUSED(KERNEL_MAPPING, seal_with_constants(PTE_PRESENT));
	ASSERT_REFUSED(KERNEL_MAPPING,
		       seal_with_constants(PTE_PRESENT | PTE_NX | PTE_WRITE));
	ASSERT_REFUSED(KERNEL_MAPPING,
		       seal_with_constants(PTE_PRESENT | PTE_NX | PTE_USER));
}

/* Caller and kernel see different text. */
static void two_mappings(void)
{
	u64 level3 = 0xfe000, level2 = 0xff000;

	bench_start(0);
	memcpy(sim.memory + level2, sim.memory + sim_image_gpa(SIM_LEVEL2_PGT),
	       PAGE_SIZE);
	sim_poke64(level3 + 8 * 510, level2 | PTE_PRESENT | PTE_WRITE);
	sim_poke64(sim.caller_pgt + 8 * 511, level3 | PTE_PRESENT | PTE_WRITE);
	ASSERT_OK(bench_seal());
	bench_start(0);
	memcpy(sim.memory + level2, sim.memory + sim_image_gpa(SIM_LEVEL2_PGT),
	       PAGE_SIZE);
	sim_poke64(level3 + 8 * 510, level2 | PTE_PRESENT | PTE_WRITE);
	sim_poke64(sim.caller_pgt + 8 * 511, level3 | PTE_PRESENT | PTE_WRITE);
	sim_map(sim.caller_pgt, sim_image_gva(0), 0, PTE_PRESENT, SIZE_2M);
	ASSERT_REFUSED(KERNEL_MAPPING, bench_seal());
}

static void protect_fails(void)
{
	bench_start(SIM_SCATTERED);
	sim.fail_protect = 2;
	ASSERT_REFUSED(HOST_FAILED, bench_seal());
	bench_start(SIM_SCATTERED);
	sim.fail_protect = 1;
	sim.protect_error = US_E_GUEST_ADDRESS;
	ASSERT_REFUSED(KERNEL_MAPPING, bench_seal());
	ASSERT_OK(bench_seal());
	bench_start(SIM_SCATTERED);
	sim.fail_protect = 2;
	sim.protect_error = US_E_STOP_FAILED;
	ASSERT_REFUSED(STOP_FAILED, bench_seal());
}

/* Taking the freeze back is tried again: text is open after a refusal. */
static void thaw_fails(void)
{
	bench_start(0);
	sim_poke(sim_image_gpa(7), "\xcc", 1);
	sim.fail_protect = 5;	/* after one call for each range */
	sim.protect_error = US_E_STOP_FAILED;
	ASSERT_REFUSED(KERNEL_TEXT, bench_seal());
	CU_ASSERT_EQUAL(sim.fail_protect, 0);
}

static void stop_fails(void)
{
	bench_start(0);
	sim.fail_stop = 1;
	ASSERT_REFUSED(STOP_FAILED, bench_seal());
	ASSERT_OK(bench_seal());
}

/* The guest rewrites text in the moment before it is frozen: what counts is what
 * is there afterwards. */
static void rewrite_text(void)
{
	sim.on_protect = NULL;
	sim_poke(sim_image_gpa(0x1005), "\xcc", 1);
}

static void changed_before_freeze(void)
{
	bench_start(0);
	sim.on_protect = rewrite_text;
	ASSERT_REFUSED(KERNEL_TEXT, bench_seal());
}

static u32 reads_of_input;

/* The first page of the baseline is read again in the second pass. */
static void alter_baseline(u64 gpa, u64 len)
{
	u64 first = sim_user_gpa(BENCH_INPUT);

	if (gpa == first && len > 8 && ++reads_of_input == 2)
		sim_poke(first + 400, "\xff", 1);
}

static void baseline_changes(void)
{
	bench_start(0);
	reads_of_input = 0;
	sim.on_read = alter_baseline;
	ASSERT_REFUSED(SIG_INVALID, bench_seal());
	CU_ASSERT_EQUAL(reads_of_input, 2);
}

static enum us_error seal_altered(void)
{
	return bench_send(US_OP_SEAL, &bench_blob, &bench_key, 0);
}

#define BAD_BASELINE(error, change)			\
	do {						\
		bench_start(0);				\
		make_baseline(&bench_blob);		\
		change;					\
		ASSERT_REFUSED(error, seal_altered());	\
	} while (0)

static struct us_site *first_site(u32 block)
{
	struct us_block_header *header = baseline_block(&bench_blob, block);

	return (void *)((u8 *)(header + 1) + ALIGN_UP(header->len, 8) +
			header->relocs * sizeof(struct us_text_reloc));
}

/* Validly signed, and wrong: each of the parser's answers arrives. */
static void bad_files(void)
{
	struct us_baseline_header *h = baseline_header(&bench_blob);

	BAD_BASELINE(BASELINE_MAGIC, h->magic++);
	BAD_BASELINE(BASELINE_VERSION, h->version++);
	BAD_BASELINE(BASELINE_FIELD, h->fact_count--);
	BAD_BASELINE(BASELINE_FIELD, h->runtime_sites = 0xffffffff);
	BAD_BASELINE(BASELINE_FIELD, h->facts[US_FACT_IMAGE_END] = ~0ull);
	BAD_BASELINE(BASELINE_FIELD, h->facts[US_FACT_THREAD_SIZE] = ~0ull);
	BAD_BASELINE(BASELINE_FIELD, h->facts[US_FACT_LINK_BASE]++);
	BAD_BASELINE(BASELINE_FIELD, h->facts[US_FACT_TASK_SIGNAL] = ~0ull);
	BAD_BASELINE(BASELINE_TRAILING, bench_blob.len++);
	BAD_BASELINE(BASELINE_POLICY, h->policy[US_POLICY_MODULE] = 2);
	BAD_BASELINE(BASELINE_FIELD, h->ranges[1].offset += PAGE_SIZE * 0x1000);
	BAD_BASELINE(BASELINE_SITES, baseline_runtime(&bench_blob)[1].offset = 0);
	BAD_BASELINE(BASELINE_FIELD,
		     baseline_block(&bench_blob, 2)->relocs = 0xffffffff);
	BAD_BASELINE(BASELINE_SITES, first_site(1)->len = 0);
	BAD_BASELINE(BASELINE_VALUES, first_site(1)->values = 0xffff);
	/* A runtime site that is half in a boot-time site. */
	BAD_BASELINE(BASELINE_SITES, first_site(0)->offset =
		     SIM_FUNCTION + 0x43);
}

static void truncated_files(void)
{
	u64 len, whole;

	bench_start(0);
	make_baseline(&bench_blob);
	whole = bench_blob.len;
	for (len = 0; len < whole; len += len < 64 ? 1 : len < 2000 ? 97 : 30011) {
		bench_blob.len = len;
		ASSERT_REFUSED(BASELINE_TRUNCATED, seal_altered());
	}
}

static void too_large(void)
{
	struct us_request request;

	bench_start(0);
	request = bench_request(US_OP_SEAL);
	request.in[0].len = US_MAX_BASELINE + 1;
	ASSERT_REFUSED(TOO_LARGE, bench_ring(&request));
	/* Within the format's bounds, but more sites than there is room for. */
	BAD_BASELINE(TOO_LARGE, baseline_header(&bench_blob)->runtime_sites =
				US_BASELINE_MAX_RUNTIME;
		     baseline_header(&bench_blob)->entries =
				US_BASELINE_MAX_ENTRIES);
}

static void signatures(void)
{
	char signature[1024];
	u64 len;

	bench_start(0);
	make_baseline(&bench_blob);
	ASSERT_REFUSED(SIG_KEY_UNKNOWN, bench_send(US_OP_SEAL, &bench_blob,
						   &bench_stranger, 0));
	ASSERT_REFUSED(SIG_MISSING, bench_send_signed(US_OP_SEAL, &bench_blob,
						      "", 0, 0));
	ASSERT_REFUSED(SIG_FORMAT, bench_send_signed(US_OP_SEAL, &bench_blob,
						     "x", 1, 0));
	len = make_signature(&bench_key, bench_blob.data, bench_blob.len, "c",
			     signature, sizeof(signature));
	bench_blob.data[bench_blob.len - 1] ^= 1;
	ASSERT_REFUSED(SIG_INVALID, bench_send_signed(US_OP_SEAL, &bench_blob,
						      signature, len, 0));
}

/* A refused seal leaves nothing behind: the same machine seals afterwards. */
static void again_after_refusal(void)
{
	u8 byte;

	bench_start(0);
	byte = sim.memory[sim_image_gpa(7)];
	sim_poke(sim_image_gpa(7), "\xcc", 1);
	ASSERT_REFUSED(KERNEL_TEXT, bench_seal());
	sim_poke(sim_image_gpa(7), &byte, 1);
	ASSERT_OK(bench_seal());
	ASSERT_OK(bench_apply(SIM_FUNCTION, 1));
}

const struct test seal_tests[] = {
	{ "good kernel", good },
	{ "text in two physical runs", scattered },
	{ "page-table isolation", page_table_isolation },
	{ "sealed already", twice },
	{ "text differs", text_differs },
	{ "padding differs", padding_differs },
	{ "values of boot-time sites", boot_sites },
	{ "values of runtime sites", runtime_sites },
	{ "constants differ", constants },
	{ "branches out of the image", trampoline_at_seal },
	{ "what the kernel may execute", execution },
	{ "wrong build id", wrong_build_id },
	{ "no kernel", no_kernel },
	{ "bad mapping", bad_mapping },
	{ "bad mapping of constants", bad_constant_mapping },
	{ "caller and kernel map differently", two_mappings },
	{ "permission cannot be set", protect_fails },
	{ "permission cannot be taken back at once", thaw_fails },
	{ "stop fails", stop_fails },
	{ "text changed before the freeze", changed_before_freeze },
	{ "baseline changed while read", baseline_changes },
	{ "bad baselines", bad_files },
	{ "truncated baselines", truncated_files },
	{ "too large", too_large },
	{ "signatures", signatures },
	{ "sealed after a refusal", again_after_refusal },
	{ 0 },
};
