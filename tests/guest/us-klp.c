/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * us-klp FILE.ko NAME: loads a kernel live patch, waits until its transition is over,
 * disables it, waits again, and unloads it. Prints what that took:
 *
 *	whole_ns	from loading the module until the transition was over
 *	transition_ns	of that, from when the patch was enabled (its parameter
 *			enabled_ns) on
 *	back_ns		from disabling it until that transition was over
 *	bytes		the module's memory
 *
 * Looks each millisecond. Exits 1 when a step fails or takes more than ten minutes.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "types.h"

#define LIMIT_NS	600000000000ull

static u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (u64)now.tv_sec * 1000000000u + (u64)now.tv_nsec;
}

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void path_of(char *path, size_t size, const char *name, const char *file)
{
	snprintf(path, size, "/sys/kernel/livepatch/%s/%s", name, file);
}

static u64 read_number(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		fail(path);
	close(fd);
	return strtoull(text, NULL, 10);
}

static void load(const char *file)
{
	int fd = open(file, O_RDONLY);

	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
		fail(file);
	close(fd);
}

static u64 module_number(const char *name, const char *what)
{
	char path[256];

	snprintf(path, sizeof(path), "/sys/module/%s/%s", name, what);
	return read_number(path);
}

static void disable(const char *name)
{
	char path[256];
	int fd;

	path_of(path, sizeof(path), name, "enabled");
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, "0", 1) != 1)
		fail(path);
	close(fd);
}

/* The folder is gone as soon as a patch is off. */
static bool in_transition(const char *path, bool on)
{
	struct stat info;

	return on ? read_number(path) != 0 : stat(path, &info) == 0;
}

static void wait_transition(const char *name, bool on)
{
	u64 end = now_ns() + LIMIT_NS;
	char path[256];

	path_of(path, sizeof(path), name, "transition");
	while (in_transition(path, on)) {
		if (now_ns() > end)
			fail("transition");
		usleep(1000);
	}
}

/* It cannot be unloaded at once: its last users leave it a moment later. */
static void unload(const char *name)
{
	u64 end = now_ns() + LIMIT_NS;

	while (syscall(SYS_delete_module, name, O_NONBLOCK)) {
		if (now_ns() > end)
			fail("delete_module");
		usleep(10000);
	}
}

int main(int argc, char **argv)
{
	u64 start, enabled, over, start_back, back, bytes;

	if (argc != 3) {
		fputs("usage: us-klp FILE.ko NAME\n", stderr);
		return 2;
	}
	start = now_ns();
	load(argv[1]);
	wait_transition(argv[2], true);
	over = now_ns();
	enabled = module_number(argv[2], "parameters/enabled_ns");
	bytes = module_number(argv[2], "coresize");
	start_back = now_ns();
	disable(argv[2]);
	wait_transition(argv[2], false);
	back = now_ns() - start_back;
	unload(argv[2]);
	printf("whole_ns=%lu transition_ns=%lu back_ns=%lu bytes=%lu\n",
	       over - start, over - enabled, back, bytes);
	return 0;
}
