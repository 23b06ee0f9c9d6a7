/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes a good input for every fuzz target: seeds DIRECTORY */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "maker.h"
#include "module_maker.h"
#include "sim.h"

static const char *top;

static void save(const char *target, const void *data, u64 len)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", top, target);
	mkdir(path, 0777);
	snprintf(path, sizeof(path), "%s/%s/good", top, target);
	file = fopen(path, "w");
	if (!file || fwrite(data, 1, len, file) != len || fclose(file)) {
		perror(path);
		exit(1);
	}
}

static void save_baseline(struct blob *blob)
{
	const struct us_block_ref *ref = &baseline_refs(blob)[1];
	u8 *block;

	save("baseline_head", blob->data,
	     us_baseline_head_len(baseline_header(blob)));
	/* The fuzz target's own three bytes come first: block 1 of two whole. */
	block = malloc(ref->len + 3);
	block[0] = 1;
	block[1] = (US_BLOCK_BYTES - 1) & 0xff;
	block[2] = (US_BLOCK_BYTES - 1) >> 8;
	memcpy(block + 3, blob->data + ref->file_offset, ref->len);
	save("baseline_block", block, ref->len + 3);
	free(block);
}

/* A fix of two places, and the file that it fits, a line further down. */
static const char fix[] =
	"diff --git a/fs/one.c b/fs/one.c\n--- a/fs/one.c\n+++ b/fs/one.c\n"
	"@@ -2,3 +2,5 @@ int one(int x)\n {\n-\treturn x;\n+\tif (x)\n+\t\tx++;\n"
	"+\treturn x;\n }\n@@ -7,1 +9,1 @@\n-int three;\n"
	"\\ No newline at end of file\n+int four;\n";
static const char fixed[] =
	"/* One. */\n\nint one(int x)\n{\n\treturn x;\n}\n\nint three;";

int main(int argc, char **argv)
{
	/* Seal, apply, patch itself, apply in the place of that with data of all kinds,
	 * tick, revert, list. */
	static const u8 actions[] = {
		0, 0, US_OP_SEAL, 0, 1, 1,
		0, US_OP_APPLY, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1,
		4, 0x20, 0x20, 0x00, 5, 5, 0, 0, 0, 0xa0, 0,
		0, US_OP_APPLY, 1, 2, 0x5b, 1, 0x01, 0x00, 1, 0x25, 0, 0,
		2, 0, 1, 7, 0, 1, 8, 9, 0, 0, 0, 0, 0, 0, 1, 1, 11,
		0, US_OP_REVERT, 0, 1, 1,
		0, US_OP_LIST, 1,
	};
	static struct blob blob, second;
	static struct bundle_spec spec;
	struct keypair key;
	char text[2048];

	if (argc != 2)
		return 2;
	top = argv[1];
	mkdir(top, 0777);
	make_key(&key, 1);
	sim_make_text();
	bundle_spec_default(&spec, SIM_FUNCTION, 1);
	make_bundle(&spec, &blob);
	save("bundle", blob.data, blob.len);
	make_revert(&blob, &second);
	save("revert", second.data, second.len);
	save("minisign_signature", text, make_signature(&key, "x", 1, "comment",
							text, sizeof(text)));
	save("minisign_key", text, make_public_file(&key, text, sizeof(text)));
	make_baseline(&blob);
	save_baseline(&blob);
	make_module(1, &blob);
	save("module", blob.data, blob.len);
	save("request", actions, sizeof(actions));
	save("config", "\n", 1);
	memcpy(text, fix, sizeof(fix));
	memcpy(text + sizeof(fix), fixed, sizeof(fixed) - 1);
	save("fix", text, sizeof(fix) + sizeof(fixed) - 1);
	return 0;
}
