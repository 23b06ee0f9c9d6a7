/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "carry.h"
#include "fail.h"
#include "journal.h"
#include "loaded_modules.h"
#include "store.h"

#define MAX_MODULES	512
/* For one that is still on its way in, or waits for another. */
#define MAX_TRIES	4

/* A module that was seen. Its directory in sysfs gets a new inode whenever it is
 * loaded, and is not there (0) while the module waits at the gate; addresses are not for
 * programs without CAP_SYSLOG. */
struct seen {
	char name[US_NAME_MAX];
	unsigned long inode;
	unsigned int tries;	/* MAX_TRIES: done with */
	bool sealed;		/* by us, in these tries */
	bool present;
};

static struct seen seen[MAX_MODULES];
static size_t seen_count;
static bool any_loading;

static unsigned long inode_of(const char *name)
{
	char path[STORE_PATH_MAX];
	struct stat status;

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	return stat(path, &status) ? 0 : status.st_ino;
}

static struct seen *find(const char *name)
{
	size_t i;

	for (i = 0; i < seen_count; i++)
		if (!strcmp(seen[i].name, name))
			return &seen[i];
	if (seen_count == MAX_MODULES)
		return NULL;
	seen[seen_count] = (struct seen){ 0 };
	snprintf(seen[seen_count].name, US_NAME_MAX, "%s", name);
	return &seen[seen_count++];
}

/* Forget what is gone, so that the table does not fill. Was there anything? */
static bool drop_absent(void)
{
	size_t i, kept = 0, before = seen_count;

	for (i = 0; i < seen_count; i++)
		if (seen[i].present)
			seen[kept++] = seen[i];
	seen_count = kept;
	return kept < before;
}

/* What can change by itself is tried again. */
static bool may_pass(enum us_error error)
{
	return error == US_E_MODULE_NOT_FOUND || error == US_E_MODULE_DEPENDS ||
	       error == US_E_STOP_FAILED || error == US_E_BUSY;
}

static enum us_error hand_over(const char *directory, const char *name,
			       struct ring_request *request)
{
	char path[STORE_PATH_MAX];
	const struct carry what = { .op = US_OP_SEAL_MODULE, .path = path };

	if (snprintf(path, sizeof(path), "%s/%s.umod", directory, name) <
	    (int)sizeof(path) && !access(path, F_OK))
		return carry(&what, request);
	*request = (struct ring_request){
		.op = US_OP_SEAL_MODULE, .in = { name },
		.in_len = { strlen(name) },
	};
	return ring(request);
}

static void report(const struct us_module_info *info)
{
	journal(PRIORITY_NOTICE, "sealed module %.*s: %llu bytes verified "
		"exactly, %llu among listed values, %llu not compared%s",
		US_NAME_MAX, info->name,
		(unsigned long long)info->bytes_exact,
		(unsigned long long)info->bytes_enumerated,
		(unsigned long long)info->bytes_masked,
		info->state == US_MODULE_VERIFIED ? "" :
		"; as found, not verified");
}

/* One that is still on its way in may have to wait at the gate for what it needs: it is
 * tried for as long as it is there. */
static enum us_error seal_one(const char *directory, struct seen *module,
			      bool loading, bool *sealed)
{
	struct ring_request request = { 0 };
	const struct us_module_info *info;
	enum us_error error;

	module->tries += !loading;
	error = hand_over(directory, module->name, &request);
	if (!error) {
		info = carry_answer(&request, sizeof(*info));
		if (info)
			report(info);
		else
			error = US_E_PROTOCOL;
		*sealed = module->sealed = true;
	}
	ring_release(&request);
	if (may_pass(error) && module->tries < MAX_TRIES)
		return US_OK;
	module->tries = MAX_TRIES;
	/* Sealed by somebody else, or meant to be open. */
	if (error == US_E_MODULE_SEALED || error == US_E_MODULE_POLICY)
		return US_OK;
	if (error)
		journal_failure(PRIORITY_WARNING, module->name);
	return error;
}

/* A line of /proc/modules. */
struct line {
	char name[US_NAME_MAX];
	bool loading;
};

/* The lines come newest first; what a module needs was loaded before it. */
static size_t read_lines(struct line lines[MAX_MODULES])
{
	FILE *file = fopen("/proc/modules", "re");
	char text[1024], state[16];
	size_t count = 0;

	any_loading = false;
	while (file && count < MAX_MODULES && fgets(text, sizeof(text), file)) {
		state[0] = 0;
		/* Name, size, references, users, state, address. */
		if (sscanf(text, "%55s %*s %*s %*s %15s", lines[count].name,
			   state) < 1)
			continue;
		lines[count].loading = !strcmp(state, "Loading");
		any_loading = any_loading || lines[count++].loading;
	}
	if (file)
		fclose(file);
	return count;
}

static struct line lines[MAX_MODULES];

bool modules_is_loaded(const char *name)
{
	size_t count = read_lines(lines);

	while (count--)
		if (!strcmp(lines[count].name, name))
			return true;
	return false;
}

bool modules_are_loading(void)
{
	return any_loading;
}

static bool is_seen(const char *name)
{
	size_t i;

	for (i = 0; i < seen_count; i++)
		if (!strcmp(seen[i].name, name))
			return true;
	return false;
}

bool modules_have_changed(void)
{
	size_t count = read_lines(lines), i;

	for (i = 0; i < count; i++)
		if (lines[i].loading || !is_seen(lines[i].name))
			return true;
	return count != seen_count;
}

/* As the control domain has it, which notices when a module goes. */
static bool is_sealed(const char *name)
{
	struct ring_request request = { .op = US_OP_MODULES };
	const struct us_module_info *infos;
	bool sealed = false;
	u32 i;

	if (!ring(&request)) {
		infos = request.out;
		for (i = 0; i < request.out_len / sizeof(*infos); i++)
			sealed = sealed ||
				(infos[i].state != US_MODULE_UNPROTECTED &&
				 !strncmp(infos[i].name, name, US_NAME_MAX));
	}
	ring_release(&request);
	return sealed;
}

/* Has it been loaded since it was tried? While it waits at the gate one load looks like
 * the next one. */
static bool is_new_load(const struct seen *module, unsigned long inode)
{
	return inode != module->inode ||
	       (!inode && module->sealed && !is_sealed(module->name));
}

enum us_error modules_look(const char *directory, bool *changed)
{
	enum us_error error, first = US_OK;
	struct seen *module;
	unsigned long inode;
	size_t i, count;

	for (i = 0; i < seen_count; i++)
		seen[i].present = false;
	count = read_lines(lines);
	while (count--) {
		module = find(lines[count].name);
		if (!module)
			continue;
		module->present = true;
		inode = inode_of(module->name);
		if (is_new_load(module, inode)) {
			module->inode = inode;
			module->tries = 0;
			module->sealed = false;
		}
		error = module->tries < MAX_TRIES ?
			seal_one(directory, module, lines[count].loading,
				 changed) : US_OK;
		if (error == US_E_NO_HYPERVISOR || error == US_E_NOT_SEALED)
			return error;
		if (!first)
			first = error;
	}
	if (drop_absent())
		*changed = true;
	return first;
}
