/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer target: a hostile guest rings the control core on the simulated
 * machine. The input is a list of actions: it changes good requests and good,
 * validly signed files at places of its choice, writes to text, and moves its
 * tasks and page tables about. After every refusal no byte of the guest may have
 * changed; text may only ever change through an answer of success.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "maker.h"
#include "sim.h"

#define REQUEST		(SIM_USER_GVA + 0x0ff0)
#define SIGNATURE	(SIM_USER_GVA + 0x2ffc)
#define OUT		(SIM_USER_GVA + 0x5010)
#define INPUT		(SIM_USER_GVA + 0x20123)
#define MAX_ACTIONS	32u

static struct blob baseline, file, installed;
static struct bundle_spec spec;
static struct keypair key;
static char keys[256];

/* The input, taken piece by piece; zeros after its end. */
static struct {
	const u8 *at;
	size_t left;
} input;

static u64 take(u32 bytes)
{
	u64 value = 0;

	for (; bytes && input.left; bytes--, input.at++, input.left--)
		value = value << 8 | *input.at;
	return value;
}

static void require(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	make_key(&key, 1);
	make_public_file(&key, keys, sizeof(keys));
	make_baseline(&baseline);
	return 0;
}

/* Change up to seven bytes of @data. */
static void mutate(u8 *data, u64 len)
{
	u32 count = take(1) & 7;
	u64 at;

	while (count-- && len) {
		at = take(3) % len;
		data[at] = take(1);
	}
}

static const char *const names[] = { "default", "other", "third" };

static void add_links(u32 count)
{
	while (count--) {
		struct us_bundle_link *link = &spec.link[spec.links++];

		link->kind = 1 + take(1) % 3;
		strcpy(link->name, names[take(1) % ARRAY_SIZE(names)]);
	}
}

/* What is expected is there, more often than not. */
static void add_writes(u32 count)
{
	u64 gpa;

	while (count--) {
		struct us_bundle_write *write = &spec.write[spec.writes++];

		write->when = US_WRITE_PRE_APPLY + (spec.writes > 1);
		write->flags = take(1) & US_WRITE_KEEP;
		write->len = 1 + take(1) % US_HUNK_MAX;
		write->space = spec.shadow_bytes && take(1) & 1 ?
			US_SPACE_SHADOW : US_SPACE_IMAGE;
		write->offset = write->space == US_SPACE_SHADOW ? take(2) :
			take(1) & 1 ? 0x250000 + take(1) : take(3);
		gpa = sim_image_gpa(write->offset);
		if (write->space == US_SPACE_IMAGE &&
		    span_inside(gpa, write->len, SIM_END))
			memcpy(write->expected, sim.memory + gpa, write->len);
		write->replacement[0] = (u8)take(1);
	}
}

static void add_parts(void)
{
	u32 what = take(1);

	spec.name = names[take(1) % ARRAY_SIZE(names)];
	if (what & 1) {
		spec.shadow_bytes = take(2);
		spec.reloc[0].target_space = US_SPACE_SHADOW;
	}
	if (what & 2)
		spec.flags = US_BUNDLE_CUMULATIVE;
	if (what & 4)
		spec.reason = "the fuzzer says so";
	if (what & 8) {
		spec.probation_s = 1;
		spec.watches = take(1) & 1;
		spec.watch[0].len = 4;
		spec.watch[0].offset = take(3) & ~3ull;
	}
	add_links(what >> 4 & 3);
	add_writes(what >> 6);
	mutate((u8 *)&spec.link, sizeof(spec.link[0]) * spec.links);
	mutate((u8 *)&spec.write, sizeof(spec.write[0]) * spec.writes);
}

static void choose_file(enum us_op op)
{
	if (op == US_OP_SEAL) {
		file = baseline;
	} else if (op == US_OP_REVERT) {
		make_revert(&installed, &file);
	} else {
		bundle_spec_default(&spec, SIM_FUNCTION * (1 + take(1) % 36),
				    take(1) % 16);
		add_parts();
		mutate((u8 *)&spec.function, sizeof(spec.function));
		mutate((u8 *)&spec.hunk, sizeof(spec.hunk));
		mutate((u8 *)&spec.reloc, sizeof(spec.reloc));
		make_bundle(&spec, &file);
	}
	mutate(file.data, file.len);
}

static void sign_file(struct us_request *request)
{
	char text[1024];
	u64 len;

	len = make_signature(&key, file.data, file.len, "fuzz", text,
			     sizeof(text));
	if (take(1) % 8 == 0)
		mutate((u8 *)text, len);
	sim_user_write(SIGNATURE, text, len);
	sim_user_write(INPUT, file.data, file.len);
	request->in[0] = (struct us_span) { INPUT, file.len };
	request->in[1] = (struct us_span) { SIGNATURE, len };
}

static void ring(void)
{
	struct us_request request = {
		.magic = US_REQUEST_MAGIC, .version = US_ABI_VERSION,
		.op = take(1) % 13, .out = { OUT, US_MAX_RESPONSE },
	};
	struct control_caller who = sim_caller(REQUEST);
	enum us_error error;

	if (request.op == US_OP_SEAL || request.op == US_OP_APPLY ||
	    request.op == US_OP_REVERT) {
		choose_file(request.op);
		sign_file(&request);
		if (request.op != US_OP_SEAL)
			request.arg = 5;
	}
	if (take(1) % 4 == 0)
		mutate((u8 *)&request, sizeof(request));
	sim_user_write(REQUEST, &request, sizeof(request));
	sim_snapshot();
	error = control_request(&who);
	require(!error == (error == US_OK));
	if (error || (request.op != US_OP_SEAL && request.op != US_OP_APPLY &&
		      request.op != US_OP_REVERT))
		require(sim_unchanged());
	else if (request.op == US_OP_APPLY)
		installed = file;
	control_claim(&who);
}

static void write_text(void)
{
	u8 bytes[256] = { 0xcc };
	u64 gpa = take(3);
	u32 len = take(1);

	/* Shadow memory is the guest's to write, and cleared when it changes hands. */
	if (spans_overlap(gpa, len, SIM_SHADOW, SIZE_2M))
		return;
	sim_snapshot();
	sim_guest_write(gpa, bytes, len);
	require(sim_unchanged());
}

/* What is in the place of the sealed instruction at @offset must be explained: its
 * own bytes, a value that leads where it may, or an INT3 in front of either. */
static void check_site(const struct us_runtime_site *site)
{
	const u8 *now = sim.memory + sim_image_gpa(site->offset);
	u32 len = us_runtime_len(site);
	u64 target;
	s32 distance;

	/* Some lie on two pages, or where the boot has patched. */
	if (len < 5 || site->offset % PAGE_SIZE > PAGE_SIZE - len ||
	    (now[0] != 0xe8 && now[0] != 0xe9))
		return;
	memcpy(&distance, now + len - 4, 4);
	target = sim_image_gva(site->offset + len) + (u64)distance;
	require(target >= 0xffffffffc0000000 ||
		target == sim_image_gva(site->target) ||
		target - sim_image_gva(0) < SIM_TEXT_LEN);
	require(target < sim_image_gva(SIM_TEXT_LEN) || target >=
		0xffffffffc0000000);
}

static void check_text(void)
{
	u32 i;

	for (i = 0; i < sim_runtime_count; i++)
		check_site(&sim_runtime[i]);
}

/* Self-patching: values that are right more often than not. */
static void patch_text(void)
{
	const struct us_runtime_site *site =
		&sim_runtime[take(1) % sim_runtime_count];
	const struct us_entry *entry = &sim_entries[take(1) % sim_entry_count];
	u32 len = us_runtime_len(site), at = take(1) % 6, how = take(1);
	u64 offset = site->offset;
	u8 bytes[8] = { 0x0f, 0x1f, 0x44 };

	if (how & 1)	/* a kprobe instead */
		offset = SIM_FUNCTION + take(1) % 0x40, len = 5;
	if (how & 2)
		sim_branch(bytes, len < 2 ? 2 : len, how & 4 ? 0xe8 : 0xe9,
			   offset, how & 8 ? entry->offset :
			   0xffffffffc0000000 - sim_image_gva(0) + take(2));
	if (how & 16)
		memcpy(bytes, sim_linked + offset, len);
	if (how & 32)
		bytes[0] = 0xcc;
	if (how & 64)
		mutate(bytes, sizeof(bytes));
	if (how & 128)
		len = 1 + take(1) % 6;
	if (at >= len)
		at = 0;
	sim_snapshot();
	sim_guest_write(sim_image_gpa(offset) + at, bytes + at, len - at);
	require(sim_unchanged());
	if (sim.prot[sim_image_gpa(0) / PAGE_SIZE])
		check_text();
}

static void tick(void)
{
	struct control_caller who = sim_caller(0);

	control_tick(&who);
	control_reset();
}

/* Guest memory outside the sealed frames, of tasks, stacks and page tables. */
static void poke(void)
{
	u64 gpa = take(3) % SIM_ARENA;
	u64 value = take(1) & 1 ? take(8) : sim_image_gva(take(3));

	gpa = ALIGN_DOWN(gpa, 8);
	if (!sim.prot[gpa / PAGE_SIZE])
		sim_poke64(gpa, value);
}

static void move_vcpu(void)
{
	struct us_vcpu_state *vcpu = &sim.vcpus[take(1) & 1];

	vcpu->started = take(1) & 1;
	vcpu->cpl = take(1) & 3;
	vcpu->rip = sim_image_gva(take(3));
	vcpu->rsp = sim_stack_gva(take(1) % SIM_TASKS) + take(2);
}

static void break_host(void)
{
	sim.fail_stop = take(1) & 3;
	sim.fail_commit = take(1) & 3;
	sim.fail_protect = take(1) & 3;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	static void (*const actions[])(void) = {
		ring, ring, ring, ring, write_text, patch_text, patch_text,
		patch_text, poke, move_vcpu, break_host, tick,
	};
	u32 i;

	input.at = data;
	input.left = len;
	installed.len = 0;
	memset(installed.data, 0, sizeof(struct us_bundle_header));
	sim_build(take(1) & 3, keys, strlen(keys));
	for (i = 0; i < MAX_ACTIONS && input.left; i++)
		actions[take(1) % ARRAY_SIZE(actions)]();
	require(!sim.violations && !sim.stopped);
	return 0;
}
