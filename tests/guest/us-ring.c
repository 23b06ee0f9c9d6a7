/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rings Underseal's doorbell with requests that the `underseal` tool would never
 * make. Needs CAP_SYS_RAWIO.
 *
 *	us-ring call [KEY=VALUE ...]	one request; prints `rax=NAME status=NAME`,
 *					or `text` fields with the answer
 *	us-ring fuzz SECONDS SEED	random requests; prints how many
 *
 * KEY: eax, ticket, rbx, magic, version, op, arg, in0, len0, in1, len1, out, outlen.
 * A value is a number, or @FILE for in0 and in1: the file's contents in memory
 * (then len follows by itself unless given after it).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"
#include "errors.h"

/* Longer than the hypervisor gives the control domain for a request. */
#define GIVE_UP_SECONDS	90

static u8 out_room[US_MAX_RESPONSE] __attribute__((aligned(4096)));

static struct us_request request __attribute__((aligned(8)));

static u32 ring(u32 eax, u64 rbx, u64 ticket)
{
	u64 rax = eax;

	asm volatile("out %%eax, %%dx"
		     : "+a"(rax)
		     : "b"(rbx), "c"(ticket), "d"(US_DOORBELL_PORT)
		     : "memory");
	return rax;
}

static u64 random_u64(void)
{
	return (u64)random() << 42 ^ (u64)random() << 21 ^ random();
}

static u32 ring_to_end(u32 eax, u64 rbx, u64 ticket)
{
	time_t end = time(NULL) + GIVE_UP_SECONDS;
	u32 result;

	while ((result = ring(eax, rbx, ticket)) == US_E_AGAIN &&
	       time(NULL) < end)
		usleep(2000);
	return result;
}

static int load_file(const char *path, struct us_span *span)
{
	int fd = open(path, O_RDONLY);
	struct stat info;
	void *data;

	if (fd < 0 || fstat(fd, &info) || !info.st_size) {
		perror(path);
		return -1;
	}
	data = mmap(NULL, info.st_size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_POPULATE, fd, 0);
	close(fd);
	if (data == MAP_FAILED) {
		perror(path);
		return -1;
	}
	span->gva = (u64)data;
	span->len = info.st_size;
	return 0;
}

struct call {
	u64 eax, ticket, rbx;
};

static int set_field(struct call *call, const char *key, const char *value)
{
	u64 number = strtoull(value, NULL, 0);
	int index = strchr(key, '1') != NULL;

	if (value[0] == '@')
		return load_file(value + 1, &request.in[index]);
	if (!strcmp(key, "eax"))
		call->eax = number;
	else if (!strcmp(key, "ticket"))
		call->ticket = number;
	else if (!strcmp(key, "rbx"))
		call->rbx = number;
	else if (!strcmp(key, "magic"))
		request.magic = number;
	else if (!strcmp(key, "version"))
		request.version = number;
	else if (!strcmp(key, "op"))
		request.op = number;
	else if (!strcmp(key, "arg"))
		request.arg = number;
	else if (!strcmp(key, "in0") || !strcmp(key, "in1"))
		request.in[index].gva = number;
	else if (!strcmp(key, "len0") || !strcmp(key, "len1"))
		request.in[index].len = number;
	else if (!strcmp(key, "out"))
		request.out.gva = number;
	else if (!strcmp(key, "outlen"))
		request.out.len = number;
	else
		return -1;
	return 0;
}

static void init_request(struct call *call)
{
	call->eax = US_CALL_MAGIC;
	call->ticket = random_u64() | 1;
	call->rbx = (u64)&request;
	memset(&request, 0, sizeof(request));
	request.magic = US_REQUEST_MAGIC;
	request.version = US_ABI_VERSION;
	request.op = US_OP_STATUS;
	request.out.gva = (u64)out_room;
	request.out.len = sizeof(out_room);
	request.status = ~0u;
}

static int do_call(int argc, char **argv)
{
	struct call call;
	u32 result;

	init_request(&call);
	for (int i = 0; i < argc; i++) {
		char *equals = strchr(argv[i], '=');

		if (!equals)
			return 2;
		*equals = '\0';
		if (set_field(&call, argv[i], equals + 1)) {
			fprintf(stderr, "us-ring: %s?\n", argv[i]);
			return 2;
		}
	}
	result = ring_to_end(call.eax, call.rbx, call.ticket);
	printf("rax=%s status=%s out=%u detail=%#lx,%#lx text=%.*s\n",
	       us_error_name(result),
	       request.status == ~0u ? "-" : us_error_name(request.status),
	       request.out_len, request.detail[0], request.detail[1],
	       US_NAME_MAX, request.text);
	return 0;
}

/* An address: mostly hopeless, sometimes good. */
static u64 random_address(void)
{
	static const u64 corners[] = {
		0, 0xffffffff81000000, 0xffff888000000000, 0x7ffffffff000,
		0x800000000000, 0xffffffffffffffff, 0xfffffffffffff000,
	};

	switch (random() % 4) {
	case 0:
		return random_u64();
	case 1:
		return corners[random() % ARRAY_SIZE(corners)];
	case 2:
		return (u64)&request + random() % 256;
	default:
		return (u64)out_room + random() % sizeof(out_room);
	}
}

static u64 random_length(void)
{
	return random() % 3 ? (u64)random() % US_MAX_RESPONSE : random_u64();
}

/*
 * Random but for one thing: the answer goes to memory of this program, or nowhere,
 * since an answer that a caller lets land on its own code proves nothing.
 */
static void fuzz_once(void)
{
	struct call call;

	init_request(&call);
	if (random() % 8 == 0)
		call.eax = random();
	if (random() % 8 == 0)
		call.rbx = random_address();
	if (random() % 8 == 0)
		request.magic = random();
	if (random() % 8 == 0)
		request.version = random();
	request.op = random() % 8 ? random() % 9 : random();
	request.arg = random() % 2 ? 0 : random_u64();
	for (int i = 0; i < 2; i++) {
		request.in[i].gva = random_address();
		request.in[i].len = random_length();
	}
	request.out.gva = random() % 2 ? (u64)out_room : 0x800000000000;
	request.out.len = random() % 2 ? sizeof(out_room) : random_length();
	if (random() % 16)
		ring_to_end(call.eax, call.rbx, call.ticket);
	else	/* walk away from it */
		ring(call.eax, call.rbx, call.ticket);
}

static int fuzz(int seconds, unsigned int seed)
{
	time_t end = time(NULL) + seconds;
	u64 count = 0;

	srandom(seed);
	while (time(NULL) < end) {
		fuzz_once();
		count++;
	}
	printf("requests=%lu\n", count);
	return count == 0;
}

int main(int argc, char **argv)
{
	if (ioperm(US_DOORBELL_PORT, 4, 1)) {
		perror("us-ring: ioperm");
		return 2;
	}
	/* Underseal brings in no page of its caller: all have to be there. */
	if (mlockall(MCL_CURRENT)) {
		perror("us-ring: mlockall");
		return 2;
	}
	srandom(time(NULL) ^ getpid());
	if (argc > 1 && !strcmp(argv[1], "call"))
		return do_call(argc - 2, argv + 2);
	if (argc == 4 && !strcmp(argv[1], "fuzz"))
		return fuzz(atoi(argv[2]), atoi(argv[3]));
	fputs("usage: us-ring call KEY=VALUE ... | fuzz SECONDS SEED\n", stderr);
	return 2;
}
