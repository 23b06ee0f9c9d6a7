/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * us-load SECONDS [WORKERS [local]]: work for a server, checked as it goes. Each worker
 * takes turns at processes, files on tmpfs, pipes and TCP over loopback, and
 * compares every byte it gets back; `local` leaves TCP out. Prints `forks=N files=N pipes=N sockets=N`
 * and exits 0 if no byte was wrong and each kind of work was done.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "types.h"

#define CHUNK	16384

struct tally {
	u64 forks, files, pipes, sockets, errors;
};

static bool with_sockets = true;
static u8 pattern[CHUNK];
static u8 readback[CHUNK];

static void fail(struct tally *tally, const char *what)
{
	perror(what);
	tally->errors++;
}

static void fill_pattern(u32 seed)
{
	for (size_t i = 0; i < CHUNK; i++) {
		seed = seed * 1664525 + 1013904223;
		pattern[i] = seed >> 24;
	}
}

static bool write_all(int fd, const u8 *data, size_t len)
{
	while (len) {
		ssize_t done = write(fd, data, len);

		if (done <= 0)
			return false;
		data += done;
		len -= done;
	}
	return true;
}

static bool read_all(int fd, u8 *data, size_t len)
{
	while (len) {
		ssize_t done = read(fd, data, len);

		if (done <= 0)
			return false;
		data += done;
		len -= done;
	}
	return true;
}

/* A child that returns a known status. */
static void work_fork(struct tally *tally)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(pattern[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid ||
	    !WIFEXITED(status) || WEXITSTATUS(status) != pattern[0]) {
		fail(tally, "fork");
		return;
	}
	tally->forks++;
}

static void work_file(struct tally *tally)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "/tmp/load.%d", getpid());
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || !write_all(fd, pattern, CHUNK) ||
	    lseek(fd, 0, SEEK_SET) != 0 || !read_all(fd, readback, CHUNK) ||
	    memcmp(pattern, readback, CHUNK))
		fail(tally, "file");
	else
		tally->files++;
	if (fd >= 0)
		close(fd);
	unlink(name);
}

/* @writer gets the pattern from a child, @reader has to return it. */
static bool pass_through(int writer, int reader)
{
	pid_t pid = fork();
	int status;
	bool good;

	if (pid == 0)
		_exit(!write_all(writer, pattern, CHUNK));
	if (pid < 0)
		return false;
	good = read_all(reader, readback, CHUNK) &&
	       !memcmp(pattern, readback, CHUNK);
	return waitpid(pid, &status, 0) == pid && status == 0 && good;
}

static void work_pipe(struct tally *tally)
{
	int ends[2];

	if (pipe(ends)) {
		fail(tally, "pipe");
		return;
	}
	if (pass_through(ends[1], ends[0]))
		tally->pipes++;
	else
		fail(tally, "pipe data");
	close(ends[0]);
	close(ends[1]);
}

static void work_socket(struct tally *tally)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int client = socket(AF_INET, SOCK_STREAM, 0);
	int server = -1;

	if (bind(listener, (void *)&address, size) == 0 &&
	    listen(listener, 1) == 0 &&
	    getsockname(listener, (void *)&address, &size) == 0 &&
	    connect(client, (void *)&address, size) == 0)
		server = accept(listener, NULL, NULL);
	if (server >= 0 && pass_through(client, server))
		tally->sockets++;
	else
		fail(tally, "socket");
	close(listener);
	close(client);
	if (server >= 0)
		close(server);
}

static void work(struct tally *tally, time_t end, u32 seed)
{
	while (time(NULL) < end) {
		fill_pattern(seed++);
		work_fork(tally);
		work_file(tally);
		work_pipe(tally);
		if (with_sockets)
			work_socket(tally);
		/* Keeps one kernel function hot that the tests replace. */
		for (int i = 0; i < 1000; i++)
			syscall(SYS_getppid);
	}
}

static int report(const struct tally *tallies, int workers)
{
	struct tally sum = { 0 };

	for (int i = 0; i < workers; i++) {
		sum.forks += tallies[i].forks;
		sum.files += tallies[i].files;
		sum.pipes += tallies[i].pipes;
		sum.sockets += tallies[i].sockets;
		sum.errors += tallies[i].errors;
	}
	printf("forks=%lu files=%lu pipes=%lu sockets=%lu errors=%lu\n",
	       sum.forks, sum.files, sum.pipes, sum.sockets, sum.errors);
	return sum.errors || !sum.forks || !sum.files || !sum.pipes ||
	       (with_sockets && !sum.sockets);
}

int main(int argc, char **argv)
{
	int seconds = argc > 1 ? atoi(argv[1]) : 0;
	int workers = argc > 2 ? atoi(argv[2]) : 2;
	time_t end = time(NULL) + seconds;
	struct tally *tallies;
	int bad = 0;

	if (argc > 3)
		with_sockets = strcmp(argv[3], "local") != 0;
	if (seconds < 1 || workers < 1 || workers > 64) {
		fputs("usage: us-load SECONDS [WORKERS [local]]\n", stderr);
		return 2;
	}
	tallies = mmap(NULL, sizeof(*tallies) * workers, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tallies == MAP_FAILED)
		return 2;
	for (int i = 0; i < workers; i++) {
		if (fork() == 0) {
			work(&tallies[i], end, i * 7919 + 1);
			_exit(0);
		}
	}
	for (int i = 0, status; i < workers; i++)
		if (wait(&status) < 0 || status)
			bad = 1;
	return report(tallies, workers) || bad;
}
