/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How files and answers are shown, for people and as JSON. */
#ifndef UNDERSEAL_REPORT_H
#define UNDERSEAL_REPORT_H

#include "baseline.h"
#include "bundle.h"
#include "bundle_id.h"
#include "cli.h"

/* Check a whole file; @path is for messages. Any error of the format's reader.
 * @data must be 8-byte aligned and private. */
enum us_error check_baseline(const char *path, const void *data, u64 len);
enum us_error check_bundle(const char *path, const void *data, u64 len,
			   struct us_bundle *bundle);

/* Of a whole file, which check_baseline() has passed. */
json_t *baseline_json(const void *data);
void baseline_print(const void *data);

json_t *bundle_json(const struct us_bundle *bundle, const void *data, u64 len);
void bundle_print(const struct us_bundle *bundle, const void *data, u64 len);

json_t *revert_json(const struct us_revert *revert);
void revert_print(const struct us_revert *revert);

/* A minisign key id (8 bytes) as minisign writes it; static ring as for hex(). */
const char *key_name(const u8 *id);

/* Name of an enum us_site_kind. */
const char *site_kind_name(unsigned int kind);
/* Of enum us_module_base_kind. */
const char *base_kind_name(u32 kind);

#endif
