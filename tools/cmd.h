/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The subcommands; see struct command in cli.h. */
#ifndef UNDERSEAL_CMD_H
#define UNDERSEAL_CMD_H

#include "errors.h"

enum us_error cmd_baseline(int argc, char **argv);
enum us_error cmd_bundle(int argc, char **argv);
enum us_error cmd_diff(int argc, char **argv);
enum us_error cmd_unwind(int argc, char **argv);
enum us_error cmd_gate(int argc, char **argv);
enum us_error cmd_build(int argc, char **argv);
enum us_error cmd_revert_auth(int argc, char **argv);
enum us_error cmd_sign(int argc, char **argv);
enum us_error cmd_verify(int argc, char **argv);
enum us_error cmd_inspect(int argc, char **argv);

/* Against the running system. */
enum us_error cmd_seal(int argc, char **argv);
enum us_error cmd_apply(int argc, char **argv);
enum us_error cmd_await(int argc, char **argv);
enum us_error cmd_revert(int argc, char **argv);
enum us_error cmd_list(int argc, char **argv);
enum us_error cmd_health(int argc, char **argv);
enum us_error cmd_retry(int argc, char **argv);
enum us_error cmd_seal_module(int argc, char **argv);
enum us_error cmd_modules(int argc, char **argv);
enum us_error cmd_status(int argc, char **argv);
enum us_error cmd_log(int argc, char **argv);
enum us_error cmd_counters(int argc, char **argv);

#endif
