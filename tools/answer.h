/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control domain's answers, for people and as JSON. Strings inside them
 * need not be terminated. */
#ifndef UNDERSEAL_ANSWER_H
#define UNDERSEAL_ANSWER_H

#include <jansson.h>

#include "abi.h"

/* A number as a string of hex digits: addresses exceed a JSON integer. */
json_t *json_address(u64 address);

/* A build id whose length comes from outside; the text as for hex(). */
json_t *json_build_id(const u8 *id, u32 len);
const char *build_id_text(const u8 *id, u32 len);

json_t *status_json(const struct us_status *status);
void status_print(const struct us_status *status);

json_t *seal_report_json(const struct us_seal_report *report);
void seal_report_print(const struct us_seal_report *report);

json_t *module_json(const struct us_module_info *module);
void module_print(const struct us_module_info *module);

json_t *receipt_json(const struct us_receipt *receipt);
void receipt_print(const struct us_receipt *receipt, const char *verb);

json_t *patch_json(const struct us_patch_info *patch);
void patch_print(const struct us_patch_info *patch);

json_t *log_entry_json(const struct us_log_entry *entry);
void log_entry_print(const struct us_log_entry *entry);
const char *log_level_name(u32 level);

json_t *counters_json(const struct us_counters *counters, u32 vcpus);
void counters_print(const struct us_counters *counters, u32 vcpus);

#endif
