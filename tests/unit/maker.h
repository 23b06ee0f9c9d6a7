/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making inputs for the tests: keys, signatures, bundles, baselines. */
#ifndef UNDERSEAL_MAKER_H
#define UNDERSEAL_MAKER_H

#include "baseline.h"
#include "bundle.h"

struct keypair {
	u8 id[8];
	u8 public[32];
	u8 secret[64];
};

/* The same @seed always makes the same key; key ids differ between seeds. */
void make_key(struct keypair *key, u8 seed);

/* Text of a minisign public key file; returns its length without the NUL. */
u64 make_public_file(const struct keypair *key, char *out, u64 room);

/* Text of a minisign signature file over @data, as minisign itself writes it. */
u64 make_signature(const struct keypair *key, const void *data, u64 len,
		   const char *comment, char *out, u64 room);

/* A file under construction; 8-byte aligned. */
#define BLOB_MAX	(1u << 20)
struct blob {
	u8 data[BLOB_MAX] __attribute__((aligned(8)));
	u64 len;
};

/* What a bundle is made from. Counts are those of the arrays' used entries. */
struct bundle_spec {
	u64 generation;
	const char *name;
	char module[US_NAME_MAX];	/* "": the kernel */
	u8 module_build_id[US_BUILD_ID_MAX];
	u32 module_build_id_len;
	u32 functions, hunks, relocs, bases, string_bytes, payload_bytes;
	struct us_bundle_function function[4];
	struct us_bundle_hunk hunk[4];
	struct us_bundle_reloc reloc[8];
	struct us_bundle_base base[4];
	u32 links, writes, watches, flags, shadow_bytes, probation_s;
	const char *reason;		/* not NULL: US_CONSISTENCY_NONE */
	struct us_bundle_link link[US_BUNDLE_MAX_LINKS];
	struct us_bundle_write write[4];
	struct us_bundle_watch watch[2];
	char strings[64];
	u8 payload[256];
};

/* A good bundle for the simulated kernel: redirects the function at image offset
 * @function behind its ftrace site, with every kind of relocation. */
void bundle_spec_default(struct bundle_spec *spec, u32 function, u64 generation);

/* Lay @spec out as a file. No check is made: specs may be bad on purpose. */
void make_bundle(const struct bundle_spec *spec, struct blob *blob);

/* Where the parts of a bundle are in the file. */
struct us_bundle_header *bundle_header(struct blob *blob);
struct us_bundle_function *bundle_functions(struct blob *blob);
struct us_bundle_hunk *bundle_hunks(struct blob *blob);
struct us_bundle_reloc *bundle_relocs(struct blob *blob);
struct us_bundle_base *bundle_bases(struct blob *blob);
struct us_bundle_link *bundle_links(struct blob *blob);
struct us_bundle_write *bundle_writes(struct blob *blob);
struct us_bundle_watch *bundle_watches(struct blob *blob);
char *bundle_strings(struct blob *blob);
u8 *bundle_payload(struct blob *blob);

/* The authorisation to take @bundle back. */
void make_revert(const struct blob *bundle, struct blob *blob);

/* The simulated kernel's baseline. */
void make_baseline(struct blob *blob);
struct us_baseline_header *baseline_header(struct blob *blob);
struct us_runtime_site *baseline_runtime(struct blob *blob);
struct us_entry *baseline_entries(struct blob *blob);
struct us_block_ref *baseline_refs(struct blob *blob);
struct us_block_header *baseline_block(struct blob *blob, u32 index);

#endif
