/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel's build system is asked for. Errors are recorded with fail(). */
#ifndef UNDERSEAL_SOURCE_KBUILD_H
#define UNDERSEAL_SOURCE_KBUILD_H

#include "source_tree.h"

/* Every function and object in a section of its own, so that one can be taken. */
#define KBUILD_FLAGS	"-ffunction-sections -fdata-sections"

/* Find the compiler that the configuration names, and be sure that it is the vendor's:
 * @tree->compiler. COMPILER. @config ends in a NUL. */
enum us_error kbuild_compiler(struct source_tree *tree,
			      const struct buffer *config);

/* make olddefconfig and prepare. PROGRAM. */
enum us_error kbuild_configure(const struct source_tree *tree);

/* Did the configuration come out as it went in, and do generated headers agree with
 * those of the vendor's package? BUILD_MISMATCH names the first difference. */
enum us_error kbuild_check_config(const struct source_tree *tree,
				  const struct buffer *config);

#endif
