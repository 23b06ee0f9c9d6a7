/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The audit of mappings on the simulated machine, and what it does about a
 * change. */
#include <string.h>

#include "audit.h"
#include "bench.h"

#define TABLE		(PTE_PRESENT | PTE_WRITE | PTE_USER)
#define TEXT_PAGE	0x5000ull	/* image offset of a page of text */

/* Spare pages for tables that a guest makes up; the arena's neighbours are
 * not. */
static u64 spare_page(void)
{
	u64 page = sim.next_table;

	sim.next_table += PAGE_SIZE;
	return page;
}

static u64 get64(u64 gpa)
{
	u64 value;

	memcpy(&value, sim.memory + gpa, sizeof(value));
	return value;
}

/* Where the entry for @gva at @level lies below @top. */
static u64 entry_at(u64 top, u64 gva, u32 level)
{
	u64 at;
	u32 i;

	for (i = 4;; i--) {
		at = top + 8 * (gva >> (12 + 9 * (i - 1)) & 511);
		if (i == level)
			return at;
		top = get64(at) & PTE_ADDRESS;
	}
}

static const struct us_status *status(void)
{
	const struct us_request request = bench_request(US_OP_STATUS);

	CU_ASSERT_EQUAL_FATAL(bench_ring(&request), US_OK);
	return (const void *)bench_response;
}

static u64 changes(void)
{
	return status()->mapping_changes;
}

static void tick(void)
{
	struct control_caller who = sim_caller(0);

	control_tick(&who);
	CU_ASSERT_FALSE(sim.stopped);
	CU_ASSERT_EQUAL(sim.violations, 0);
}

static void start(u32 options, u8 policy)
{
	bench_start(options);
	make_baseline(&bench_blob);
	baseline_header(&bench_blob)->policy[US_POLICY_MAPPING] = policy;
	CU_ASSERT_EQUAL_FATAL(bench_send(US_OP_SEAL, &bench_blob, &bench_key, 0),
			      US_OK);
	sim.all_logs[0] = '\0';
	sim.logs = 0;
}

static void all_is_well(void)
{
	const u32 options[] = { 0, SIM_SCATTERED, SIM_PTI,
				SIM_SCATTERED | SIM_PTI };
	u64 audits;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(options); i++) {
		start(options[i], US_MAPPING_HALT);
		CU_ASSERT(sim.pinned);
		CU_ASSERT_EQUAL(status()->pinned_vcpus, SIM_VCPUS);
		audits = status()->audits;
		tick();
		tick();
		CU_ASSERT_EQUAL(status()->audits, audits + 2);
		CU_ASSERT_EQUAL(changes(), 0);
		CU_ASSERT_EQUAL(sim.logs, 0);
		ASSERT_OK(bench_apply(0x2000, 1));
		tick();
		ASSERT_OK(bench_revert());
		tick();
		CU_ASSERT_EQUAL(changes(), 0);
		CU_ASSERT_FALSE(sim.halted);
	}
}

/* Before the seal and in a machine without one nothing is looked at. */
static void not_sealed(void)
{
	bench_start(0);
	tick();
	audit_write(sim_image_gva(TEXT_PAGE));
	CU_ASSERT_EQUAL(status()->audits, 0);
	CU_ASSERT_EQUAL(audit_stopped(), US_OK);
}

/* One bit or number of one entry, and whether sealed pages mean something
 * else then. Sealed pages are read-only and above them everything is
 * granted. */
struct change {
	u64 offset;		/* image offset of the page concerned */
	u32 level;
	u64 flip;
	bool differs;
};

static const struct change changed_entries[] = {
	{ TEXT_PAGE, 1, PTE_PRESENT, true },
	{ TEXT_PAGE, 1, PTE_WRITE, true },
	{ TEXT_PAGE, 1, PTE_USER, true },
	{ TEXT_PAGE, 1, PTE_NX, true },
	{ TEXT_PAGE, 1, PAGE_SIZE, true },
	{ TEXT_PAGE, 1, 1ull << 51, true },
	{ TEXT_PAGE, 1, PTE_ACCESSED | PTE_DIRTY, false },
	{ TEXT_PAGE, 1, PTE_GLOBAL, false },
	{ SIM_RODATA, 1, PTE_WRITE, true },
	{ SIM_RODATA, 1, PTE_NX, true },
	{ SIM_RODATA + SIM_RODATA_LEN - PAGE_SIZE, 1, PAGE_SIZE, true },
	{ SIM_AFTER_INIT, 1, PTE_WRITE, true },
	{ SIM_IDT, 1, PTE_WRITE, true },
	{ SIM_IDT, 1, 4 * PAGE_SIZE, true },
	{ SIM_IDT + PAGE_SIZE, 1, PTE_NX, false },	/* not sealed */
	{ SIM_RODATA - PAGE_SIZE, 1, PTE_PRESENT, false },
	{ TEXT_PAGE, 2, PTE_PRESENT, true },
	{ TEXT_PAGE, 2, PTE_NX, true },
	{ TEXT_PAGE, 2, PTE_USER, false },
	{ TEXT_PAGE, 2, PTE_WRITE, false },
	{ TEXT_PAGE, 2, PTE_LARGE, true },
	{ TEXT_PAGE, 2, PAGE_SIZE, true },
	{ TEXT_PAGE, 3, PTE_PRESENT, true },
	{ TEXT_PAGE, 3, PTE_NX, true },
	{ TEXT_PAGE, 3, PAGE_SIZE, true },
	{ TEXT_PAGE, 3, PTE_LARGE, true },
	{ TEXT_PAGE, 4, PTE_PRESENT, true },
	{ TEXT_PAGE, 4, PTE_NX, true },
	{ TEXT_PAGE, 4, PAGE_SIZE, true },
	{ TEXT_PAGE, 4, 1ull << 51, true },
	{ TEXT_PAGE, 4, PTE_ACCESSED, false },
};

static void flip(const struct change *change)
{
	u64 at = entry_at(sim.top_pgt, sim_image_gva(change->offset),
			  change->level);

	sim_poke64(at, get64(at) ^ change->flip);
}

/* Reported once while it stays, and again when it comes back. */
static void report_one(const struct change *change)
{
	u64 expect = change->differs;

	start(SIM_SCATTERED, US_MAPPING_REPORT);
	flip(change);
	tick();
	CU_ASSERT_EQUAL(changes(), expect);
	tick();
	CU_ASSERT_EQUAL(changes(), expect);
	CU_ASSERT_EQUAL(sim.logs, expect);
	if (change->differs)
		ASSERT_REFUSED(MAPPING_CHANGED, bench_apply(0x2000, 1));
	flip(change);
	tick();
	CU_ASSERT_EQUAL(changes(), expect);
	ASSERT_OK(bench_apply(0x2000, 1));
	flip(change);
	tick();
	CU_ASSERT_EQUAL(changes(), 2 * expect);
	if (change->differs)
		ASSERT_REFUSED(MAPPING_CHANGED, bench_revert());
	CU_ASSERT_FALSE(sim.halted);
}

static void every_entry(void)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(changed_entries); i++)
		report_one(&changed_entries[i]);
}

/* The log names the page, both entries and the level. */
static void report_says(void)
{
	u64 gva = sim_image_gva(TEXT_PAGE), at;

	start(SIM_SCATTERED, US_MAPPING_REPORT);
	at = entry_at(sim.top_pgt, gva, 1);
	sim_poke64(at, SIM_USER | PTE_PRESENT);
	tick();
	CU_ASSERT_EQUAL(status()->mapping_gva, gva);
	CU_ASSERT_PTR_NOT_NULL(strstr(sim.all_logs,
				      "mapping of ffffffff9d005000 changed: "
				      "level 1 205061 -> 600001"));
}

static void repair_one(const struct change *change)
{
	u64 at, before;

	start(SIM_SCATTERED, US_MAPPING_REPAIR);
	at = entry_at(sim.top_pgt, sim_image_gva(change->offset), change->level);
	before = get64(at);
	flip(change);
	tick();
	CU_ASSERT_EQUAL(changes(), change->differs);
	if (!change->differs)
		return;
	CU_ASSERT_EQUAL((get64(at) ^ before) & ~(PTE_ACCESSED | PTE_DIRTY), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(sim.all_logs, "repaired"));
	tick();
	CU_ASSERT_EQUAL(changes(), 1);
	/* What a stop finds it repairs as well, and goes on. */
	flip(change);
	ASSERT_OK(bench_apply(0x2000, 1));
	CU_ASSERT_EQUAL(changes(), 2);
	flip(change);
	ASSERT_OK(bench_revert());
	CU_ASSERT_EQUAL(changes(), 3);
}

static void repaired(void)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(changed_entries); i++)
		repair_one(&changed_entries[i]);
}

static u32 protects;

static void count_protect(void)
{
	protects++;
}

/* Translations that vCPUs have cached go away with the next change of
 * permissions. */
static void repair_flushes(void)
{
	start(SIM_SCATTERED, US_MAPPING_REPAIR);
	protects = 0;
	sim.on_protect = count_protect;
	tick();
	CU_ASSERT_EQUAL(protects, 0);
	flip(&changed_entries[4]);
	tick();
	CU_ASSERT_EQUAL(protects, 1);
}

/* All of a page table at once. */
static void repair_many(void)
{
	u64 gva, at;

	start(SIM_SCATTERED, US_MAPPING_REPAIR);
	for (gva = 0; gva < SIM_TEXT_LEN; gva += PAGE_SIZE) {
		at = entry_at(sim.top_pgt, sim_image_gva(gva), 1);
		sim_poke64(at, SIM_USER | PTE_PRESENT | PTE_WRITE);
	}
	tick();
	CU_ASSERT_EQUAL(changes(), ALIGN_UP(SIM_TEXT_LEN, PAGE_SIZE) / PAGE_SIZE);
	for (gva = 0; gva < SIM_TEXT_LEN; gva += PAGE_SIZE) {
		at = entry_at(sim.top_pgt, sim_image_gva(gva), 1);
		CU_ASSERT_EQUAL(get64(at) & PTE_ADDRESS, sim_image_gpa(gva));
		CU_ASSERT_EQUAL(get64(at) & (PTE_WRITE | PTE_NX), 0);
	}
}

static void halted(void)
{
	start(SIM_SCATTERED, US_MAPPING_HALT);
	flip(&changed_entries[4]);
	CU_ASSERT_FALSE(sim.halted);
	tick();
	CU_ASSERT(sim.halted);
	CU_ASSERT_EQUAL(changes(), 1);
}

static u64 copy_table(u64 table)
{
	u64 page = spare_page();

	sim_poke(page, sim.memory + table, PAGE_SIZE);
	return page;
}

/* The same translations by way of other tables: nothing that is audited
 * changed. */
static void copied_tables(void)
{
	u64 gva, at;
	u32 level;

	for (level = 4; level > 1; level--) {
		start(SIM_SCATTERED, US_MAPPING_HALT);
		gva = sim_image_gva(TEXT_PAGE);
		at = entry_at(sim.top_pgt, gva, level);
		sim_poke64(at, copy_table(get64(at) & PTE_ADDRESS) | TABLE);
		tick();
		/* The arena goes into level2_kernel_pgt, which must be in
		 * use. */
		if (level != 3)
			ASSERT_OK(bench_apply(0x2000, 1));
		CU_ASSERT_EQUAL(changes(), 0);
		/* A change in the copy is one. */
		at = entry_at(sim.top_pgt, gva, 1);
		sim_poke64(at, get64(at) + PAGE_SIZE);
		tick();
		CU_ASSERT(changes() > 0);
	}
}

static void split(u64 at, u64 page)
{
	u64 i, base = get64(at) & PTE_ADDRESS;

	for (i = 0; i < 512; i++)
		sim_poke64(page + 8 * i, (base + i * PAGE_SIZE) | PTE_PRESENT);
	sim_poke64(at, page | TABLE);
}

/* Kernels split large pages, and join them again. */
static void split_and_joined(void)
{
	u64 gva, at, large, page;

	start(0, US_MAPPING_REPAIR);
	gva = sim_image_gva(TEXT_PAGE);
	at = entry_at(sim.top_pgt, gva, 2);
	large = get64(at);
	page = spare_page();
	split(at, page);
	tick();
	ASSERT_OK(bench_apply(0x2000, 1));
	CU_ASSERT_EQUAL(changes(), 0);
	/* A page of the split one alone is repaired, and no page beside it. */
	sim_poke64(page + 8 * 5, SIM_USER | PTE_PRESENT);
	sim_poke64(page + 8 * 511, SIM_USER | PTE_PRESENT | PTE_WRITE);
	tick();
	CU_ASSERT_EQUAL(changes(), 1);
	CU_ASSERT_EQUAL(get64(page + 8 * 5) & PTE_ADDRESS, SIM_TEXT + 0x5000);
	CU_ASSERT_EQUAL(get64(page + 8 * 511) & PTE_ADDRESS, SIM_USER);
	CU_ASSERT_EQUAL(get64(at), page | TABLE);
	sim_poke64(at, large);
	tick();
	CU_ASSERT_EQUAL(changes(), 1);
	/* Split and altered between two looks: the large page is put back. */
	split(at, page);
	sim_poke64(page + 8 * 5, SIM_USER | PTE_PRESENT);
	tick();
	CU_ASSERT_EQUAL(changes(), 2);
	CU_ASSERT_EQUAL(get64(at), large);
}

/* Tables of @top that lead to another page at TEXT_PAGE; returns the PGD's
 * entry. */
static u64 fake_tree(void)
{
	u64 gva = sim_image_gva(TEXT_PAGE), pud, pmd, pt;

	pud = copy_table(get64(entry_at(sim.top_pgt, gva, 4)) & PTE_ADDRESS);
	pmd = copy_table(get64(entry_at(sim.top_pgt, gva, 3)) & PTE_ADDRESS);
	pt = copy_table(get64(entry_at(sim.top_pgt, gva, 2)) & PTE_ADDRESS);
	sim_poke64(pud + 8 * (gva >> 30 & 511), pmd | TABLE);
	sim_poke64(pmd + 8 * (gva >> 21 & 511), pt | TABLE);
	sim_poke64(pt + 8 * (gva >> 12 & 511), SIM_USER | PTE_PRESENT);
	return pud | TABLE;
}

/* A process whose own top table leads elsewhere. */
static void own_tables(void)
{
	u64 at, before;

	start(SIM_SCATTERED, US_MAPPING_REPORT);
	at = sim.caller_pgt + 8 * 511;
	before = get64(at);
	sim_poke64(at, fake_tree());
	tick();
	CU_ASSERT_EQUAL(changes(), 1);
	ASSERT_REFUSED(MAPPING_CHANGED, bench_apply(0x2000, 1));
	sim_poke64(at, before);
	ASSERT_OK(bench_apply(0x2000, 1));
	CU_ASSERT_EQUAL(changes(), 1);

	/* One that a vCPU has which does not tick: stops see it. */
	sim.vcpus[1].cr3 = copy_table(sim.top_pgt);
	sim_poke64(sim.vcpus[1].cr3 + 8 * 511, fake_tree());
	tick();
	CU_ASSERT_EQUAL(changes(), 1);
	ASSERT_REFUSED(MAPPING_CHANGED, bench_revert());
	CU_ASSERT_EQUAL(changes(), 2);

	/* Repaired, the process gets the kernel's entry back. */
	start(SIM_SCATTERED, US_MAPPING_REPAIR);
	sim_poke64(at, fake_tree());
	tick();
	CU_ASSERT_EQUAL(changes(), 1);
	CU_ASSERT_EQUAL(get64(at), before);
}

/* A process need not map all of the kernel, or may map it with fewer rights. */
static void fewer_rights(void)
{
	u64 gva, pud, pmd, pt;

	start(SIM_SCATTERED, US_MAPPING_HALT);
	gva = sim_image_gva(TEXT_PAGE);
	pud = fake_tree();
	pmd = get64((pud & PTE_ADDRESS) + 8 * (gva >> 30 & 511));
	pt = get64((pmd & PTE_ADDRESS) + 8 * (gva >> 21 & 511)) & PTE_ADDRESS;
	sim_poke64(pt + 8 * (gva >> 12 & 511), 0);
	sim_poke64(pt + 8 * ((gva >> 12 & 511) + 1),
		   sim_image_gpa(TEXT_PAGE + PAGE_SIZE) | PTE_PRESENT | PTE_NX);
	sim_poke64(sim.caller_pgt + 8 * 511, pud);
	tick();
	sim_poke64(sim.caller_pgt + 8 * 511, 0);
	tick();
	CU_ASSERT_EQUAL(changes(), 0);
}

/* Tables that run in circles, or lie where nothing is: bounded, and a
 * change. */
static void endless(void)
{
	const u64 wrong[] = { SIM_HIDDEN, SIM_ARENA, 1ull << 39, PTE_ADDRESS, 0 };
	u64 gva, at;
	u32 i, level, reads;

	for (level = 4; level > 1; level--) {
		for (i = 0; i <= ARRAY_SIZE(wrong); i++) {
			start(SIM_SCATTERED, US_MAPPING_REPORT);
			gva = sim_image_gva(TEXT_PAGE);
			at = entry_at(sim.top_pgt, gva, level);
			sim_poke64(at, (i < ARRAY_SIZE(wrong) ? wrong[i] :
					ALIGN_DOWN(at, PAGE_SIZE)) | TABLE);
			reads = sim.reads;
			tick();
			CU_ASSERT(changes() > 0);
			CU_ASSERT(sim.reads - reads < 500);
		}
	}
}

/* What the guest cannot write is not written because its tables say that
 * tables are there: sealed frames, the arena, hidden memory. */
static void repair_elsewhere(void)
{
	const u64 places[] = { SIM_TEXT + 0x6000, SIM_ARENA, SIM_HIDDEN,
			       SIM_TEXT };
	u8 before[PAGE_SIZE];
	u32 i;

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		start(0, US_MAPPING_REPAIR);
		/* So that an entry is there, present and wrong. */
		sim_poke64(places[i] + 8 * 511, SIM_USER | TABLE);
		memcpy(before, sim.memory + places[i], PAGE_SIZE);
		sim.vcpus[0].cr3 = sim.caller_pgt = places[i];
		tick();
		CU_ASSERT_EQUAL(memcmp(before, sim.memory + places[i],
				       PAGE_SIZE), 0);
	}
}

static u64 poke_at, poke_value;

static void put_back(void)
{
	sim_poke64(poke_at, poke_value);
}

/* Changed, and changed back before the vCPUs were stopped. */
static void there_and_back(void)
{
	start(SIM_SCATTERED, US_MAPPING_HALT);
	poke_at = entry_at(sim.top_pgt, sim_image_gva(TEXT_PAGE), 1);
	poke_value = get64(poke_at);
	sim.on_stop = put_back;
	flip(&changed_entries[4]);
	tick();
	CU_ASSERT_EQUAL(changes(), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(sim.all_logs, "changed back"));
	CU_ASSERT_FALSE(sim.halted);
}

static void no_stop(void)
{
	start(SIM_SCATTERED, US_MAPPING_REPAIR);
	flip(&changed_entries[4]);
	sim.fail_stop = 1;
	tick();
	CU_ASSERT_EQUAL(changes(), 1);
	CU_ASSERT_PTR_NULL(strstr(sim.all_logs, "repaired"));
	tick();
	CU_ASSERT_PTR_NOT_NULL(strstr(sim.all_logs, "repaired"));
}

/* The IDT as the processor sees it. */
static void idt_alias(void)
{
	u64 at;

	start(0, US_MAPPING_REPAIR);
	at = entry_at(sim.top_pgt, SIM_IDT_ALIAS, 1);
	sim_poke64(at, SIM_USER | PTE_PRESENT | PTE_NX);
	tick();
	CU_ASSERT_EQUAL(status()->mapping_gva, SIM_IDT_ALIAS);
	CU_ASSERT_EQUAL(get64(at) & PTE_ADDRESS, sim_image_gpa(SIM_IDT));
}

static void arena_mapping(void)
{
	const struct us_receipt *receipt = (const void *)bench_response;
	u64 slot, at, entry;

	start(0, US_MAPPING_REPAIR);
	/* Nothing is there before the first patch, nor audited. */
	slot = sim_image_gva(0x400000);
	at = entry_at(sim.top_pgt, slot, 2);
	CU_ASSERT_EQUAL(get64(at), 0);
	ASSERT_OK(bench_apply(0x2000, 1));
	CU_ASSERT_EQUAL(receipt->arena_offset, 0);
	entry = get64(at);
	CU_ASSERT_EQUAL(entry & PTE_ADDRESS, SIM_ARENA);
	sim_poke64(at, SIM_USER | PTE_PRESENT | PTE_LARGE);
	tick();
	CU_ASSERT_EQUAL(changes(), 1);
	CU_ASSERT_EQUAL(get64(at), entry);
	sim_poke64(at, 0);
	tick();
	CU_ASSERT_EQUAL(changes(), 2);
	CU_ASSERT_EQUAL(get64(at), entry);
	ASSERT_OK(bench_revert());
}

/* An arbitrated write looks at its own page, and at all when that has
 * changed. */
static void at_writes(void)
{
	u64 gva;
	u32 i, reads;

	start(SIM_SCATTERED, US_MAPPING_REPORT);
	gva = sim_image_gva(TEXT_PAGE);
	reads = sim.reads;
	for (i = 0; i < 1000; i++)
		audit_write(gva + i);
	CU_ASSERT(sim.reads - reads < 100);
	flip(&changed_entries[4]);
	audit_write(sim_image_gva(0x9000));
	CU_ASSERT_EQUAL(changes(), 0);
	audit_write(gva);
	CU_ASSERT_EQUAL(changes(), 1);
	/* In one large page as well, and outside of what is sealed. */
	start(0, US_MAPPING_REPORT);
	flip(&(struct change) { TEXT_PAGE, 2, SIZE_2M, true });
	audit_write(gva);
	CU_ASSERT_EQUAL(changes(), 1);
	audit_write(SIM_USER_GVA);
	audit_write(0);
	audit_write(~0ull);
}

#define EXTRA_GVA	0xffffffffc0200000ull

static struct frame_run extra_runs[] = {
	{ 0, SIM_USER + 0x100000, PAGE_SIZE, US_RANGE_TEXT },
	{ PAGE_SIZE, SIM_USER + 0x180000, 2 * PAGE_SIZE, US_RANGE_TEXT },
};
static const struct frames extra = { extra_runs, 2, 2 };
static bool extra_gone;
static u32 asked;

static bool is_gone(u64 gva)
{
	CU_ASSERT_EQUAL(gva, EXTRA_GVA);
	asked++;
	return extra_gone;
}

static void map_extra(void)
{
	sim_map(sim.top_pgt, EXTRA_GVA, SIM_USER + 0x100000, PTE_PRESENT,
		PAGE_SIZE);
	sim_map(sim.top_pgt, EXTRA_GVA + PAGE_SIZE, SIM_USER + 0x180000,
		PTE_PRESENT, PAGE_SIZE);
	sim_map(sim.top_pgt, EXTRA_GVA + 2 * PAGE_SIZE, SIM_USER + 0x181000,
		PTE_PRESENT, PAGE_SIZE);
	sim_snapshot();
	guest_forget_tables();
}

/* Pages that come and go: modules. */
static void more_pages(void)
{
	u64 at;

	start(0, US_MAPPING_REPAIR);
	CU_ASSERT_EQUAL(audit_add(EXTRA_GVA, &extra, 0, is_gone),
			US_E_KERNEL_MAPPING);
	map_extra();
	CU_ASSERT_EQUAL(audit_add(EXTRA_GVA, &extra, PTE_NX, is_gone),
			US_E_KERNEL_MAPPING);
	ASSERT_OK(audit_add(EXTRA_GVA, &extra, 0, is_gone));
	tick();
	CU_ASSERT_EQUAL(changes(), 0);
	at = entry_at(sim.top_pgt, EXTRA_GVA + PAGE_SIZE, 1);
	sim_poke64(at, SIM_USER | PTE_PRESENT);
	extra_gone = false;
	tick();
	CU_ASSERT_EQUAL(changes(), 1);
	CU_ASSERT_EQUAL(get64(at) & PTE_ADDRESS, SIM_USER + 0x180000);
	sim_poke64(at, SIM_USER | PTE_PRESENT);
	extra_gone = true;
	tick();
	CU_ASSERT_EQUAL(changes(), 1);
	CU_ASSERT_EQUAL(get64(at) & PTE_ADDRESS, SIM_USER);
	/* Forgotten for good, and the place can be used again. */
	extra_gone = false;
	tick();
	CU_ASSERT_EQUAL(changes(), 1);
	map_extra();
	ASSERT_OK(audit_add(EXTRA_GVA, &extra, 0, is_gone));
	audit_remove(EXTRA_GVA);
	sim_poke64(at, 0);
	tick();
	CU_ASSERT_EQUAL(changes(), 1);
}

/* The question is dear and the guest decides how often it comes up: once while it runs
 * and once in the stop, however many pages differ. */
static void asked_once(void)
{
	u64 at, i;

	start(0, US_MAPPING_REPAIR);
	map_extra();
	ASSERT_OK(audit_add(EXTRA_GVA, &extra, 0, is_gone));
	for (i = 0; i < 3; i++) {
		at = entry_at(sim.top_pgt, EXTRA_GVA + i * PAGE_SIZE, 1);
		sim_poke64(at, SIM_USER | PTE_PRESENT);
	}
	extra_gone = false;
	asked = 0;
	tick();
	CU_ASSERT_EQUAL(asked, 2);
	CU_ASSERT_EQUAL(changes(), 3);
}

/* Translations that a vCPU may have kept from before the mapping was looked at are
 * gone when the seal is done, and after each stop. */
static void stops_flush(void)
{
	protects = 0;
	start(SIM_SCATTERED, US_MAPPING_REPORT);
	protects = 0;
	sim.on_protect = count_protect;
	ASSERT_OK(bench_apply(0x2000, 1));
	CU_ASSERT_EQUAL(protects, 1);
	CU_ASSERT_EQUAL(sim.prot[sim_image_gpa(0) / PAGE_SIZE], US_PROT_SEALED);
}

/* A vCPU that was started anew is not told as pinned. */
static void pins_lost(void)
{
	start(0, US_MAPPING_REPORT);
	CU_ASSERT_EQUAL(status()->pinned_vcpus, SIM_VCPUS);
	sim.vcpus[1].pinned = 0;
	CU_ASSERT_EQUAL(status()->pinned_vcpus, SIM_VCPUS - 1);
	sim.vcpus[1].pinned = 1;
	CU_ASSERT_EQUAL(status()->pinned_vcpus, SIM_VCPUS);
}

/* What a request found is told to its caller, though a tick comes in between. */
static void tick_before_answer(void)
{
	const struct us_request request = bench_request(US_OP_SEAL);
	struct control_caller who = sim_caller(BENCH_REQUEST);
	struct us_request answer;

	start(0, US_MAPPING_REPORT);
	sim_user_write(BENCH_REQUEST, &request, sizeof(request));
	ASSERT_REFUSED(ALREADY_SEALED, control_request(&who));
	flip(&changed_entries[4]);
	tick();
	ASSERT_REFUSED(ALREADY_SEALED, control_claim(&who));
	sim_user_read(BENCH_REQUEST, &answer, sizeof(answer));
	CU_ASSERT_EQUAL(answer.status, US_E_ALREADY_SEALED);
	CU_ASSERT_EQUAL(answer.detail[0], 0);
	CU_ASSERT_EQUAL(answer.detail[1], 0);
}

#define FAR_GVA(i)	(EXTRA_GVA + (i) * SIZE_2M)

/* Map the first @count pages that lie far from each other writable, or not. */
static void turn_pages(u64 count)
{
	u64 i, at;

	for (i = 0; i < count; i++) {
		at = entry_at(sim.top_pgt, FAR_GVA(i), 1);
		sim_poke64(at, get64(at) ^ PTE_WRITE);
	}
}

/* Sixteen are told one by one. That there are more is told too, once, and again when
 * there are more after there were fewer. */
static void many_told(void)
{
	u64 i;

	start(0, US_MAPPING_REPORT);
	for (i = 0; i < 20; i++)
		sim_map(sim.top_pgt, FAR_GVA(i), SIM_USER + i * PAGE_SIZE,
			PTE_PRESENT, PAGE_SIZE);
	guest_forget_tables();
	for (i = 0; i < 20; i++)
		ASSERT_OK(audit_add_run(FAR_GVA(i), PAGE_SIZE,
					SIM_USER + i * PAGE_SIZE, 0));
	turn_pages(16);
	tick();
	CU_ASSERT_EQUAL(changes(), 16);
	CU_ASSERT_PTR_NULL(strstr(sim.all_logs, "further ones"));
	turn_pages(16);
	turn_pages(20);
	tick();
	tick();
	CU_ASSERT_EQUAL(changes(), 17);
	CU_ASSERT_EQUAL(sim.logs, 17);
	CU_ASSERT_PTR_NOT_NULL(strstr(sim.all_logs, "further ones"));
	turn_pages(20);
	tick();
	turn_pages(17);
	tick();
	CU_ASSERT_EQUAL(changes(), 17 + 17);
}

static void too_many_pages(void)
{
	enum us_error error = US_OK;
	u32 i;

	start(0, US_MAPPING_REPORT);
	map_extra();
	for (i = 0; i < 1000 && !error; i++)
		error = audit_add(EXTRA_GVA, &extra, 0, is_gone);
	CU_ASSERT_EQUAL(error, US_E_MODULE_ROOM);
	CU_ASSERT(i > 128);
	audit_remove(EXTRA_GVA);
	ASSERT_OK(audit_add(EXTRA_GVA, &extra, 0, is_gone));
}

/* Frames that the kernel has freed, such as its init text and the gaps
 * between sections, have no rules, and what becomes of their mapping is
 * nobody's business. */
static void freed_pages(void)
{
	const u64 text_end = ALIGN_UP(SIM_TEXT_LEN, PAGE_SIZE);
	u64 offset;
	u32 prot;

	start(SIM_SCATTERED, US_MAPPING_HALT);
	for (offset = 0; offset < 0x400000; offset += PAGE_SIZE) {
		if (offset >= 0x40000 && offset < 0x200000)
			continue;	/* not mapped */
		prot = offset < text_end || (offset >= SIM_AFTER_INIT &&
			offset < SIM_AFTER_INIT + SIM_AFTER_INIT_LEN) ?
		       US_PROT_SEALED :
		       (offset >= SIM_RODATA &&
			offset < SIM_RODATA + SIM_RODATA_LEN) ||
		       offset == SIM_IDT ? US_PROT_READ_ONLY : US_PROT_OPEN;
		CU_ASSERT_EQUAL(sim.prot[sim_image_gpa(offset) / PAGE_SIZE],
				prot);
		if (prot != US_PROT_OPEN)
			continue;
		sim_map(sim.top_pgt, sim_image_gva(offset), SIM_USER,
			PTE_PRESENT | PTE_WRITE, PAGE_SIZE);
	}
	tick();
	CU_ASSERT_EQUAL(changes(), 0);
}

const struct test audit_tests[] = {
	{ "all is well", all_is_well },
	{ "not sealed", not_sealed },
	{ "every entry", every_entry },
	{ "more differences than are remembered", many_told },
	{ "what a report says", report_says },
	{ "repaired", repaired },
	{ "a repair flushes", repair_flushes },
	{ "many repairs", repair_many },
	{ "halt", halted },
	{ "copied tables", copied_tables },
	{ "split and joined", split_and_joined },
	{ "a process' own tables", own_tables },
	{ "fewer rights", fewer_rights },
	{ "tables without end", endless },
	{ "no repair where the guest may not write", repair_elsewhere },
	{ "there and back", there_and_back },
	{ "no stop", no_stop },
	{ "the IDT's alias", idt_alias },
	{ "the arena's mapping", arena_mapping },
	{ "at writes", at_writes },
	{ "more pages", more_pages },
	{ "asked once whether pages are gone", asked_once },
	{ "each stop flushes", stops_flush },
	{ "pins lost", pins_lost },
	{ "a tick before the answer", tick_before_answer },
	{ "too many pages", too_many_pages },
	{ "freed pages", freed_pages },
	{ 0 },
};
