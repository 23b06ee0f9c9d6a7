/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How module baselines are checked and shown. */
#ifndef UNDERSEAL_REPORT_MODULE_H
#define UNDERSEAL_REPORT_MODULE_H

#include "cli.h"
#include "module_baseline.h"

/* Check a whole file; @path is for messages. Any error of the format's reader.
 * @data must be 8-byte aligned and private. */
enum us_error check_module(const char *path, const void *data, u64 len);

/* Is the file at @path, by its header, a baseline of module @name? Files whose header
 * cannot be read are: the control domain says what is wrong with them. USAGE. */
enum us_error check_module_name(const char *path, const char *name);

/* Show a file that check_module() has passed. */
json_t *module_baseline_json(const void *data);
void module_baseline_print(const void *data);

#endif
