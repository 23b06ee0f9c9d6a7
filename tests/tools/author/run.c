/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs functions of a small kernel (kernel.c) as part of this program, after a bundle
 * has been installed the way the control domain does it: relocated, hunks written.
 *
 *	run KERNEL [BUNDLE] < COMMANDS
 *
 *	call ADDRESS ARGUMENT ARGUMENT	prints the result
 *	text ADDRESS ARGUMENT		prints the string that it returns
 *	poke ADDRESS VALUE		sets four bytes
 *	peek ADDRESS			prints four bytes
 */
#include <elf.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bundle.h"

#define BASE	0x10000000ull
#define ROOM	0x00400000ull
#define ARENA	0x20000000ull

static void die(const char *why)
{
	fprintf(stderr, "run: %s\n", why);
	exit(1);
}

static void *slurp(const char *path, size_t *len)
{
	FILE *file = fopen(path, "rb");
	void *data;

	if (!file || fseek(file, 0, SEEK_END))
		die(path);
	*len = ftell(file);
	rewind(file);
	data = malloc(*len + 1);
	if (!data || fread(data, 1, *len, file) != *len)
		die(path);
	fclose(file);
	return data;
}

static void *map_at(u64 address, u64 len)
{
	void *map = mmap((void *)address, len, PROT_READ | PROT_WRITE |
			 PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS |
			 MAP_FIXED_NOREPLACE, -1, 0);

	if (map != (void *)address)
		die("mmap");
	return map;
}

static void load_kernel(const char *path)
{
	size_t len;
	u8 *file = slurp(path, &len);
	const Elf64_Ehdr *elf = (void *)file;
	const Elf64_Shdr *section = (void *)(file + elf->e_shoff);
	int i;

	map_at(BASE, ROOM);
	for (i = 0; i < elf->e_shnum; i++)
		if (section[i].sh_flags & SHF_ALLOC &&
		    section[i].sh_type != SHT_NOBITS &&
		    section[i].sh_addr >= BASE)
			memcpy((void *)section[i].sh_addr,
			       file + section[i].sh_offset,
			       section[i].sh_size);
	free(file);
}

static u64 space_base(u8 space)
{
	return space == US_SPACE_IMAGE ? BASE :
	       space == US_SPACE_PAYLOAD ? ARENA : 0;
}

static void install(const char *path)
{
	size_t len;
	void *file = slurp(path, &len);
	struct us_bundle bundle;
	u32 i;

	if (us_bundle_parse(file, len, &bundle))
		die("bad bundle");
	memcpy(map_at(ARENA, 0x100000), bundle.payload,
	       bundle.header->payload_bytes);
	for (i = 0; i < bundle.header->hunks; i++) {
		u8 *place = (u8 *)BASE + bundle.hunks[i].text_offset;

		if (memcmp(place, bundle.hunks[i].expected,
			   bundle.hunks[i].len))
			die("unexpected bytes");
		memcpy(place, bundle.hunks[i].replacement, bundle.hunks[i].len);
	}
	for (i = 0; i < bundle.header->relocs; i++) {
		const struct us_bundle_reloc *reloc = &bundle.relocs[i];
		u64 place = ARENA + reloc->where;
		u64 value = space_base(reloc->target_space) +
			    (u64)reloc->target;

		if (reloc->where_space == US_SPACE_HUNK)
			place = BASE + (reloc->where & 0xff) +
				bundle.hunks[reloc->where >> 8].text_offset;
		if (reloc->type == US_RELOC_PC32)
			value -= place;
		memcpy((void *)place, &value,
		       reloc->type == US_RELOC_ABS64 ? 8 : 4);
	}
	free(file);
}

static sigjmp_buf back;

static void trapped(int number)
{
	siglongjmp(back, number);
}

static void call(u64 address, u64 first, u64 second, bool text)
{
	u64 (*function)(u64, u64) = (void *)address;
	int number = sigsetjmp(back, 1);
	u64 result;

	if (number) {
		printf("signal %d\n", number);
		return;
	}
	result = function(first, second);
	if (text)
		printf("%s\n", (const char *)result);
	else
		printf("%d\n", (s32)result);
}

int main(int argc, char **argv)
{
	char line[256], word[16];
	unsigned long long a, b, c;

	if (argc < 2)
		die("which kernel?");
	load_kernel(argv[1]);
	if (argc > 2)
		install(argv[2]);
	signal(SIGILL, trapped);
	signal(SIGSEGV, trapped);
	while (fgets(line, sizeof(line), stdin)) {
		a = b = c = 0;
		if (sscanf(line, "%15s %lli %lli %lli", word, (long long *)&a,
			   (long long *)&b, (long long *)&c) < 2)
			die("bad command");
		if (!strcmp(word, "call") || !strcmp(word, "text"))
			call(a, b, c, *word == 't');
		else if (!strcmp(word, "poke"))
			memcpy((void *)a, &b, 4);
		else
			printf("%d\n", *(s32 *)a);
	}
	return 0;
}
