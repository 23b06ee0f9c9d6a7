/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files that the agent carries: baselines and bundles in two directories. */
#ifndef UNDERSEAL_STORE_H
#define UNDERSEAL_STORE_H

#include <stddef.h>

#include "abi.h"
#include "errors.h"

#define STORE_PATH_MAX	1024

/*
 * The baseline for kernel @release in @directory: RELEASE.ubase, or any other
 * *.ubase whose header names that release. FILE_OPEN when there is none.
 */
enum us_error store_find_baseline(const char *directory, const char *release,
				  char path[STORE_PATH_MAX]);

struct store_bundle {
	char path[STORE_PATH_MAX];
	u64 generation;
	bool module;		/* it is for one, not for the kernel's own text */
};

struct store_list {
	struct store_bundle *bundles;	/* sorted by generation; to be freed */
	size_t count;
	bool for_modules;	/* some are for modules, wanted or not */
	enum us_error damaged;	/* of the first *.upatch that is no bundle, or OK */
};

/*
 * The *.upatch files in @directory for the kernel of the build id given: those for its
 * own text above generation @above, and with @modules all that are for modules. What is no bundle is reported and passed over. A directory that does not
 * exist is empty. FILE_READ, NO_MEMORY; then there is nothing to free.
 */
enum us_error store_list_bundles(const char *directory, const u8 *build_id,
				 u32 build_id_len, u64 above, bool modules,
				 struct store_list *out);

#endif
