/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files that the agent carries: baselines and bundles in two directories. */
#ifndef UNDERSEAL_STORE_H
#define UNDERSEAL_STORE_H

#include <stddef.h>

#include "bundle.h"
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
	u8 id[US_DIGEST_SIZE];
	u64 generation;
	char name[US_NAME_MAX];
	char module[US_NAME_MAX];	/* that it is for; "": the kernel's own text */
	u32 probation_s;
	struct us_bundle_link needs[US_BUNDLE_MAX_LINKS];
	u32 need_count;
};

struct store_list {
	struct store_bundle *bundles;	/* in the order to install them; to be freed */
	size_t count;
	bool for_modules;	/* some are for modules, wanted or not */
	enum us_error damaged;	/* of the first *.upatch that is no bundle, or OK */
};

/*
 * The *.upatch files in @directory for the kernel of the build id given: those for its
 * own text above generation @above, and with @modules all that are for modules. Their
 * order is that of their generations, but whatever one needs goes before it. What is no
 * bundle is reported and passed over. A directory that does not exist is empty.
 * FILE_READ, NO_MEMORY; then there is nothing to free.
 */
enum us_error store_list_bundles(const char *directory, const u8 *build_id,
				 u32 build_id_len, u64 above, bool modules,
				 struct store_list *out);

#endif
