/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The image that the loader hands the machine to: a kernel with EFI stub, or GRUB. */
#ifndef UNDERSEAL_EFI_NEXT_H
#define UNDERSEAL_EFI_NEXT_H

#include "config.h"
#include "volume.h"

struct next_image {
	EFI_HANDLE handle;	/* NULL: not loaded */
	char path[US_CONFIG_PATH_MAX];
};

/*
 * Load what @config names, with its arguments, and offer its initrds, without
 * starting it. All that can go wrong with files and with Secure Boot goes wrong here,
 * before anything of the machine has changed. Reports and returns
 * US_E_NEXT_IMAGE_MISSING or US_E_NEXT_IMAGE_START.
 */
enum us_error next_load(struct next_image *next, struct volume *volume,
			const struct us_config *config, EFI_HANDLE parent);

/*
 * Start it. Comes back only if the image does, whatever its status:
 * US_E_NEXT_IMAGE_START, reported, the status in *@status.
 */
enum us_error next_start(struct next_image *next, EFI_STATUS *status);

#endif
