/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent's decisions, with a control domain that does as it is told: the order of
 * stored bundles, marks, health. Files and health commands are real, time is not.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundle_id.h"
#include "clock.h"
#include "fail.h"
#include "file.h"
#include "health.h"
#include "install.h"
#include "journal.h"
#include "loaded_modules.h"
#include "maker.h"
#include "marks.h"
#include "ring.h"
#include "sim.h"
#include "store.h"
#include "suites.h"

#define ROOM	16u

static struct {
	char directory[64], patches[80], marks[80];
	u64 now;			/* ms */
	char module[US_NAME_MAX];	/* that is loaded */
	struct us_patch_info list[ROOM];
	u32 count;
	u64 generation;
	char refused[ROOM];		/* names, one letter each ... */
	enum us_error why;		/* ... and what they get */
	enum us_error await_why;	/* what everything gets that is awaited */
	char tried[64];			/* names that were handed over */
	u32 confirmed;
	char report[4096];
} world;

static struct bundle_spec spec;
static struct blob blob;
static bool may_retry;		/* of the last round */

u64 clock_ms(void)
{
	return world.now;
}

bool modules_is_loaded(const char *name)
{
	return !strcmp(world.module, name);
}

static void say(const char *format, va_list args)
{
	size_t len = strlen(world.report);

	vsnprintf(world.report + len, sizeof(world.report) - len, format, args);
	strncat(world.report, "\n", sizeof(world.report) - 1 -
		strlen(world.report));
}

void journal(enum priority priority, const char *format, ...)
{
	va_list args;

	(void)priority;
	va_start(args, format);
	say(format, args);
	va_end(args);
}

void journal_failure(enum priority priority, const char *what)
{
	journal(priority, "%s: %s: %s", what, us_error_name(fail_code()),
		fail_detail());
}

static bool said(const char *text)
{
	return strstr(world.report, text);
}

static struct us_patch_info *installed(const char *name)
{
	u32 i;

	for (i = 0; i < world.count; i++)
		if (!strcmp(world.list[i].receipt.name, name))
			return &world.list[i];
	return NULL;
}

static enum us_error refusal(const struct us_bundle *bundle)
{
	const struct us_bundle_header *header = bundle->header;
	u32 i;

	if (strchr(world.refused, header->name[0]))
		return world.why;
	for (i = 0; i < header->links; i++)
		if (!installed(bundle->links[i].name))
			return US_E_PATCH_NOT_FOUND;
	if (header->module[0])
		return strcmp(header->module, world.module) ?
		       US_E_MODULE_NOT_SEALED : installed(header->name) ?
		       US_E_OLD_GENERATION : US_OK;
	return header->generation > world.generation ? US_OK :
						       US_E_OLD_GENERATION;
}

static enum us_error apply(struct ring_request *request)
{
	const struct us_bundle_header *header;
	struct us_patch_info *patch = &world.list[world.count];
	struct us_bundle bundle;
	enum us_error error;

	CU_ASSERT_EQUAL_FATAL(us_bundle_parse(request->in[0], request->in_len[0],
					      &bundle), US_OK);
	header = bundle.header;
	world.tried[strlen(world.tried)] = header->name[0];
	error = refusal(&bundle);
	if (error)
		return fail(error, "as told");
	*patch = (struct us_patch_info){
		.state = header->probation_s ? US_PATCH_PROBATION :
			 US_PATCH_ACTIVE,
		.probation_left_ms = header->probation_s * 1000,
	};
	strcpy(patch->receipt.name, header->name);
	bundle_id(request->in[0], request->in_len[0], patch->receipt.bundle_id);
	if (!header->module[0])
		world.generation = header->generation;
	world.count++;
	request->out = &patch->receipt;
	request->out_len = sizeof(patch->receipt);
	return US_OK;
}

static enum us_error health(struct ring_request *request)
{
	u32 i;

	CU_ASSERT_EQUAL_FATAL(request->in_len[0], US_DIGEST_SIZE);
	for (i = 0; i < world.count; i++)
		if (!memcmp(world.list[i].receipt.bundle_id, request->in[0],
			    US_DIGEST_SIZE))
			break;
	if (i == world.count)
		return fail(US_E_PATCH_NOT_FOUND, "none");
	world.list[i].state = US_PATCH_ACTIVE;
	world.confirmed++;
	request->out = &world.list[i];
	request->out_len = sizeof(world.list[i]);
	return US_OK;
}

enum us_error ring(struct ring_request *request)
{
	static struct us_status status;

	switch (request->op) {
	case US_OP_STATUS:
		status = (struct us_status){
			.seal_state = US_SEALED, .generation = world.generation,
			.build_id_len = SIM_BUILD_ID_LEN,
		};
		memcpy(status.build_id, sim_build_id, SIM_BUILD_ID_LEN);
		request->out = &status;
		request->out_len = sizeof(status);
		return US_OK;
	case US_OP_APPLY:
		return apply(request);
	case US_OP_AWAIT:
		strcat(world.tried, "!");
		if (world.await_why)
			return fail(world.await_why, "as told");
		world.list[ROOM - 1].state = world.module[0] ?
			US_PATCH_ACTIVE : US_PATCH_AWAITED;
		request->out = &world.list[ROOM - 1];
		request->out_len = sizeof(world.list[0]);
		return US_OK;
	case US_OP_LIST:
		request->out = world.list;
		request->out_len = world.count * sizeof(world.list[0]);
		return US_OK;
	case US_OP_HEALTH:
		return health(request);
	default:
		return fail(US_E_BAD_REQUEST, "%d", request->op);
	}
}

void ring_release(struct ring_request *request)
{
	request->out = NULL;
}

static void start(void)
{
	memset(&world, 0, sizeof(world));
	strcpy(world.directory, "/tmp/underseal-agent.XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(world.directory));
	sprintf(world.patches, "%s/patches", world.directory);
	sprintf(world.marks, "%s/marks", world.directory);
	mkdir(world.patches, 0700);
	mkdir(world.marks, 0700);
	world.now = 1000000;
}

static void remove_all(const char *directory)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;
	char path[512];

	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		unlink(path);
	}
	closedir(dir);
	rmdir(directory);
}

static void finish(void)
{
	remove_all(world.patches);
	remove_all(world.marks);
	rmdir(world.directory);
}

/* Begin a bundle; store() ends it. Ids differ from test to test: what the agent
 * remembers of one is not to matter for another. */
static void begin(const char *name, u64 generation)
{
	static u8 number;

	bundle_spec_default(&spec, 0x1000, generation);
	spec.name = name;
	spec.payload[60] = number++;
}

static void needs(const char *name)
{
	spec.link[spec.links].kind = US_LINK_NEEDS;
	strcpy(spec.link[spec.links++].name, name);
}

static void store(const char *file)
{
	char path[512];

	make_bundle(&spec, &blob);
	snprintf(path, sizeof(path), "%s/%s.upatch", world.patches, file);
	CU_ASSERT_EQUAL_FATAL(file_write(path, blob.data, blob.len, 0600),
			      US_OK);
}

/* One round; what was handed over in it is @order. */
static enum us_error install_as(const char *order, bool awaiting)
{
	const struct install_options options = { world.patches, world.marks };
	struct install_result result;
	enum us_error error;

	memset(world.tried, 0, sizeof(world.tried));
	error = install_stored(&options, true, &result);
	CU_ASSERT_STRING_EQUAL(world.tried, order);
	CU_ASSERT_EQUAL(result.awaiting, awaiting);
	may_retry = result.retry;
	return error;
}

static enum us_error install(const char *order)
{
	return install_as(order, strchr(order, '!'));
}

static void ordered(void)
{
	start();
	begin("a", 5);
	needs("c");
	store("1");
	begin("b", 6);
	store("0");
	begin("c", 7);
	strcpy(spec.module, "mod");
	store("2");
	strcpy(world.module, "mod");
	begin("d", 4);
	store("9");
	CU_ASSERT_EQUAL(install("dbc!a"), US_E_OLD_GENERATION);
	finish();
}

/* Bundles that need each other are tried, and refused. */
static void circular(void)
{
	start();
	begin("a", 1);
	needs("b");
	store("1");
	begin("b", 2);
	needs("a");
	store("2");
	begin("c", 3);
	store("3");
	CU_ASSERT_EQUAL(install("cab"), US_E_PATCH_NOT_FOUND);
	CU_ASSERT_PTR_NOT_NULL(installed("c"));
	finish();
}

static void refused(void)
{
	start();
	begin("a", 1);
	store("1");
	begin("b", 2);
	needs("a");
	store("2");
	begin("c", 3);
	store("3");
	strcpy(world.refused, "a");
	world.why = US_E_SITE_OVERLAP;
	CU_ASSERT_EQUAL(install("abc"), US_E_SITE_OVERLAP);
	CU_ASSERT_PTR_NULL(installed("b"));
	CU_ASSERT_PTR_NOT_NULL(installed("c"));
	finish();
}

/* Behind a newer one it could not go in any more: that one waits, for a while. */
static void in_use(void)
{
	start();
	strcpy(world.module, "mod");
	begin("a", 1);
	store("1");
	begin("b", 2);
	store("2");
	begin("c", 3);
	strcpy(spec.module, "mod");
	store("3");
	strcpy(world.refused, "a");
	world.why = US_E_FUNCTION_IN_USE;
	CU_ASSERT_EQUAL(install("ac!"), US_E_FUNCTION_IN_USE);
	CU_ASSERT_EQUAL(install("ac"), US_E_FUNCTION_IN_USE);
	CU_ASSERT_PTR_NULL(installed("b"));
	CU_ASSERT_EQUAL(install("abc"), US_E_FUNCTION_IN_USE);
	CU_ASSERT_PTR_NOT_NULL(installed("b"));
	finish();
}

static void awaited(void)
{
	start();
	begin("a", 1);
	strcpy(spec.module, "mod");
	store("1");
	CU_ASSERT_EQUAL(install("a!"), US_OK);
	CU_ASSERT(said("a, generation 1, waits for module mod"));
	world.report[0] = 0;
	CU_ASSERT_EQUAL(install("a!"), US_OK);
	CU_ASSERT_STRING_EQUAL(world.report, "");
	strcpy(world.module, "mod");
	CU_ASSERT_EQUAL(install("a"), US_OK);
	CU_ASSERT_PTR_NOT_NULL(installed("a"));
	CU_ASSERT_EQUAL(install("a"), US_OK);
	finish();
}

/* Installed at once: when the module comes again it waits all the same. */
static void awaited_while_installed(void)
{
	start();
	begin("a", 1);
	strcpy(spec.module, "mod");
	store("1");
	strcpy(world.module, "mod");
	CU_ASSERT_EQUAL(install("a!"), US_OK);
	CU_ASSERT_PTR_NOT_NULL(installed("a"));
	CU_ASSERT_FALSE(said("waits"));
	CU_ASSERT_EQUAL(install("a"), US_OK);
	/* By another agent, before this one started. */
	begin("b", 2);
	strcpy(spec.module, "mod");
	store("2");
	strcpy(world.list[world.count++].receipt.name, "b");
	CU_ASSERT_EQUAL(install("ab!"), US_OK);
	CU_ASSERT_EQUAL(install("ab"), US_OK);
	finish();
}

/* One that may go in soon, for a module that may be waiting. */
static void retried(void)
{
	start();
	begin("a", 1);
	strcpy(spec.module, "mod");
	store("1");
	strcpy(world.module, "mod");
	strcpy(world.refused, "a");
	world.why = US_E_STOP_FAILED;
	CU_ASSERT_FALSE(may_retry);
	CU_ASSERT_EQUAL(install("a"), US_E_STOP_FAILED);
	CU_ASSERT(may_retry);
	world.why = US_E_MODULE_BASE;
	CU_ASSERT_EQUAL(install("a"), US_E_MODULE_BASE);
	CU_ASSERT_FALSE(may_retry);
	finish();
}

/* Taken back, awaited or installed: no failure, and no news. */
static void taken_back(void)
{
	static const enum us_error why[] = {
		US_E_TAKEN_BACK, US_E_OLD_GENERATION,
	};
	u32 i;

	start();
	begin("a", 1);
	strcpy(spec.module, "mod");
	store("1");
	world.await_why = US_E_TOO_MANY_PATCHES;
	CU_ASSERT_EQUAL(install_as("a!", false), US_E_TOO_MANY_PATCHES);
	CU_ASSERT(said("TOO_MANY_PATCHES"));
	world.report[0] = 0;
	for (i = 0; i < ARRAY_SIZE(why); i++) {
		world.await_why = why[i];
		CU_ASSERT_EQUAL(install_as("a!", false), US_OK);
	}
	/* It never will be awaited, and is not asked again. */
	strcpy(world.refused, "a");
	world.why = US_E_TAKEN_BACK;
	CU_ASSERT_EQUAL(install("a"), US_OK);
	CU_ASSERT_STRING_EQUAL(world.report, "");
	finish();
}

static void own_id(u8 id[US_DIGEST_SIZE])
{
	bundle_id(blob.data, blob.len, id);
}

/* As another boot leaves one. */
static void leave_other(const u8 id[US_DIGEST_SIZE], const char *text)
{
	char path[512], digits[BUNDLE_ID_TEXT];

	bundle_id_text(id, digits);
	snprintf(path, sizeof(path), "%s/%s", world.marks, digits);
	CU_ASSERT_EQUAL_FATAL(file_write(path, text, strlen(text), 0600), US_OK);
}

static void marks(void)
{
	static const char *const others[] = {
		"boot 00000000-0000-0000-0000-000000000000\nname a\n", "", "x",
		"boot\nname a\n",
	};
	u8 id[US_DIGEST_SIZE];
	u32 i;

	start();
	begin("a", 1);
	spec.probation_s = 60;
	store("1");
	own_id(id);
	begin("b", 2);
	store("2");
	/* Refused: it has done nothing, whatever comes now. */
	strcpy(world.refused, "ab");
	world.why = US_E_SITE_OVERLAP;
	CU_ASSERT_EQUAL(install("ab"), US_E_SITE_OVERLAP);
	CU_ASSERT_EQUAL(marks_find(world.marks, id), MARK_NONE);
	/* What became of it is not known. */
	strcpy(world.refused, "a");
	world.why = US_E_PROTOCOL;
	CU_ASSERT_EQUAL(install("a"), US_E_PROTOCOL);
	CU_ASSERT_EQUAL(marks_find(world.marks, id), MARK_OURS);
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		leave_other(id, others[i]);
		CU_ASSERT_EQUAL(marks_find(world.marks, id), MARK_LEFT);
		world.generation = 0;
		world.count = 0;
		world.report[0] = 0;
		CU_ASSERT_EQUAL(install("b"), US_E_MARKED);
		CU_ASSERT(i || said("MARKED: a; 'underseal-guest retry a'"));
		/* Once is enough. */
		CU_ASSERT(!i || !said("MARKED"));
	}
	world.generation = 0;
	world.refused[0] = 0;
	CU_ASSERT_EQUAL(marks_remove(world.marks, id), US_OK);
	CU_ASSERT_EQUAL(install("ab"), US_OK);
	CU_ASSERT_EQUAL(marks_find(world.marks, id), MARK_OURS);
	finish();
}

/* Without a place for the mark the bundle is not tried. */
static void no_marks(void)
{
	start();
	begin("a", 1);
	spec.probation_s = 60;
	store("1");
	rmdir(world.marks);
	CU_ASSERT_EQUAL(install(""), US_E_FILE_WRITE);
	CU_ASSERT_EQUAL(world.count, 0);
	mkdir(world.marks, 0700);
	finish();
}

static void listed(void)
{
	u8 id[US_DIGEST_SIZE] = { 1 };
	struct mark found[2];
	char path[512];
	u32 count;

	start();
	CU_ASSERT_EQUAL(marks_leave(world.marks, id, "first one"), US_OK);
	/* What a power cut leaves of one that was being written. */
	snprintf(path, sizeof(path), "%s/%064d.17.tmp", world.marks, 0);
	CU_ASSERT_EQUAL(file_write(path, "boot", 4, 0600), US_OK);
	CU_ASSERT_EQUAL(marks_list(world.marks, found, 2, &count), US_OK);
	CU_ASSERT_EQUAL_FATAL(count, 1);
	CU_ASSERT_STRING_EQUAL(found[0].name, "first one");
	CU_ASSERT_EQUAL(found[0].state, MARK_OURS);
	CU_ASSERT(!memcmp(found[0].bundle_id, id, sizeof(id)));
	CU_ASSERT_EQUAL(marks_list("/nowhere", found, 2, &count), US_OK);
	CU_ASSERT_EQUAL(count, 0);
	CU_ASSERT_EQUAL(marks_remove(world.marks, id), US_OK);
	CU_ASSERT_EQUAL(marks_remove(world.marks, id), US_OK);
	finish();
}

/* A bundle of 100 seconds on probation: health is due after 75. */
static void on_probation(u8 id[US_DIGEST_SIZE])
{
	start();
	begin("a", 1);
	spec.probation_s = 100;
	store("1");
	own_id(id);
	CU_ASSERT_EQUAL(install("a"), US_OK);
}

static void confirmed_by_time(void)
{
	struct health_options options = { .marks = world.marks };
	u8 id[US_DIGEST_SIZE];

	on_probation(id);
	CU_ASSERT_EQUAL(health_look(&options), US_OK);
	CU_ASSERT_EQUAL(health_tick(&options, world.now), world.now + 75000);
	world.now += 74999;
	health_tick(&options, world.now);
	CU_ASSERT_EQUAL(world.confirmed, 0);
	world.now++;
	health_tick(&options, world.now);
	CU_ASSERT_EQUAL(world.confirmed, 1);
	CU_ASSERT_EQUAL(marks_find(world.marks, id), MARK_NONE);
	CU_ASSERT_EQUAL(health_tick(&options, world.now), CLOCK_NEVER);
	CU_ASSERT_EQUAL(health_look(&options), US_OK);
	finish();
}

/* Real time passes until a command has ended, up to some seconds. */
static void tick_until(const struct health_options *options, const char *text)
{
	u32 i;

	for (i = 0; i < 500 && !said(text); i++) {
		health_tick(options, world.now);
		usleep(10000);
	}
	CU_ASSERT(said(text));
}

static void confirmed_by_command(void)
{
	struct health_options options = {
		.marks = world.marks, .command = "test $UNDERSEAL_PATCH = b",
	};
	u8 id[US_DIGEST_SIZE];

	on_probation(id);
	CU_ASSERT_EQUAL(health_look(&options), US_OK);
	world.now += 75000;
	tick_until(&options, "a: the health command ended with status 1");
	CU_ASSERT_EQUAL(world.confirmed, 0);
	CU_ASSERT_EQUAL(health_tick(&options, world.now), world.now + 1000);
	options.command = "test $UNDERSEAL_PATCH = a";
	world.now += 1000;
	tick_until(&options, "a: the server is well with it");
	CU_ASSERT_EQUAL(world.confirmed, 1);
	CU_ASSERT_EQUAL(marks_find(world.marks, id), MARK_NONE);
	finish();
}

static void hanging_command(void)
{
	struct health_options options = {
		.marks = world.marks, .command = "sleep 1000",
	};
	u8 id[US_DIGEST_SIZE];

	on_probation(id);
	CU_ASSERT_EQUAL(health_look(&options), US_OK);
	world.now += 75000;
	CU_ASSERT_EQUAL(health_tick(&options, world.now), world.now + 100);
	world.now += 25000;
	CU_ASSERT_EQUAL(health_tick(&options, world.now), CLOCK_NEVER);
	CU_ASSERT(said("a: the health command did not end in time"));
	/* The control domain takes it back. */
	world.count = 0;
	CU_ASSERT_EQUAL(health_look(&options), US_OK);
	health_end(&options);
	CU_ASSERT_EQUAL(marks_find(world.marks, id), MARK_OURS);
	finish();
}

static void ends_in_order(void)
{
	struct health_options options = { .marks = world.marks };
	u8 id[US_DIGEST_SIZE];

	on_probation(id);
	CU_ASSERT_EQUAL(health_look(&options), US_OK);
	health_end(&options);
	CU_ASSERT_EQUAL(marks_find(world.marks, id), MARK_NONE);
	world.count = 0;
	CU_ASSERT_EQUAL(health_look(&options), US_OK);
	finish();
}

/* By hand: installed without a mark, and confirmed without the agent. */
static void by_others(void)
{
	struct health_options options = { .marks = world.marks };
	u8 id[US_DIGEST_SIZE];

	on_probation(id);
	CU_ASSERT_EQUAL(marks_remove(world.marks, id), US_OK);
	CU_ASSERT_EQUAL(health_look(&options), US_OK);
	CU_ASSERT_EQUAL(marks_find(world.marks, id), MARK_OURS);
	world.list[0].state = US_PATCH_ACTIVE;
	CU_ASSERT_EQUAL(health_look(&options), US_OK);
	CU_ASSERT_EQUAL(marks_find(world.marks, id), MARK_NONE);
	CU_ASSERT_EQUAL(health_tick(&options, world.now), CLOCK_NEVER);
	finish();
}

const struct test agent_tests[] = {
	{ "ordered", ordered },
	{ "circular", circular },
	{ "refused", refused },
	{ "in use", in_use },
	{ "awaited", awaited },
	{ "awaited while installed", awaited_while_installed },
	{ "retried", retried },
	{ "taken back", taken_back },
	{ "marks", marks },
	{ "no marks", no_marks },
	{ "listed", listed },
	{ "confirmed by time", confirmed_by_time },
	{ "confirmed by command", confirmed_by_command },
	{ "hanging command", hanging_command },
	{ "ends in order", ends_in_order },
	{ "by others", by_others },
	{ 0 },
};
