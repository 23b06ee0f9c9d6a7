/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs functions of a small kernel (kernel.c), and of modules (module.c), as part of
 * this program, after a bundle has been installed the way the control domain does it:
 * relocated, hunks written.
 *
 *	run KERNEL [MODULE.ko...] [BUNDLE] < COMMANDS
 *
 *	call ADDRESS ARGUMENT ARGUMENT	prints the result
 *	text ADDRESS ARGUMENT		prints the string that it returns
 *	poke ADDRESS VALUE		sets four bytes
 *	peek ADDRESS			prints four bytes
 *
 * A number may be the name of a symbol of a module, the last one first.
 */
#include <elf.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "load.h"

#define BASE	0x16000000ull
#define ROOM	0x00400000ull
#define ARENA	0x20000000ull
#define SHADOW	0x20200000ull

void die(const char *why)
{
	fprintf(stderr, "run: %s\n", why);
	exit(1);
}

void *slurp(const char *path, size_t *len)
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

void *map_at(u64 address, u64 len)
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
	load_names(file);
}

static u64 space_base(const struct us_bundle *bundle, u8 space, u8 base)
{
	switch (space) {
	case US_SPACE_BASE:
		return module_base(bundle->header->module,
				   &bundle->bases[base]);
	case US_SPACE_IMAGE:
		return BASE;
	case US_SPACE_PAYLOAD:
		return ARENA;
	case US_SPACE_SHADOW:
		return SHADOW;
	}
	return 0;
}

/* The hunks as they stand in the bundle, and the payload. */
static void put_text(const struct us_bundle *bundle, u64 text)
{
	u32 i, k;

	memcpy(map_at(ARENA, 0x100000), bundle->payload,
	       bundle->header->payload_bytes);
	for (i = 0; i < bundle->header->hunks; i++) {
		u8 *place = (u8 *)text + bundle->hunks[i].text_offset;

		for (k = 0; k < bundle->hunks[i].len; k++)
			if (place[k] != bundle->hunks[i].expected[k] &&
			    !module_moved(place + k))
				die("unexpected bytes");
		memcpy(place, bundle->hunks[i].replacement,
		       bundle->hunks[i].len);
	}
}

/* Those of writes are relocated where they stand in the file. */
static u8 *reloc_place(const struct us_bundle *bundle, u64 text, u8 *file,
		       const struct us_bundle_reloc *reloc)
{
	u32 index = reloc->where >> 8, byte = reloc->where & 0xff;
	const struct us_bundle_write *write = &bundle->writes[index];

	if (reloc->where_space == US_SPACE_HUNK)
		return (u8 *)text + byte + bundle->hunks[index].text_offset;
	if (reloc->where_space == US_SPACE_PAYLOAD)
		return (u8 *)ARENA + reloc->where;
	return file + ((byte < US_HUNK_MAX ? write->replacement :
			write->expected - US_HUNK_MAX) + byte - file);
}

static void put_data(const struct us_bundle *bundle)
{
	const struct us_bundle_write *write;
	u8 *place;
	u32 i;

	for (i = 0; i < bundle->header->writes; i++) {
		write = &bundle->writes[i];
		place = (u8 *)(space_base(bundle, write->space, write->base) +
			       write->offset);
		if (memcmp(place, write->expected, write->len))
			die("unexpected data");
		memcpy(place, write->replacement, write->len);
	}
}

static void install(const char *path)
{
	size_t len;
	u8 *file = slurp(path, &len);
	struct us_bundle_base own = { .kind = US_BASE_TEXT };
	struct us_bundle bundle;
	u64 text = BASE;
	u32 i;

	if (us_bundle_parse(file, len, &bundle))
		die("bad bundle");
	if (bundle.header->module[0])
		text = module_base(bundle.header->module, &own);
	map_at(SHADOW, 0x100000);
	put_text(&bundle, text);
	for (i = 0; i < bundle.header->relocs; i++) {
		const struct us_bundle_reloc *reloc = &bundle.relocs[i];
		u8 *place = reloc_place(&bundle, text, file, reloc);
		u64 value = space_base(&bundle, reloc->target_space,
				       reloc->base) + (u64)reloc->target;

		if (reloc->type == US_RELOC_PC32)
			value -= (u64)place;
		memcpy(place, &value, reloc->type == US_RELOC_ABS64 ? 8 : 4);
	}
	put_data(&bundle);
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

static u64 number(const char *text)
{
	return text[0] == '-' || (text[0] >= '0' && text[0] <= '9') ?
	       strtoull(text, NULL, 0) : module_symbol(text);
}

int main(int argc, char **argv)
{
	char line[256], word[16], first[64], second[64], third[64];
	u64 a, b, c;
	int i;

	if (argc < 2)
		die("which kernel?");
	load_kernel(argv[1]);
	for (i = 2; i < argc; i++)
		if (strstr(argv[i], ".ko"))
			load_module(argv[i]);
		else
			install(argv[i]);
	signal(SIGILL, trapped);
	signal(SIGSEGV, trapped);
	while (fgets(line, sizeof(line), stdin)) {
		strcpy(third, strcpy(second, "0"));
		if (sscanf(line, "%15s %63s %63s %63s", word, first, second,
			   third) < 2)
			die("bad command");
		a = number(first);
		b = number(second);
		c = number(third);
		if (!strcmp(word, "call") || !strcmp(word, "text"))
			call(a, b, c, *word == 't');
		else if (!strcmp(word, "poke"))
			memcpy((void *)a, &b, 4);
		else
			printf("%d\n", *(s32 *)a);
	}
	return 0;
}
