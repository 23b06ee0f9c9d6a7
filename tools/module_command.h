/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `underseal baseline` for modules. */
#ifndef UNDERSEAL_MODULE_COMMAND_H
#define UNDERSEAL_MODULE_COMMAND_H

#include "errors.h"

struct module_command {
	const char *kernel;	/* vmlinux */
	const char *module;	/* .ko, or NULL: all below @directory */
	const char *directory;	/* or NULL: the module needs no other one */
	const char *output;	/* file, or directory for all */
};

/* Make one baseline, or one for each module: OUTPUT/NAME.umod. Any error of
 * module_make(); nothing is left behind of the file that failed. */
enum us_error baseline_modules(const struct module_command *command);

#endif
