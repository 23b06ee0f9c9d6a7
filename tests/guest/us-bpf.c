/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * us-bpf NAME SECONDS: attach a BPF program to raw tracepoint NAME, which counts,
 * for that long, and print how often it ran. Debian's bpftrace 0.17 refuses raw
 * tracepoints; this needs nothing but bpf(2).
 */
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "types.h"

static long bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int make_counter(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = sizeof(u32),
		.value_size = sizeof(u64),
		.max_entries = 1,
	};

	return (int)bpf(BPF_MAP_CREATE, &attr);
}

#define INSN(c, d, s, o, i) \
	{ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) }

/* counter[0]++ */
static int load_program(int counter)
{
	const struct bpf_insn insns[] = {
		INSN(BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4),
		INSN(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD,
		     0, counter),
		INSN(0, 0, 0, 0, 0),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 2, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, 1),
		INSN(BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_0, BPF_REG_1, 0,
		     BPF_ADD),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	static char log[4096];
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT,
		.insn_cnt = sizeof(insns) / sizeof(*insns),
		.insns = (u64)insns,
		.license = (u64)"GPL",
		.log_level = 1,
		.log_size = sizeof(log),
		.log_buf = (u64)log,
	};
	long fd = bpf(BPF_PROG_LOAD, &attr);

	if (fd < 0)
		fputs(log, stderr);
	return (int)fd;
}

static int attach(int program, const char *name)
{
	union bpf_attr attr = {
		.raw_tracepoint = { .name = (u64)name, .prog_fd = program },
	};

	return (int)bpf(BPF_RAW_TRACEPOINT_OPEN, &attr);
}

static u64 count(int counter)
{
	u32 key = 0;
	u64 value = 0;
	union bpf_attr attr = {
		.map_fd = counter, .key = (u64)&key, .value = (u64)&value,
	};

	bpf(BPF_MAP_LOOKUP_ELEM, &attr);
	return value;
}

int main(int argc, char **argv)
{
	int counter, link;

	if (argc != 3)
		return 2;
	counter = make_counter();
	link = attach(load_program(counter), argv[1]);
	if (link < 0) {
		perror(argv[1]);
		return 1;
	}
	sleep((unsigned int)atoi(argv[2]));
	close(link);
	printf("%llu\n", (unsigned long long)count(counter));
	return 0;
}
